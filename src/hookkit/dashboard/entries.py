"""One thing that happened in a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from hookkit.dashboard.prices import Money
from hookkit.dashboard.told import Event
from hookkit.views.outline import Item

NOWHERE = -1


@dataclass(slots=True)
class Entry:
    """One thing that happened. kind: as ``Item`` has it, or request, decision, compaction, event.

    us: microseconds since 1970. place: offset of its step in the trace file. item: what the trace says. event: what
    telemetry says. parallel: calls that ran at the same time have the same number; 0: alone. echo: it tells again of a
    call that has an entry of its own.
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
    echo: bool = False

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
        if self.echo:
            return False
        if self.kind in ("error", "request_error"):
            return True
        return (bool(self.item and self.item.state)) or self.event.get("success") is False

    @property
    def error(self) -> str:
        return "" if self.echo else (self.item.error if self.item else "") or str(self.event.get("error") or "")

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


def tokens(entry: Entry) -> int:
    """The tokens of a request, cached ones included."""
    if entry.item:
        return entry.item.prompted + entry.item.made
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
    return sum(entry.event.get(name) or 0 for name in names)
