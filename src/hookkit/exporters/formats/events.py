"""``jsonl``: a line that says what the session is, then its steps, calls, gaps and errors in order of time.

Each line is as schemas/session-event.schema.json says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hookkit.exporters.source import Part, Row, Source, parts, tokens
from hookkit.store.summary import summarise
from hookkit.trails.timeline import micros

VERSION = 1


def export(source: Source) -> Iterator[str]:
    """The lines, ASCII. What has no time of its own stays behind what it follows in the record."""
    yield _line({"type": "session", "version": VERSION, "redactions": source.redactions, **summarise(source.record)})
    found: list[tuple[int, Mapping[str, Any]]] = []
    last = 0
    for part in parts(source.record):
        for event in _events(part):
            us = micros(event["time"])
            last = last if us is None else us
            found.append((last, event))
    for _, event in sorted(found, key=lambda pair: pair[0]):
        yield _line(event)


def _events(part: Part) -> Iterator[Mapping[str, Any]]:
    rows = list(part.rows)
    while rows and rows[0].item.kind == "gap":
        yield _gap(rows.pop(0))
    if part.step:
        yield _step(part)
    for row in rows:
        if row.item.kind == "gap":
            yield _gap(row)
        elif row.item.kind == "call":
            yield _call(row)
        elif row.item.kind == "error":
            yield {"type": "error", "time": row.item.time, "turn": row.item.turn, "message": row.item.text}


def _step(part: Part) -> Mapping[str, Any]:
    step = part.step
    return {
        "type": "step",
        "time": step.get("timestamp"),
        "turn": part.turn,
        "step": step["step_index"],
        "role": step["role"],
        "agent_role": step.get("agent_role"),
        "parent_step": step.get("parent_step"),
        "model": step.get("model"),
        "content": step.get("content"),
        "reasoning": step.get("reasoning_content"),
        "tokens": tokens(step),
    }


def _call(row: Row) -> Mapping[str, Any]:
    before, after = row.trees
    window = row.item.window
    return {
        "type": "call",
        "time": row.item.time,
        "turn": row.item.turn,
        "step": row.item.step,
        "call_id": row.item.call_id,
        "tool": row.item.name,
        "input": row.call.get("input") or {},
        "state": row.state,
        "result": row.result.get("content"),
        "error": row.result.get("error"),
        "ended": row.ended,
        "duration_ms": row.duration_ms,
        "tree_before": before,
        "tree_after": after,
        "inferred": bool(window and window.inferred),
        "limitations": row.limitations,
    }


def _gap(row: Row) -> Mapping[str, Any]:
    before, after = row.trees
    return {
        "type": "gap",
        "time": row.item.time,
        "turn": row.item.turn,
        "tree_before": before,
        "tree_after": after,
        "before_call": row.item.call_id or None,
    }


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value) + "\n"
