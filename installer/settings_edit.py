"""Pure edits of a hook settings text: put our hooks in, take them out. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hookkit.installer import command, jsonedit
from hookkit.installer.jsonedit import Splice
from hookkit.installer.jsontext import Document, JsonTextError, Value, parse

HOOKS = "hooks"

# A container that an edit made: () the document, ("hooks",), ("hooks", event).
Created = frozenset[tuple[str, ...]]


class ShapeError(ValueError):
    """A place in the settings has a shape that cannot be edited safely. ``path`` is a JSON path."""

    def __init__(self, path: str, found: str, needed: str) -> None:
        self.path = path
        self.found = found
        self.needed = needed
        super().__init__(f"{path} is {found}, not {needed}")


class EditCheckError(RuntimeError):
    """An edit did not come out as it should; nothing must be written."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What belongs in the settings: the name of our script, and for each event the handler that runs it."""

    entry: str
    handlers: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler of ours in the settings.

    exact: it is the wanted handler, alone in a group of its own, under the event it is wanted for.
    """

    event: str
    path: str
    command: command.OwnCommand
    data: object
    exact: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """The outcome of ``with_hooks``: undo turns ``text`` into the text without our hooks, character for character."""

    text: str
    undo: tuple[Splice, ...]
    created: Created
    changed: bool


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an entry is: its array, its place in it, and whether the whole element or one handler in it is ours."""

    entry: Entry
    array: Value
    index: int


def entries(doc: Document, ours: Ours) -> tuple[Entry, ...]:
    """Every handler of ours, in the order of the text, under whatever event and group it is."""
    return tuple(spot.entry for spot in _spots(doc, ours))


def is_right(doc: Document, ours: Ours) -> bool:
    """Whether each wanted event has exactly our entry, and no other entry of ours exists."""
    found = entries(doc, ours)
    return all(e.exact for e in found) and sorted(e.event for e in found) == sorted(ours.handlers)


def check_shape(doc: Document, ours: Ours) -> None:
    """Raise ShapeError where our hooks cannot be put in without guessing what is meant."""
    root = doc.root
    if root is None:
        return
    if root.kind != "object":
        raise ShapeError("$", _named(root), "an object")
    hooks = root.member(HOOKS)
    if hooks is None:
        return
    if hooks.value.kind != "object":
        raise ShapeError("$.hooks", _named(hooks.value), "an object")
    for event in ours.handlers:
        groups = hooks.value.member(event)
        if groups is not None and groups.value.kind != "array":
            raise ShapeError(f"$.hooks.{event}", _named(groups.value), "an array")


def with_hooks(text: str, ours: Ours, base: str | None = None, created: Created | None = None) -> Edit:
    """Put our hooks into a settings text: cut whatever is ours, then append one group per event, each last.

    base: the text without our hooks, where it is known from an earlier edit; otherwise it is cut out of ``text``.
    created: the containers that an earlier edit is known to have made.
    A text that is already right comes back unchanged. Raises JsonTextError, ShapeError, EditCheckError.
    """
    doc = parse(text)
    check_shape(doc, ours)
    if is_right(doc, ours):
        return Edit(text, (), created or frozenset(), changed=False)
    clean = without_hooks(text, ours, created) if base is None else base
    bare = parse(clean)
    check_shape(bare, ours)
    splices, made = _additions(bare, ours)
    result = jsonedit.apply(clean, splices)
    kept = {path for path in created or () if base is None and path not in made}
    edit = Edit(result, jsonedit.inverse(clean, splices), made | kept, changed=True)
    _check(edit, clean, bare, ours)
    return edit


