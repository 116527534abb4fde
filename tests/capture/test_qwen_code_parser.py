"""Qwen Code's sessions: what a trace says of each kind of line, and of the recorded ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit.agents.qwen_code import CONTRACT
from hookkit.capture.qwen_code.parser import QwenCodeParser, encoded
from hookkit.capture.registry import get_parser
from tests.trails.recorded import repository

from .qwen_support import (
    RECORDED,
    ROOT,
    SESSION,
    USAGE,
    Session,
    asks,
    files_of,
    lines_of,
    record_of,
    recorded,
)


@pytest.fixture
def session() -> Session:
    return Session()


# The recorded sessions


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
def test_a_recorded_session_is_whole(path: Path) -> None:
    outcome = QwenCodeParser().parse(path)
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert outcome.errors == []
    assert record.session_id == path.stem
    assert record.content_hash == record.compute_content_hash()
    found = record.metadata["capture"]
    assert (found["unknown_types"], found["skipped_lines"]) == ({}, {})
    assert record.metadata["cwd"] == ROOT
    lines = [line for file in files_of(path) for line in lines_of(file)]
    parts = [part for line in lines if line["type"] == "assistant" for part in line["message"]["parts"]]
    wanted = {part["functionCall"]["id"] for part in parts if "functionCall" in part}
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert (set(calls), len(calls)) == (wanted, len(wanted))
    for step in record.steps:
        seen = {each.source_call_id for each in step.observations}
        assert seen == {call.tool_call_id for call in step.tool_calls}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
def test_the_tokens_of_a_recorded_session_are_those_that_the_program_measured(path: Path) -> None:
    """``ui_telemetry`` tells them a second time, for every request; copies in a forked session are the other's."""
    measured = [
        line["systemPayload"]["uiEvent"]
        for line in lines_of(path)
        if line.get("subtype") == "ui_telemetry" and "forkedFrom" not in line
    ]
    asked = [each for each in measured if each["event.name"] == "qwen-code.api_response"]
    own = [each for each in asked if not str(each.get("subagent_name")).startswith("managed-")]
    wanted = [sum(each[f"{name}_token_count"] for each in own) for name in ("input", "output", "cached_content")]
    usage = [step.token_usage for step in record_of(path).steps]
    cached = sum(each.cache_read_tokens for each in usage)
    assert [
        sum(each.input_tokens for each in usage) + cached,
        sum(each.output_tokens for each in usage),
        cached,
    ] == wanted


def test_a_subagent_stands_behind_the_call_that_started_it() -> None:
    steps = record_of(recorded("nested")).steps
    found = [(step.step_index, step.parent_step, step.role, step.call_type) for step in steps]
    calls = {call.tool_call_id: step.step_index for step in steps for call in step.tool_calls}
    outer = [step for step in steps if step.subagent_trajectory_ref == "general-purpose-call_d1d96e862b1a75e82c394785"]
    inner = [step for step in steps if step.subagent_trajectory_ref == "general-purpose-call_80b308acd4d2a027201b47b9"]
    assert {step.parent_step for step in outer} == {calls["call_d1d96e862b1a75e82c394785"]}, found
    assert {step.parent_step for step in inner} == {calls["call_80b308acd4d2a027201b47b9"]}, found
    assert {step.agent_role for step in (*outer, *inner)} == {"general-purpose"}
    assert {step.model for step in (*outer, *inner) if step.role == "agent"} == {"openai/scripted-1"}
    assert [len(step.tool_calls) for step in outer] == [0, 2, 0]


def test_what_a_subagent_in_the_background_reports_is_no_prompt() -> None:
    record = record_of(recorded("background"))
    assert [step.content for step in record.steps if step.role == "user" and step.call_type == "main"] == ["Subs"]
    assert [step.content for step in record.steps if step.content][-1] == "After."
    assert record.metadata["capture"]["complete"] is True
    assert {step.parent_step for step in record.steps if step.call_type == "subagent"} == {1}


