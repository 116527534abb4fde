"""The text and the JSON of ``hookkit blame PATH``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hookkit.store.plain import plain
from hookkit.trails.lines.model import BlamedLine
from hookkit.views import origins, text
from hookkit.views.cells import pad, width

_COMMIT = 8
_WHO = 20
_PROMPT = 28
_TOOL = 16


def render(path: str, lines: Sequence[BlamedLine]) -> Iterator[str]:
    """One line of text a line, in columns: commit, mark, who, turn and prompt, tool, line number, code.

    Also the path that git found the line at, if one of them is another file's.
    """
    if not lines:
        return
    elsewhere = any(line.original_path != path for line in lines)
    room = min(_PROMPT, max(12, text.fits(90)))
    rows = [_columns(line, elsewhere, room) for line in lines]
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    digits = len(str(lines[-1].line))
    first = 2 if elsewhere else 1  # of the columns in brackets
    last: tuple[str, ...] | None = None
    for line, row in zip(lines, rows, strict=True):
        cells = [pad(cell, room) for cell, room in zip(row, widths, strict=True) if room]
        said = " ".join([*cells[:first], f"({cells[first]}", *cells[first + 1 :]])
        head = text.styled(said, "dim") if row == last else origins.styled(line.origin, said)
        yield f"{head} {line.line:>{digits}}) {origins.code(line.text)}".rstrip()
        last = row


def _columns(line: BlamedLine, elsewhere: bool, room: int) -> tuple[str, ...]:
    call = line.call
    return (
        plain(line.commit[:_COMMIT]),
        origins.shown_path(line.original_path) if elsewhere else "",
        origins.mark(line.origin),
        text.one_line(_who(line), _WHO),
        str(call.turn) if call and call.turn is not None else "",
        origins.prompt(call, room),
        text.one_line(call.tool, _TOOL) if call else "",
    )


def _who(line: BlamedLine) -> str:
    if line.origin.kind == "tool_call":
        return line.call.agent if line.call else "an agent"
    return line.author if origins.committed(line.commit) else origins.NOT_COMMITTED


def to_json(path: str, line: BlamedLine) -> Mapping[str, Any]:
    """One line; schemas/blame.schema.json."""
    committed = origins.committed(line.commit)
    return {
        "path": path,
        "line": line.line,
        **origins.content(line.text),
        "commit": line.commit if committed else None,
        "author": line.author if committed else None,
        "author_time": stamp(line.author_time) if committed else None,
        "summary": line.summary if committed else None,
        "original_path": line.original_path,
        "original_line": line.original_line,
        "origin": origins.origin_json(line.origin, line.call),
    }


def stamp(seconds: int) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC; None for a time that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def dump(path: str, lines: Sequence[BlamedLine]) -> Iterator[str]:
    """The lines as JSON, one object a line."""
    return (json.dumps(to_json(path, line)) for line in lines)
