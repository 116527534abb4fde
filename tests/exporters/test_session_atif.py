"""A session as an ATIF trajectory: the schema, and what the format's validator asks beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from hookkit.exporters.source import Source
from tests.exporters.sessions import NAMES, hostile, record, text
from tests.exporters.support import check


def trajectory(given: dict[str, Any]) -> dict[str, Any]:
    """The trajectory of a record; valid."""
    found: dict[str, Any] = json.loads(text("atif", Source(given)))
    check("atif", found)
    for each in every(found):
        assert [step["step_id"] for step in each["steps"]] == [*range(1, len(each["steps"]) + 1)]
        assert each["final_metrics"]["total_steps"] == len(each["steps"])
        embedded = [subagent["trajectory_id"] for subagent in each.get("subagent_trajectories", ())]
        assert len(embedded) == len(set(embedded))
        for step in each["steps"]:
            if "timestamp" in step:
                datetime.fromisoformat(step["timestamp"].replace("Z", "+00:00"))
            ids = {call["tool_call_id"] for call in step.get("tool_calls", ())}
            for result in step.get("observation", {}).get("results", ()):
                assert result.get("source_call_id") in ids | {None}
                for ref in result.get("subagent_trajectory_ref", ()):
                    assert ref["trajectory_id"] in embedded
    return found


def every(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield found
    for subagent in found.get("subagent_trajectories", ()):
        yield from every(subagent)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_call_result_and_token_is_in_a_valid_trajectory(name: str) -> None:
    given = record(name)
    found = trajectory(given)
    assert found["session_id"] == given["session_id"]
    assert found["agent"]["name"] == name
    steps = {step["extra"]["hookkit"]["step"]: step for each in every(found) for step in each["steps"]}
    assert sorted(steps) == [step["step_index"] for step in given["steps"]]
    for step in given["steps"]:
        told = steps[step["step_index"]]
        assert (told["source"], told["message"]) == (step["role"], step["content"] or "")
        assert told.get("model_name") == step["model"]
        calls = [
            (call["tool_call_id"], call["function_name"], call["arguments"]) for call in told.get("tool_calls", ())
        ]
        assert calls == [(call["tool_call_id"], call["tool_name"], call["input"]) for call in step["tool_calls"]]
        results = told.get("observation", {}).get("results", ())
        assert [result.get("content") for result in results] == [one["content"] for one in step["observations"]]
    metrics = given["metrics"]
    prompted = (
        metrics["total_input_tokens"] + metrics["total_cache_read_tokens"] + metrics["total_cache_creation_tokens"]
    )
    assert sum(each["final_metrics"]["total_prompt_tokens"] for each in every(found)) == prompted
    assert (
        sum(each["final_metrics"]["total_completion_tokens"] for each in every(found)) == metrics["total_output_tokens"]
    )


def test_a_subagent_is_embedded_and_named_by_the_result_of_the_call_that_began_it() -> None:
    found = trajectory(record("claude-code"))
    (subagent,) = found["subagent_trajectories"]
    assert [step["extra"]["hookkit"]["step"] for step in subagent["steps"]] == [8, 9, 10, 11]
    assert subagent["agent"]["extra"] == {"role": "general-purpose"}
    (step,) = [step for step in found["steps"] if step["extra"]["hookkit"]["step"] == 7]
    (result,) = step["observation"]["results"]
    assert result["source_call_id"] == step["tool_calls"][0]["tool_call_id"]
    assert result["subagent_trajectory_ref"] == [{"trajectory_id": subagent["trajectory_id"]}]


def test_subagents_of_subagents_are_embedded_in_theirs() -> None:
    given = record("claude-code")
    for index in (10, 11):
        given["steps"][index] |= {"parent_step": 9, "subagent_trajectory_ref": "inner"}
    (outer,) = trajectory(given)["subagent_trajectories"]
    (inner,) = outer["subagent_trajectories"]
    assert [step["extra"]["hookkit"]["step"] for step in inner["steps"]] == [10, 11]


def test_subagents_of_unknown_origin_and_results_of_unknown_calls_are_kept() -> None:
    given = record("claude-code")
    for index in (8, 9, 10, 11):
        given["steps"][index]["parent_step"] = None
    given["steps"][1]["observations"][0]["source_call_id"] = "of nobody"
    found = trajectory(given)
    (subagent,) = found["subagent_trajectories"]
    assert len(subagent["steps"]) == 4
    assert "source_call_id" not in found["steps"][1]["observation"]["results"][0]


def test_a_session_of_which_only_a_subagent_is_known_is_valid_all_the_same() -> None:
    given = record("claude-code")
    given["steps"] = given["steps"][8:12]
    found = json.loads(text("atif", Source(given)))
    check("atif", found)
    assert len(found["subagent_trajectories"][0]["steps"]) == 4


def test_windows_and_trees_are_in_extra_and_hostile_texts_stay_valid() -> None:
    call = trajectory(hostile())["steps"][1]["tool_calls"][0]
    assert call["extra"]["hookkit"] == {
        "started_at": "2026-11-22T09:00:01.100000Z",
        "ended_at": "2026-11-22T09:00:01.300000Z",
        "duration_ms": 200.0,
        "tree_before": "a" * 40,
        "tree_after": "b" * 40,
        "limitations": ["tree_timeout"],
    }
