"""A session opened: its trace and its telemetry as one row of entries, by prompt.

A trace is read step by step and forgotten; what stays is a short row for each thing that happened, and where its step
is in the file.
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookkit.dashboard.prices import Costs, Money
from hookkit.dashboard.told import Event
from hookkit.store.trace_file import TraceFile
from hookkit.trails.timeline import Timeline, micros, moments
from hookkit.views.outline import Item, Outline

NOWHERE = -1
_ROWS = 400  # entries of a page, unless one prompt has more
_OPEN = 16  # sessions that are kept


@dataclass(slots=True)
class Entry:
    """One thing that happened. kind: as ``Item`` has it, or request, decision, compaction, event.

    us: microseconds since 1970. place: offset of its step in the trace file. item: what the trace says. event: what
    telemetry says. parallel: calls that ran at the same time have the same number; 0: alone.
    """

    kind: str
    turn: int = 0
    depth: int = 0
    us: int | None = None
    item: Item | None = None
    place: int = NOWHERE
    event: Event = field(default_factory=dict)
    decision: Event = field(default_factory=dict)
    money: Money | None = None
    model: str = ""
    text: str = ""
    parallel: int = 0
    number: int = 0

    @property
    def call_id(self) -> str:
        return (self.item.call_id if self.item else "") or str(self.event.get("tool_use_id") or "")

    @property
    def name(self) -> str:
        """Of a call its tool, of a subagent its role, of anything else of telemetry what its program calls it."""
        if self.item:
            return self.item.name
        return str(self.event.get("tool_name") or self.event.get("name") or "")

    @property
    def failed(self) -> bool:
        if self.kind in ("error", "request_error"):
            return True
        return (bool(self.item and self.item.state)) or self.event.get("success") is False

    @property
    def error(self) -> str:
        return (self.item.error if self.item else "") or str(self.event.get("error") or "")

    @property
    def duration_ms(self) -> float | None:
        """As telemetry says it, else the agent, else the time between the hooks."""
        if self.event.get("duration_ms") is not None:
            return float(self.event["duration_ms"])
        if self.item is None or self.item.duration_ms is not None:
            return self.item.duration_ms if self.item else None
        window = self.item.window
        return max(0, window.end - window.start) / 1000 if window and window.opened and window.closed else None

    @property
    def span(self) -> tuple[int, int] | None:
        """From when to when, in microseconds since 1970; None if that is not known."""
        window = self.item.window if self.item else None
        if window and window.opened and window.closed:
            return window.start, window.end
        lasted = self.duration_ms
        ended = self.event.get("time_us")
        if ended is not None and lasted is not None:
            return int(ended - lasted * 1000), int(ended)
        return None if self.us is None or lasted is None else (self.us, int(self.us + lasted * 1000))

    @property
    def trees(self) -> tuple[str, str] | None:
        """Hex ids of the trees before and after; None unless both are known."""
        if self.item and self.item.gap:
            return self.item.gap.before, self.item.gap.after
        window = self.item.window if self.item else None
        return (window.before, window.after) if window and window.before and window.after else None

    @property
    def changed(self) -> bool:
        """Whether the files of the worktree differ before and after."""
        return self.trees is not None and self.trees[0] != self.trees[1]


@dataclass(slots=True)
class Sums:
    """What a prompt or a subagent took, all in all."""

    calls: int = 0
    failed: int = 0
    tokens: int = 0
    money: Money | None = None


@dataclass(slots=True)
class Turn:
    """A prompt and what follows. number: 1-based; 0: before the first prompt. first, last: of its entries, the last
    excluded."""

    number: int
    text: str
    us: int | None
    first: int
    last: int
    sums: Sums
    until: int | None = None


@dataclass(slots=True)
class Opened:
    """See the module. metadata: of the trace, without hook lines. pages: the entries at which pages begin."""

    entries: list[Entry]
    turns: list[Turn]
    metadata: Mapping[str, Any]
    file: Path | None
    pages: list[int]

    def call(self, call_id: str) -> Entry | None:
        """The call of that id."""
        return next((each for each in self.entries if each.kind == "call" and each.call_id == call_id), None)

    def step(self, entry: Entry) -> Mapping[str, Any]:
        """The step of an entry as the trace has it; {} if it has none. HookkitError if the trace cannot be read."""
        if self.file is None or entry.place == NOWHERE:
            return {}
        with TraceFile(self.file) as file:
            return file.step(entry.place)

    def page_of(self, number: int) -> int:
        """The first entry of the page that shows an entry."""
        return self.pages[max(0, bisect.bisect_right(self.pages, number) - 1)]


class Sessions:
    """Keeps the sessions that were opened last. For any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Opened] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, file: Path | None, events: Sequence[Event]) -> Opened:
        """A session by its trace file and its telemetry; either may be missing. HookkitError if it cannot be read."""
        found = file.stat() if file else None
        last = events[-1].get("position") if events else 0
        key = (file, found and (found.st_mtime_ns, found.st_size), len(events), last)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = opened(file, events)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _OPEN:
                self._kept.popitem(last=False)
        return made


