"""``atif``: a trajectory in the Agent Trajectory Interchange Format of the Harbor framework, subagents embedded.

Version 1.7 is the first that has all that is said here. Its rules: no field that it does not name, steps counted from
1, fields of the model at steps of the agent alone, results of calls at the step that made them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookkit import __version__
from hookkit.errors import HookkitError
from hookkit.exporters.source import Part, Row, Source, containers, parts, tokens
from hookkit.trails.timeline import micros

VERSION = "ATIF-v1.7"


def export(source: Source) -> Iterator[str]:
    """One JSON object. HookkitError for a session without a step, which the format has no word for."""
    record = source.record
    if not record["steps"]:
        raise HookkitError("NO_STEPS", "The session has no steps, and ATIF wants one.", "--format json takes it.")
    root = _grouped([part for part in parts(record) if part.step], str(record["trace_id"]))
    metadata = record.get("metadata") or {}
    vcs = (record.get("environment") or {}).get("vcs") or {}
    extra = {"project": metadata.get("project"), "branch": vcs.get("branch"), "redactions": source.redactions}
    trajectory = _trajectory(record, root) | {
        "session_id": record["session_id"],
        "notes": f"Exported by hookkit {__version__}. Tokens of the prompt include what was written to a cache.",
        "extra": {"hookkit": _without_none(extra)},
    }
    cost = (record.get("metrics") or {}).get("estimated_cost_usd")
    trajectory["final_metrics"] |= {"total_cost_usd": cost} if cost is not None else {}
    yield json.dumps(trajectory, ensure_ascii=False) + "\n"


@dataclass(slots=True)
class _Group:
    """The steps of one conversation. parent: the step that began it, None if that is not known."""

    name: str
    parent: int | None = None
    steps: list[Part] = field(default_factory=list)
    subagents: list[_Group] = field(default_factory=list)


def _grouped(found: Sequence[Part], trace_id: str) -> _Group:
    """Steps by conversation; a subagent in the conversation that began it."""
    root = _Group(trace_id)
    groups: dict[tuple[int | None, object], _Group] = {}
    of_step: dict[int, _Group] = {}
    for part in found:
        step, parent, ref = part.step, part.step.get("parent_step"), part.step.get("subagent_trajectory_ref")
        group = root
        if part.depth or parent is not None or step.get("call_type") == "subagent":
            key = (parent, ref)
            if key not in groups:
                groups[key] = _Group(f"{trace_id}:{len(groups) + 1}", parent)
                of_step.get(parent if parent is not None else -1, root).subagents.append(groups[key])
            group = groups[key]
        group.steps.append(part)
        of_step[step["step_index"]] = group
    return root


def _trajectory(record: Mapping[str, Any], group: _Group) -> dict[str, Any]:
    agent = record.get("agent") or {}
    name = next((part.step.get("agent_role") for part in group.steps), None) if group.parent is not None else None
    own: list[dict[str, int]] = [found for part in group.steps if (found := tokens(part.step))]
    definitions = record.get("tool_definitions") or None
    trajectory: dict[str, Any] = {
        "schema_version": VERSION,
        "trajectory_id": group.name,
        "agent": _without_none(
            {
                "name": agent.get("name") or "unknown",
                "version": agent.get("version") or "unknown",
                "model_name": agent.get("model"),
                "tool_definitions": definitions,
                "extra": {"role": name} if name else None,
            }
        ),
        "steps": _steps(record, group),
        "final_metrics": {
            "total_prompt_tokens": sum(_prompt(found) for found in own),
            "total_completion_tokens": sum(found["output"] for found in own),
            "total_cached_tokens": sum(found["cache_read"] for found in own),
            "total_steps": len(group.steps) or 1,
        },
    }
    if group.subagents:
        trajectory["subagent_trajectories"] = [_trajectory(record, subagent) for subagent in group.subagents]
    return trajectory


def _steps(record: Mapping[str, Any], group: _Group) -> list[dict[str, Any]]:
    if not group.steps:  # a session of which only subagents are known
        return [{"step_id": 1, "source": "system", "message": ""}]
    began: dict[int, list[str]] = {}
    for subagent in group.subagents:
        if subagent.parent is not None:
            began.setdefault(subagent.parent, []).append(subagent.name)
    beginners = containers(record)
    return [
        _step(number, part, began.get(part.step["step_index"], []), beginners)
        for number, part in enumerate(group.steps, 1)
    ]


def _step(number: int, part: Part, began: Sequence[str], beginners: frozenset[str]) -> dict[str, Any]:
    step = part.step
    stamp = step.get("timestamp")
    made: dict[str, Any] = {
        "step_id": number,
        "timestamp": stamp if micros(stamp) is not None else None,
        "source": step["role"],
        "message": step.get("content") or "",
        "extra": {"hookkit": {"step": step["step_index"]}},
    }
    calls = [row for row in part.rows if row.item.kind == "call"]
    if step["role"] == "agent":
        made |= {
            "model_name": step.get("model"),
            "reasoning_content": step.get("reasoning_content"),
            "tool_calls": [_call(row) for row in calls] or None,
            "metrics": _metrics(part),
        }
    known = {row.item.call_id for row in calls} if step["role"] == "agent" else set()
    results = [_result(observation, known) for observation in step.get("observations") or ()]
    _refer(results, began, [row.item.call_id for row in calls if row.item.name in beginners])
    if results:
        made["observation"] = {"results": results}
    return _without_none(made)


def _call(row: Row) -> dict[str, Any]:
    before, after = row.trees
    extra = {
        "started_at": row.item.time,
        "ended_at": row.ended,
        "duration_ms": row.duration_ms,
        "tree_before": before,
        "tree_after": after,
        "limitations": row.limitations or None,
    }
    return {
        "tool_call_id": row.item.call_id,
        "function_name": row.item.name,
        "arguments": row.call.get("input") or {},
        "extra": {"hookkit": _without_none(extra)},
    }


def _result(observation: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    error = observation.get("error")
    content = observation.get("content") or observation.get("output_summary")
    call_id = observation.get("source_call_id")
    return _without_none(
        {
            "source_call_id": call_id if call_id in known else None,
            "content": content if content is not None or error == "no_result" else error,
            "extra": {"hookkit": {"error": error}} if error else None,
        }
    )


def _refer(results: list[dict[str, Any]], began: Sequence[str], callers: Sequence[str]) -> None:
    """Put the subagents that a step began at the results of the calls that did, in order; else at one of their own."""
    for number, name in enumerate(began):
        caller = callers[min(number, len(callers) - 1)] if callers else None
        result = next((one for one in results if caller and one.get("source_call_id") == caller), None)
        if result is None:
            result = {}
            results.append(result)
        result.setdefault("subagent_trajectory_ref", []).append({"trajectory_id": name})


def _metrics(part: Part) -> dict[str, Any] | None:
    found = tokens(part.step)
    if found is None:
        return None
    return {
        "prompt_tokens": _prompt(found),
        "completion_tokens": found["output"],
        "cached_tokens": found["cache_read"],
        "extra": {"cache_write_tokens": found["cache_write"]},
    }


def _prompt(found: Mapping[str, int]) -> int:
    return found["input"] + found["cache_read"] + found["cache_write"]


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
