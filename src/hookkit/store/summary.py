"""One session in one line: what ``hookkit list`` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_TITLE = 80


def summarise(record: Mapping[str, Any], tools: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The summary of a trace; its shape is schemas/session-summary.schema.json.

    record: a TraceRecord as JSON. A record of hookkit says most counts in ``metadata["capture"]``; of any other record
    they are counted. tools: name -> calls; without it the steps are looked at.
    """
    metadata = _mapping(record.get("metadata"))
    capture = metadata.get("capture")
    capture = capture if isinstance(capture, Mapping) else _counted(record)
    metrics = _mapping(record.get("metrics"))
    cost = _mapping(metadata.get("cost"))
    agent = _mapping(record.get("agent"))
    vcs = _mapping(_mapping(record.get("environment")).get("vcs"))
    project = metadata.get("project")
    return {
        "trace_id": record["trace_id"],
        "session_id": record["session_id"],
        "agent": agent.get("name"),
        "agent_version": agent.get("version"),
        "project": project,
        "worktree_root": project if vcs.get("type") == "git" else None,
        "branch": vcs.get("branch"),
        "title": title(_mapping(record.get("task")).get("description")),
        "started_at": record.get("timestamp_start"),
        "last_activity_at": record.get("timestamp_end"),
        "duration_s": metrics.get("total_duration_s"),
        "turns": capture.get("turns", 0),
        "steps": metrics.get("total_steps", 0),
        "tool_calls": capture.get("tool_calls", 0),
        "failed_tool_calls": capture.get("failed_tool_calls", 0),
        "tools": dict(_tools(record) if tools is None else tools),
        "denied_tool_calls": len(metadata.get("permission_denials", ())),
        "subagents": capture.get("subagents", 0),
        "input_tokens": metrics.get("total_input_tokens", 0),
        "output_tokens": metrics.get("total_output_tokens", 0),
        "cache_read_tokens": metrics.get("total_cache_read_tokens", 0),
        "cache_write_tokens": metrics.get("total_cache_creation_tokens", 0),
        "cost_usd": metrics.get("estimated_cost_usd"),
        "cost_source": cost.get("source"),
        "unpriced_models": cost.get("unpriced", []),
        "cost_by_model": dict(_mapping(cost.get("models"))),
        "models": capture.get("models", []),
        "complete": capture.get("complete", True),
        "blocked": capture.get("blocked", []),
        "hooked_tool_calls": capture.get("hooked_tool_calls", 0),
        "unpaired_tool_calls": capture.get("missing_pre_or_post_hook", 0),
        "limitations": capture.get("limitations", {}),
        "errors": len(metadata.get("session_errors", ())),
        "terminal_state": _mapping(record.get("outcome")).get("terminal_state"),
        "meets_quality_threshold": capture.get("meets_quality_threshold", True),
    }


def title(prompt: object) -> str | None:
    """The first line of a prompt that says something, at most 80 characters."""
    if not isinstance(prompt, str):
        return None
    line = next((line.strip() for line in prompt.splitlines() if line.strip()), None)
    return line if line is None or len(line) <= _TITLE else line[: _TITLE - 1] + "…"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tools(record: Mapping[str, Any]) -> Mapping[str, int]:
    calls = (call for step in record.get("steps") or () for call in step.get("tool_calls") or ())
    return dict(sorted(Counter(str(call["tool_name"]) for call in calls).items()))


def _counted(record: Mapping[str, Any]) -> Mapping[str, Any]:
    steps: Sequence[Mapping[str, Any]] = record.get("steps") or ()
    observations = [item for step in steps for item in step.get("observations", ())]
    return {
        "turns": sum(step.get("role") == "user" and step.get("call_type") in (None, "main") for step in steps),
        "tool_calls": sum(len(step.get("tool_calls", ())) for step in steps),
        "failed_tool_calls": sum(item.get("error") not in (None, "no_result") for item in observations),
        "models": list(dict.fromkeys(step["model"] for step in steps if step.get("model"))),
    }
