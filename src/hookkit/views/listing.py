"""The text of ``hookkit list``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from hookkit.views import cost, text
from hookkit.views.cells import width

Summary = Mapping[str, Any]

EMPTY = """\
No session was recorded yet.

  hookkit install   wire your agents; every later session is recorded
  hookkit ingest    read the sessions that this project's agents already kept
  hookkit demo      see what a recording looks like, without an agent"""


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    cell: Callable[[Summary], str]
    right: bool = False


def render(summaries: Sequence[Summary], *, long: bool = False, room: int | None = None) -> str:
    """One line a session, latest activity first. ``*`` marks a session whose last turn had not ended.

    long: times by the clock, and the models. No line takes more cells than ``room``, by default the terminal's: what
    matters least goes first.
    """
    room = text.columns() if room is None else room
    columns = [column for column in (*_COLUMNS, *_LONG * long) if column.head != (_AGE if long else _TIME)]
    columns.append(_Column("TITLE", lambda summary: text.one_line(summary["title"] or "", _TITLE)))
    cells = {column.head: [column.head, *map(column.cell, summaries)] for column in columns}
    if not any(cells["COST"][1:]):
        del cells["COST"]
    widths = {head: max(map(width, told)) for head, told in cells.items()}
    widths["TITLE"] = min(widths["TITLE"], _SHORTEST_TITLE)
    for head in _GO_FIRST:
        if sum(widths.values()) + 2 * (len(widths) - 1) <= room:
            break
        widths.pop(head, None)
    shown = [column for column in columns if column.head in widths]
    rows = list(zip(*(cells[column.head] for column in shown), strict=True))
    lines = text.fitted(rows, frozenset(at for at, column in enumerate(shown) if column.right), room)
    return "\n".join([text.styled(lines[0], "dim"), *lines[1:]])


def _name(summary: Summary) -> str:
    return str(summary["trace_id"][:8]) + ("" if summary["complete"] else "*")


def _project(summary: Summary) -> str:
    project = summary["project"]
    return text.one_line(PurePath(project).name if project else "", 24)


def _tokens(summary: Summary) -> str:
    keys = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return text.tokens(sum(summary[key] for key in keys))


_TITLE = 80
_SHORTEST_TITLE = 14  # cells; other columns go before it gets less
_AGE, _TIME = "ACTIVE", "LAST ACTIVITY"
_COLUMNS = (
    _Column("TRACE", _name),
    _Column(_AGE, lambda summary: text.ago(summary["last_activity_at"])),
    _Column(_TIME, lambda summary: text.local(summary["last_activity_at"])),
    _Column("AGENT", lambda summary: text.one_line(str(summary["agent"]), 20)),
    _Column("PROJECT", _project),
    _Column("TURNS", lambda summary: str(summary["turns"]), right=True),
    _Column("CALLS", lambda summary: str(summary["tool_calls"]), right=True),
    _Column("FAILED", lambda summary: str(summary["failed_tool_calls"] or ""), right=True),
    _Column("TOKENS", _tokens, right=True),
    _Column("COST", cost.short, right=True),
)
_LONG = (_Column("MODELS", lambda summary: text.one_line(", ".join(summary["models"]), 40)),)
# Where there is no room for all; the trace and as much of its title as fits stay.
_GO_FIRST = ("MODELS", "TOKENS", "TURNS", "COST", "FAILED", "CALLS", "PROJECT", "AGENT", _AGE, _TIME)
