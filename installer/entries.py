"""Which hooks of a settings text are ours, where they stand, and what else is in it. Nothing here changes a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hookkit.installer import command
from hookkit.installer.jsontext import Document, Value

HOOKS = "hooks"
#: A group that runs nothing. It keeps the places of the groups after it.
INERT: Mapping[str, object] = {HOOKS: []}


class ShapeError(ValueError):
    """A place in the settings has a shape that cannot be edited safely. ``path`` is a JSON path."""

    def __init__(self, path: str, found: str, needed: str) -> None:
        self.path = path
        self.found = found
        self.needed = needed
        super().__init__(f"{path} is {found}, not {needed}")


@dataclass(frozen=True, slots=True)
class Ours:
    """What belongs in the settings: the name of our script, and for each event the handler that runs it.

    command_key, flat, root, positional: the form that the agent's settings have; see contract.SettingsWiring.
    """

    entry: str
    handlers: Mapping[str, Mapping[str, object]]
    command_key: str = "command"
    flat: bool = False
    root: Mapping[str, object] = field(default_factory=dict)
    positional: bool = False

    def element(self, event: str) -> dict[str, object]:
        """What stands in the list of an event: the handler, in a group of its own unless the agent knows no groups."""
        handler = dict(self.handlers[event])
        return handler if self.flat else {HOOKS: [handler]}


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler of ours in the settings. text: its command as it is written.

    exact: it is the wanted handler, alone in a group of its own, under the event it is wanted for.
    """

    event: str
    path: str
    command: command.OwnCommand
    text: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an entry is: its array, its place in it, and whether the whole element or one handler in it is ours.

    counts: whether the agent reads that array; of duplicate keys it reads the last.
    """

    entry: Entry
    array: Value
    index: int
    whole: bool
    counts: bool


def entries(doc: Document, ours: Ours) -> tuple[Entry, ...]:
    """Every handler of ours, in the order of the text, under whatever event and group it is."""
    return tuple(spot.entry for spot in spots(doc, ours))


def is_right(doc: Document, ours: Ours) -> bool:
    """Whether each wanted event has exactly our entry, no other entry of ours exists, and no root key is missing."""
    found = entries(doc, ours)
    complete = all(doc.root is not None and doc.root.member(key) for key in ours.root)
    return complete and all(e.exact for e in found) and sorted(e.event for e in found) == sorted(ours.handlers)


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


def _named(value: Value) -> str:
    if value.kind == "literal":
        return "null" if value.scalar is None else str(value.scalar).lower()
    return {"object": "an object", "array": "an array", "string": "a string"}.get(value.kind, "a number")


def spots(doc: Document, ours: Ours) -> Iterator[Spot]:
    """The places of our entries, in the order of the text."""
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


def _spots_of_event(doc: Document, event: str, groups: Value, ours: Ours, counts: bool) -> Iterator[Spot]:
    wanted = ours.element(event) if counts and event in ours.handlers else None
    for index, element in enumerate(groups.children):
        group = element.value
        where = f"$.hooks.{event}[{index}]"
        exact = wanted is not None and group.data() == wanted
        alone = _own(group, ours)
        if alone:  # as a flat list has it; elsewhere a handler that lost the group around it
            yield Spot(Entry(event, where, *alone, exact), groups, index, True, counts)
            continue
        handlers = handlers_of(group)
        if handlers is None:
            continue
        owned = [(at, own) for at, handler in enumerate(handlers.children) if (own := _own(handler.value, ours))]
        whole = len(owned) == len(handlers.children) and _is_plain(group) and not _commented(doc, group, handlers)
        for at, own in owned:
            found = Entry(event, f"{where}.hooks[{at}]", *own, exact)
            yield Spot(found, groups, index, True, counts) if whole else Spot(found, handlers, at, False, counts)


def _own(handler: Value, ours: Ours) -> tuple[command.OwnCommand, str] | None:
    if handler.kind != "object":
        return None
    text, args = handler.member(ours.command_key), handler.member("args")
    if text is None:
        return None
    found = command.own_command(text.value.data(), ours.entry, args.value.data() if args else None)
    return (found, str(text.value.data())) if found else None


def handlers_of(group: Value) -> Value | None:
    """The list of handlers in a group; None for what is no group."""
    found = group.member(HOOKS) if group.kind == "object" else None
    return found.value if found and found.value.kind == "array" else None


def _is_plain(group: Value) -> bool:
    """A group that says nothing once its handlers are gone."""
    return {child.key for child in group.children} <= {HOOKS, "matcher"}


def _commented(doc: Document, group: Value, handlers: Value) -> bool:
    inside = doc.comments_in(group.start, group.end)
    return any(not any(h.start < span[0] < h.end for h in handlers.children) for span in inside)


def by_array(found: list[Spot]) -> Iterator[tuple[Value, list[Spot]]]:
    """The spots of each array."""
    arrays = {id(spot.array): spot.array for spot in found}
    for key, array in arrays.items():
        yield array, [spot for spot in found if id(spot.array) == key]


def others(doc: Document, ours: Ours, but: frozenset[str] = frozenset()) -> object:
    """All that is not ours, scalars as they are spelled, duplicate keys included; empty hook containers left out.

    Where places count, with the place of each group. but: keys of the root that are ours too.
    """
    if doc.root is None:
        return []
    if doc.root.kind != "object":
        return _spelled(doc, doc.root)
    owned = {id(array): [spot.index for spot in found] for array, found in by_array(list(spots(doc, ours)))}
    rest: list[object] = []
    for child in doc.root.children:
        if child.key == HOOKS and child.value.kind == "object":
            events = [(c.key, left) for c in child.value.children if (left := _event_rest(doc, c.value, owned, ours))]
            if events:
                rest.append((HOOKS, events))
        elif child.key not in but:
            rest.append((child.key, _spelled(doc, child.value)))
    return rest


def _event_rest(doc: Document, value: Value, owned: Mapping[int, list[int]], ours: Ours) -> object:
    if value.kind != "array":
        return _spelled(doc, value)
    rest: list[object] = []
    for index, child in enumerate(value.children):
        if index in owned.get(id(value), ()):
            continue
        place = index if ours.positional else None
        handlers = handlers_of(child.value)
        if handlers is None:
            rest.append((place, _spelled(doc, child.value)))
            continue
        kept = [h.value for at, h in enumerate(handlers.children) if at not in owned.get(id(handlers), ())]
        if kept or not _is_plain(child.value):
            around = [(c.key, _spelled(doc, c.value)) for c in child.value.children if c.value is not handlers]
            rest.append((place, around, [_spelled(doc, handler) for handler in kept]))
    return rest


def _spelled(doc: Document, value: Value) -> object:
    if value.kind in ("object", "array"):
        return (value.kind, [(child.key, _spelled(doc, child.value)) for child in value.children])
    return doc.text[value.start : value.end]
