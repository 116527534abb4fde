"""What a session is, in three lines that fit a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from hookkit.views import cost, text
from hookkit.views.tui.line import Line, safe


def head(summary: Mapping[str, Any]) -> list[Line]:
    """The head of a session. summary: schemas/session-summary.schema.json."""
    agent = " ".join(str(word) for word in (summary["agent"], summary["agent_version"]) if word)
    seconds, project = summary["duration_s"], summary["project"]
    when = text.local(summary["started_at"], "%Y-%m-%d %H:%M:%S")
    about = [
        safe(agent),
        safe(PurePath(project).name) if project else "",
        f"{when} ({text.duration(seconds * 1000)})" if seconds is not None else when,
    ]
    return [
        [(safe(summary["title"] or "(no prompt)"), "bold")],
        [(f"{safe(summary['trace_id'][:8])}  ", "cyan"), ("  ".join(filter(None, about)), "")],
        [("  ".join(filter(None, _numbers(summary))), "")],
    ]


def _numbers(summary: Mapping[str, Any]) -> list[str]:
    made = summary["output_tokens"]
    given = sum(summary[key] for key in ("input_tokens", "cache_read_tokens", "cache_write_tokens"))
    return [
        text.counted(summary["turns"], "turn"),
        text.counted(summary["tool_calls"], "call"),
        f"{summary['failed_tool_calls']} failed" if summary["failed_tool_calls"] else "",
        text.counted(summary["subagents"], "subagent") if summary["subagents"] else "",
        f"{text.tokens(given)} tokens in, {text.tokens(made)} out" if given or made else "",
        cost.short(summary),
        "blocked" if summary["blocked"] else "" if summary["complete"] else "not ended",
    ]
