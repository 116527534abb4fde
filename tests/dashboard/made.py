"""Traces without a repository: as many as are wanted, with what matters in a list."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hookkit import paths
from hookkit.capture.identity import trace_id
from hookkit.store.files import trace_path
from tests.exporters.sessions import record as of_agent

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record(
    number: int,
    *,
    agent: str = "claude-code",
    title: str | None = None,
    project: str = "/home/dev/weather",
    model: str = "anthropic/claude-opus-4-8",
    usd: float | None = None,
    failed: int = 0,
    minutes: int | None = None,
) -> dict[str, Any]:
    """A session of two steps. minutes: after START when it began; it lasted ``number`` + 1 seconds."""
    session = f"{number:08x}-1111-4000-8000-000000000000"
    began = START + timedelta(minutes=number if minutes is None else minutes)
    found = of_agent("claude-code")
    found["trace_id"], found["session_id"], found["agent"]["name"] = trace_id(agent, session), session, agent
    found["task"]["description"] = title or f"Prompt of session {number}"
    found["timestamp_start"] = stamp(began)
    found["timestamp_end"] = stamp(began + timedelta(seconds=number + 1))
    found["steps"] = found["steps"][:2]
    found["metrics"]["estimated_cost_usd"] = usd
    metadata = found["metadata"]
    metadata["project"] = project
    metadata["capture"] |= {"models": [model], "failed_tool_calls": failed, "turns": 1, "tool_calls": 1, "subagents": 0}
    tokens = {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 80, "cache_write_tokens": 2}
    metadata["cost"] = {
        "usd": usd, "source": None if usd is None else "agent", "prices": None, "steps": {},
        "models": {model: {"usd": usd, **tokens}}, "unpriced": [model] if usd is None else []
    }  # fmt: skip
    return found


def put(found: dict[str, Any]) -> str:
    """Store a trace; gives its id."""
    paths.private_dir(paths.traces())
    trace_path(found["trace_id"]).write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
    return str(found["trace_id"])


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
