"""What telemetry tells is put where it belongs: into a subagent, beside its call, and nothing counts twice."""

from __future__ import annotations

from typing import Any

from hookkit.dashboard.entries import Entry
from hookkit.dashboard.merge import merged
from hookkit.dashboard.nested import Node, nest
from hookkit.dashboard.opened import sums
from hookkit.views.outline import Item


def row(kind: str, us: int, name: str = "", depth: int = 0, call: str = "", **more: Any) -> Entry:
    return Entry(kind, 1, depth, us, Item(kind, name=name, call_id=call, **more), place=us)  # type: ignore[arg-type]


def told(kind: str, us: int, name: str, **more: Any) -> dict[str, Any]:
    return {"signal": "log", "kind": kind, "time_us": us, "name": f"x.{name}", "prompt_id": "p", "position": us, **more}


def trace() -> list[Entry]:
    """A prompt, a call that starts a subagent, what that does, and a last word."""
    return [
        row("turn", 0),
        row("call", 100, "Agent", call="t1"),
        row("tokens", 101, prompted=10, made=1),
        row("subagent", 200, "helper", 1),
        row("call", 300, "Bash", 1, "t2", state="failed"),
        row("tokens", 301, depth=1, prompted=20, made=2),
        row("said", 500, depth=1),
        row("tokens", 501, depth=1, prompted=30, made=3),
        row("said", 900),
        row("tokens", 901, prompted=40, made=4),
    ]


EVENTS = [
    told("prompt", 0, "user_prompt"),
    told("request", 90, "api_request", input_tokens=10, output_tokens=1),
    told("hook", 95, "hook_execution_start"),
    told("hook", 96, "hook_execution_complete"),
    told("tool", 120, "tool_result", tool_use_id="t1", duration_ms=1.0),
    told("request", 290, "api_request", input_tokens=20, output_tokens=2),
    told("hook", 295, "hook_execution_start"),
    told("tool", 310, "tool_result", tool_use_id="t2", success=False, error="Exit code 1"),
    {**told("other", 320, "tool.execution", tool_use_id="t2", success=False, error="ShellError"), "signal": "span"},
    told("request", 510, "api_request", input_tokens=30, output_tokens=3, agent_name="helper"),
    told("request", 890, "api_request", input_tokens=40, output_tokens=4),
    told("hook", 905, "hook_execution_complete"),
]


def shape(nodes: list[Node]) -> list[Any]:
    return [
        (node.kind, shape(node.inside)) if node.inside else node.entry.name if node.kind == "call" else node.kind
        for node in nodes
    ]


def test_what_happened_inside_of_a_subagent_stays_inside() -> None:
    entries = merged(trace(), EVENTS, {})
    assert shape(nest([entry for entry in entries if entry.kind != "turn"], entries)) == [
        "request",
        ("events", ["event", "event"]),
        "Agent",
        ("subagent", ["request", "event", "Bash", "event", "said", "request"]),
        "request",
        "said",
        "event",
    ]


def test_a_call_that_failed_is_one_error_whatever_tells_of_it() -> None:
    entries = merged(trace(), EVENTS, {})
    assert [entry.name for entry in entries if entry.failed] == ["Bash"]
    assert sums(entries).failed == 1


def test_tokens_are_told_once() -> None:
    entries = merged(trace(), EVENTS, {})
    assert not [entry for entry in entries if entry.kind == "tokens"]
    assert sums(entries).tokens == 110
    assert sums(merged(trace(), [], {})).tokens == 110
