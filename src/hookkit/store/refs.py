"""What a user types to mean a trace: its id, the session's id, the start of either, ``last``, ``last~2``.

Before it may stand ``t:`` or ``ot://trace/``, behind it the step that it is named with: ``:12``, ``/steps/12``.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from hookkit.errors import UsageError
from hookkit.store.index import Index, Row
from hookkit.store.plain import plain

_LAST = re.compile(r"last(?:~(\d{1,9}))?")
_LONG = re.compile(r"ot://trace/([^/]+)(?:/steps?/([^/]+))?/?")
_SHORTEST = 4
_SHOWN = 8


def split(ref: str) -> tuple[str, str]:
    """The name of a trace and the STEP that stands behind it, "" for none; nothing is looked up."""
    long = _LONG.fullmatch(ref)
    if long:
        return unquote(long[1]), unquote(long[2] or "")
    name, _, step = ref.removeprefix("t:").partition(":")
    return name, step


def is_last(ref: str) -> bool:
    """Whether it counts back from the newest session."""
    return _LAST.fullmatch(ref) is not None


def resolve(index: Index, ref: str) -> str:
    """The trace id that ``ref`` means, or that the step it names is of; UsageError for none, or more than one."""
    ref = split(ref)[0]
    last = _LAST.fullmatch(ref)
    if last:
        return _nth(index, ref, int(last[1] or 0))
    if len(ref) < _SHORTEST:
        raise UsageError(
            "REF_TOO_SHORT", f"{ref!r} is too short for a trace.", f"Give at least {_SHORTEST} characters of its id."
        )
    found = index.matching(ref)
    exact = [row for row in found if ref in (row.trace_id, row.session_id)]
    found = exact or found
    if len(found) == 1:
        return found[0].trace_id
    if not found:
        raise UsageError("UNKNOWN_TRACE", f"There is no trace {ref!r}.", _nearest(index, ref))
    lines = [f"  {_line(row)}" for row in found[:_SHOWN]]
    more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise UsageError(
        "AMBIGUOUS_REF",
        f"{ref!r} is the start of {len(found)} traces:\n" + "\n".join(lines) + more,
        "Give more characters of the trace id or of the session id.",
    )


def _nth(index: Index, ref: str, back: int) -> str:
    rows = list(index.rows(limit=back + 1))
    if len(rows) > back:
        return rows[back].trace_id
    if not rows:
        raise UsageError(
            "NO_TRACES",
            "No session was recorded yet.",
            "Run `hookkit install`, then use your agent; or `hookkit ingest`.",
        )
    raise UsageError("UNKNOWN_TRACE", f"There is no trace {ref}: only {len(rows)} are recorded.", "See `hookkit list`.")


def _nearest(index: Index, ref: str) -> str:
    import difflib

    rows = list(index.rows(limit=1000))
    ids = {row.trace_id: row for row in rows} | {row.session_id: row for row in rows}
    width = len(ref)
    starts = {key[:width]: key for key in ids}
    near = difflib.get_close_matches(ref, starts, n=1, cutoff=0.7)
    if near:
        return f"Did you mean {_line(ids[starts[near[0]]])}? All of them: `hookkit list`."
    return "See `hookkit list` for what is recorded; `hookkit ingest` reads sessions that were missed."


def _line(row: Row) -> str:
    summary: dict[str, Any] = json.loads(row.summary) if row.summary else {}
    return f"{row.trace_id[:8]} (session {plain(row.session_id[:8])}) {plain(str(summary.get('title') or ''))}".rstrip()