def without_hooks(text: str, ours: Ours, created: Created | None = None) -> str:
    """Cut our hooks out of a settings text, and the containers that we made, where they are empty now.

    created: the containers that are ours; None where that is not known: then each one that the cut empties.
    A text without our hooks comes back unchanged. Raises JsonTextError, EditCheckError.
    """
    doc = parse(text)
    spots = list(_spots(doc, ours))
    if not spots:
        return text
    others = _others(doc, ours)
    events = {spot.entry.event for spot in spots}
    result = jsonedit.apply(text, [s for array, doomed in _by_array(spots) for s in jsonedit.cut(doc, array, doomed)])
    for path in sorted({(HOOKS, event) for event in events} if created is None else created):
        if len(path) > 1:
            result = _cut_empty(result, path)
    if created is None or (HOOKS,) in created:
        result = _cut_empty(result, (HOOKS,))
    if created is not None and () in created:
        result = _cut_empty(result, ())
    try:
        after = parse(result)
    except JsonTextError as error:
        raise EditCheckError(f"cutting our hooks out would leave invalid text ({error})") from error
    if entries(after, ours) or _others(after, ours) != others:
        raise EditCheckError("cutting our hooks out would change somebody else's")
    return result


def _named(value: Value) -> str:
    if value.kind == "literal":
        return "null" if value.scalar is None else str(value.scalar).lower()
    return {"object": "an object", "array": "an array", "string": "a string"}.get(value.kind, "a number")


def _spots(doc: Document, ours: Ours) -> Iterator[_Spot]:
    root = doc.root
    if root is None or root.kind != "object":
        return
    counted = root.member(HOOKS)
    for place in root.children:
        if place.key != HOOKS or place.value.kind != "object":
            continue
        for member in place.value.children:
            if member.value.kind == "array":
                counts = place is counted and member is place.value.member(member.key or "")
                yield from _spots_of_event(doc, member.key or "", member.value, ours, counts)


def _spots_of_event(doc: Document, event: str, groups: Value, ours: Ours, counts: bool) -> Iterator[_Spot]:
    for index, element in enumerate(groups.children):
        group = element.value
        where = f"$.hooks.{event}[{index}]"
        loose = _own(group, ours)
        if loose:  # a handler that lost the group around it
            yield _Spot(Entry(event, where, loose, group.data(), exact=False), groups, index)
            continue
        handlers = _handlers(group)
        if handlers is None:
            continue
        owned = [(at, own) for at, handler in enumerate(handlers.children) if (own := _own(handler.value, ours))]
        whole = len(owned) == len(handlers.children) and _is_plain(group) and not _commented(doc, group, handlers)
        wanted = ours.handlers.get(event)
        exact = counts and wanted is not None and group.data() == {HOOKS: [dict(wanted)]}
        for at, own in owned:
            found = Entry(event, f"{where}.hooks[{at}]", own, handlers.children[at].value.data(), exact)
            yield _Spot(found, groups, index) if whole else _Spot(found, handlers, at)


def _own(handler: Value, ours: Ours) -> command.OwnCommand | None:
    if handler.kind != "object":
        return None
    text, args = handler.member("command"), handler.member("args")
    if text is None:
        return None
    return command.own_command(text.value.data(), ours.entry, args.value.data() if args else None)


def _handlers(group: Value) -> Value | None:
    found = group.member(HOOKS) if group.kind == "object" else None
    return found.value if found and found.value.kind == "array" else None


def _is_plain(group: Value) -> bool:
    """A group that says nothing once its handlers are gone."""
    return {child.key for child in group.children} <= {HOOKS, "matcher"}


def _commented(doc: Document, group: Value, handlers: Value) -> bool:
    inside = doc.comments_in(group.start, group.end)
    return any(not any(h.start < span[0] < h.end for h in handlers.children) for span in inside)


def _by_array(spots: list[_Spot]) -> Iterator[tuple[Value, list[int]]]:
    arrays = {id(spot.array): spot.array for spot in spots}
    for key, array in arrays.items():
        yield array, [spot.index for spot in spots if id(spot.array) == key]


