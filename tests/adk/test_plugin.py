"""The plugin is not felt: whatever goes wrong with it, and however many runs it sees at once."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths, phases
from hookkit.capture.ingest import ingest_session
from hookkit.runlog.log import RunLog
from tests.waiting import wait_for

from .scene import (
    AgentTracePlugin,
    App,
    BasePlugin,
    InMemoryRunner,
    agent,
    calls,
    message,
    play,
    record_of,
    says,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    return tmp_path


def add(a: int, b: int) -> int:
    return a + b


def adder(**more: Any) -> Any:
    return agent("root", calls(("add", {"a": 1, "b": 2})), says("Three."), tools=[add], **more)


CALLBACKS = sorted(name for name in vars(BasePlugin) if name.endswith("_callback"))


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_callback_is_there_with_the_signature_of_the_base(name: str) -> None:
    ours, base = getattr(AgentTracePlugin, name), getattr(BasePlugin, name)
    assert name in vars(AgentTracePlugin)
    assert inspect.iscoroutinefunction(ours)
    kinds = [[(p.name, p.kind) for p in inspect.signature(each).parameters.values()] for each in (ours, base)]
    assert kinds[0] == kinds[1]
    assert len(CALLBACKS) == 14  # and close


def test_a_parameter_that_another_version_adds_disturbs_nothing() -> None:
    plugin = AgentTracePlugin(ingest=False)
    for name in CALLBACKS:
        assert asyncio.run(getattr(plugin, name)(tool_response={}, unheard_of=1)) is None


@pytest.mark.parametrize("broken", ["write", "everything"])
def test_an_error_of_ours_is_no_error_of_the_run(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any, **_more: Any) -> Any:
        raise RuntimeError("ours")

    if broken == "write":
        monkeypatch.setattr(RunLog, "write", fail)
    else:
        monkeypatch.setattr(AgentTracePlugin, "_run", fail)
    with caplog.at_level(logging.WARNING, "hookkit.adk"):
        played = play(adder())
    assert played.error is None
    assert played.given[-1].content.parts[0].text == "Three."
    said = [record.message for record in caplog.records]
    assert "hookkit could not record before_tool_callback" in said
    assert len(said) == len(set(said))


@pytest.mark.parametrize("trace_dir", ["/dev/null/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be(trace_dir: str, caplog: pytest.LogCaptureFixture) -> None:
    played = play(adder(), trace_dir=trace_dir)
    assert (played.error, len(played.given)) == (None, 3)
    assert [record.name for record in caplog.records].count("hookkit.adk") == 1


def test_a_full_disk_tears_one_line_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    real, number = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        number[0] += 1
        return real(descriptor, data[: len(data) // 2]) if number[0] == 4 else real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("hookkit.runlog.log.os.write", write)
        played = play(adder())
    assert played.error is None
    (path,) = played.plugin.paths
    lines = path.read_text().splitlines()
    whole = [json.loads(line) for line in lines if line.endswith("}") and line.startswith("{")]
    assert len(whole) == len(lines) - 1 == 9
    assert whole[-1]["type"] == "run.end"


def test_folder_and_files_are_the_users_alone() -> None:
    (path,) = play(adder()).plugin.paths
    assert path.parent == paths.runs()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name == f"{time.strftime('%Y-%m-%d')}_{path.stem[11:]}.jsonl"


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGENTTRACE_DISABLE", "HOOKKIT_DISABLE"):
        monkeypatch.setenv(name, "1")
        assert play(adder()).plugin.paths == []
        monkeypatch.delenv(name)
    assert not paths.runs().exists()


def test_secrets_do_not_reach_the_log() -> None:
    def login(user: str, password: str, max_tokens: int) -> dict[str, str]:
        return {"author": user, "api_key": "very-own-key", "note": "Bearer abcdefghijklmnop"}

    given = {"user": "me", "password": "swordfish", "max_tokens": 9}
    key = "sk-ant-api03-abcdefghijklmnopqrstuvwx"
    for clean in (True, False):
        root = agent("root", calls(("login", given)), says(f"I used {key}."), tools=[login])
        played = play(root, f"My key is {key}.", sanitize_args=clean)
        text = played.plugin.paths[0].read_text()
        for secret in ("swordfish", "very-own-key", "abcdefghijklmnop", key):
            assert (secret in text) is not clean, secret
        started = played.one("tool.start")["tool_args"]
        assert started["max_tokens"] == 9
        assert started["user"] == "me"


def test_a_preview_is_no_longer_than_asked_for() -> None:
    def lots() -> str:
        return "x" * 5000

    for most in (0, 20):
        played = play(agent("root", calls(("lots", {})), says("Done."), tools=[lots]), max_response_preview=most)
        assert played.one("tool.end")["response_preview"] == "x" * most + "…"


# Several runs


async def _ask(runner: InMemoryRunner, user: str, phase: str | None = None) -> None:
    with phases.trace("pipe", dir=paths.home()) if phase else nullcontext(), phases.phase(phase or ""):
        await _asked(runner, user)


async def _asked(runner: InMemoryRunner, user: str) -> None:
    session = await runner.session_service.create_session(app_name="many", user_id=user)
    async for _ in runner.run_async(user_id=user, session_id=session.id, new_message=message(f"I am {user}.")):
        await asyncio.sleep(0)


def _many(plugin: AgentTracePlugin, number: int, in_phases: bool = False) -> None:
    root = agent("root", *[each for _ in range(number) for each in [says("Hello.")]])
    runner = InMemoryRunner(app=App(name="many", root_agent=root, plugins=[plugin]))

    async def everything() -> None:
        await asyncio.gather(*(_ask(runner, f"u{n}", f"part {n}" if in_phases else None) for n in range(number)))
        await runner.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(everything())


def test_conversations_at_the_same_time_have_a_log_each() -> None:
    plugin = AgentTracePlugin(ingest=False)
    _many(plugin, 5)
    assert len(plugin.paths) == 5
    for number, path in enumerate(plugin.paths):
        record = record_of(path)
        assert [step.content for step in record.steps] == [f"I am u{number}.", "Hello."]
        assert record.outcome.terminal_state == "goal_reached"


def test_conversations_at_the_same_time_in_one_log_are_kept_apart() -> None:
    plugin = AgentTracePlugin(ingest=False, run_id="one/../log")
    _many(plugin, 3, in_phases=True)
    (path,) = plugin.paths
    assert path.name.endswith("_one-..-log.jsonl")
    record = record_of(path)
    said = [str(step.content) for step in record.steps]
    assert sorted(said[::2]) == ["I am u0.", "I am u1.", "I am u2."]
    assert said[1::2] == ["Hello."] * 3
    names = {phase["id"]: phase["name"] for phase in record.metadata["phases"]}
    assert sorted(names.values()) == ["part 0", "part 1", "part 2"]
    found = [names[record.metadata["step_phases"][str(index)]] for index in range(6)]
    assert found == [f"part {text[6]}" for text in said[::2] for _ in range(2)]
    for line in path.read_text().splitlines():
        assert json.loads(line)["phase_id"] in names


def test_a_run_in_a_thread_of_its_own() -> None:
    plugin = AgentTracePlugin(ingest=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = InMemoryRunner(app=App(name="sync", root_agent=adder(), plugins=[plugin]))
        session = asyncio.run(runner.session_service.create_session(app_name="sync", user_id="u"))
        events = list(runner.run(user_id="u", session_id=session.id, new_message=message("Go.")))
    assert len(events) == 3
    assert [step.content for step in record_of(plugin.paths[0]).steps] == ["Go.", None, "Three."]


def test_what_runs_inside_a_phase_says_so_in_its_log(home: Path) -> None:
    plugin = AgentTracePlugin(ingest=False, run_id="one")
    with phases.trace("pipe", dir=home / "trees") as pipe:
        play(agent("root", says("Before.")), plugin=plugin)
        with phases.phase("unseen"):
            pass
        with phases.phase("p0"):
            with phases.phase("inner"):
                play(adder(), plugin=plugin)
            play(agent("root", says("Bye.")), plugin=plugin)
        pipe.begin("still open")
        play(agent("root", says("Really.")), plugin=plugin)
    played = play(agent("root", says("Outside.")), plugin=plugin)
    record = played.record
    told = record.metadata["phases"]
    tree = phases.read_latest(home / "trees")
    ids = {node.agent_name: node.id for node in tree.children if node.node_type == "phase"}
    assert [(phase["id"], phase["name"], phase["parent"]) for phase in told] == [
        (ids["p0"], "p0", None), (ids["p0 / inner"], "inner", ids["p0"]), (ids["still open"], "still open", None),
    ]  # fmt: skip
    assert all(phase["started_at"] < phase["ended_at"] for phase in told)
    names = {phase["id"]: phase["name"] for phase in told}
    places = record.metadata["step_phases"]
    assert [names.get(places.get(str(step.step_index), "")) for step in record.steps] == [
        None, None, "inner", "inner", "inner", "p0", "p0", "still open", "still open", None, None,
    ]  # fmt: skip
    for event in played.all("llm.response"):
        assert event.get("phase") == names.get(event.get("phase_id", ""))


def test_the_side_channel_takes_the_same_events_and_never_holds_up(home: Path) -> None:
    live = home / "live.jsonl"
    live.write_text("")
    played = play(adder(), live=live)
    notes = [json.loads(line) for line in live.read_text().splitlines()]
    assert [note["params"] for note in notes] == played.events
    assert all(note["jsonrpc"] == "2.0" and note["method"] == note["params"]["type"] for note in notes)
    pipe = home / "pipe"
    os.mkfifo(pipe)
    assert play(adder(), live=pipe).error is None  # nobody reads it


# The end


def test_the_end_of_a_run_starts_the_ingest_and_waits_for_nothing(home: Path) -> None:
    played = play(adder(), ingest=True)
    (trace,) = wait_for(lambda: list(paths.traces().glob("*.json")))
    found = json.loads(trace.read_bytes())
    assert found["session_id"] == played.plugin.paths[0].stem
    assert found["agent"]["name"] == "google-adk"
    assert ingest_session(played.plugin.paths[0], agent="google-adk").trace_id == found["trace_id"]


PROGRAM = """
import asyncio, sys, time, os
from tests.adk.scene import *
async def wait():
    print("working", flush=True)
    await asyncio.sleep(60)
