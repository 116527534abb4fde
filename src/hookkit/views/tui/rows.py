"""The rows of a session as lines of a terminal."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

from hookkit.store.index import activity
from hookkit.views import text
from hookkit.views.icons import Icons, icons
from hookkit.views.tui.line import Line, safe

if TYPE_CHECKING:
    from hookkit.trails.timeline import Gap, Window
    from hookkit.views.outline import Item

Times = Literal["clock", "since start", "since row above"]
TIMES: tuple[Times, ...] = get_args(Times)
NOWHERE = (1 << 64) - 1  # the place of a row that is of no step

_MOST = 400  # characters of a row's text that are worth looking at: more than any terminal is wide


class OutlineRows:
    """Rows of a session, to be appended to.

    items, places: of each row, what it is and the offset of its step in the trace file (NOWHERE if it is of none).
    times: what the first column tells. started: microseconds since 1970. marks: row -> the time (by the clock) at which
    the reader marked it.
    """

    def __init__(self, started: int = 0) -> None:
        self.items: list[Item] = []
        self.places = array("Q")
        self.times: Times = TIMES[0]
        self.marks: dict[int, str] = {}
        self._started = started
        self._icons = icons()

    def __len__(self) -> int:
        return len(self.items)

    def extend(self, rows: Iterable[tuple[Item, int]]) -> None:
        """Append items with their places."""
        for item, place in rows:
            self.items.append(item)
            self.places.append(place)

    def replace(self, first: int, rows: Iterable[tuple[Item, int]]) -> None:
        """Put items with their places where those from ``first`` on were."""
        del self.items[first:], self.places[first:]
        self.extend(rows)

    def line(self, index: int, width: int) -> Line:
        marked = [(f"{self._icons.mark} marked {self.marks[index]}  ", "yellow")] if index in self.marks else []
        return [(f"{self._time(index):>8}  ", "dim"), *marked, *_said(self.items[index], self._icons)]

    def _time(self, index: int) -> str:
        stamp = self.items[index].time
        if self.times == "clock":
            return text.local(stamp, "%H:%M:%S")
        us = activity(stamp)
        if self.times == "since start":
            since = self._started
        else:
            above = (self.items[at].time for at in range(index - 1, max(-1, index - 50), -1))
            since = activity(next(filter(None, above), None))
        return span((us - since) / 1e6) if us and since else ""


def span(seconds: float) -> str:
    """A signed span of time in eight cells: ``+0.4s``, ``+3:20``, ``+1:02:07``, ``+3d 4h``."""
    sign, left = ("-" if seconds < 0 else "+"), abs(seconds)
    if left < 60:
        return f"{sign}{left:.1f}s"
    minutes, rest = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{sign}{hours // 24}d {hours % 24}h"
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"


def _said(item: Item, icon: Icons) -> Line:
    indent = "  " * item.depth + ("" if item.kind == "turn" else "  ")
    if item.kind == "turn":
        return [(f"{icon.turn} Turn {item.turn}  {_first_line(item.text)}", "bold")]
    if item.kind == "call":
        return [(indent, ""), *_call(item, icon)]
    if item.kind == "subagent":
        return [(f"{indent}{icon.subagent} {safe(item.name)}: ", "bold"), (_first_line(item.text), "")]
    if item.kind == "tokens":
        return [(f"{indent}{icon.tokens} {text.tokens(item.prompted)} in, {text.tokens(item.made)} out", "dim")]
    if item.kind == "error":
        return [(f"{icon.error} error: {_first_line(item.text)}", "red")]
    if item.gap is not None:
        return [(f"{indent}{icon.gap} gap: changed outside any tool call {trees(item.gap)}", "yellow")]
    return [(f"{indent}{icon.said} {_first_line(item.text)}", "")]


def _call(item: Item, icon: Icons) -> Line:
    mark = {"failed": icon.failed, "no_result": icon.no_result}.get(item.state, icon.call)
    how = "red" if item.state else "cyan"
    state = {"failed": " failed", "no_result": " no result"}.get(item.state, "")
    said = [_first_line(item.text), text.duration(item.duration_ms)]
    said.append(trees(item.window) if item.window else "no hook line" if item.unseen else "")
    if item.state == "failed":
        said.append(_first_line(item.error))
    told = "  ".join(part for part in said if part)
    return [(f"{mark} {safe(item.name)}{state}", how), (f"  {told}", ""), (f"  :{item.step}", "dim")]


def trees(of: Window | Gap) -> str:
    """The trees before and after, shortened: ``[1a2b3c4..5d6e7f8]``."""
    before, after = (tree[:7] if tree else "?" for tree in (of.before, of.after))
    inferred = " inferred" if getattr(of, "inferred", False) else ""
    return f"[{before if before == after != '?' else f'{before}..{after}'}{inferred}]"


def _first_line(said: str) -> str:
    return text.one_line(safe_lines(said[:_MOST]), _MOST)


def safe_lines(said: str) -> str:
    """``said`` line by line as it may be shown."""
    return "\n".join(safe(line) for line in said.splitlines())


def is_error(item: Item) -> bool:
    """Whether a row says that something went wrong."""
    return item.kind == "error" or item.state == "failed"


def is_prompt(item: Item) -> bool:
    """Whether a row begins a turn."""
    return item.kind == "turn"
