"""Calls that hook lines tell of and the events do not: what was not yet written when the agent was killed."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hookkit.agents.copilot_cli import CONTRACT
from hookkit.capture.assembly import Assembly
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.record import canonical, new_step, observation
from hookkit.capture.values import micros


def with_lost_calls(assembly: Assembly, hooks: HookIndex) -> Assembly:
    """The session with a step for each of these calls, after the last step before it."""
    rows = dict(hooks.post) | hooks.pre
    lost = sorted((row.us, call_id) for call_id, row in rows.items() if call_id not in assembly.ends)
    if not lost or assembly.source != "transcript":
        return assembly
    steps: list[dict[str, Any]] = [json.loads(step) for step in assembly.steps]
    owners = {step["subagent_trajectory_ref"]: step for step in steps if step["subagent_trajectory_ref"]}
    times: list[int] = []  # never less than one before, so that the steps of a subagent stay together
    for step in steps:
        times.append(max(micros(step["timestamp"]) or 0, times[-1] if times else 0))
    found: list[tuple[int, dict[str, Any]]] = []
    failed = 0
    for moment, call_id in lost:
        post = json.loads(hooks.post[call_id].text) if call_id in hooks.post else None
        step = _step(hooks, call_id, json.loads(rows[call_id].text), post, owners)
        failed += post is not None and post["event"] == "PostToolUseFailure"
        found.append((bisect_right(times, moment), step))
    return replace(
        assembly,
        steps=_merged(steps, found),
        tool_calls=assembly.tool_calls + len(lost),
        failed_tool_calls=assembly.failed_tool_calls + failed,
    )


def _step(
    hooks: HookIndex, call_id: str, entry: Mapping[str, Any], post: Mapping[str, Any] | None, owners: Mapping[str, Any]
) -> dict[str, Any]:
    step = new_step("agent", entry["timestamp"])
    given = entry.get("tool_input", {})
    tool = "apply_patch" if entry["tool"] == "Edit" and "input" in given else entry["tool"]
    call = {"tool_call_id": call_id, "tool_name": CONTRACT.tool_names.get(tool, tool), "input": given}
    step["tool_calls"].append({**call, "duration_ms": hooks.durations.get(call_id)})
    error = "no_result" if post is None else None
    if post is not None and post["event"] == "PostToolUseFailure":
        error = post["error"] if isinstance(post.get("error"), str) and post["error"] else "error"
    step["observations"].append(observation(call_id, None, error))
    agent = entry.get("agent_id")
    if agent is None:
        return {**step, "call_type": "main", "agent_role": "main"}
    known = owners.get(agent, {"agent_role": "subagent", "parent_step": None})
    place = {"agent_role": known["agent_role"], "parent_step": known["parent_step"]}
    return {**step, "call_type": "subagent", "subagent_trajectory_ref": agent, **place}


def _merged(steps: list[dict[str, Any]], more: list[tuple[int, dict[str, Any]]]) -> list[bytes]:
    """All steps with their numbers. more: (number of the steps before it, step), in order."""
    places = [at for at, _ in more]
    shifted = [number + bisect_right(places, number) for number in range(len(steps))]
    merged = [*((shifted[number], step) for number, step in enumerate(steps))]
    merged += [(at + number, step) for number, (at, step) in enumerate(more)]
    found = []
    for number, step in sorted(merged, key=lambda item: item[0]):
        parent = step["parent_step"]
        found.append(
            canonical({**step, "step_index": number, "parent_step": None if parent is None else shifted[parent]})
        )
    return found