def test_a_resumed_session_is_one_trace_and_a_forked_one_names_its_source() -> None:
    first, fork = record_of(recorded("resumed")), record_of(recorded("forked"))
    prompts = [step.content for step in first.steps if step.role == "user"]
    assert len(prompts) == 3
    assert "forked_from" not in first.metadata
    assert fork.metadata["forked_from"] not in (None, fork.session_id)
    assert [step.content for step in fork.steps if step.role == "user"][:3] == prompts
    assert [step.token_usage.input_tokens > 0 for step in fork.steps if step.role == "agent"][:-1].count(True) == 0


def test_a_compaction_is_told_with_its_summary() -> None:
    (found,) = record_of(recorded("tour")).metadata["compaction_events"]
    assert (found["trigger"], found["pre_tokens"] > found["post_tokens"] > 0) == ("manual", True)
    assert found["summary"].startswith("<state_snapshot>")


def test_a_skill_is_used_by_its_tool() -> None:
    (found,) = record_of(recorded("tour")).metadata["skill_invocations"]
    assert (found["source"], bool(found["name"]), bool(found["tool_call_id"])) == ("qwen_skill_tool", True, True)


def test_denied_calls_are_named() -> None:
    record = record_of(recorded("denied"))
    assert {each["tool"] for each in record.metadata["permission_denials"]} == {"write_file", "run_shell_command"}
    assert record.metadata["capture"]["failed_tool_calls"] == 2


def test_calls_that_were_rejected_or_failed_say_why() -> None:
    errors = [seen.error for step in record_of(recorded("rejected")).steps for seen in step.observations if seen.error]
    assert any(error.startswith('Tool "no_such_tool" not found') for error in errors)
    assert any(error.startswith("params must have required property") for error in errors)
    assert any(error.startswith("File not found") for error in errors)
    assert any(error.startswith("File ") and "has not been read" in error for error in errors)


def test_an_interrupted_turn_says_so() -> None:
    record = record_of(recorded("interrupted"))
    assert record.outcome.terminal_state == "interrupted"
    assert [seen.error is not None for step in record.steps for seen in step.observations] == [True]


def test_a_killed_call_has_no_result() -> None:
    errors = [seen.error for step in record_of(recorded("killed")).steps for seen in step.observations]
    assert errors.count("no_result") == 1


def test_errors_of_the_model_are_told_and_a_later_answer_heals_them() -> None:
    record = record_of(recorded("error"))
    assert len(record.metadata["session_errors"]) == 7  # one for each attempt
    assert {error["kind"] for error in record.metadata["session_errors"]} == {"api_error"}
    assert record.outcome.terminal_state == "goal_reached"


def test_reasoning_is_kept_apart() -> None:
    found = [step.reasoning_content for step in record_of(recorded("reasoning")).steps]
    assert any(found)
    assert all(
        step.content != step.reasoning_content for step in record_of(recorded("reasoning")).steps if step.content
    )


# Line by line


def test_tokens_never_overlap(session: Session, tmp_path: Path) -> None:
    inside = session.prompt("Go.").say("a").parse(tmp_path).steps[1].token_usage
    assert (inside.input_tokens, inside.output_tokens, inside.cache_read_tokens) == (120, 42, 40)
    outside = Session().prompt("Go.").answer({"text": "a"}, usage={**USAGE, "totalTokenCount": 205})
    assert outside.parse(tmp_path).steps[1].token_usage.output_tokens == 45


def test_the_provider_is_the_one_that_the_user_signed_in_with(session: Session, tmp_path: Path) -> None:
    assert session.prompt("Go.").say("a").parse(tmp_path).agent.model == "qwen/one"
    for auth, name in {"openai": "openai/one", "qwen-oauth": "qwen/one", "vertex-ai": "google/one"}.items():
        made = Session().prompt("Go.").measured("api_response", auth_type=auth).say("a")
        assert made.parse(tmp_path).agent.model == name
    assert Session().prompt("Go.").answer({"text": "a"}, model="x/one").parse(tmp_path).agent.model == "x/one"


