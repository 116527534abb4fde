"""A session opened: its trace and its telemetry as one row of entries, by prompt.

A trace is read step by step and forgotten; what stays is a short row for each thing that happened, and where its step
is in the file.
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookkit.dashboard.entries import NOWHERE, Entry, tokens
from hookkit.dashboard.merge import merged
from hookkit.dashboard.prices import Costs, Money
from hookkit.dashboard.told import Event
from hookkit.store.trace_file import TraceFile
from hookkit.trails.timeline import Timeline, micros, moments
from hookkit.views.outline import Outline

_ROWS = 400  # entries of a page, unless one prompt has more
_OPEN = 16  # sessions that are kept


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

    def open(self, key: tuple[object, ...], file: Path | None, events: Callable[[], Sequence[Event]]) -> Opened:
        """A session by its trace file and its telemetry; either may be missing. HookkitError if it cannot be read.

        key: the same as long as both are the same.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = opened(file, events())
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _OPEN:
                self._kept.popitem(last=False)
        return made


def opened(file: Path | None, events: Sequence[Event]) -> Opened:
    """Read a session."""
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
