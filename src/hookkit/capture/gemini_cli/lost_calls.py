"""The calls that only the hooks know: Gemini CLI writes an answer's calls when the last of them has ended, so a call
that was running when the agent was killed is not in the session at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.record import canonical, observation
from hookkit.capture.values import micros


def with_lost_calls(assembly: Assembly, hooks: HookIndex) -> Assembly:
    """The session with these calls in the answers that they must have been asked for by: the last one before."""
    rows = dict(hooks.post) | hooks.pre
    lost = sorted((row.us, call_id) for call_id, row in rows.items() if call_id not in assembly.ends)
    if not lost or assembly.source != "transcript":
        return assembly
    steps: list[dict[str, Any]] = [json.loads(step) for step in assembly.steps]
    times = [micros(step["timestamp"]) for step in steps]
    added = failed = 0
    for moment, call_id in lost:
        earlier = [(at, index) for index, at in enumerate(times) if at is not None and at <= moment]
        step = steps[max(earlier)[1]] if earlier else None
        if step is None or step["role"] != "agent":
            continue
        entry = json.loads(rows[call_id].text)
        post = json.loads(hooks.post[call_id].text) if call_id in hooks.post else None
        error = "no_result" if post is None else None
        if post is not None and post["event"] == "PostToolUseFailure":
            error, failed = _text(post.get("error")), failed + 1
        call = {"tool_call_id": call_id, "tool_name": entry["tool"], "input": entry.get("tool_input", {})}
        step["tool_calls"].append({**call, "duration_ms": hooks.durations.get(call_id)})
        step["observations"].append(observation(call_id, None, error))
        added += 1
    return replace(
        assembly,
        steps=list(map(canonical, steps)),
        tool_calls=assembly.tool_calls + added,
        failed_tool_calls=assembly.failed_tool_calls + failed,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else "error"
