"""The text of ``hookkit list``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from hookkit.views import text

EMPTY = """\
No session was recorded yet.

  hookkit install   wire your agents; every later session is recorded
  hookkit ingest    read the sessions that this project's agents already kept
  hookkit demo      see what a recording looks like, without an agent"""

_HEAD = ("TRACE", "LAST ACTIVITY", "AGENT", "PROJECT", "TURNS", "CALLS", "FAILED", "TOKENS", "TITLE")
_NUMBERS = frozenset({4, 5, 6, 7})


def render(summaries: Sequence[Mapping[str, Any]]) -> str:
    """One line a session, latest activity first. ``*`` marks a session whose last turn had not ended."""
    rows = [_HEAD, *(_row(summary) for summary in summaries)]
    others = sum(max(len(row[column]) for row in rows) + 2 for column in range(len(_HEAD) - 1))
    rows = [(*row, text.one_line(title, text.fits(others))) for *row, title in rows]
    lines = text.table(rows, right=_NUMBERS)
    return "\n".join([text.styled(lines[0], "dim"), *lines[1:]])


def _row(summary: Mapping[str, Any]) -> tuple[str, ...]:
    used = sum(summary[key] for key in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"))
    project = summary["project"]
    return (
        summary["trace_id"][:8] + ("" if summary["complete"] else "*"),
        text.local(summary["last_activity_at"]),
        text.one_line(str(summary["agent"]), 20),
        text.one_line(PurePath(project).name if project else "", 24),
        str(summary["turns"]),
        str(summary["tool_calls"]),
        str(summary["failed_tool_calls"] or ""),
        text.tokens(used),
        text.one_line(summary["title"] or "", 80),
    )
