"""Recorded sessions as node trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.exporters.formats.belay import export, node_tree
from hookkit.exporters.source import Source
from hookkit.exporters.windows import context_window
from hookkit.store.node import Node

from .support import check

RECORDS = Path(__file__).parents[1] / "every" / "records"
AGENTS = sorted(path.stem for path in RECORDS.glob("*.json") if path.stem != "required")


def text_of(record: Any) -> str:
    return "".join(export(Source(record, redacted=False)))


def step(index: int, role: str, second: float, content: str = "", **more: Any) -> dict[str, Any]:
    places = {"parent_step": None, "call_type": "main", "agent_role": "main", "model": None, "token_usage": {}}
    at = f"2026-01-01T00:00:{second:06.3f}Z"
    texts = {"content": content, "tool_calls": [], "observations": []}
    return {"step_index": index, "role": role, "timestamp": at, **places, **texts, **more}


def call(name: str, ms: int | None = None, output: str = "", **given: Any) -> dict[str, Any]:
    """A call and its result, as parts of a step."""
    made = {"tool_call_id": f"id-{name}", "tool_name": name, "input": given, "duration_ms": ms}
    return {"tool_calls": [made], "observations": [{"source_call_id": f"id-{name}", "content": output, "error": None}]}


def usage(fresh: int, read: int, written: int, made: int) -> dict[str, Any]:
    counts = {"input_tokens": fresh, "cache_read_tokens": read, "cache_write_tokens": written, "output_tokens": made}
    return {"token_usage": counts}


def record(*steps: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "trace_id": "5e0c51f4-0000-4000-8000-000000000000",
        "session_id": "s",
        "agent": {"name": "claude-code"},
        "timestamp_start": "2026-01-01T00:00:00Z",
        "timestamp_end": "2026-01-01T00:01:00.500Z",
        "metrics": {},
        "steps": [*steps],
        "metadata": metadata,
    }


def tree(*steps: dict[str, Any], **metadata: Any) -> Node:
    made = record(*steps, **metadata)
    text = text_of(made)
    check("trace-node", json.loads(text))
    assert Node.from_json(text) == node_tree(made)
    return node_tree(made)


def names(node: Node) -> list[str]:
    return [child.agent_name for child in node.children]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_session_of_every_agent_is_a_valid_tree(agent: str) -> None:
    content = json.loads((RECORDS / f"{agent}.json").read_bytes())
    text = text_of(content)
    check("trace-node", json.loads(text))
    node = Node.from_json(text)
    assert (node.id, node.agent_name) == (content["trace_id"], agent)
    calls = [item["tool_name"] for one in content["steps"] for item in one["tool_calls"]]
    assert [one.agent_name for one in node.walk() if one.node_type == "tool_call"] == calls
    made = sum(one["token_usage"]["output_tokens"] for one in content["steps"])
    assert sum(one.output_tokens for one in node.children) == made or not made
    ids = [one.id for one in node.walk()]
    assert len({*ids}) == len(ids)
    assert text_of(content) == text


def test_turns_are_phases_that_say_how_the_prompt_begins() -> None:
    node = tree(
        step(0, "user", 1, "\n  Fix the mean of an empty list, please, and say what was wrong with it\nThanks"),
        step(1, "agent", 2, model="m/1", **call("Read", 20), **usage(1, 20, 300, 7)),
        step(2, "agent", 5.25, "Done.", model="m/2", **usage(2, 400, 0, 8)),
        step(3, "user", 30, "now push"),
        step(4, "agent", 31, **call("Bash")),
        step(5, "user", 40, ""),
    )
    first = "turn 1: Fix the mean of an empty list, please, and say…"
    assert names(node) == [f"→ {first}", first, "→ turn 2: now push", "turn 2: now push", "→ turn 3", "turn 3"]
    assert [child.node_type for child in node.children] == ["marker", "phase"] * 3
    phase = node.children[1]
    assert (phase.model, phase.duration_ms, phase.input_tokens, phase.output_tokens) == ("m/2", 4250, 723, 15)
    assert (node.duration_ms, node.cost_usd, node.input_tokens) == (60_500, 0, 0)
    (read,) = phase.children
    assert (read.agent_name, read.duration_ms, read.input_tokens, read.output_tokens) == ("Read", 20, 321, 7)


def test_a_secret_in_a_prompt_does_not_leave() -> None:
    key = "sk-ant-" + "a1" * 30
    node = tree(step(0, "user", 1, f"use key {key} for it, and remember that it is secret"))
    assert "sk-ant" not in node.to_json()
    assert names(node)[1].startswith("turn 1: use key [REDACTED]")


def test_what_an_agent_did_before_the_first_prompt_is_in_default() -> None:
    node = tree(step(0, "agent", 1, **call("Read")), step(1, "user", 2, "go"), step(2, "agent", 3))
    assert names(node) == ["default", "→ turn 1: go", "turn 1: go"]
    assert names(node.children[0]) == ["Read"]


def test_calls_of_subagents_are_in_the_phase_of_their_caller_with_a_context_of_their_own() -> None:
    sub = {"call_type": "subagent", "parent_step": 1, "agent_role": "explore"}
    node = tree(
        step(0, "user", 1, "go"),
        step(1, "agent", 2, **call("Agent"), **usage(1000, 0, 0, 1)),
        step(2, "user", 3, "look", **sub),
        step(3, "agent", 4, **sub, **call("Grep"), **usage(50, 0, 0, 2)),
        step(4, "user", 20, "next"),
        step(5, "agent", 21, **call("Edit"), **usage(1100, 0, 0, 1)),
        step(8, "agent", 22, **call("Glob"), **sub),
        step(6, "user", 5, "nobody's", call_type="subagent"),
        step(7, "agent", 6, **call("Lost"), call_type="subagent"),
    )
    assert names(node) == ["→ turn 1: go", "turn 1: go", "→ turn 2: next", "turn 2: next"]
    assert [(one.agent_name, one.input_tokens) for one in node.children[1].children] == [
        ("Agent", 1000), ("Grep", 50), ("Glob", 50), ("Lost", 2),
    ]  # fmt: skip
    assert names(node.children[3]) == ["Edit"]


def test_where_the_model_does_not_count_tokens_they_are_estimated() -> None:
    node = tree(
        step(0, "user", 1, "x" * 8),
        step(1, "agent", 2, "y" * 4, **call("Read", output="z" * 40)),
        step(2, "agent", 3, "y" * 4, **call("Edit")),
    )
    phase = node.children[1]
    said = 1 + 2  # the text; the name and an empty input
    assert [(one.input_tokens, one.output_tokens) for one in phase.children] == [(2, said), (12, 2 * said)]
    assert (phase.input_tokens, phase.output_tokens) == (12, 2 * said)


def test_the_context_window_is_told_where_it_is_known_and_can_be_right() -> None:
    known, beyond = usage(199_000, 0, 0, 1), usage(201_000, 0, 0, 1)
    node = tree(
        step(0, "user", 1, "go"),
        step(1, "agent", 2, model="anthropic/claude-sonnet-4-5", **call("A"), **known),
        step(2, "agent", 3, model="anthropic/claude-sonnet-4-5", **call("B"), **beyond),
        step(3, "agent", 4, model="acme/llm", **call("C"), **known),
    )
    assert [one.context_window for one in node.children[1].children] == [200_000, 0, 0]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("anthropic/claude-opus-4-8", 1_000_000), ("claude-opus-4-5-20251101", 200_000), ("gpt-5.1-codex", 400_000),
        ("openai/gpt-5.4-mini", 400_000), ("openrouter/anthropic/claude-haiku-4-5", 200_000), ("", 0), (None, 0),
        ("claude-sonnet-4-5[1m]", 1_000_000), ("scripted/scripted-1", 0),
    ],
)  # fmt: skip
def test_windows_go_by_the_longest_known_start_of_the_name(model: str | None, tokens: int) -> None:
    assert context_window(model) == tokens


def test_a_call_that_does_not_tell_its_time_took_what_was_between_its_hooks() -> None:
    def at(second: float, **more: str) -> dict[str, Any]:
        return {"timestamp": f"2026-01-01T00:00:{second:06.3f}Z", **more}

    node = tree(
        step(0, "user", 1, "go"),
        step(1, "agent", 2, **call("Read")),
        step(2, "agent", 3, **call("Bash")),
        hook_pre_tool_use={"id-Read": at(2.1), "id-Bash": at(3)},
        hook_post_tool_use={"id-Read": at(2.35), "id-Bash": at(9, capture_status="post_inferred")},
    )
    assert [one.duration_ms for one in node.children[1].children] == [250, 0]


def explicit() -> list[dict[str, Any]]:
    return [
        {"id": "p1", "name": "research", "started_at": "2026-01-01T00:00:02Z", "ended_at": "2026-01-01T00:00:12Z"},
        {
            "id": "p2", "name": "fetch", "parent": "p1",
            "started_at": "2026-01-01T00:00:04Z", "ended_at": "2026-01-01T00:00:07Z",
        },
        {"id": "p3", "name": "write", "started_at": "2026-01-01T00:00:20Z", "ended_at": None, "parent": None},
    ]  # fmt: skip


def test_the_phases_that_a_record_names_come_before_turns() -> None:
    node = tree(
        step(0, "user", 1, "go"),
        step(1, "agent", 2, **call("A")),
        step(2, "agent", 5, **call("B")),
        step(3, "agent", 6, call_type="subagent", parent_step=2, **call("C")),
        step(4, "agent", 15, **call("D")),
        step(5, "agent", 23.5, **call("E")),
        phases=explicit(),
        step_phases={"1": "p1", "2": "p2", "5": "p3", "4": "gone"},
    )
    assert names(node) == [
        "→ research", "research", "→ research / fetch", "research / fetch", "default", "→ write", "write",
    ]  # fmt: skip
    assert {one.agent_name: names(one) for one in node.children if one.node_type == "phase"} == {
        "research": ["A"], "research / fetch": ["B", "C"], "default": ["D"], "write": ["E"],
    }  # fmt: skip
    assert [one.duration_ms for one in node.children] == [0, 7000, 0, 3000, 0, 0, 3500]


def test_phases_that_overlap_inside_of_another_are_taken_off_once() -> None:
    def one(key: str, start: int, end: int, parent: str | None = None) -> dict[str, Any]:
        at = [f"2026-01-01T00:00:{second:02}Z" for second in (start, end)]
        return {"id": key, "name": key, "parent": parent, "started_at": at[0], "ended_at": at[1]}

    node = tree(phases=[one("a", 10, 30), one("b", 12, 20, "a"), one("c", 15, 18, "a"), one("d", 17, 40, "a")])
    assert {one.agent_name: one.duration_ms for one in node.children if one.node_type == "phase"} == {
        "a": 2000, "a / b": 8000, "a / c": 3000, "a / d": 23_000,
    }  # fmt: skip


def test_costs_go_to_the_phases_of_their_steps_and_what_is_left_to_default() -> None:
    steps = [step(0, "user", 1, "one"), step(1, "agent", 2), step(2, "user", 3, "two"), step(3, "agent", 4)]

    def costs(*some: dict[str, Any], **cost: Any) -> dict[str, float]:
        node = tree(*some, cost={"source": "agent", **cost})
        assert node.cost_usd == 0
        return {one.agent_name: one.cost_usd for one in node.children if one.node_type == "phase"}

    both = costs(*steps, usd=0.75, steps={"1": 0.25, "3": 0.5})
    assert both == {"turn 1: one": 0.25, "turn 2: two": 0.5}
    assert costs(*steps, usd=1.0, steps={"3": 0.5}) == {"turn 1: one": 0, "turn 2: two": 0.5, "default": 0.5}
    assert costs(*steps[:2], usd=0.125) == {"turn 1: one": 0.125}
    assert costs(usd=0.5) == {"default": 0.5}


def test_estimates_are_shared_among_the_turns_by_their_tokens_for_each_model_apart() -> None:
    def used(index: int, second: int, model: str, fresh: int) -> dict[str, Any]:
        return step(index, "agent", second, **{**usage(fresh, 0, 0, 0), "model": model})

    steps = [
        step(0, "user", 1, "one"), used(1, 2, "a", 100), used(2, 3, "b", 70),
        step(3, "user", 4, "two"), used(4, 5, "a", 300), used(5, 6, "told", 900), used(6, 7, "unpriced", 900),
    ]  # fmt: skip
    models = {"a": {"usd": 0.4}, "b": {"usd": 1.0}, "told": {"usd": 0.5}, "unpriced": {"usd": None}}
    cost = {"source": "mixed", "usd": 1.9, "models": models, "steps": {"5": 0.5}, "unpriced": ["unpriced"]}
    node = tree(*steps, cost=cost)
    shared = {one.agent_name: one.cost_usd for one in node.children if one.node_type == "phase"}
    assert shared == pytest.approx({"turn 1: one": 1.1, "turn 2: two": 0.8})
    renamed = tree(*steps, cost={**cost, "models": {}, "steps": {}, "usd": 1.37, "unpriced": ["told", "unpriced"]})
    shared = {one.agent_name: one.cost_usd for one in renamed.children if one.node_type == "phase"}
    assert shared == pytest.approx({"turn 1: one": 1.37 * 170 / 470, "turn 2: two": 1.37 * 300 / 470})


def test_output_weighs_more_than_what_is_read_from_the_cache() -> None:
    steps = [
        step(0, "user", 1, "one"), step(1, "agent", 2, **usage(0, 1000, 0, 0)),
        step(2, "user", 3, "two"), step(3, "agent", 4, **usage(0, 0, 0, 1000)),
    ]  # fmt: skip
    node = tree(*steps, cost={"source": "estimate", "usd": 5.1})
    assert [one.cost_usd for one in node.children if one.node_type == "phase"] == pytest.approx([0.1, 5.0])


def test_a_trace_id_that_is_no_file_name_is_replaced() -> None:
    odd = record() | {"trace_id": "a/../b"}
    assert node_tree(odd).id == node_tree(odd).id
    check("trace-node", json.loads(text_of(odd)))
