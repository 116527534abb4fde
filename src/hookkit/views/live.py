"""The rows of a session that is still going: what is new, and which rows changed since they were shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hookkit.capture.live import Live
from hookkit.capture.record import Record
from hookkit.trails.timeline import FOREVER, Timeline, micros
from hookkit.views.outline import Item, Outline

_BACK = 200  # steps that are looked at again: for the end of a call, and for hook lines that come late


@dataclass(slots=True)
class LiveRows:
    """The rows of a session as they come.

    A row changes as long as its call runs; what is a few hundred steps old is left as it is.
    """

    live: Live
    rows: list[Item] = field(default_factory=list)
    _texts: list[bytes] = field(default_factory=list)
    # Of each step, and of what comes behind the last one: its first row, and the turn before it.
    _starts: list[int] = field(default_factory=lambda: [0])
    _turns: list[int] = field(default_factory=lambda: [0])
    _depths: dict[int, int] = field(default_factory=dict)
    _unsettled: int = 0  # the first step with a call whose end, or whose hook lines, had not come

    def update(self) -> int | None:
        """Look again. The number of the first row that is new or has changed; None if none has."""
        if not self.live.look() or self.live.record is None:
            return None
        steps, known = self.live.record.steps, len(self._texts)
        first = next((at for at, old in enumerate(self._texts) if at >= len(steps) or steps[at] != old), known)
        first = min(first, max(self._unsettled, known - _BACK))
        start = self._starts[first]
        old = self.rows[start:]
        del self.rows[start:], self._starts[first + 1 :], self._turns[first + 1 :]
        self._texts = steps
        self._read(self.live.record, first)
        new = self.rows[start:]
        pairs = enumerate(zip(old, new, strict=False))
        changed = next((at for at, (a, b) in pairs if _told(a) != _told(b)), min(len(old), len(new)))
        return start + changed if changed < max(len(old), len(new)) else None

    def _read(self, record: Record, first: int) -> None:
        before, *steps = [json.loads(step) for step in record.steps[max(0, first - 1) :]]
        if not first:
            steps = [before, *steps]
        since = micros(before["timestamp"]) if first else None
        times = Timeline(self.live.moments(), record.head["agent"]["name"])
        outline = Outline(times, record.metadata["project"], since or 0, self._turns[first], self._depths)
        outline.leave_out({item.gap for item in self.rows})
        self._unsettled = first + len(steps)
        for at, step in enumerate(steps, first):
            items = list(outline.add(step))
            self.rows += items
            self._starts.append(len(self.rows))
            self._turns.append(outline.turn)
            if any(item.kind == "call" and (is_open(item) or item.window is None) for item in items):
                self._unsettled = min(self._unsettled, at)
        self.rows += outline.end(record.metadata.get("session_errors") or ())


def is_open(item: Item) -> bool:
    """Whether a row is of a call that has not ended, as far as is known."""
    if item.kind != "call":
        return False
    return item.state == "no_result" or (item.window is not None and item.window.end >= FOREVER)


def _told(item: Item) -> tuple[object, ...]:
    window = item.window and (item.window.before, item.window.after, item.window.end)
    return (item.kind, item.text, item.step, item.turn, item.state, item.duration_ms, window, item.gap, item.made)
