"""Pure edits of a hook settings text: put our hooks in, take them out. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hookkit.installer import jsonedit
from hookkit.installer.entries import (
    HOOKS,
    INERT,
    Entry,
    Ours,
    ShapeError,
    Spot,
    by_array,
    check_shape,
    entries,
    handlers_of,
    is_right,
    others,
    spots,
)
from hookkit.installer.jsonedit import Splice
from hookkit.installer.jsontext import Document, JsonTextError, Value, parse

__all__ = [
    "Created",
    "Edit",
    "EditCheckError",
    "Entry",
    "Ours",
    "ShapeError",
    "check_shape",
    "entries",
    "is_right",
    "with_hooks",
    "without_hooks",
]

# What an edit made: () the document, ("hooks",), ("hooks", event), and (key,) for another key of the root.
Created = frozenset[tuple[str, ...]]


class EditCheckError(RuntimeError):
    """An edit did not come out as it should; nothing must be written."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The outcome of ``with_hooks``: undo turns ``text`` into the text without our hooks, character for character."""

    text: str
    undo: tuple[Splice, ...]
    created: Created
    changed: bool


def with_hooks(text: str, ours: Ours, base: str | None = None, created: Created | None = None) -> Edit:
    """Put our hooks into a settings text: cut whatever is ours, then append one entry per event, each last.

    Where places count, an entry of ours that others follow is replaced where it stands.
    base: the text without our hooks, where it is known from an earlier edit; otherwise it is cut out of ``text``.
    created: what an earlier edit is known to have made.
    A text that is already right comes back unchanged. Raises JsonTextError, ShapeError, EditCheckError.
    """
    doc = parse(text)
    check_shape(doc, ours)
    if is_right(doc, ours):
        return Edit(text, (), created or frozenset(), changed=False)
    clean = without_hooks(text, ours, created) if base is None else base
    bare = parse(clean)
    check_shape(bare, ours)
    splices, made = _additions(bare, ours, _places(doc, ours))
    result = jsonedit.apply(clean, splices)
    kept = {path for path in created or () if base is None and path not in made}
    edit = Edit(result, jsonedit.inverse(clean, splices), made | kept, changed=True)
    _check(edit, clean, bare, ours, made)
    return edit


def without_hooks(text: str, ours: Ours, created: Created | None = None) -> str:
    """Cut our hooks out of a settings text, and what we made around them, where nothing needs it now.

    Where places count, a group of ours that others follow leaves an empty one behind.
    created: what is ours; None where that is not known: then each hook container that the cut empties.
    A text without our hooks comes back unchanged. Raises JsonTextError, EditCheckError.
    """
    doc = parse(text)
    found = list(spots(doc, ours))
    if not found:
        return text
    result = jsonedit.apply(text, [s for array, doomed in by_array(found) for s in _cut(doc, array, doomed, ours)])
    events = {spot.entry.event for spot in found}
    for path in sorted({(HOOKS, event) for event in events} if created is None else created):
        if len(path) > 1:
            result = _cut_empty(result, path)
    if created is None or (HOOKS,) in created:
        result = _cut_empty(result, (HOOKS,))
    result, dropped = _without_root_keys(result, ours, created or frozenset())
    if created is not None and () in created:
        result = _cut_empty(result, ())
    try:
        after = parse(result)
    except JsonTextError as error:
        raise EditCheckError(f"cutting our hooks out would leave invalid text ({error})") from error
    if entries(after, ours) or others(after, ours) != others(doc, ours, dropped):
        raise EditCheckError("cutting our hooks out would change somebody else's")
    return result


def _cut(doc: Document, array: Value, doomed: list[Spot], ours: Ours) -> list[Splice]:
    indexes = {spot.index for spot in doomed}
    if not ours.positional or not doomed[0].whole:  # of handlers there is no inert one
        return jsonedit.cut(doc, array, indexes)
    last = len(array.children)
    while last - 1 in indexes:
        last -= 1
    style = jsonedit.style_of(doc)
    inert = jsonedit.render(INERT, style, "", multiline=False)
    held = [array.children[index].value for index in sorted(indexes) if index < last]
    return [
        *(Splice(group.start, group.end, inert) for group in held),
        *jsonedit.cut(doc, array, [index for index in indexes if index > last - 1]),
    ]


