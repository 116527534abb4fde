"""What google-adk really calls, in every case that is known to differ, and what becomes of it: log and trace."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from .scene import LlmResponse, agent, calls, forever, play, says, types

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google.adk.agents import LoopAgent, ParallelAgent, SequentialAgent
    from google.adk.agents.run_config import RunConfig, StreamingMode
    from google.adk.tools.agent_tool import AgentTool
    from google.adk.workflow import START, Workflow


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    return tmp_path


def add(a: int, b: int) -> int:
    return a + b


def divide(a: int, b: int) -> dict[str, Any]:
    return {"quotient": a / b}


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"slept {seconds}"


def test_one_tool_then_text() -> None:
    played = play(agent("root", calls(("add", {"a": 1, "b": 2})), says("Three."), tools=[add]))
    assert played.error is None
    assert played.types == [
        "run.start", "agent.start", "llm.request", "llm.response", "tool.start", "tool.end",
        "llm.request", "llm.response", "agent.end", "run.end",
    ]  # fmt: skip
    start, end = played.one("run.start"), played.one("run.end")
    assert (start["agent_name"], start["user_message"], start["app_name"]) == ("root", "Go.", "scene")
    assert len({event["run_id"] for event in played.events}) == 1
    assert {event["invocation_id"] for event in played.events} == {start["invocation_id"]}
    asked, answered = played.all("llm.request")[0], played.all("llm.response")[0]
    assert (asked["model"], asked["message_count"], asked["tools_available"]) == ("fake-1", 1, ["add"])
    assert asked["request_id"] == answered["request_id"]
    assert answered["has_tool_calls"] is True
    call = played.one("tool.start")
    assert call["tool_call_id"].startswith("adk-")  # the model gave none
    assert answered["tool_calls"][0]["tool_call_id"] == call["tool_call_id"] == played.one("tool.end")["tool_call_id"]
    assert (call["tool_args"], call["agent_name"]) == ({"a": 1, "b": 2}, "root")
    assert (played.one("tool.end")["response_preview"], played.one("tool.end")["success"]) == ("3", True)
    assert end["status"] == "ok"
    summary = {"llm_calls": 2, "tool_calls": 1, "total_tokens": 13, "errors": 0, "tools_used": ["add"]}
    assert end["summary"] == summary
    assert end["duration_ms"] >= played.one("agent.end")["duration_ms"] > 0

    record = played.record
    assert played.steps() == [("user", "Go.", None), ("main", "add", None), ("main", "Three.", None)]
    assert (record.agent.name, record.agent.model) == ("google-adk", "fake-1")
    assert record.steps[1].tools_available == ["add"]
    assert (record.metrics.total_input_tokens, record.metrics.total_output_tokens) == (10, 3)
    assert record.outcome.terminal_state == "goal_reached"
    assert record.metadata["capture"]["complete"] is True
    assert record.metadata["runs"][0]["status"] == "ok"


def test_parallel_tools_end_in_their_own_order() -> None:
    wanted = [("slow", {"seconds": each}) for each in (0.06, 0.03, 0.0)]
    played = play(agent("root", calls(*wanted), says("Done."), tools=[slow]))
    starts, ends = played.all("tool.start"), played.all("tool.end")
    assert [event["tool_args"]["seconds"] for event in starts] == [0.06, 0.03, 0.0]
    assert [event["tool_call_id"] for event in ends] == [event["tool_call_id"] for event in reversed(starts)]
    step = played.record.steps[1]
    assert [call.tool_call_id for call in step.tool_calls] == [event["tool_call_id"] for event in starts]
    assert {seen.content for seen in step.observations} == {"slept 0.06", "slept 0.03", "slept 0.0"}


def test_a_tool_that_raises_ends_the_run() -> None:
    played = play(agent("root", calls(("divide", {"a": 1, "b": 0})), tools=[divide]))
    assert isinstance(played.error, ZeroDivisionError)
    assert played.types[-4:] == ["tool.start", "tool.error", "agent.error", "run.end"]
    failure, end = played.one("tool.error"), played.one("run.end")
    assert (failure["error_type"], failure["error_message"]) == ("ZeroDivisionError", "division by zero")
    assert (end["status"], end["error_type"], end["summary"]["errors"]) == ("error", "ZeroDivisionError", 1)
    record = played.record
    assert record.outcome.terminal_state == "error"
    assert record.steps[1].observations[0].error == "ZeroDivisionError: division by zero"
    (error,) = record.metadata["session_errors"]
    assert (error["kind"], error["message"]) == ("agent_error", "ZeroDivisionError: division by zero")


def test_the_same_error_in_two_turns_is_two_errors() -> None:
    wanted = [calls(("divide", {"a": 1, "b": 0})) for _ in range(2)]
    played = play(agent("root", *wanted, tools=[divide]), "A", "B")
    assert [run["status"] for run in played.record.metadata["runs"]] == ["error", "error"]
    assert len(played.record.metadata["session_errors"]) == 2


def test_the_sleeper_beside_a_tool_that_raises_is_cancelled_and_the_run_failed() -> None:
    wanted = calls(("slow", {"seconds": 60}), ("divide", {"a": 1, "b": 0}))
    played = play(agent("root", wanted, tools=[slow, divide]))
    assert sorted(event["error_type"] for event in played.all("tool.error")) == ["CancelledError", "ZeroDivisionError"]
    assert played.one("run.end")["status"] == "error"
    assert all(seen.error for seen in played.record.steps[1].observations)


def test_an_unknown_tool_is_an_error_that_the_run_survives() -> None:
    played = play(agent("root", calls(("nosuch", {})), says("Sorry."), tools=[add]))
    assert played.kinds() == [
        "run.start", "llm.request", "llm.response", "tool.start", "tool.error", "llm.request", "llm.response",
        "run.end",
    ]  # fmt: skip
    assert "nosuch" in played.one("tool.error")["error_message"]
    assert played.one("run.end")["status"] == "ok"
    assert played.record.metadata["capture"]["failed_tool_calls"] == 1


def test_a_missing_argument_is_a_result_that_says_so() -> None:
    played = play(agent("root", calls(("add", {"a": 1})), says("Sorry."), tools=[add]))
    end = played.one("tool.end")
    assert end["success"] is False
    assert "mandatory" in end["response_preview"] or "argument" in end["response_preview"]
    assert "tool.error" not in played.types
    assert played.record.steps[1].observations[0].error


@pytest.mark.parametrize(("result", "preview"), [(["a", "b"], '["a", "b"]'), ("text", "text"), (None, "null")])
def test_a_result_need_not_be_an_object(result: Any, preview: str) -> None:
    def tool() -> Any:
        return result

    played = play(agent("root", calls(("tool", {})), says("Done."), tools=[tool]))
    assert played.one("tool.end")["response_preview"] == preview
    assert played.record.steps[1].observations[0].content == preview


def test_a_model_that_raises_ends_the_run() -> None:
    played = play(agent("root", ConnectionError("no route")))
    assert isinstance(played.error, ConnectionError)
    assert played.kinds() == ["run.start", "llm.request", "llm.response", "agent.error", "run.end"]
    answer = played.one("llm.response")
    assert (answer["error_code"], answer["error_message"]) == ("ConnectionError", "no route")
    assert played.one("run.end")["summary"]["errors"] == 1
    record = played.record
    assert played.steps() == [("user", "Go.", None)]
    assert record.outcome.terminal_state == "error"
    (error,) = record.metadata["session_errors"]
    assert (error["kind"], error["message"]) == ("api_error", "ConnectionError: no route")


def test_an_answer_that_was_blocked_is_a_run_that_ended_well_and_a_trace_that_says_so() -> None:
    blocked = LlmResponse(error_code="SAFETY", error_message="blocked", finish_reason=types.FinishReason.SAFETY)
    played = play(agent("root", blocked))
    assert played.error is None
    answer = played.one("llm.response")
    assert (answer["error_code"], answer["finish_reason"]) == ("SAFETY", "SAFETY")
    assert played.one("run.end")["status"] == "ok"
    assert played.record.outcome.terminal_state == "error"


def test_a_streamed_answer_is_one_answer_and_its_tokens_count_once() -> None:
    parts = [says(text, partial=True, finish_reason=None) for text in ("He", "llo")]
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    played = play(agent("root", [*parts, says("Hello")]), run_config=config)
    assert len(played.given) == 3
    answer = played.one("llm.response")
    assert (answer["text"], answer["chunks"], answer["total_tokens"]) == ("Hello", 2, 13)
    assert played.one("run.end")["summary"]["total_tokens"] == 13
    assert played.record.metrics.total_output_tokens == 3


def test_thoughts_are_output_and_cached_tokens_are_no_input() -> None:
    usage = types.GenerateContentResponseUsageMetadata(
        prompt_token_count=100, cached_content_token_count=60, candidates_token_count=5, thoughts_token_count=7,
        tool_use_prompt_token_count=2, total_token_count=114,
    )  # fmt: skip
    thought = types.Part(text="Hmm.", thought=True)
    content = types.Content(role="model", parts=[thought, types.Part(text="Yes.")])
    played = play(agent("root", LlmResponse(content=content, usage_metadata=usage, model_version="gemini-3-flash")))
    answer = played.one("llm.response")
    names = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "thought_tokens")
    assert [answer[name] for name in names] == [102, 12, 114, 60, 7]
    step = played.record.steps[1]
    assert (step.content, step.reasoning_content, step.model) == ("Yes.", "Hmm.", "google/gemini-3-flash")
    used = step.token_usage
    assert (used.input_tokens, used.output_tokens, used.cache_read_tokens) == (42, 12, 60)


def test_a_transfer_and_the_turn_after_it() -> None:
    child = agent("child", says("Hello."), says("Again."), description="Says hello.")
    played = play(agent("root", calls(("transfer_to_agent", {"agent_name": "child"})), sub_agents=[child]), "A", "B")
    transfer = played.one("agent.transfer")
    assert (transfer["from_agent"], transfer["to_agent"]) == ("root", "child")
    assert transfer["tool_call_id"] == played.one("tool.start")["tool_call_id"]
    assert [event["agent_name"] for event in played.all("run.start")] == ["root", "child"]
    assert played.steps() == [
        ("user", "A", None), ("main", "transfer_to_agent", None), ("child", "Hello.", 1),
        ("user", "B", None), ("main", "Again.", None),
    ]  # fmt: skip
    assert played.record.metadata["agent_transfers"][0]["to_agent"] == "child"
    assert played.record.metadata["capture"]["turns"] == 2


def test_a_caller_that_stops_early_ended_the_run() -> None:
    played = play(agent("root", calls(("add", {"a": 1, "b": 2})), says("Three."), tools=[add]), stop=1)
    assert played.kinds()[-1] == "run.end"
    assert played.all("run.end")[-1]["status"] == "ok"
    record = played.record
    assert record.steps[1].tool_calls[0].input == {"a": 1, "b": 2}
    assert record.steps[1].observations[0].error == "no_result"
    assert record.outcome.terminal_state == "interrupted"


def test_a_caller_that_is_cancelled_while_the_model_thinks() -> None:
    root = agent("root", forever)
    played = play(root, cancel=lambda: not root.model.answers)  # type: ignore[union-attr]
    assert isinstance(played.error, asyncio.CancelledError)
    assert played.kinds() == ["run.start", "llm.request", "llm.response", "run.end"]
    assert played.one("llm.response")["incomplete"] is True
    assert played.one("run.end")["status"] == "cancelled"
    assert played.record.outcome.terminal_state == "interrupted"


def test_a_caller_that_is_cancelled_while_a_tool_works() -> None:
    begun: list[bool] = []

    async def wait() -> None:
        begun.append(True)
        await asyncio.sleep(60)

    played = play(agent("root", calls(("wait", {})), tools=[wait]), cancel=lambda: bool(begun))
    assert isinstance(played.error, asyncio.CancelledError)
    assert played.kinds()[-2:] == ["tool.error", "run.end"]
    assert played.one("tool.error")["error_type"] == "CancelledError"
    assert played.one("run.end")["status"] == "cancelled"
    assert played.record.steps[1].observations[0].error == "CancelledError"


def test_agents_that_are_tools_are_runs_of_their_own_below_the_call() -> None:
    inner = agent("inner", calls(("add", {"a": 1, "b": 1})), says("Two."), says("Also."), tools=[add])
    wanted = calls(("inner", {"request": "Add."}), ("inner", {"request": "And?"}))
    played = play(agent("root", wanted, says("End."), tools=[AgentTool(inner)]))
    outer, *nested = played.all("run.start")
    of_inner = [event["tool_call_id"] for event in played.all("tool.start") if event["tool_name"] == "inner"]
    assert [event["parent_tool_call_id"] for event in nested] == of_inner
    assert {event["parent_invocation_id"] for event in nested} == {outer["invocation_id"]}
    assert [event["status"] for event in played.all("run.end")] == ["ok"] * 3
    steps = played.steps()
    assert steps[:3] == [("user", "Go.", None), ("main", "inner inner", None), ("inner", "Add.", 1)]
    assert steps[-1] == ("main", "End.", None)
    assert {parent for whose, _, parent in steps if whose == "inner"} == {1}
    assert played.record.metadata["capture"]["subagents"] == 2
    assert played.record.metadata["capture"]["turns"] == 1


def test_agents_beside_each_other_are_told_by_their_branch() -> None:
    asks = [calls(("slow", {"seconds": 0})) for _ in range(2)]
    workers = [agent(f"w{number}", ask, says(f"I am {number}."), tools=[slow]) for number, ask in enumerate(asks)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = ParallelAgent(name="par", sub_agents=workers)
    played = play(root)
    assert {event["branch"] for event in played.all("llm.request")} == {"par.w0", "par.w1"}
    assert played.steps() == [
        ("user", "Go.", None), ("w0", "slow", 0), ("w0", "I am 0.", 0), ("w1", "slow", 0), ("w1", "I am 1.", 0),
    ]  # fmt: skip
    assert played.record.agent.model == "fake-1"


@pytest.mark.parametrize(("kind", "more"), [(SequentialAgent, {}), (LoopAgent, {"max_iterations": 2})])
def test_agents_after_each_other_stay_in_their_order(kind: Any, more: dict[str, int]) -> None:
    rounds = more.get("max_iterations", 1)
    team = [agent(name, *[says(f"{name} {n}") for n in range(rounds)]) for name in ("writer", "critic")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = kind(name="team", sub_agents=team, **more)
    played = play(root)
    expected = [(name, f"{name} {n}", 0) for n in range(rounds) for name in ("writer", "critic")]
    assert played.steps() == [("user", "Go.", None), *expected]


def test_agents_that_are_nodes_of_a_workflow() -> None:
    nodes = [agent(name, says(f"I am {name}.")) for name in ("first", "second")]
    played = play(Workflow(name="flow", edges=[(START, nodes[0]), (nodes[0], nodes[1])]))
    assert played.one("run.end")["status"] == "ok"
    assert played.steps() == [("user", "Go.", None), ("first", "I am first.", 0), ("second", "I am second.", 0)]


@pytest.mark.parametrize("how", ["workflow", "transfer"])
def test_a_caller_that_is_cancelled_while_another_agent_is_at_work(how: str) -> None:
    child = agent("child", forever, description="Waits.")
    if how == "transfer":
        root = agent("root", calls(("transfer_to_agent", {"agent_name": "child"})), sub_agents=[child])
    else:
        root = Workflow(name="flow", edges=[(START, child)])
    played = play(root, cancel=lambda: not child.model.answers)  # type: ignore[union-attr]
    assert isinstance(played.error, asyncio.CancelledError)
    assert played.one("run.end")["status"] == "cancelled"
    assert played.record.outcome.terminal_state == "interrupted"


class Schema(BaseModel):
    count: int = 0


def test_a_state_that_has_a_schema_gets_nothing_of_ours() -> None:
    def bump(tool_context: Any) -> str:
        tool_context.state["count"] = 7
        return "ok"

    bump.__annotations__["tool_context"] = _tool_context()
    root = agent("root", calls(("bump", {})), says("Done."), tools=[bump], state_schema=Schema)
    played = play(root)
    assert played.error is None
    assert played.one("state.change")["state_delta"] == {"count": 7}
    assert played.plugin.state == {"count": 7}  # type: ignore[attr-defined]
    (change,) = played.record.metadata["state_changes"]
    assert (change["author"], change["state_delta"]) == ("root", {"count": 7})


def _tool_context() -> Any:
    from google.adk.tools.tool_context import ToolContext

    return ToolContext


def test_ids_that_a_model_gives_again_are_calls_of_their_own() -> None:
    again = calls(("add", {"a": 1, "b": 2}), ids=["call_1"])
    root = agent("root", again, says("Three."), again.model_copy(deep=True), says("Still."), tools=[add])
    played = play(root, "A", "B")
    ids = [call.tool_call_id for step in played.record.steps for call in step.tool_calls]
    assert ids == ["call_1", "call_1~2"]