def _cut_empty(text: str, path: tuple[str, ...]) -> str:
    """Take out the container at ``path`` if nothing is in it, not even a comment."""
    doc = parse(text)
    parent, at, value, start = None, 0, doc.root, 0
    for key in path:
        member = value.member(key) if value is not None and value.kind == "object" else None
        if value is None or member is None:
            return text
        parent, at, value, start = value, value.children.index(member), member.value, member.start
    if value is None or value.children or value.kind not in ("object", "array"):
        return text
    if doc.comments_in(start or value.start, value.end):
        return text
    if parent is None:
        return text[: value.start].rstrip(" \t\r\n") + text[value.end :].strip(" \t\r\n")
    return jsonedit.apply(text, jsonedit.cut(doc, parent, [at]))


def _additions(doc: Document, ours: Ours) -> tuple[list[Splice], Created]:
    style = jsonedit.style_of(doc)
    groups = {event: [{HOOKS: [dict(handler)]}] for event, handler in ours.handlers.items()}
    made = frozenset((HOOKS, event) for event in groups)
    text, root = doc.text, doc.root
    if root is None:
        gap = style.newline if doc.comments and not text.endswith(("\n", "\r")) else ""
        body = jsonedit.render({HOOKS: groups}, style, "", multiline=True)
        return [Splice(len(text), len(text), gap + body + style.newline)], made | {(), (HOOKS,)}
    hooks = root.member(HOOKS)
    if hooks is None:
        return jsonedit.append(doc, root, [(HOOKS, groups)], style), made | {(HOOKS,)}
    splices: list[Splice] = []
    missing: list[tuple[str | None, object]] = []
    for event, group in groups.items():
        present = hooks.value.member(event)
        if present is None:
            missing.append((event, group))
        else:
            splices += jsonedit.append(doc, present.value, [(None, group[0])], style)
    splices += jsonedit.append(doc, hooks.value, missing, style)
    return splices, made & {(HOOKS, event) for event, _ in missing if event}


def _check(edit: Edit, clean: str, bare: Document, ours: Ours) -> None:
    try:
        after = parse(edit.text)
    except JsonTextError as error:
        raise EditCheckError(f"the edit would leave invalid text ({error})") from error
    if not is_right(after, ours) or _others(after, ours) != _others(bare, ours):
        raise EditCheckError("the edit would change somebody else's settings")
    if jsonedit.apply(edit.text, edit.undo) != clean:
        raise EditCheckError("the edit could not be undone exactly")


def _others(doc: Document, ours: Ours) -> object:
    """All that is not ours, scalars as they are spelled, duplicate keys included; empty hook containers left out."""
    if doc.root is None:
        return []
    if doc.root.kind != "object":
        return _spelled(doc, doc.root)
    owned: dict[int, list[int]] = {id(array): doomed for array, doomed in _by_array(list(_spots(doc, ours)))}
    rest: list[object] = []
    for child in doc.root.children:
        if child.key == HOOKS and child.value.kind == "object":
            events = [(c.key, left) for c in child.value.children if (left := _event_rest(doc, c.value, owned)) != []]
            if events:
                rest.append((HOOKS, events))
        else:
            rest.append((child.key, _spelled(doc, child.value)))
    return rest


def _event_rest(doc: Document, value: Value, owned: Mapping[int, list[int]]) -> object:
    if value.kind != "array":
        return _spelled(doc, value)
    rest: list[object] = []
    for index, child in enumerate(value.children):
        if index in owned.get(id(value), ()):
            continue
        handlers = _handlers(child.value)
        if handlers is None:
            rest.append(_spelled(doc, child.value))
            continue
        kept = [h.value for at, h in enumerate(handlers.children) if at not in owned.get(id(handlers), ())]
        if kept or not _is_plain(child.value):
            others = [(c.key, _spelled(doc, c.value)) for c in child.value.children if c.value is not handlers]
            rest.append((others, [_spelled(doc, handler) for handler in kept]))
    return rest


def _spelled(doc: Document, value: Value) -> object:
    if value.kind in ("object", "array"):
        return (value.kind, [(child.key, _spelled(doc, child.value)) for child in value.children])
    return doc.text[value.start : value.end]
