"""The entries of a session as a page shows them: by prompt, subagents inside, parallel calls side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hookkit.dashboard.entries import Entry
from hookkit.dashboard.opened import Opened, Sums, Turn, sums
from hookkit.dashboard.shapes import event_name

_WIDTH = 1000  # units of a bar


@dataclass(slots=True)
class Node:
    """An entry with what is inside of it. kind: that of the entry, parallel for calls that ran side by side, or events
    for several of telemetry that follow one another and say nothing that a row above does not.

    sums: of a subagent, all that it took.
    """

    kind: str
    entry: Entry
    inside: list[Node] = field(default_factory=list)
    sums: Sums | None = None

    @property
    def names(self) -> list[tuple[str, int]]:
        """What is inside, by name: how often, the most frequent first."""
        return Counter(event_name(each.entry.event) for each in self.inside).most_common()


@dataclass(frozen=True, slots=True)
class Bar:
    """Where the time of a turn went. parts: (kind, start, width) in thousandths of it. model, tool, waiting:
    milliseconds; None where nothing tells."""

    parts: list[tuple[str, float, float]]
    total: float
    model: float | None
    tool: float | None
    waiting: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A turn as far as a page shows it. begins: whether its prompt is on this page."""

    turn: Turn
    begins: bool
    nodes: list[Node]
    bar: Bar | None


def parts(opened: Opened, first: int, last: int) -> Iterator[Part]:
    """What a page shows: the entries from ``first`` up to ``last``, the last excluded."""
    for turn in opened.turns:
        start, end = max(first, turn.first), min(last, turn.last)
        if start >= end:
            continue
        whole = opened.entries[turn.first : turn.last]
        shown = [entry for entry in opened.entries[start:end] if entry.kind != "turn"]
        yield Part(turn, start == turn.first, nest(shown, opened.entries), bar(turn, whole))


def nest(entries: Sequence[Entry], everything: Sequence[Entry]) -> list[Node]:
    """Entries, each subagent with what it did. everything: of the session, since a page may end inside of one."""
    top: list[Node] = []
    open_: list[Node] = []
    for entry in entries:
        while open_ and open_[-1].entry.depth >= entry.depth + (entry.kind != "subagent"):
            open_.pop()
        place = open_[-1].inside if open_ else top
        node = Node(entry.kind, entry)
        if entry.kind == "subagent":
            node.sums = sums(_of_subagent(entry, everything))
            open_.append(node)
        elif entry.parallel:
            if not (place and place[-1].kind == "parallel" and place[-1].entry.parallel == entry.parallel):
                place.append(Node("parallel", entry))
            place = place[-1].inside
        elif _is_quiet(entry):
            if place and place[-1].kind == "events":
                place = place[-1].inside
            else:
                node = Node("events", entry, [node])
        place.append(node)
    return [_alone(node) for node in top]


def _is_quiet(entry: Entry) -> bool:
    """Whether an event is of how the agent works: a hook that ran, a span of a call that has a row already."""
    return entry.kind == "event" and not entry.failed and not entry.error


def _alone(node: Node) -> Node:
    """The node, with no group in it that holds one event only."""
    if node.kind == "events":
        return node.inside[0] if len(node.inside) == 1 else node
    node.inside = [_alone(each) for each in node.inside]
    return node


def _of_subagent(head: Entry, everything: Sequence[Entry]) -> Iterator[Entry]:
    for entry in everything[head.number + 1 :]:
        if entry.depth < head.depth or (entry.depth == head.depth and entry.kind == "subagent"):
            return
        if entry.depth >= head.depth:
            yield entry


def bar(turn: Turn, entries: Sequence[Entry]) -> Bar | None:
    """Where the time of a turn went; None where nothing is known of it."""
    if turn.us is None or turn.until is None or turn.until <= turn.us:
        return None
    spans: dict[str, list[tuple[int, int]]] = {"model": [], "tool": [], "waiting": []}
    for entry in entries:
        kind = "tool" if entry.kind == "call" else "model" if entry.kind == "request" else ""
        if entry.kind == "event" and str(entry.event.get("name") or "").endswith("blocked_on_user"):
            kind = "waiting"
        span = entry.span
        if kind and span and span[1] > span[0]:
            spans[kind].append((max(span[0], turn.us), min(span[1], turn.until)))
    if not any(spans.values()):
        return None
    lasted = turn.until - turn.us
    united = {kind: _united(found) for kind, found in spans.items()}
    drawn = [
        (kind, round((start - turn.us) / lasted * _WIDTH, 2), round(max((end - start) / lasted * _WIDTH, 1.5), 2))
        for kind, found in united.items()
        for start, end in found
    ]
    told = {kind: sum(end - start for start, end in found) / 1000 if found else None for kind, found in united.items()}
    return Bar(drawn, lasted / 1000, told["model"], told["tool"], told["waiting"])


def _united(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same times, none of them twice."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
