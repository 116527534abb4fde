"""Run logs that no plugin of today writes: early ones, torn ones, and ones in pieces."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit import cli, paths
from hookkit.capture.adk.parser import AdkParser
from hookkit.capture.ingest import ingest_project, ingest_session

from .recorded_sessions import (
    by_turns,
    check_pieces,
    check_read_twice,
    check_record,
    damaged,
    in_leaps,
    put_odd_value,
    shuffled,
)

NAME = "2024-01-15_abc123"
# As the design that the format is from shows it.
FIRST = [
    {"type": "run.start", "invocation_id": "inv_001", "agent_name": "my_agent"},
    {"type": "llm.request", "request_id": "req_001", "model": "gemini-2.0-flash", "message_count": 2,
     "tools_available": ["search_web", "write_file"]},
    {"type": "llm.response", "request_id": "req_001", "duration_ms": 835, "input_tokens": 523, "output_tokens": 680,
     "total_tokens": 1203, "has_tool_calls": True, "finish_reason": "tool_calls"},
    {"type": "tool.start", "tool_call_id": "tc_001", "tool_name": "search_web", "tool_args": {"query": "AI news"},
     "agent_name": "my_agent"},
    {"type": "tool.end", "tool_call_id": "tc_001", "tool_name": "search_web", "duration_ms": 491,
     "response_preview": "Found 10 results...", "success": True},
    {"type": "run.end", "duration_ms": 2415, "summary": {"llm_calls": 2, "tool_calls": 2, "total_tokens": 2095}},
]  # fmt: skip


def line(number: int, **event: Any) -> str:
    return json.dumps({"run_id": "abc123", "timestamp": 1705329121 + number / 10, **event}) + "\n"


def write(folder: Path, events: list[dict[str, Any]], name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(line(number, **event) for number, event in enumerate(events)), encoding="utf-8")
    return path


def rich() -> list[dict[str, Any]]:
    """A log with everything in it: two turns, parallel and nested agents, a transfer, a recovery, phases, errors."""
    one: dict[str, Any] = {"invocation_id": "e-1"}
    two: dict[str, Any] = {"invocation_id": "e-2"}
    deep: dict[str, Any] = {"invocation_id": "e-3"}
    root, child = {"agent_name": "root"}, {"agent_name": "child", "branch": "root.child"}
    return [
        {"type": "phase.start", "phase_id": "p1", "name": "plan"},
        {"type": "run.start", **one, **root, "session_id": "s", "user_message": "Do it.", "cwd": "/srv/app",
         "adk_version": "2.13.0", "phase_id": "p1"},
        {"type": "agent.start", **one, **root},
        {"type": "llm.request", **one, **root, "request_id": "e-1/1", "model": "gemini-3", "tools_available": ["go"]},
        {"type": "llm.response", **one, **root, "request_id": "e-1/1", "text": "Going.", "thought": "Hm.",
         "input_tokens": 9, "output_tokens": 4, "cached_tokens": 5, "has_tool_calls": True, "phase_id": "p1",
         "tool_calls": [{"tool_call_id": "a", "tool_name": "go", "tool_args": {"n": 1}},
                        {"tool_call_id": "b", "tool_name": "ask", "tool_args": {}},
                        {"tool_call_id": "c", "tool_name": "transfer_to_agent", "tool_args": {}}]},
        {"type": "tool.start", **one, **root, "tool_call_id": "a", "tool_name": "go", "tool_args": {"n": 1}},
        {"type": "tool.start", **one, **root, "tool_call_id": "b", "tool_name": "ask", "tool_args": {}},
        {"type": "run.start", **deep, "agent_name": "inner", "parent_invocation_id": "e-1", "session_id": "t",
         "parent_tool_call_id": "b", "user_message": "Ask."},
        {"type": "tool.error", **one, **root, "tool_call_id": "a", "tool_name": "go", "error_type": "KeyError",
         "error_message": "n"},
        {"type": "tool.end", **one, **root, "tool_call_id": "a", "tool_name": "go", "recovered": True,
         "success": True, "response_preview": "gone", "duration_ms": 3.4},
        {"type": "llm.response", **deep, "agent_name": "inner", "request_id": "e-3/1", "text": "Asked."},
        {"type": "run.end", **deep, "status": "ok", "duration_ms": 5},
        {"type": "tool.end", **one, **root, "tool_call_id": "b", "tool_name": "ask", "success": True,
         "response_preview": "Asked."},
        {"type": "tool.start", **one, **root, "tool_call_id": "c", "tool_name": "transfer_to_agent"},
        {"type": "tool.end", **one, **root, "tool_call_id": "c", "tool_name": "transfer_to_agent", "success": True,
         "response_preview": "null"},
        {"type": "agent.transfer", **one, "from_agent": "root", "to_agent": "child", "tool_call_id": "c"},
        {"type": "agent.start", **one, **child},
        {"type": "llm.response", **one, **child, "request_id": "e-1/2", "text": "I am the child."},
        {"type": "state.change", **one, "author": "child", "state_delta": {"n": 1}},
        {"type": "agent.end", **one, **child},
        {"type": "run.end", **one, "status": "ok", "duration_ms": 12},
        {"type": "phase.end", "phase_id": "p1", "name": "plan"},
        {"type": "run.start", **two, **root, "session_id": "s", "user_message": "And now?"},
        {"type": "llm.request", **two, **root, "request_id": "e-2/1", "model": "gemini-3"},
        {"type": "llm.response", **two, **root, "request_id": "e-2/1", "error_code": "Timeout",
         "error_message": "too late"},
        {"type": "agent.error", **two, **root, "error_type": "Timeout", "error_message": "too late"},
        {"type": "run.end", **two, "status": "error", "error_type": "Timeout", "error_message": "too late"},
    ]  # fmt: skip


def parse(path: Path) -> TraceRecord:
    outcome = AdkParser().parse(path)
    assert isinstance(outcome.record, TraceRecord)
    assert outcome.record.metadata["capture"]["unknown_types"] == {}
    return outcome.record


def test_the_first_form_of_the_format_is_read(tmp_path: Path) -> None:
    record = parse(write(tmp_path, FIRST))
    assert record.session_id == NAME
    (step,) = record.steps
    assert (step.model, step.token_usage.output_tokens) == ("google/gemini-2.0-flash", 680)
    assert (step.tool_calls[0].input, step.tool_calls[0].duration_ms) == ({"query": "AI news"}, 491)
    assert step.observations[0].content == "Found 10 results..."
    assert record.timestamp_start == "2024-01-15T14:32:01.000000Z"


def test_everything_finds_its_place(tmp_path: Path) -> None:
    record = parse(write(tmp_path, rich()))
    found = [(step.agent_role, step.content, step.parent_step) for step in record.steps]
    assert found == [
        ("main", "Do it.", None), ("main", "Going.", None), ("inner", "Ask.", 1), ("inner", "Asked.", 1),
        ("child", "I am the child.", 1), ("main", "And now?", None),
    ]  # fmt: skip
    assert record.agent.version == "2.13.0"
    seen = {seen.source_call_id: (seen.content, seen.error) for seen in record.steps[1].observations}
    assert seen == {"a": ("gone", None), "b": ("Asked.", None), "c": ("null", None)}
    assert record.metadata["capture"]["failed_tool_calls"] == 0
    (phase,) = record.metadata["phases"]
    assert (phase["id"], phase["name"], phase["parent"]) == ("p1", "plan", None)
    assert (phase["started_at"], phase["ended_at"]) == ("2024-01-15T14:32:01.000000Z", "2024-01-15T14:32:03.100000Z")
    assert record.metadata["step_phases"] == {"0": "p1", "1": "p1"}
    assert [run["status"] for run in record.metadata["runs"]] == ["ok", "ok", "error"]
    assert record.outcome.terminal_state == "error"


@pytest.mark.parametrize("end", range(1, 27))
def test_a_log_that_stops_anywhere_is_a_trace(tmp_path: Path, end: int) -> None:
    outcome = AdkParser().parse(write(tmp_path, rich()[:end]))
    assert outcome.errors == []
    record = outcome.record
    if end == 1:
        assert record is None
        return
    assert isinstance(record, TraceRecord)
    assert record.metadata["capture"]["complete"] is (end in (21, 22, 25, 26))


@pytest.mark.parametrize("grow", [by_turns, in_leaps])
@pytest.mark.parametrize("seed", range(6))
def test_a_log_that_is_read_in_pieces_gives_the_same_trace(tmp_path: Path, seed: int, grow: Any) -> None:
    path = tmp_path / f"{NAME}.jsonl"
    content = write(tmp_path / "whole", rich()).read_bytes()
    check_pieces(grow({path: content}, random.Random(seed)), path, tmp_path, "google-adk")


def test_a_log_that_is_read_twice_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_read_twice(write(tmp_path, rich()), "google-adk", tmp_path, monkeypatch)


def test_a_torn_line_is_read_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    path = write(tmp_path, rich())
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    assert ingest_session(path, agent="google-adk").lines == 26
    path.write_bytes(content)
    assert ingest_session(path, agent="google-adk").lines == 1


@given(data=st.data())
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lines: list[Any] = json.loads(json.dumps(rich()))
    for _ in range(data.draw(st.integers(1, 4))):
        put_odd_value(data, lines)
    path = tmp_path_factory.mktemp("fuzz") / f"{NAME}.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    check_record(AdkParser(), path)


@given(data=st.data())
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("fuzz"), rich())
    path.write_bytes(shuffled(data, damaged(data, path.read_bytes())))
    check_record(AdkParser(), path)


@given(data=st.data())
def test_events_that_are_lost_or_said_twice_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    events = data.draw(st.lists(st.sampled_from(rich()), max_size=40))
    path = write(tmp_path_factory.mktemp("fuzz"), events)
    check_record(AdkParser(), path)


# On the command line


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    events = rich()
    events[1]["cwd"] = str(project)
    return write(paths.runs(), events)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli.cli, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_logs_of_a_project_are_found(logged: Path, tmp_path: Path) -> None:
    (result,) = ingest_project(tmp_path / "project")
    assert (result.agent, result.transcript, result.status) == ("google-adk", logged, "stored")
    assert list(ingest_project(tmp_path)) != []  # below it
    assert list(AdkParser().discover_project_sessions(tmp_path / "other")) == []


def test_a_log_is_known_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    path = write(tmp_path / "elsewhere", rich(), "2024-01-16_x")
    for source in (path, path.parent):
        assert json.loads(run("ingest", str(source), "--json"))["agent"] == "google-adk"
    assert not AdkParser().claims(tmp_path / "nowhere")


def test_it_is_listed_and_shown(logged: Path) -> None:
    run("ingest", "--all")
    row = json.loads(run("list", "--json"))
    assert (row["agent"], row["title"]) == ("google-adk", "Do it.")
    shown = run("show", "last")
    assert "google-adk" in shown
    assert "And now?" in shown
