"""A session without a transcript: what its hook lines alone can tell."""

from __future__ import annotations

import json
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.hook_lines import HookIndex, Row, is_cut
from hookkit.capture.record import canonical, new_step, observation, place_step


def assemble_hooks(hooks: HookIndex) -> Assembly:
    """One step for each prompt and each tool call, in order of time."""
    prompts = [row for event, row in hooks.events() if event == "UserPromptSubmit"]
    calls = dict(hooks.post) | hooks.pre  # the line before the call, where there is one, says when it began
    rows: list[tuple[Row, str]] = [(row, "") for row in prompts] + [(row, call_id) for call_id, row in calls.items()]
    assembly = Assembly(source="hook_lines", tool_calls=len(calls), turns=len(prompts))
    for row, call_id in sorted(rows, key=lambda item: (item[0].us, item[1], item[0].text)):
        entry = json.loads(row.text)
        if call_id:
            step, failed = _call_step(hooks, call_id, entry)
            assembly.failed_tool_calls += failed
            assembly.last, assembly.last_failed = "result", failed
        else:
            step = new_step("user", entry["timestamp"])
            step["content"] = _text(entry.get("prompt"))
            assembly.prompt = assembly.prompt or step["content"]
            assembly.prompt_source = "user_prompt"
            assembly.last, assembly.last_failed = "prompt", False
        agent = hooks.agents.get(call_id)
        assembly.steps.append(
            place_step(
                canonical(step),
                index=len(assembly.steps),
                parent=None,
                call_type="subagent" if agent else "main",
                role="subagent" if agent else "main",
                ref=agent,
            )
        )
        assembly.end_us = row.us
    assembly.subagents = len(set(hooks.agents.values()))
    if any(event == "StopFailure" and row.us >= assembly.end_us for event, row in hooks.events()):
        assembly.last = "error"
    return assembly


def _call_step(hooks: HookIndex, call_id: str, entry: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    step = new_step("agent", entry["timestamp"])
    step["tool_calls"].append(
        {
            "tool_call_id": call_id,
            "tool_name": entry["tool"],
            "input": entry.get("tool_input", {}),
            "duration_ms": hooks.durations.get(call_id),
        }
    )
    post = json.loads(hooks.post[call_id].text) if call_id in hooks.post else None
    failed = post is not None and post["event"] == "PostToolUseFailure"
    error = "no_result" if post is None else _text(post.get("error")) or "error" if failed else None
    step["observations"].append(observation(call_id, None, error))
    return step, failed


def _text(value: object) -> str | None:
    if isinstance(value, dict) and is_cut(value) and isinstance(value["cut"], str):
        return value["cut"] + "…"
    return value if isinstance(value, str) else None
