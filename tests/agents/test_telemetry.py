"""Real agents send their telemetry to hookkit's receiver: what arrives is what they did, and what they say it cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Any

import pytest

from hookkit.telemetry import queries
from hookkit.telemetry.reader import Reader
from tests.telemetry.receiver import Receiver, receiving

from .drivers import driver_of
from .drivers.base import Driver
from .evidence import recorded_trace
from .questions import play
from .sandbox import PATIENCE, Run, Sandbox
from .script import Agent, ApiError, Bash, Script, Text, Turn, Write
from .twins import Twins
from .usage import Usage, handed_out, total

pytestmark = pytest.mark.real_agent

NOWHERE = "http://127.0.0.1:9"
# Agents that are told by a file, with the protocols that they speak.
SPOKEN = [
    *(("claude-code", protocol) for protocol in ("grpc", "http/protobuf", "http/json")),
    *(("codex-cli", protocol) for protocol in ("grpc", "http/protobuf", "http/json")),
    *(("gemini-cli", protocol) for protocol in ("grpc", "http/json")),
    *(("qwen-code", protocol) for protocol in ("grpc", "http/json")),
]
# Events of Gemini CLI name no calls.
NAMELESS = ("gemini-cli",)


@pytest.fixture
def spoken(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def driver(spoken: tuple[str, str]) -> Driver:
    return driver_of(spoken[0])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def script(box: Sandbox) -> list[Turn]:
    return [
        [Write(f"{box.project}/a.txt", "one\n")],
        [Bash("ls missing"), Bash("echo hi")],
        [Text("Done.")],
    ]


def wired(twins: Twins, receiver: Receiver) -> Sandbox:
    """A sandbox whose agent was told to send to the receiver, over HTTP."""
    box = twins.bare("told")
    box.repository()
    where = ["--telemetry", "--telemetry-protocol", "http/protobuf", "--telemetry-endpoint", receiver.http]
    box.hookkit("install", box.agent.name, *box.driver.install_options, *where)
    return box


def everything(sql: str) -> list[dict[str, Any]]:
    """The rows that a statement gives of all that arrived."""
    reader = Reader()
    reader.refresh()
    try:
        return reader.query(sql)
    finally:
        reader.close()


def told(agent: str, session_id: str) -> Mapping[str, Any]:
    """What the telemetry of a session comes to."""
    reader = Reader()
    reader.refresh()
    try:
        (row,) = reader.query("SELECT * FROM session_rollup WHERE agent = ? AND session_id = ?", [agent, session_id])
        events = queries.timeline(reader, agent, session_id)
        metrics = queries.metric_sums(reader, agent)
        return {**row, "events": events, "metrics": metrics, "tool_rows": queries.tools(reader, agent, session_id)}
    finally:
        reader.close()


def tokens(row: Mapping[str, Any]) -> Usage:
    return Usage(*(row[f"{name}_tokens"] for name in ("input", "output", "cache_read", "cache_creation")))


def handed(box: Sandbox, run: Run) -> Usage:
    return total(box.driver.usage(handed_out(bytes(one.answer))) for one in run.requests)


def check(box: Sandbox, run: Run, trace: Mapping[str, Any]) -> Mapping[str, Any]:
    """Telemetry and trace tell of the same session: its prompt, its requests, its calls, its tokens."""
    found = told(box.agent.name, box.session_id)
    calls = {call["tool_call_id"] for step in trace["steps"] for call in step["tool_calls"]}
    heard = [row["tool_use_id"] for row in found["events"] if row["kind"] == "tool"]
    assert found["tools"] == len(calls) == len(heard) == 3
    if box.agent.name not in NAMELESS:
        assert set(heard) == calls
    assert found["requests"] == 3
    assert tokens(found) == handed(box, run)
    assert sum(row["call_count"] for row in found["tool_rows"]) == 3
    return found


@pytest.mark.parametrize("spoken", SPOKEN, ids="-".join, indirect=True)
def test_what_arrives_is_what_the_agent_did_and_said_it_cost(
    spoken: tuple[str, str], twins: Twins, receiver: Receiver
) -> None:
    agent, protocol = spoken
    box = twins.box("told", install=False)
    box.repository()
    files = box.home / ".codex" / "config.toml" if agent == "codex-cli" else box.driver.settings(box.place)
    before = files.read_bytes() if files.exists() else None
    place = f"http://{receiver.grpc}" if protocol == "grpc" else receiver.http
    where = ["--telemetry-protocol", protocol, "--telemetry-endpoint", place]
    box.hookkit("install", agent, *box.driver.install_options, "--telemetry", *where)
    run = play(box, script(box))
    found = check(box, run, recorded_trace(box))
    assert found["prompts"] == 1
    signals = {row["signal"] for row in receiver.rows() if row["agent"] == agent}
    assert signals >= {"log", "metric"}
    if agent == "claude-code":
        assert found["cost_micros"] == round(run.result["total_cost_usd"] * 1e6)
        cost = [row["value"] for row in found["metrics"] if row["name"] == "claude_code.cost.usage"]
        assert sum(cost) == pytest.approx(run.result["total_cost_usd"])
        used = [row["value"] for row in found["metrics"] if row["name"] == "claude_code.token.usage"]
        assert sum(used) == sum(astuple(tokens(found)))
        of_turns = [row for row in found["events"] if row["kind"] in ("prompt", "request", "tool", "decision")]
        assert len({row["prompt_id"] for row in of_turns}) == 1
        assert of_turns[0]["prompt_id"]
        numbers = [row["sequence"] for row in found["events"] if row["sequence"] is not None]
        assert numbers == sorted(numbers)
    settings = files.read_bytes()
    box.hookkit("remove", agent)
    if agent == "qwen-code":  # it writes its settings anew when it starts
        assert settings != before
        assert "telemetry" not in json.loads(files.read_text())
    else:
        assert (files.read_bytes() if files.exists() else None) == before


@pytest.mark.parametrize("spoken", [(name, "http/protobuf") for name in ("claude-code", "codex-cli")], indirect=True)
def test_a_session_with_a_subagent_is_told_as_its_own_account_has_it(twins: Twins, receiver: Receiver) -> None:
    """Claude Code tells a subagent within its session; Codex keeps and tells it as a session of its own."""
    box = wired(twins, receiver)
    run = box.run(Script([[Agent("sub")], [Text("Done.")]], {"sub": [[Bash("echo sub > sub.txt")], [Text("Sub.")]]}))
    assert run.returncode == 0, run.stderr
    box.settle()
    found = everything("SELECT * FROM session_rollup")
    mine = next(row for row in found if row["session_id"] == run.session_id)
    if box.agent.name == "claude-code":
        assert len(found) == 1
        names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        used = total(Usage(*(each[name] for name in names)) for each in run.result["modelUsage"].values())
        assert mine["cost_micros"] == round(run.result["total_cost_usd"] * 1e6)
    else:
        assert len(found) == 2
        said = run.records[-1]["usage"]
        cached = said["cached_input_tokens"]
        used = Usage(said["input_tokens"] - cached, said["output_tokens"], cached, said["cache_write_input_tokens"])
    assert tokens(mine) == used


@pytest.mark.parametrize("spoken", [(name, "http/protobuf") for name in ("claude-code", "codex-cli")], indirect=True)
def test_a_request_that_failed_is_an_error(twins: Twins, receiver: Receiver) -> None:
    """One of a subagent: where its own fails, Codex ends without sending what its log still holds."""
    box = wired(twins, receiver)
    run = box.run(Script([[Agent("sub")], [Text("Done.")]], {"sub": [[ApiError(529, "Overloaded")]]}))
    assert run.returncode == 0, run.stderr
    box.settle()
    (error,) = everything("SELECT * FROM events WHERE kind = 'request_error'")
    assert "529" in error["attributes"]
    assert sum(row["errors"] for row in everything("SELECT * FROM session_rollup")) >= 1


@pytest.mark.parametrize("spoken", [("claude-code", "http/protobuf")], ids="-".join, indirect=True)
@pytest.mark.parametrize(
    ("shell", "project", "arrives"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {}, True),
        ({"CLAUDE_CODE_ENABLE_TELEMETRY": "0", "OTEL_LOGS_EXPORTER": "none"}, {}, True),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{NOWHERE}/v1/logs"}, {}, False),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE}, False),
        ({}, {"OTEL_LOGS_EXPORTER": "none"}, False),
        ({}, {"CLAUDE_CODE_ENABLE_TELEMETRY": "0"}, False),
    ],
)
def test_what_wins_over_the_users_settings_is_what_doctor_warns_of(
    twins: Twins, receiver: Receiver, shell: dict[str, str], project: dict[str, str], arrives: bool
) -> None:
    box = wired(twins, receiver)
    if project:
        box.write({".claude/settings.json": json.dumps({"env": project})})
    box.server.play(Script([[Text("Done.")]]))
    command = box.command("Go on.", box.session_id)
    subprocess.run(
        command, cwd=box.project, env={**box.env, **shell}, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=True
    )
    box.settle()
    assert bool(everything("SELECT * FROM events WHERE signal = 'log'")) == arrives


@pytest.mark.parametrize("spoken", [("copilot-cli", "http/json")], ids="-".join, indirect=True)
def test_an_agent_that_takes_variables_alone_sends_when_it_is_given_what_install_says(
    spoken: tuple[str, str], twins: Twins, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = twins.box("told", install=True)
    box.repository()
    refused = box.hookkit("install", "copilot-cli", "--telemetry", "--telemetry-endpoint", receiver.http, check=False)
    assert refused.returncode == 1
    exported = refused.stderr.partition("export ")[2].split()
    given = box.driver.env
    more = dict(variable.split("=", 1) for variable in exported)
    assert more["OTEL_EXPORTER_OTLP_ENDPOINT"] == receiver.http
    monkeypatch.setattr(box.driver, "env", lambda place: {**given(place), **more})
    run = play(box, script(box))
    check(box, run, recorded_trace(box))