def _without_root_keys(text: str, ours: Ours, created: Created) -> tuple[str, frozenset[str]]:
    """Take out the keys of the root that we added, if they are as we wrote them and no hooks are left to need them."""
    dropped: set[str] = set()
    for key, value in ours.root.items():
        doc = parse(text)
        if (key,) not in created or doc.root is None or _has_hooks(doc.root):
            continue
        at = [index for index, child in enumerate(doc.root.children) if child.key == key]
        if len(at) == 1 and doc.root.children[at[0]].value.data() == value:
            text = jsonedit.apply(text, jsonedit.cut(doc, doc.root, at))
            dropped.add(key)
    return text, frozenset(dropped)


def _has_hooks(root: Value) -> bool:
    hooks = [child.value for child in root.children if child.key == HOOKS]
    return any(not _is_empty(event.value) for value in hooks for event in value.children)


def _is_empty(value: Value) -> bool:
    return value.kind == "array" and not value.children


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


def _places(doc: Document, ours: Ours) -> Mapping[str, int]:
    """Event -> the place of our entry in it that is to keep it, where places count: the one that is right, or first."""
    found: dict[str, int] = {}
    whole = [spot for spot in spots(doc, ours) if spot.whole and spot.counts] if ours.positional else []
    for spot in sorted(whole, key=lambda spot: not spot.entry.exact):
        found.setdefault(spot.entry.event, spot.index)
    return found


def _additions(doc: Document, ours: Ours, places: Mapping[str, int]) -> tuple[list[Splice], Created]:
    style = jsonedit.style_of(doc)
    elements = {event: ours.element(event) for event in ours.handlers}
    made: set[tuple[str, ...]] = {(HOOKS, event) for event in elements}
    text, root = doc.text, doc.root
    absent = {key: value for key, value in ours.root.items() if root is None or root.member(key) is None}
    made |= {(key,) for key in absent}
    lists = {event: [element] for event, element in elements.items()}
    if root is None:
        gap = style.newline if doc.comments and not text.endswith(("\n", "\r")) else ""
        body = jsonedit.render({**absent, HOOKS: lists}, style, "", multiline=True)
        return [Splice(len(text), len(text), gap + body + style.newline)], frozenset(made | {(), (HOOKS,)})
    hooks = root.member(HOOKS)
    if hooks is None:
        return jsonedit.append(doc, root, [*absent.items(), (HOOKS, lists)], style), frozenset(made | {(HOOKS,)})
    splices: list[Splice] = []
    missing: list[tuple[str | None, object]] = []
    for event, element in elements.items():
        present = hooks.value.member(event)
        if present is None:
            missing.append((event, lists[event]))
            continue
        made.discard((HOOKS, event))
        held = _held(present.value, places.get(event))
        if held is None:
            splices += jsonedit.append(doc, present.value, [(None, element)], style)
        else:
            splices += jsonedit.append(doc, held, [(None, dict(ours.handlers[event]))], style)
    splices += jsonedit.append(doc, hooks.value, missing, style)
    splices += jsonedit.append(doc, root, [*absent.items()], style)
    return splices, frozenset(made)


def _held(groups: Value, place: int | None) -> Value | None:
    """The handlers of the empty group that holds our place."""
    if place is None or place >= len(groups.children):
        return None
    group = groups.children[place].value
    return handlers_of(group) if group.data() == INERT else None


def _check(edit: Edit, clean: str, bare: Document, ours: Ours, made: Iterable[tuple[str, ...]]) -> None:
    try:
        after = parse(edit.text)
    except JsonTextError as error:
        raise EditCheckError(f"the edit would leave invalid text ({error})") from error
    added = frozenset(path[0] for path in made if len(path) == 1)
    if not is_right(after, ours) or others(after, ours, added) != others(bare, ours):
        raise EditCheckError("the edit would change somebody else's settings")
    if jsonedit.apply(edit.text, edit.undo) != clean:
        raise EditCheckError("the edit could not be undone exactly")
