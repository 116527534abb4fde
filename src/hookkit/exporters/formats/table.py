"""``csv``: one row a tool call, as RFC 4180 has it. The columns are those of ``parquet`` as well."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hookkit.exporters.source import Source, parts

# Name -> type in SQL. Times are ISO 8601 until somebody turns them into that type.
COLUMNS: Mapping[str, str] = {
    "trace_id": "VARCHAR",
    "session_id": "VARCHAR",
    "agent": "VARCHAR",
    "project": "VARCHAR",
    "turn": "BIGINT",
    "step": "BIGINT",
    "agent_role": "VARCHAR",
    "model": "VARCHAR",
    "call_id": "VARCHAR",
    "tool": "VARCHAR",
    "target": "VARCHAR",
    "state": "VARCHAR",
    "error": "VARCHAR",
    "started_at": "TIMESTAMP WITH TIME ZONE",
    "ended_at": "TIMESTAMP WITH TIME ZONE",
    "duration_ms": "DOUBLE",
    "tree_before": "VARCHAR",
    "tree_after": "VARCHAR",
    "inferred": "BOOLEAN",
    "limitations": "VARCHAR[]",
    "input": "VARCHAR",
    "result": "VARCHAR",
}
# What a spreadsheet takes for the start of a formula, the full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def export(source: Source) -> Iterator[str]:
    """A row of names, then the calls."""
    yield _row([*COLUMNS])
    for row in rows(source):
        yield _row([_cell(row[name]) for name in COLUMNS])


def rows(source: Source) -> Iterator[Mapping[str, Any]]:
    """The calls in order; keys are those of ``COLUMNS``. input: JSON. target: what it was given, in a few words."""
    record = source.record
    of_session = {
        "trace_id": record["trace_id"],
        "session_id": record["session_id"],
        "agent": (record.get("agent") or {}).get("name"),
        "project": (record.get("metadata") or {}).get("project"),
    }
    for part in parts(record):
        for row in part.rows:
            if row.item.kind != "call":
                continue
            before, after = row.trees
            yield of_session | {
                "turn": row.item.turn,
                "step": row.item.step,
                "agent_role": part.step.get("agent_role"),
                "model": part.step.get("model"),
                "call_id": row.item.call_id,
                "tool": row.item.name,
                "target": row.item.text,
                "state": row.state,
                "error": row.result.get("error"),
                "started_at": row.item.time,
                "ended_at": row.ended,
                "duration_ms": row.duration_ms,
                "tree_before": before,
                "tree_after": after,
                "inferred": bool(row.item.window and row.item.window.inferred),
                "limitations": row.limitations,
                "input": json.dumps(row.call.get("input") or {}, ensure_ascii=False),
                "result": row.result.get("content"),
            }


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    assert value is None or isinstance(value, int | float)
    return value


def _row(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
