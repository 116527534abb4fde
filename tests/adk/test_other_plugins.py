"""Other plugins beside ours: that raise, recover, or answer, before us or behind us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .scene import BasePlugin, agent, calls, play, says, types


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    return tmp_path


def add(a: int, b: int) -> int:
    return a + b


def divide(a: int, b: int) -> dict[str, Any]:
    return {"quotient": a / b}


class Other(BasePlugin):
    """Another plugin, that does one thing at one callback."""

    def __init__(self, where: str, act: Any) -> None:
        super().__init__(name="other")

        async def callback(**given: Any) -> Any:
            return act(given)

        setattr(self, where, callback)


def fail(_given: dict[str, Any]) -> Any:
    raise LookupError("a plugin's own")


@pytest.mark.parametrize("place", ["first", "then"])
def test_another_plugin_that_raises_at_the_users_message(place: str) -> None:
    played = play(agent("root", says("Never.")), **{place: [Other("on_user_message_callback", fail)]})  # type: ignore[arg-type]
    assert isinstance(played.error, RuntimeError)
    assert played.types == ["run.start", "run.end"]
    assert (played.one("run.end")["status"], played.one("run.end")["summary"]["errors"]) == ("error", 1)
    assert played.steps() == [("user", "Go.", None)]


def test_another_plugin_that_recovers_a_tool() -> None:
    other = Other("on_tool_error_callback", lambda given: {"quotient": "infinite"})
    played = play(agent("root", calls(("divide", {"a": 1, "b": 0})), says("OK."), tools=[divide]), then=[other])
    assert played.error is None
    assert played.kinds()[3:6] == ["tool.start", "tool.error", "tool.end"]
    assert (played.one("tool.end")["recovered"], played.one("tool.end")["success"]) == (True, True)
    (seen,) = played.record.steps[1].observations
    assert (seen.error, seen.content) == (None, '{"quotient": "infinite"}')
    assert played.record.metadata["capture"]["failed_tool_calls"] == 0


@pytest.mark.parametrize("place", ["first", "then"])
def test_another_plugin_that_answers_for_the_model(place: str) -> None:
    other = Other("before_model_callback", lambda given: says("From the cache."))
    played = play(agent("root"), **{place: [other]})  # type: ignore[arg-type]
    assert played.kinds("llm.request", "llm.response", "agent.message") == ["run.start", "run.end"]
    said = played.one("llm.response" if place == "then" else "agent.message")
    assert said["text"] == "From the cache."
    assert played.steps() == [("user", "Go.", None), ("main", "From the cache.", None)]


def test_another_plugin_that_recovers_the_model() -> None:
    other = Other("on_model_error_callback", lambda given: says("Instead."))
    played = play(agent("root", ConnectionError("no route")), then=[other])
    assert played.error is None
    first, second = played.all("llm.response")
    assert (first["error_code"], second["text"]) == ("ConnectionError", "Instead.")
    assert first["request_id"] == second["request_id"]
    assert played.record.outcome.terminal_state == "goal_reached"


@pytest.mark.parametrize("place", ["first", "then"])
def test_another_plugin_that_answers_for_a_tool(place: str) -> None:
    other = Other("before_tool_callback", lambda given: {"sum": 0})
    root = agent("root", calls(("add", {"a": 1, "b": 2})), says("Zero."), tools=[add])
    played = play(root, **{place: [other]})  # type: ignore[arg-type]
    assert played.kinds()[3:5] == ["tool.start", "tool.end"]
    assert played.record.steps[1].observations[0].content == '{"sum": 0}'


def test_another_plugin_that_ends_the_run_before_it_began() -> None:
    other = Other("before_run_callback", lambda given: types.Content(role="model", parts=[types.Part(text="No.")]))
    played = play(agent("root"), then=[other])
    assert played.types == ["run.start", "agent.message", "run.end"]
    assert played.steps()[-1][1] == "No."
