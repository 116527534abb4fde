"""docs/adk.md and the README: their code runs, and what they say of settings and events is so."""

from __future__ import annotations

import asyncio
import re
import tomllib
import warnings
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.adk.fold import _READ
from hookkit.runlog import settings

from .scene import InMemoryRunner, LlmResponse, agent, calls, message, play, record_of, says

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google.adk.models.google_llm import Gemini

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adk.md").read_text("utf-8")
CODE = [
    pytest.param(block, id=name)
    for name in ("README.md", "docs/adk.md")
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    if "hookkit.adk" in block
]
COMMON = {"type", "run_id", "timestamp", "invocation_id", "branch", "phase", "phase_id"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path))
    monkeypatch.setenv("AGENTTRACE_INGEST", "0")
    return tmp_path


@pytest.mark.parametrize("code", CODE)
def test_the_code_runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_self: Any, request: Any, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        tool = next(iter(request.tools_dict), None)
        asked = any(content.role == "model" for content in request.contents)
        yield says("Found it.") if asked or tool is None else calls((tool, {"query": "hookkit"}))

    monkeypatch.setattr(Gemini, "generate_content_async", answer)

    async def run(app: Any) -> None:
        runner = InMemoryRunner(app=app)
        session = await runner.session_service.create_session(app_name=app.name, user_id="u")
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message("Find it.")):
            pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: dict[str, Any] = {}
        exec(code, made)
        asyncio.run(run(made["app"]))
    (plugin,) = made["app"].plugins
    (log,) = plugin.paths
    assert record_of(log).steps[-1].content == "Found it."


def test_the_settings_of_the_page_are_the_settings(home: Path) -> None:
    rows = re.findall(r"^\| (?:`(\w+)`)? ?\| `(AGENTTRACE_\w+)` \| (?:`(\w+)`)? ?\|", PAGE, re.MULTILINE)
    said = {variable: (name, key) for name, variable, key in rows}
    known = {each.variable: (name, each.key) for name, each in settings.SETTINGS.items()}
    assert said == known | {"AGENTTRACE_DISABLE": ("", "")}
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (home / "config.toml").write_text(block)
    found = settings.load({})
    given = tomllib.loads(block)["adk"]
    assert found.trace_dir == Path(given.pop("trace_dir")).expanduser()
    assert {name: getattr(found, name) for name in given} == given


def test_the_events_of_the_page_are_the_events() -> None:
    documented: dict[str, set[str]] = {}
    for types, fields in re.findall(r"^\| ((?:`\w+\.\w+`(?:, )?)+) \| (.*) \|$", PAGE, re.MULTILINE):
        for kind in re.findall(r"`(\w+\.\w+)`", types):
            documented[kind] = set(re.findall(r"`(\w+)`", fields))
    assert documented.keys() == _READ.keys()

    def set_it(value: int) -> str:
        raise LookupError(value)

    child = agent("child", ConnectionError("no"), description="A child.")
    asks = [calls(("set_it", {"value": 1})), calls(("transfer_to_agent", {"agent_name": "child"}))]
    for root in (agent("one", asks[0], tools=[set_it]), agent("two", asks[1], sub_agents=[child])):
        for event in play(root).events:
            assert event.keys() <= documented[event["type"]] | COMMON, event["type"]
