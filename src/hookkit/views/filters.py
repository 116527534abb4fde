"""Which rows of a session are wanted: predicates over the rows of ``views.outline``, and what stays with them.

A row that is chosen keeps its place, and its neighbours that explain it: the turn and the subagent that it is part of,
and the gap before its call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hookkit.views.outline import Item

Predicate = Callable[[Item], bool]

_HEADINGS = ("turn", "subagent")


def of_tool(name: str) -> Predicate:
    """Calls of a tool, whether they failed or not; upper and lower case are the same."""
    wanted = name.casefold()
    return lambda item: item.kind == "call" and item.name.casefold() == wanted


def is_error(item: Item) -> bool:
    """Calls that failed or got no result, and errors of the session itself."""
    return item.kind == "error" or (item.kind == "call" and bool(item.state))


def of_turn(number: int) -> Predicate:
    """Everything of a turn (1-based; 0: before the first prompt), the gap after it included."""
    return lambda item: item.turn == number


def every(*predicates: Predicate) -> Predicate:
    """Rows that all of the predicates want; without any, all rows."""
    return lambda item: all(wanted(item) for wanted in predicates)


def chosen(items: Iterable[Item], wanted: Predicate) -> Iterator[Item]:
    """The wanted rows in their order, with their turn, their subagents and the gap before them."""
    headings: list[Item] = []  # of the row that comes next, outermost first; those that were given are taken out
    gap: Item | None = None
    for item in items:
        if item.kind in _HEADINGS:
            headings = [heading for heading in headings if heading.depth < item.depth]
            headings.append(item)
        if not wanted(item):
            gap = item if item.kind == "gap" and item.call_id else None
            continue
        yield from (heading for heading in headings if heading is not item and heading.depth <= item.depth)
        headings = [heading for heading in headings if heading.depth > item.depth]
        if gap is not None and gap.call_id == item.call_id:
            yield gap
        gap = None
        yield item
