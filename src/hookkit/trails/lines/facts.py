"""What traces say of calls: agent, model, turn, prompt. Kept in the index, and read again when the trace changed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hookkit.store.files import trace_path
from hookkit.trails.lines.database import transaction
from hookkit.trails.lines.model import CallFacts

_PROMPT = 200  # characters of a prompt that are kept


def call_facts(db: sqlite3.Connection, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], CallFacts]:
    """(trace id, call id) -> facts, of those whose trace is in the store."""
    found = {}
    for trace in sorted({trace for trace, _ in calls}):
        _refresh(db, trace)
    for trace, call in calls:
        row = db.execute("SELECT * FROM facts WHERE trace = ? AND call = ?", (trace, call)).fetchone()
        if row:
            _, _, session, agent, model, tool, step, turn, prompt = row
            found[trace, call] = CallFacts(trace, session, agent, model, tool, step, turn, prompt)
    return found


def _refresh(db: sqlite3.Connection, trace: str) -> None:
    path = trace_path(trace)
    try:
        stat = path.stat()
        stamp = f"{stat.st_mtime_ns}-{stat.st_size}"
    except OSError:
        return  # what is known stays
    row = db.execute("SELECT stamp FROM fact_stamps WHERE trace = ?", (trace,)).fetchone()
    if row and row[0] == stamp:
        return
    try:
        record = json.loads(path.read_bytes())
        rows = list(_rows(record))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    # Another process may be deriving for long; what is known stays.
    with contextlib.suppress(sqlite3.Error), transaction(db):
        db.execute("DELETE FROM facts WHERE trace = ?", (trace,))
        db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("INSERT OR REPLACE INTO fact_stamps VALUES (?, ?)", (trace, stamp))


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    trace, session, agent = _text(record["trace_id"]), _text(record["session_id"]), record["agent"]
    turn, prompt = 0, None
    for step in record["steps"]:
        if step["role"] == "user" and step.get("parent_step") is None and step.get("call_type") != "subagent":
            turn, prompt = turn + 1, _first_words(step.get("content"))
        for call in step["tool_calls"]:
            yield (
                trace, _text(call["tool_call_id"]), session, agent["name"],
                _text(step.get("model") or agent.get("model")), _text(call["tool_name"]), step["step_index"],
                turn or None, prompt,
            )  # fmt: skip


def _first_words(content: object) -> str | None:
    return _text(" ".join(content.split())[:_PROMPT]) if isinstance(content, str) else None


def _text(value: object) -> str | None:
    """As a database can hold it: JSON may have halves of characters."""
    return None if value is None else str(value).encode(errors="replace").decode()
