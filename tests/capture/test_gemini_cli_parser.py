"""Gemini CLI's sessions: what a trace says of each kind of line, and of the recorded ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.gemini_cli import CONTRACT
from hookkit.capture.gemini_cli.parser import GeminiCliParser
from hookkit.capture.registry import get_parser
from tests.trails.recorded import repository

from .gemini_support import (
    NAME,
    NAMES,
    RECORDED,
    ROOT,
    SESSION,
    TOKENS,
    Session,
    asked,
    files_of,
    lines_of,
    printed,
    record_of,
    recorded,
)


@pytest.fixture
def session() -> Session:
    return Session()


# The recorded sessions


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
def test_a_recorded_session_is_whole(path: Path) -> None:
    outcome = GeminiCliParser().parse(path)
    record = outcome.record
    assert record is not None
    assert outcome.errors == []
    assert record.session_id == SESSION
    assert record.content_hash == record.compute_content_hash()
    found = record.metadata["capture"]
    assert (found["unknown_types"], found["skipped_lines"]) == ({}, {})
    assert record.metadata["cwd"] == ROOT
    lines = [line for file in files_of(path) for line in lines_of(file)]
    wanted = {call["id"] for line in lines for call in line.get("toolCalls", ())}
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert (set(calls), len(calls)) == (wanted, len(wanted))
    for step in record.steps:
        assert {each.source_call_id for each in step.observations} == {call.tool_call_id for call in step.tool_calls}
    prompts = [step.content or "" for step in record.steps if step.role == "user" and step.call_type == "main"]
    assert not any("session_context" in text or "Potential loop" in text for text in prompts)


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
def test_every_message_counts_its_tokens_once(path: Path) -> None:
    messages = {line["id"]: line for file in files_of(path) for line in lines_of(file) if line.get("tokens")}
    wanted = [sum(line["tokens"][key] for line in messages.values()) for key in ("input", "total", "cached")]
    usage = [step.token_usage for step in record_of(path).steps]
    cached = sum(each.cache_read_tokens for each in usage)
    given = sum(each.input_tokens for each in usage) + cached
    assert [given, given + sum(each.output_tokens for each in usage), cached] == wanted


def test_subagents_stand_behind_the_call_that_started_them() -> None:
    record = record_of(recorded("subagents"))
    calls = {call.tool_call_id: step.step_index for step in record.steps for call in step.tool_calls}
    started = {
        call["agentId"]: calls[call["id"]]
        for line in lines_of(recorded("subagents"))
        for call in line.get("toolCalls", ())
        if "agentId" in call
    }
    inner = [step for step in record.steps if step.call_type == "subagent"]
    assert len(started) == record.metadata["capture"]["subagents"] == 2
    assert {step.subagent_trajectory_ref: step.parent_step for step in inner} == started
    assert {step.agent_role for step in inner} <= {"generalist", "codebase_investigator"}
    assert "unmatched_subagents" not in record.metadata["capture"]


def test_a_resumed_session_is_one_trace_whatever_files_it_is_in() -> None:
    path = recorded("resumed")
    other = next(file for file in files_of(path) if file.name.startswith("session-"))
    parser = GeminiCliParser()
    assert parser.first(other) == path
    assert list(parser.discover_sessions(path.parents[1])) == [path]
    prompts = [step.content for step in record_of(path).steps if step.role == "user" and step.call_type == "main"]
    assert len(prompts) == 3


def test_a_compaction_is_told_once_with_its_summary() -> None:
    record = record_of(recorded("compressed"))
    found = record.metadata["compaction_events"]
    assert [entry["summary"][:9] for entry in found] == ["<summary>"] * 2
    assert [step.content for step in record.steps if step.role == "user"] == ["P1", "P2", "P3"]


def test_what_the_user_typed_is_the_prompt_and_not_what_became_of_it() -> None:
    (prompt, _) = record_of(recorded("at-file")).steps
    assert prompt.content == "look @old.txt and @generalist do"
    record = record_of(recorded("command"))
    assert record.steps[0].content == "/greet Bob"
    ((name, arguments),) = [(entry["name"], entry["args"]) for entry in record.metadata["commands"]]
    assert (name, arguments) == ("greet", "Bob")


def test_a_skill_is_used_by_its_tool() -> None:
    found = record_of(recorded("skill")).metadata["skill_invocations"]
    assert {entry["source"] for entry in found} == {"gemini_skill_tool"}


def test_a_call_that_a_policy_denied_is_named() -> None:
    record = record_of(recorded("denied"))
    (found,) = record.metadata["permission_denials"]
    assert (found["tool"], record.metadata["capture"]["failed_tool_calls"]) == ("run_shell_command", 1)


def test_a_cancelled_call_has_no_result_of_its_own_and_the_turn_was_interrupted(tmp_path: Path) -> None:
    path = recorded("interrupted")
    errors = [seen.error for step in record_of(path).steps for seen in step.observations]
    assert errors == [None, "[Operation Cancelled] Reason: Operation cancelled by user"]
    lines = path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if '"Third"' in line)
    copy = tmp_path / "chats" / path.name
    copy.parent.mkdir()
    copy.write_text("".join(lines[:at]))
    assert record_of(copy).outcome.terminal_state == "interrupted"


def test_a_first_request_that_failed_takes_the_prompt_back_and_the_trace_keeps_it() -> None:
    record = record_of(recorded("error"))
    assert [step.role for step in record.steps] == ["user"]
    assert (record.outcome.terminal_state, record.metadata["capture"]["complete"]) == ("error", True)
    assert [entry["kind"] for entry in record.metadata["session_errors"]] == ["api_error"]


@pytest.mark.parametrize("name", ["broken-off", "loop"])
def test_a_turn_without_a_last_answer_is_not_complete(name: str) -> None:
    assert record_of(recorded(name)).metadata["capture"]["complete"] is False


def test_failed_calls_say_why() -> None:
    errors = [seen.error for step in record_of(recorded("errors")).steps for seen in step.observations if seen.error]
    assert any("not found in registry" in error or "no_such_tool" in error for error in errors)
    assert any(error.startswith(("Exit Code: ", "Signal: ")) for error in errors)
    assert any("occurrence" in error or "could not find" in error.lower() for error in errors)


# Line by line


def test_tokens_never_overlap(session: Session, tmp_path: Path) -> None:
    usage = session.prompt("Go.").say("a").parse(tmp_path).steps[1].token_usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (110, 49, 20)


def test_a_model_is_named_with_its_provider(session: Session, tmp_path: Path) -> None:
    assert session.prompt("Go.").say("a").parse(tmp_path).agent.model == "google/gemini-2.5-flash"


def test_thoughts_are_kept_apart(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").say("a", thoughts=[{"subject": "One", "description": "two"}, {"subject": "Three"}, 5])
    step = session.parse(tmp_path).steps[1]
    assert (step.content, step.reasoning_content) == ("a", "One: two\nThree")


def test_a_history_that_left_things_out_takes_nothing_away(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").call("c1", "read_file", file_path="x").say("Done.")
    before = record_of(session.write(tmp_path)).model_dump()
    part = {"functionCall": {"id": "c1", "name": "read_file", "args": {"file_path": "x"}}}
    session.raw({"sessionId": SESSION, "startTime": session.now(), "kind": "main"})
    session.raw({"$set": {"sessionId": SESSION}}).history(
        {"id": "d04923d3", "timestamp": session.now(), "type": "user", "content": [{"text": "<session_context>"}]},
        {"id": "m2", "type": "user", "content": [{"text": "Go."}]},
        {"id": "m3", "type": "gemini", "content": [{"text": "hm", "thought": True}, part]},
        {"id": "m3_response", "type": "user", "content": [{"functionResponse": {"id": "c1"}}]},
    )
    assert record_of(session.write(tmp_path)).model_dump()["steps"] == before["steps"]


@pytest.mark.parametrize(
    "text",
    ["<session_context>\nx", "System: Potential loop detected. Details: x", "Please continue.", "<hook_context>x",
     "You have stopped calling tools without finishing. x"],
)  # fmt: skip
def test_what_nobody_typed_is_no_prompt(session: Session, tmp_path: Path, text: str) -> None:
    assert [step.content for step in session.prompt("Go.").prompt(text).say("a").parse(tmp_path).steps] == ["Go.", "a"]


@pytest.mark.parametrize(
    ("text", "shown", "error"),
    [
        (printed("(empty)", 7, "Exit Code: 4"), None, "Exit Code: 4"),
        (printed("x", 7, "Signal: 9"), "x", "Signal: 9"),
        (printed("Exit Code: 3\nx", 7), "Exit Code: 3\nx", None),
        (printed("x\nExit Code: 3", 7), "x\nExit Code: 3", None),
        ("Command moved to background (PID: 9).", None, None),
    ],
)
def test_a_command_failed_if_the_agent_says_so(
    session: Session, tmp_path: Path, text: str, shown: Any, error: str | None
) -> None:
    call = {**asked("c1", "run_shell_command", text, command="x"), "resultDisplay": shown}
    (seen,) = session.prompt("Go.").say("").end(call).parse(tmp_path).steps[1].observations
    assert (seen.content, seen.error) == (text, error)


def test_an_id_that_was_given_twice_is_two_calls(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").call("c1", "read_file", file_path="x").call("c1", "read_file", file_path="y")
    calls = [call for step in session.parse(tmp_path).steps for call in step.tool_calls]
    assert [call.input["file_path"] for call in calls] == ["x", "y"]
    assert len({call.tool_call_id for call in calls}) == 2


def test_a_turn_ends_with_an_answer_that_asks_for_nothing(session: Session, tmp_path: Path) -> None:
    def complete() -> Any:
        return record_of(session.write(tmp_path)).metadata["capture"]["complete"]

    session.prompt("Go.")
    assert complete() is False
    session.say("")
    assert complete() is False  # its calls are running, or it only thought
    session.end(asked("c1", "read_file"))
    assert complete() is False
    session.say("Done.")
    assert complete() is True
    session.prompt("More.")
    assert complete() is False


def test_messages_of_the_agent_are_no_answers(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").add("error", content="Quota.").add("warning", content="Slow.").add("info", content="").say(
        "a"
    )
    record = session.parse(tmp_path)
    assert [entry["message"] for entry in record.metadata["session_errors"]] == ["Quota.", "Slow."]
    assert len(record.steps) == 2


def test_what_was_taken_back_was_done_all_the_same(session: Session, tmp_path: Path) -> None:
    record = session.prompt("Go.").say("a").raw({"$rewindTo": "m2"}).prompt("Other.").say("b").parse(tmp_path)
    assert (len(record.steps), record.metadata["capture"]["rewinds"]) == (4, 1)


def test_pictures_are_prompts_too(session: Session, tmp_path: Path) -> None:
    session.add("user", content=[{"text": "See:"}, {"inlineData": {}}]).say("a")
    assert session.parse(tmp_path).steps[0].content == "See:\n[file]"


def test_what_is_not_known_is_counted(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Go.").add("hologram").raw({"x": 1}).raw([1]).say("a").write(tmp_path)
    path.write_text(path.read_text() + "{broken\n")
    found = record_of(path).metadata["capture"]
    assert found["unknown_types"] == {"hologram": 1, "?": 1}
    assert found["skipped_lines"] == {"not_object": 1, "not_json": 1}


def test_small_sessions_are_below_the_threshold(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Hello.").say("Hello.").write(tmp_path)
    parser = GeminiCliParser()
    assert parser.parse_session(path) is None
    assert parser.parse(path).record is not None
    assert parser.parse_session(recorded("tour")) is not None
    assert parser.parse_session(recorded("tour"), byte_offset=10**9) is None
    assert parser.parse(tmp_path / "gone.jsonl").record is None
    assert parser.is_final(path)  # the last answer is written before its hook


# Where sessions are


def test_sessions_are_found_where_gemini_keeps_them(home: Path, tmp_path: Path) -> None:
    parser = get_parser("gemini-cli")
    storage = home / ".gemini" / "tmp"
    assert parser.storage() == storage
    project = repository(tmp_path / "a project")
    (project / "sub").mkdir()
    other = repository(project / "inner")
    places = {"a-project": project, "sub": project / "sub", "inner": other, "a-project-1": tmp_path / "a-project"}
    made = {}
    for number, (slug, place) in enumerate(places.items()):
        one = Session().prompt("x").say("y")
        one.lines[0]["sessionId"] = f"{number}{SESSION[1:]}"
        made[slug] = one.write(storage / slug, NAME.replace(SESSION[:8], f"{number}{SESSION[1:8]}"), str(place))
    (storage / "a-project" / "logs.json").write_text("[]")
    assert set(parser.discover_sessions(storage)) == set(made.values())
    assert set(parser.discover_project_sessions(project)) == {made["a-project"], made["sub"]}
    assert set(parser.discover_project_sessions(other)) == {made["inner"]}
    assert parser.find_session(f"1{SESSION[1:]}") == made["sub"]
    assert parser.session_id_from_path(made["inner"]) == f"2{SESSION[1:]}"
    assert not parser.exists(parser.find_session("no-such"))


def test_the_beginning_of_an_id_is_not_the_id(session: Session, tmp_path: Path) -> None:
    path = session.prompt("x").say("y").write(tmp_path)
    session.lines[0]["sessionId"] = SESSION[:-1] + "0"
    twin = session.write(tmp_path, NAME.replace("09-00", "09-01"))
    parser = GeminiCliParser()
    assert parser.beside(path) == []
    assert list(parser.discover_sessions(tmp_path)) == [path, twin]


@pytest.mark.parametrize("name", ["../../../x", "", 5, None, "a/b", "*"])
def test_an_id_that_is_none_leads_nowhere(session: Session, tmp_path: Path, name: Any) -> None:
    session.lines[0]["sessionId"] = name
    path = session.prompt("x").say("y").write(tmp_path)
    parser = GeminiCliParser()
    assert (parser.session_id_from_path(path), parser.beside(path)) == (path.stem, [])


def test_sessions_move_with_the_variable_that_moves_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMINI_CLI_HOME", str(tmp_path / "all"))
    assert CONTRACT.transcripts(os.environ) == tmp_path / "all" / ".gemini" / "tmp"
    assert CONTRACT.places["user"](os.environ, tmp_path) == tmp_path / "all" / ".gemini" / "settings.json"


def test_a_session_is_taken_up_where_it_was_started() -> None:
    assert CONTRACT.resuming is not None
    assert (CONTRACT.resuming.command("x"), CONTRACT.resuming.same_folder) == (["--resume", "x"], True)


def test_usage_of_a_message_without_tokens_is_none(session: Session, tmp_path: Path) -> None:
    record = session.prompt("Go.").say("a", tokens=None).say("b", tokens={**TOKENS, "tool": 5}).parse(tmp_path)
    assert [step.token_usage.input_tokens for step in record.steps[1:]] == [0, 115]
