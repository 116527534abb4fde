"""The boundaries of one session in order of time, the windows that they bound, and the gaps between those.

Read from the hook lines in a trace. A session may have worked in several worktrees: each has a line of its own, since
only trees of the same worktree can be compared. An entry is decoded when it is first looked at, so what an ingest
does not look at costs next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hookkit import agents
from hookkit.agents.contract import AgentContract
from hookkit.errors import UsageError

Slot = Literal["pre", "post", "stop", "event"]
_ORDER: Mapping[Slot, int] = {"post": 0, "pre": 1, "stop": 2, "event": 2}  # of what happened in one microsecond
_LISTS: tuple[tuple[str, Slot], ...] = (("hook_stop", "stop"), ("hook_events", "event"))
_CALLS: tuple[tuple[str, Slot], ...] = (("hook_pre_tool_use", "pre"), ("hook_post_tool_use", "post"))
FOREVER = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(slots=True)
class Moment:
    """One hook line as the trace keeps it. us: microseconds since 1970. call: "" if it is no call's. root: the worktree
    that its tree is of; "" without a tree. raw: the entry, or its JSON."""

    us: int
    slot: Slot
    call: str
    root: str
    raw: bytes | Mapping[str, Any]

    @property
    def entry(self) -> Mapping[str, Any]:
        if isinstance(self.raw, bytes):
            found = json.loads(self.raw)
            self.raw = found if isinstance(found, dict) else {}
        return self.raw

    def stamp(self) -> bytes:
        """The entry as text: the same for the same entry."""
        return self.raw if isinstance(self.raw, bytes) else json.dumps(self.raw, sort_keys=True).encode()

    @property
    def tree(self) -> str | None:
        """Hex id of the tree."""
        return _tree(self.entry)

    @property
    def time(self) -> str:
        """As the hook wrote it; without a zone it is UTC."""
        said = str(self.entry["timestamp"])
        moment = datetime.fromisoformat(said)
        return said if moment.tzinfo else moment.replace(tzinfo=UTC).isoformat()

    @property
    def inferred(self) -> bool:
        """Whether this end of a window is the boundary that came next, as no hook saw the call end."""
        return self.slot == "post" and self.entry.get("capture_status") == "post_inferred"

    @property
    def limitations(self) -> tuple[str, ...]:
        given = self.entry.get("limitations")
        return tuple(item for item in given if isinstance(item, str)) if isinstance(given, list) else ()


@dataclass(slots=True)
class Window:
    """A tool call's time.

    start, end: microseconds since 1970; FOREVER while nothing says that it ended. root: the worktree that it was seen
    in from end to end, "" if there is none. opened, closed: its boundaries. said: tool and input where no hook line has
    them.
    """

    call_id: str
    start: int
    end: int
    root: str
    opened: Moment | None = None
    closed: Moment | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tool(self) -> str:
        told = self.opened or self.closed
        return str(told.entry.get("tool") or "") if told else str(self.said.get("tool") or "")

    @property
    def given(self) -> Mapping[str, Any]:
        told = [moment.entry for moment in (self.opened, self.closed) if moment]
        given = next((entry["tool_input"] for entry in (*told, self.said) if entry.get("tool_input")), None)
        return given if isinstance(given, Mapping) else {}

    @property
    def before(self) -> str | None:
        return self.opened.tree if self.opened else None

    @property
    def after(self) -> str | None:
        return self.closed.tree if self.closed else None

    @property
    def inferred(self) -> bool:
        return self.turned or (self.closed is not None and self.closed.inferred)

    @property
    def turned(self) -> bool:
        """Whether the clock was set back during the call, so that its end seems to come first."""
        return self.opened is not None and self.opened.slot == "post"


@dataclass(frozen=True, slots=True)
class Interval:
    """The time between two neighbouring boundaries of a worktree.

    within: the windows of that worktree that are open all the time, the innermost last. beside: other calls that ran
    at some time of it; in another worktree, or with a boundary that has no tree.
    """

    before: Moment
    after: Moment
    within: tuple[Window, ...]
    beside: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """The worktree changed outside any tool call: between two boundaries, while no call ran that may write files.

    since: time of the earlier boundary, as the hook wrote it. call_id: the call whose window starts at the later one,
    "" if that is no call's.
    """

    before: str
    after: str
    since: str
    call_id: str = ""


class Timeline:
    """A session's boundaries by worktree. agent: its name; of one that is not known, every call may write."""

    def __init__(self, moments: Iterable[Moment], agent: str = "", unseen: Iterable[Window] = ()) -> None:
        """unseen: calls that no hook saw."""
        self.moments = sorted(moments, key=lambda moment: (moment.us, _ORDER[moment.slot], moment.call))
        self._contract = _contract(agent)
        self._writes: dict[str, tuple[str, ...] | None] = {}
        self.windows = _windows(self.moments)
        for window in unseen:
            self.windows.setdefault(window.call_id, window)
        self.roots: dict[str, list[Moment]] = {}
        for moment in self.moments:
            if moment.root:
                self.roots.setdefault(moment.root, []).append(moment)

    def writes(self, window: Window) -> tuple[str, ...] | None:
        """The paths that a call may write, as it was given them; None for any."""
        if window.call_id not in self._writes:
            contract = self._contract
            self._writes[window.call_id] = contract.writes(window.tool, window.given) if contract else None
        return self._writes[window.call_id]

    def is_container(self, window: Window) -> bool:
        return self._contract is not None and window.tool in self._contract.containers

    def brings_back(self, window: Window) -> bool:
        """Whether the call may have brought back what somebody wrote before."""
        return self._contract is not None and self._contract.brings_back(window.tool, window.given)

    def is_background(self, window: Window) -> bool:
        return self._contract is not None and self._contract.background(window.tool, window.given)

    def intervals(self, root: str, since: int = 0) -> Iterator[Interval]:
        """The intervals of a worktree that end after ``since``, in order."""
        others = [window for window in self.windows.values() if window.root != root]
        others.sort(key=lambda window: window.start, reverse=True)
        running: list[Window] = []
        before: Moment | None = None
        opened: dict[str, Window] = {}
        for moment in self.roots.get(root, ()):
            while others and others[-1].start < moment.us:
                running.append(others.pop())
            if before is not None:
                until = before.us
                running = [window for window in running if window.end > until]
                if moment.us > since:
                    yield Interval(before, moment, tuple(opened.values()), tuple(running))
            window = self.windows.get(moment.call)
            # Whichever end comes first opens it.
            if window is not None and window.root == root and opened.pop(moment.call, None) is None:
                opened[moment.call] = window
            before = moment

    def gaps(self, since: int = 0) -> list[Gap]:
        """The gaps that end after ``since`` in order of time, of all worktrees."""
        found = []
        for root in self.roots:
            for each in self.intervals(root, since):
                old, new = each.before.tree, each.after.tree
                if old is None or new is None or old == new:
                    continue
                if all(self.writes(window) == () for window in (*each.within, *each.beside)):
                    call = each.after.call if each.after.slot == "pre" else ""
                    found.append((each.after.us, Gap(old, new, each.before.time, call)))
        return [gap for _, gap in sorted(found, key=lambda pair: pair[0])]