async def main():
    root = agent("root", calls(("wait", {})), tools=[wait])
    runner = InMemoryRunner(app=App(name="x", root_agent=root, plugins=[AgentTracePlugin()]))
    session = await runner.session_service.create_session(app_name="x", user_id="u")
    async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message("Go.")):
        pass
asyncio.run(main())
"""


@pytest.mark.long
@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, None), (signal.SIGINT, "cancelled")])
def test_a_program_that_is_stopped_loses_nothing(how: signal.Signals, status: str | None) -> None:
    env = os.environ | {"AGENTTRACE_INGEST": "0", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"working\n"
        child.send_signal(how)
    (path,) = paths.runs().iterdir()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event.get("status") for event in events if event["type"] == "run.end"] == ([status] if status else [])
    record = record_of(path)
    assert record.steps[1].tool_calls[0].tool_name == "wait"
    assert record.steps[1].observations[0].error == ("CancelledError" if status else "no_result")
    assert record.metadata["capture"]["complete"] is bool(status)
    assert (record.outcome.terminal_state == "interrupted") is bool(status)


def test_old_logs_go_when_the_plugin_starts(home: Path) -> None:
    folder = home / "logs"
    folder.mkdir()
    for name, days in (("2026-01-01_a.jsonl", 40), ("2026-01-02_b.jsonl", 20), ("notes.jsonl", 99)):
        (folder / name).write_text("{}\n")
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    AgentTracePlugin(trace_dir=folder, retention_days=0)
    assert len(list(folder.iterdir())) == 3
    AgentTracePlugin(trace_dir=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["2026-01-02_b.jsonl", "notes.jsonl"]
    (folder / "notes.jsonl").unlink()


def test_the_command_line_does_without_adk() -> None:
    code = "import sys, hookkit.cli, hookkit.cli.ingest, hookkit.capture.adk.parser\n"
    code += "assert not [name for name in sys.modules if name.startswith(('google', 'pydantic'))]"
    subprocess.run([sys.executable, "-c", code], check=True)
