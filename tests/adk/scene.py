"""Runs agents of the real google-adk with a model that answers from a list; nothing goes over a network."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

with warnings.catch_warnings():  # what google-adk and its dependencies say of each other is not ours
    warnings.simplefilter("ignore")
    from google.adk.agents import LlmAgent
    from google.adk.apps.app import App
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.llm_response import LlmResponse
    from google.adk.plugins.base_plugin import BasePlugin
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    from hookkit.adk import AgentTracePlugin

from hookkit.capture.adk.parser import AdkParser


class FakeModel(BaseLlm):
    """Answers with the next of ``answers``: a response, a list of them, an error to raise, or what to wait for."""

    answers: Any = None

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        answer = self.answers.popleft()
        for one in answer if isinstance(answer, list) else [answer]:
            if isinstance(one, Exception):
                raise one
            yield (await one()) if callable(one) else one


def agent(name: str, *answers: Any, **more: Any) -> LlmAgent:
    return LlmAgent(name=name, model=FakeModel(model="fake-1", answers=deque(answers)), **more)


def says(text: str, given: int = 10, made: int = 3, **more: Any) -> LlmResponse:
    """An answer in words. given, made: tokens."""
    usage = types.GenerateContentResponseUsageMetadata(
        prompt_token_count=given, candidates_token_count=made, total_token_count=given + made
    )
    parts = [types.Part(text=text)]
    more = {"usage_metadata": usage, "finish_reason": types.FinishReason.STOP, **more}
    return LlmResponse(content=types.Content(role="model", parts=parts), **more)


def calls(*wanted: tuple[str, dict[str, Any]], ids: Sequence[str] = ()) -> LlmResponse:
    """An answer that asks for tools."""
    names = [*ids, *[None] * len(wanted)]
    parts = [
        types.Part(function_call=types.FunctionCall(id=call, name=name, args=given))
        for call, (name, given) in zip(names, wanted, strict=False)
    ]
    return LlmResponse(content=types.Content(role="model", parts=parts))


def message(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


async def forever() -> Any:
    await asyncio.sleep(60)


@dataclass
class Played:
    """What came of it: the events of each log, what the caller got, and what it was told in the end."""

    plugin: AgentTracePlugin
    given: list[Any] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """Of all logs, the oldest first."""
        return [json.loads(line) for path in self.plugin.paths for line in path.read_text("utf-8").splitlines()]

    def kinds(self, *but: str) -> list[str]:
        """The types of the events, without those of agents, which come in pairs around everything."""
        return [kind for kind in self.types if kind not in ("agent.start", "agent.end", *but)]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (found,) = self.all(kind)
        return found

    @property
    def record(self) -> TraceRecord:
        (path,) = self.plugin.paths
        return record_of(path)

    def steps(self) -> list[tuple[str, str | None, int | None]]:
        """(whose, what was said or which tools, index of the parent step) of every step of the record."""
        return [
            (
                step.role if step.role == "user" and step.agent_role == "main" else str(step.agent_role),
                step.content or " ".join(call.tool_name for call in step.tool_calls),
                step.parent_step,
            )
            for step in self.record.steps
        ]


def record_of(path: Path) -> TraceRecord:
    """The trace of a log: valid, and nothing of the log was unknown to it."""
    outcome = AdkParser().parse(path)
    assert not outcome.is_blocked(), outcome.errors
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert record.content_hash == record.compute_content_hash()
    assert record.metadata["capture"]["unknown_types"] == {}
    seen = [seen.source_call_id for step in record.steps for seen in step.observations]
    assert sorted(seen) == sorted(call.tool_call_id for step in record.steps for call in step.tool_calls)
    return record


def play(
    root: Any,
    *prompts: str,
    first: Sequence[BasePlugin] = (),
    then: Sequence[BasePlugin] = (),
    stop: int | None = None,
    cancel: Callable[[], bool] | None = None,
    run_config: Any = None,
    close: bool = True,
    plugin: AgentTracePlugin | None = None,
    **settings: Any,
) -> Played:
    """Ask the agent the prompts, in one conversation. first, then: plugins before and behind ours.

    stop: the caller looks at that many events only. cancel: the caller's task is cancelled once this is true.
    """
    played = Played(plugin or AgentTracePlugin(**{"ingest": False, **settings}))
    app = App(name="scene", root_agent=root, plugins=[*first, played.plugin, *then])

    async def ask(runner: InMemoryRunner, session: str, prompt: str) -> None:
        run = runner.run_async(user_id="u", session_id=session, new_message=message(prompt), run_config=run_config)
        async for event in run:
            played.given.append(event)
            if len(played.given) == stop:
                await run.aclose()
                return

    async def everything() -> None:
        runner = InMemoryRunner(app=app)
        session = await runner.session_service.create_session(app_name="scene", user_id="u")
        for prompt in prompts or ("Go.",):
            task = asyncio.ensure_future(ask(runner, session.id, prompt))
            while cancel is not None and not task.done():
                await asyncio.sleep(0.01)
                if cancel():
                    task.cancel()
                    break
            try:
                await task
            except (Exception, asyncio.CancelledError) as error:
                played.error = error
        played.plugin.state = (
            await runner.session_service.get_session(  # type: ignore[attr-defined]
                app_name="scene", user_id="u", session_id=session.id
            )
        ).state
        if close:
            await runner.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(everything())
    return played
