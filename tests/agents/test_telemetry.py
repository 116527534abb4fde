"""Real agents send their telemetry to hookkit's receiver: what arrives is what they did, and what they say it cost."""

from __future__ import annotations

import json
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
from .sandbox import Run, Sandbox
from .script import Bash, Text, Turn, Write
from .twins import Twins
from .usage import Usage, handed_out, total

pytestmark = pytest.mark.real_agent

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