def opened(file: Path | None, events: Sequence[Event]) -> Opened:
    """Read a session."""
    from hookkit.dashboard.merge import merged

    metadata: Mapping[str, Any] = {}
    entries: list[Entry] = []
    if file is not None:
        with TraceFile(file) as trace:
            entries = list(_entries(trace))
            metadata = trace.metadata
    entries = merged(entries, events, metadata)
    for number, entry in enumerate(entries):
        entry.number = number
    turns = list(_turns(entries))
    return Opened(entries, turns, metadata, file, list(_pages(turns)) or [0])


def _entries(file: TraceFile) -> Iterator[Entry]:
    """The entries of a trace."""
    seen = []
    for _, key, call, line in file.hook_lines():
        seen += moments({key: {call: line} if call else [line]})
    agent = file.head.get("agent")
    name = str(agent.get("name") or "") if isinstance(agent, Mapping) else ""
    outline = Outline(Timeline(seen, name), file.metadata.get("project"))
    costs = Costs(file.metadata.get("cost") or {}, micros(file.head.get("timestamp_start")))
    for place, step in file.steps():
        for item in outline.add(step):
            entry = Entry(item.kind, item.turn, item.depth, micros(item.time), item, place, text=item.text)
            if item.kind == "tokens":
                entry.model = str(step.get("model") or "")
                entry.money = costs.of(step)
            yield entry
    for item in outline.end(file.metadata.get("session_errors") or ()):
        yield Entry(item.kind, item.turn, item.depth, micros(item.time), item, text=item.text)


def _turns(entries: Sequence[Entry]) -> Iterator[Turn]:
    first = 0
    for at in range(1, len(entries) + 1):
        if at == len(entries) or entries[at].turn != entries[first].turn:
            head = entries[first]
            said = head.text if head.kind == "turn" else ""
            part = entries[first:at]
            ends = [span[1] for entry in part if (span := entry.span)] + [entry.us for entry in part if entry.us]
            us = next((entry.us for entry in part if entry.us is not None), None)
            yield Turn(head.turn, said, us, first, at, sums(part), max(ends, default=None))
            first = at


def sums(entries: Iterable[Entry]) -> Sums:
    """What some entries took. Money of which a part is not known is at least that much."""
    found = Sums()
    entries = list(entries)
    told = "request" if any(entry.kind == "request" for entry in entries) else "tokens"
    for entry in entries:
        if entry.kind == "call":
            found.calls += 1
        found.failed += entry.failed
        if entry.kind == told:
            found.tokens += tokens(entry)
            found.money = Money.sum(found.money, entry.money or Money(None))
    return found


def tokens(entry: Entry) -> int:
    """The tokens of a request, cached ones included."""
    if entry.item:
        return entry.item.prompted + entry.item.made
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
    return sum(entry.event.get(name) or 0 for name in names)


def _pages(turns: Sequence[Turn]) -> Iterator[int]:
    """Where pages begin: at a prompt, or inside of one that is longer than a page."""
    start = 0
    for turn in turns:
        if turn.last - start > _ROWS and turn.first > start:
            yield start
            start = turn.first
        while turn.last - start > _ROWS:
            yield start
            start += _ROWS
    if turns and start < turns[-1].last:
        yield start
