"""Traces written straight into the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.capture.identity import trace_id
from hookkit.capture.record import Record, canonical, new_head, new_step
from hookkit.store.files import replace_file, trace_path


def session(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def trace(
    number: int, *, day: int = 1, prompt: str | None = None, project: str = "/home/dev/project", **capture: Any
) -> str:
    """Store a trace of one prompt, last active on a day of January 2026; gives its trace id."""
    name = trace_id("claude-code", session(number))
    head = new_head(name, session(number), "claude-code")
    head["task"]["description"] = prompt or f"Prompt {number}"
    head["timestamp_start"] = f"2026-01-{day:02d}T08:00:00Z"
    head["timestamp_end"] = f"2026-01-{day:02d}T09:{number % 60:02d}:00Z"
    step = new_step("user", head["timestamp_start"])
    step["content"] = prompt
    counts = {
        "turns": 1,
        "tool_calls": 2,
        "failed_tool_calls": 0,
        "complete": True,
        "models": ["anthropic/m"],
        **capture,
    }
    paths.private_dir(paths.traces())
    record = Record(head, {"project": project, "capture": counts}, [canonical(step)])
    replace_file(trace_path(name), record.text(), durable=False)
    return name


def damage(path: Path, content: bytes) -> None:
    """Overwrite a file and make sure that its time differs."""
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
