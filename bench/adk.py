"""What the ADK plugin costs: runs with a model that answers at once, with the plugin and without, in turn.

All in one process, which has imported everything and run once, so what is compared are the runs alone, by the time of
the processor. The longer a run, the more ADK itself does for each event, as it goes through the whole conversation
again; so short ones are measured, too. Whoever waits for a real model, or a tool that does something, notices less.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

from bench.timing import Row

LONG = (1, 499)  # conversations, and calls in each: an event for the call, one for its result, and one answer
SHORT = (20, 25)


def measure(scratch: Path, runs: int) -> Iterator[Row]:
    """A thousand events of ADK, and what the plugin adds: in one run, and in short ones, where it shows most."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.adk.plugins.base_plugin import BasePlugin

        from hookkit.adk import AgentTracePlugin

        folders = (scratch / f"adk-{number}" for number in itertools.count())

        def ours() -> BasePlugin:
            return AgentTracePlugin(next(folders), ingest=False)

        def idle() -> BasePlugin:
            return BasePlugin(name="idle")

        yield _row("ADK, one run of 999 events, CPU", "no plugin", "<= 1.05", LONG, ours, None, max(3, runs // 5))
        yield _row("ADK, 20 runs of 51 events, CPU", "no plugin", "", SHORT, ours, None, runs)
        yield _row("ADK, 20 runs of 51 events, CPU", "idle plugin", "", SHORT, ours, idle, runs)
    logging.disable(logging.NOTSET)


def _row(
    name: str,
    against: str,
    budget: str,
    size: tuple[int, int],
    ours: Callable[[], Any],
    theirs: Callable[[], Any] | None,
    runs: int,
) -> Row:
    def once(plugin: Callable[[], Any] | None, conversations: int, calls: int) -> float:
        started = time.process_time()
        events = asyncio.run(_converse([plugin()] if plugin else [], conversations, calls))
        seconds = time.process_time() - started
        assert events == conversations * (2 * calls + 1)
        return seconds

    once(ours, 1, 10), once(theirs, 1, 10)
    pairs = [(once(ours, *size), once(theirs, *size)) for _ in range(runs)]
    ratio = statistics.median(mine / other for mine, other in pairs)
    a, b = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    return Row(name, against, ratio, budget, a, b)


async def _converse(plugins: list[Any], conversations: int, calls: int) -> int:
    """Every conversation in turn; gives the number of events that the caller saw."""
    from google.adk.agents import LlmAgent
    from google.adk.apps.app import App
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.llm_response import LlmResponse
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    class Model(BaseLlm):
        async def generate_content_async(
            self, llm_request: Any, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            asked = sum(1 for content in llm_request.contents if content.role == "model")
            usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=900, candidates_token_count=30)
            call = types.FunctionCall(name="look_up", args={"query": "the weather in Paris", "limit": 5})
            part = types.Part(function_call=call) if asked < calls else types.Part(text="It is sunny. " * 20)
            content = types.Content(role="model", parts=[part])
            yield LlmResponse(content=content, usage_metadata=usage, finish_reason=types.FinishReason.STOP)

    def look_up(query: str, limit: int) -> dict[str, Any]:
        return {"results": [f"{query}: result {number}" for number in range(limit)]}

    agent = LlmAgent(name="bench", model=Model(model="fake"), tools=[look_up])
    runner = InMemoryRunner(app=App(name="bench", root_agent=agent, plugins=plugins))
    seen = 0
    for _ in range(conversations):
        session = await runner.session_service.create_session(app_name="bench", user_id="u")
        message = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
        async for _event in runner.run_async(user_id="u", session_id=session.id, new_message=message):
            seen += 1
    await runner.close()
    return seen