def test_the_time_of_a_call_is_the_one_that_was_measured(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").call("c1", command="x").measured("tool_call", call_id="c1", duration_ms=80).result("c1")
    assert session.parse(tmp_path).steps[1].tool_calls[0].duration_ms == 80


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Command: x\nOutput: Exit Code: 0\nError: (none)\nExit Code: 4\nSignal: (none)\n", "Exit Code: 4"),
        ("Command: x\nOutput: y\nExit Code: (none)\nSignal: 9\n", "Signal: 9"),
        ("Command timed out after 1000ms", "Command timed out after 1000ms"),
        ("", "error"),
    ],
)
def test_the_error_of_a_command_is_how_it_ended(session: Session, tmp_path: Path, text: str, error: str) -> None:
    record = session.prompt("Go.").call("c1", command="x").result("c1", text, error=True).parse(tmp_path)
    (seen,) = [seen for step in record.steps for seen in step.observations]
    assert (seen.content or "", seen.error) == (text, error)


def test_parallel_calls_keep_their_results(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer(*(asks(f"c{n}", "read_file", file_path="x") for n in range(3)))
    session.result("c2", "2").result("c0", "0").result("c1", "1")
    (step,) = [step for step in session.parse(tmp_path).steps if step.tool_calls]
    assert {seen.source_call_id: seen.content for seen in step.observations} == {"c0": "0", "c1": "1", "c2": "2"}


def test_an_answer_that_was_asked_for_again_is_there_twice(session: Session, tmp_path: Path) -> None:
    """As when the arguments of a call were no JSON: the first gets no result, and its tokens were used."""
    session.prompt("Go.").call("c1", command="x").call("c2", command="x").result("c2").say("Done.")
    record = session.parse(tmp_path)
    assert [seen.error for step in record.steps for seen in step.observations] == ["no_result", None]
    assert record.metrics.total_output_tokens == 3 * 42


@pytest.mark.parametrize(
    ("provenance", "subtype"), [("system", "notification"), ("system", None), ("real_user", "cron")]
)
def test_what_the_program_says_is_no_prompt(
    session: Session, tmp_path: Path, provenance: str, subtype: str | None
) -> None:
    session.prompt("Go.").say("a").prompt("injected").lines[-1].update(provenance=provenance, subtype=subtype)
    record = session.parse(tmp_path)
    assert [step.content for step in record.steps] == ["Go.", "a"]
    assert record.metadata["capture"]["complete"] is False


def test_the_request_for_a_summary_counts_with_the_answer_before_it(session: Session, tmp_path: Path) -> None:
    counts = {"input_token_count": 10, "output_token_count": 5, "cached_content_token_count": 4}
    session.prompt("Go.").say("a").measured("api_response", "compress-1795875596580", **counts)
    usage = session.parse(tmp_path).steps[1].token_usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (126, 47, 44)


def test_a_subagent_without_a_word_beside_it_is_told_by_its_name(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Go.").call("call_1", "agent", prompt="Do.").result("call_1").say("Done.").write(tmp_path)
    agent = Session(agent="general-purpose-call_1").prompt("Do.").answer(usage=USAGE)
    agent.answer(asks("c2", "read_file"), usage=None).answer(asks("c3", "read_file"), usage=None)
    agent.result("c2", durationMs=7).result("c3", "no", error=True).say("Did.")
    beside = tmp_path / "subagents" / SESSION / f"agent-{agent.agent}.jsonl"
    beside.parent.mkdir(parents=True)
    beside.write_text("".join(json.dumps(line) + "\n" for line in agent.lines))
    record = record_of(path)
    assert [step.parent_step for step in record.steps] == [None, None, 1, 1, 1, None]
    assert [call.duration_ms for call in record.steps[3].tool_calls] == [7, None]
    assert [seen.error for seen in record.steps[3].observations] == [None, "no"]
    assert record.metadata["capture"]["subagents"] == 1
    parser = QwenCodeParser()
    assert parser.beside(path) == [beside]
    os.utime(beside, (2_000_000_000, 2_000_000_000))
    assert parser.changed(path) == 2_000_000_000 * 10**9


def test_pictures_are_prompts_too(session: Session, tmp_path: Path) -> None:
    session.add("user", message={"parts": [{"text": "See:"}, {"inlineData": {}}]}, provenance="real_user").say("a")
    assert session.parse(tmp_path).steps[0].content == "See:\n[file]"


def test_what_is_not_known_is_counted(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").add("hologram").add("system", subtype="telepathy").add("system").lines.append([1])
    path = session.say("a").write(tmp_path)
    path.write_text(path.read_text() + "{broken\n")
    found = record_of(path).metadata["capture"]
    assert found["unknown_types"] == {"hologram": 1, "system": 1, "system.telepathy": 1}
    assert found["skipped_lines"] == {"not_object": 1, "not_json": 1}


def test_small_sessions_are_below_the_threshold(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Hello.").say("Hello.").write(tmp_path)
    assert QwenCodeParser().parse_session(path) is None
    assert QwenCodeParser().parse(path).record is not None
    whole = recorded("tour")
    assert QwenCodeParser().parse_session(whole) is not None
    assert QwenCodeParser().parse_session(whole, byte_offset=10**9) is None
    assert QwenCodeParser().parse(tmp_path / "gone.jsonl").record is None


def test_the_last_message_is_waited_for(session: Session, tmp_path: Path) -> None:
    """Qwen queues what it writes: while Stop runs, the newest line is often a result, or a measurement."""
    parser = QwenCodeParser()
    assert parser.is_final(tmp_path / "gone.jsonl")
    steps = (
        (lambda: session.prompt("Go."), False),
        (lambda: session.call("c1"), False),
        (lambda: session.result("c1"), False),
        (lambda: session.measured("api_response"), False),
        (lambda: session.say("Done."), True),
        (lambda: session.add("system", subtype="attribution_snapshot"), True),
        (lambda: session.prompt("More."), False),
    )
    for step, final in steps:
        step()
        assert parser.is_final(session.write(tmp_path)) is final, session.lines[-1]


# Where sessions are


def test_sessions_are_found_where_qwen_keeps_them(home: Path, tmp_path: Path) -> None:
    parser = get_parser("qwen-code")
    storage = home / ".qwen" / "projects"
    assert parser.storage() == storage
    project = repository(tmp_path / "a project")
    (project / "sub").mkdir()
    other = repository(project / ".qwen" / "worktrees" / "w")
    ids = {name: f"{SESSION[:-1]}{name}" for name in "abcd"}
    places = {"a": project, "b": project / "sub", "c": other, "d": tmp_path / "a-project"}
    made = {
        name: Session(str(place)).prompt("x").say("y").write(storage / encoded(place), ids[name])
        for name, place in places.items()
    }
    (made["a"].parent / "notes.txt").write_text("")
    assert set(parser.discover_sessions(storage)) == set(made.values())
    assert set(parser.discover_project_sessions(project)) == {made["a"], made["b"]}
    assert set(parser.discover_project_sessions(other)) == {made["c"]}
    assert parser.find_session(ids["b"]) == made["b"]
    assert parser.session_id_from_path(made["a"]) == ids["a"]
    assert not parser.exists(parser.find_session("no-such"))


def test_the_folder_is_named_as_qwen_names_it() -> None:
    assert encoded(Path("/a/b_c/.d")) == "-a-b-c--d"


def test_sessions_move_with_the_variables_that_move_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QWEN_HOME", str(tmp_path / "all"))
    assert CONTRACT.transcripts(os.environ) == tmp_path / "all" / "projects"
    monkeypatch.setenv("QWEN_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert CONTRACT.transcripts(os.environ) == tmp_path / "runtime" / "projects"
    assert CONTRACT.config_home(os.environ) == tmp_path / "all"