def moments(metadata: Mapping[str, Any]) -> list[Moment]:
    """The boundaries in a trace's metadata. What has no time of its own is left out."""
    found = []
    for key, slot in _CALLS:
        entries = metadata.get(key)
        for call, entry in entries.items() if isinstance(entries, Mapping) else ():
            found += _moment(slot, str(call), entry)
    for key, slot in _LISTS:
        entries = metadata.get(key)
        for entry in entries if isinstance(entries, Sequence) and not isinstance(entries, str | bytes) else ():
            found += _moment(slot, "", entry)
    return found


def timeline(record: Mapping[str, Any]) -> Timeline:
    """The timeline of a trace as JSON. Without its calls that no hook saw."""
    agent = record.get("agent")
    name = agent.get("name") if isinstance(agent, Mapping) else ""
    return Timeline(moments(record.get("metadata") or {}), str(name or ""))


def micros(stamp: object) -> int | None:
    """Microseconds since 1970 of an ISO 8601 time; None for anything else."""
    try:
        moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) and len(stamp) <= 40 else None
        return None if moment is None else ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _TICK
    except (ValueError, OverflowError):
        return None


def _moment(slot: Slot, call: str, entry: object) -> list[Moment]:
    us = micros(entry.get("timestamp")) if isinstance(entry, Mapping) else None
    if us is None or not isinstance(entry, Mapping):
        return []
    trail = entry.get("trail")
    root = trail.get("worktree_root") if isinstance(trail, Mapping) and _tree(entry) else None
    return [Moment(us, slot, call, root if isinstance(root, str) else "", entry)]


def _tree(entry: Mapping[str, Any]) -> str | None:
    trail = entry.get("trail")
    tree = trail.get("tree_id") if isinstance(trail, Mapping) else None
    digits = tree.get("hex") if isinstance(tree, Mapping) else None
    return digits if isinstance(digits, str) else None


def _windows(ordered: Sequence[Moment]) -> dict[str, Window]:
    """Call id -> its window, in order of the first boundary."""
    pairs: dict[str, dict[Slot, Moment]] = {}
    for moment in ordered:
        if moment.call:
            pairs.setdefault(moment.call, {})[moment.slot] = moment
    previous = dict(_previous(ordered, [pair["post"] for pair in pairs.values() if "pre" not in pair]))
    return {call: _window(call, pair.get("pre"), pair.get("post"), previous) for call, pair in pairs.items()}


def _window(call: str, opened: Moment | None, closed: Moment | None, previous: Mapping[int, int]) -> Window:
    if opened is not None and closed is not None:
        root = opened.root if opened.root == closed.root else ""
        first, last = (opened, closed) if opened.us <= closed.us else (closed, opened)
        return Window(call, first.us, last.us, root, first, last)
    if opened is not None:
        return Window(call, opened.us, FOREVER, opened.root, opened, None)
    assert closed is not None
    lasted = closed.entry.get("duration_ms")
    known = isinstance(lasted, int | float) and 0 <= lasted < 1 << 40
    start = closed.us - round(lasted * 1000) if known and lasted is not None else previous[id(closed)]
    return Window(call, start, closed.us, "", None, closed)


def _previous(ordered: Sequence[Moment], wanted: Sequence[Moment]) -> Iterator[tuple[int, int]]:
    """(id, time of the boundary before it) of the moments that are wanted."""
    ids = {id(moment) for moment in wanted}
    last = 0
    for moment in ordered if ids else ():
        if id(moment) in ids:
            yield id(moment), last
        if moment.root:
            last = moment.us


def _contract(agent: str) -> AgentContract | None:
    try:
        return agents.get(agent)
    except UsageError:
        return None
