"""Pi's sessions: what a trace says of each kind of entry, and where they are found."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.agents.pi import CONTRACT
from hookkit.capture.ingest import ingest_session
from hookkit.capture.pi.parser import PiParser, encoded
from hookkit.capture.registry import get_parser

from .pi_support import RECORDED, ROOT, SESSION, Session, record_of, recorded


@pytest.fixture
def session() -> Session:
    return Session()


# The recorded sessions


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_a_recorded_session_is_whole(path: Path) -> None:
    outcome = PiParser().parse(path)
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert outcome.errors == []
    assert record.session_id == PiParser().session_id_from_path(path)
    assert record.content_hash == record.compute_content_hash()
    capture_ = record.metadata["capture"]
    assert (capture_["unknown_types"], capture_["skipped_lines"], capture_["complete"]) == ({}, {}, True)
    assert record.metadata["cwd"] == ROOT
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    messages = [line["message"] for line in lines if line["type"] == "message"]
    calls = [
        part["id"] for m in messages if m["role"] == "assistant" for part in m["content"] if part["type"] == "toolCall"
    ]
    assert [call.tool_call_id for step in record.steps for call in step.tool_calls] == calls
    assert Counter(seen.source_call_id for step in record.steps for seen in step.observations) == Counter(calls)
    failed = {m["toolCallId"] for m in messages if m["role"] == "toolResult" and m["isError"]}
    assert {seen.source_call_id for step in record.steps for seen in step.observations if seen.error} == failed
    since = lines[0]["timestamp"] if "parentSession" in lines[0] else ""  # what is older was copied, and counts there
    own = [line["message"] for line in lines if line["type"] == "message" and line["timestamp"] >= since]
    usage = [m["usage"] for m in own if m["role"] == "assistant"]
    assert record.metrics.total_input_tokens == sum(each["input"] for each in usage)
    assert record.metrics.total_output_tokens == sum(each["output"] for each in usage)
    assert record.metrics.total_cache_read_tokens == sum(each["cacheRead"] for each in usage)
    assert record.metrics.total_cache_creation_tokens == sum(each["cacheWrite"] for each in usage)
    assert {step.model for step in record.steps if step.role == "agent"} == {"scripted/scripted-1"}


def test_the_tour_says_what_happened() -> None:
    record = record_of(recorded("tour"))
    assert [step.content for step in record.steps if step.role == "user"] == [
        "Take the tour.", "Try one way.", "Try another way.", "/skill:greet the world", "Come to an end.",
    ]  # fmt: skip
    assert record.task.description == "Take the tour."
    first = record.steps[1]
    assert (first.content, first.reasoning_content) == (
        "I will write a file.", "I think of 'I will write a file.'.",
    )  # fmt: skip
    assert Counter(call.tool_name for step in record.steps for call in step.tool_calls) == {
        "bash": 7, "edit": 4, "read": 3, "write": 2, "frobnicate": 1,
    }  # fmt: skip
    errors = [seen.error for step in record.steps for seen in step.observations if seen.error]
    assert errors[:3] == [
        "ENOENT: no such file or directory, access '/home/dev/project/missing.txt'",
        "Command exited with code 4",
        "Tool frobnicate not found",
    ]
    assert errors[-1] == "Not allowed here."
    meta = record.metadata
    assert [(skill["name"], skill["source"]) for skill in meta["skill_invocations"]] == [
        ("greet", "pi_skill_read"), ("greet", "pi_skill_command"),
    ]  # fmt: skip
    assert [(c["name"], c["args"], c["exit_code"]) for c in meta["commands"]] == [
        ("!", "echo by the user > user.txt; exit 3", 3)
    ]
    assert [event["pre_tokens"] for event in meta["compaction_events"]] == [1192]
    aside = meta["steps_of_other_branches"]
    assert [record.steps[place].content or record.steps[place].tool_calls[0].input for place in aside] == [
        "Try one way.", {"command": "echo aside > aside.txt"}, "That was one way to do it.",
    ]  # fmt: skip
    assert meta["capture"]["branch_summaries"] == 1
    assert record.outcome.terminal_state == "goal_reached"


def test_other_recorded_ends_are_told() -> None:
    aborted, failed = record_of(recorded("aborted")), record_of(recorded("failed-request"))
    assert aborted.outcome.terminal_state == "interrupted"
    assert [seen.error for step in aborted.steps for seen in step.observations] == ["Command aborted"]
    assert (failed.outcome.terminal_state, failed.outcome.success) == ("error", False)
    assert [error["message"] for error in failed.metadata["session_errors"]] == ["500 Overloaded"]


def test_a_resumed_session_is_one_trace_and_a_forked_one_another() -> None:
    resumed, forked = record_of(recorded("resumed")), record_of(recorded("forked"))
    assert resumed.metadata["capture"]["turns"] == 2
    assert forked.metadata["forked_from"] == resumed.session_id
    assert forked.trace_id != resumed.trace_id
    assert [step.content for step in forked.steps if step.role == "user"] == [
        "Begin.", "Continue.", "Go another way.",
    ]  # fmt: skip


# What entries mean


def test_text_that_nobody_typed_is_no_prompt(session: Session, tmp_path: Path) -> None:
    session.add("custom_message", customType="ctx", content="Injected.", display=False).prompt("Go.").say("Yes.")
    session.add("branch_summary", summary="They went elsewhere.", fromId="root")
    session.add("compaction", summary="All so far.", tokensBefore=99, firstKeptEntryId="1").say("More.")
    record = session.parse(tmp_path)
    assert [step.content for step in record.steps] == ["Go.", "Yes.", "More."]
    assert record.metadata["compaction_events"][0]["summary"] == "All so far."


def test_a_skill_without_words_is_a_bare_command(session: Session, tmp_path: Path) -> None:
    body = '<skill name="greet" location="/s/greet/SKILL.md">\nReferences …\n\nHello </skill> there\n</skill>'
    session.prompt(body).say("Hi.").prompt(f"{body}\n\nto <b>\n\nall").say("Hi all.").prompt("Fix it.").say("Done.")
    record = session.parse(tmp_path)
    prompts = [step.content for step in record.steps if step.role == "user"]
    assert prompts == ["/skill:greet", "/skill:greet to <b>\n\nall", "Fix it."]
    assert record.task.description == "/skill:greet to <b>\n\nall"
    assert [skill["skill_file"] for skill in record.metadata["skill_invocations"]] == ["/s/greet/SKILL.md"] * 2


@pytest.mark.parametrize("text", ['<skill name="x">\nno\n</skill>', "<skill> is a word", "/nosuch thing"])
def test_what_only_looks_like_a_skill_is_a_prompt(session: Session, tmp_path: Path, text: str) -> None:
    record = session.prompt(text).say("Well.").parse(tmp_path)
    assert record.steps[0].content == text
    assert "skill_invocations" not in record.metadata


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("~/.pi/agent/skills/greet/SKILL.md", "greet"), ("/r/.agents/skills/a/b/SKILL.md", "b"),
        ("skills/x/SKILL.md", "x"), ("SKILL.md", None), ("/src/myskills/x/SKILL.md", None), (5, None),
        ("/r/skills/x/README.md", None),
    ],
)  # fmt: skip
def test_a_skill_is_used_by_reading_its_file(session: Session, tmp_path: Path, path: Any, name: str | None) -> None:
    session.prompt("Go.").call("c1", "read", path=path).result("c1").say("Done.")
    found = session.parse(tmp_path).metadata.get("skill_invocations", [])
    assert [skill["name"] for skill in found] == ([name] if name else [])


def test_a_failed_request_is_no_answer_and_a_later_one_heals_it(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer(stop="error", errorMessage="500 boom", usage={}).say("Here I am.")
    record = session.parse(tmp_path)
    assert [step.content for step in record.steps] == ["Go.", "Here I am."]
    assert record.metadata["session_errors"][0]["message"] == "500 boom"
    assert record.outcome.terminal_state == "goal_reached"


def test_an_interrupted_answer_keeps_what_was_said(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer({"type": "text", "text": "I was ab"}, stop="aborted", errorMessage="aborted")
    record = session.parse(tmp_path)
    assert [step.content for step in record.steps] == ["Go.", "I was ab"]
    assert record.outcome.terminal_state == "interrupted"
    assert record.metrics.total_output_tokens == 5


def test_an_answer_that_was_cut_by_length_ends_the_turn(session: Session, tmp_path: Path) -> None:
    record = session.prompt("Go.").answer({"type": "text", "text": "So"}, stop="length").parse(tmp_path)
    assert record.metadata["capture"]["complete"] is True


def test_a_call_that_was_killed_has_no_result(session: Session, tmp_path: Path) -> None:
    record = session.prompt("Go.").call("c1", command="sleep 9").parse(tmp_path)
    assert [seen.error for step in record.steps for seen in step.observations] == ["no_result"]
    assert record.metadata["capture"]["complete"] is False


def test_parallel_calls_keep_their_results(session: Session, tmp_path: Path) -> None:
    parts = [{"type": "toolCall", "id": f"c{n}", "name": "bash", "arguments": {"command": "x"}} for n in range(3)]
    session.prompt("Go.").answer(*parts, stop="toolUse").result("c2", "2").result("c0", "0").result("c1", "1")
    (step,) = [step for step in session.parse(tmp_path).steps if step.tool_calls]
    assert {seen.source_call_id: seen.content for seen in step.observations} == {"c0": "0", "c1": "1", "c2": "2"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("oops\n\n\nCommand exited with code 4", "Command exited with code 4"),
        ("a\n\nCommand timed out after 0.5 seconds", "Command timed out after 0.5 seconds"),
        ("Command aborted", "Command aborted"),
        ("ENOENT: no such file", "ENOENT: no such file"),
        ("Could not\nfind it", "Could not\nfind it"),
    ],
)
def test_the_error_of_a_command_is_its_last_word(session: Session, tmp_path: Path, text: str, error: str) -> None:
    record = session.prompt("Go.").call("c1", command="x").result("c1", text, error=True).parse(tmp_path)
    (seen,) = [seen for step in record.steps for seen in step.observations]
    assert (seen.content, seen.error) == (text, error)


def test_what_was_done_on_another_branch_was_done(session: Session, tmp_path: Path) -> None:
    session.prompt("Begin.").say("Begun.")
    fork = session.leaf
    session.prompt("One way.").call("c1", command="x").result("c1").say("Done.")
    session.back(fork).prompt("Other way.").say("Better.")
    record = session.parse(tmp_path)
    assert record.metadata["steps_of_other_branches"] == [2, 3, 4]
    assert record.metadata["capture"]["tool_calls"] == 1
    assert record.metrics.total_output_tokens == 5 * 4
    session.add("label", targetId="1").back("00000003")
    session.add("session_info", name="back again")
    assert session.parse(tmp_path).metadata["steps_of_other_branches"] == [3, 4, 5, 6]


def test_a_tree_that_bites_its_tail_is_read_to_its_end(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").say("Yes.")
    session.lines[1]["parentId"] = session.lines[2]["id"]
    assert len(session.parse(tmp_path).steps) == 2


def test_models_keep_their_provider(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer({"type": "text", "text": "a"}, provider="anthropic", model="claude")
    session.answer({"type": "text", "text": "b"}, provider="openrouter", model="google/gemini")
    record = session.parse(tmp_path)
    assert record.metadata["capture"]["models"] == ["anthropic/claude", "google/gemini"]
    assert record.agent.model == "google/gemini"


def test_pictures_and_plain_texts_are_prompts_too(session: Session, tmp_path: Path) -> None:
    session.message("user", content="Plain.").say("a")
    session.message("user", content=[{"type": "text", "text": "See:"}, {"type": "image", "data": "…"}]).say("b")
    assert [step.content for step in session.parse(tmp_path).steps][::2] == ["Plain.", "See:\n[image]"]


def test_what_is_not_known_is_counted(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer({"type": "hologram"}, {"type": "text", "text": "Yes."}, 5)
    session.add("telepathy").message("oracle").add("message", message=None).raw([1]).raw("x")
    path = session.write(tmp_path)
    path.write_text(path.read_text() + "{broken\n")
    found = record_of(path).metadata["capture"]
    assert found["unknown_types"] == {"content.hologram": 1, "message.oracle": 1, "telepathy": 1}
    assert (found["malformed_lines"], found["malformed_parts"]) == (1, 1)
    assert found["skipped_lines"] == {"not_object": 2, "not_json": 1}


def test_small_sessions_are_below_the_threshold(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Hello.").say("Hello.").write(tmp_path)
    assert PiParser().parse_session(path) is None
    assert PiParser().parse(path).record is not None
    whole = recorded("tour")
    assert PiParser().parse_session(whole) is not None
    assert PiParser().parse_session(whole, byte_offset=10**9) is None
    assert PiParser().parse(tmp_path / "gone.jsonl").record is None


# Where sessions are


def test_sessions_are_found_where_pi_keeps_them(home: Path, tmp_path: Path) -> None:
    parser = get_parser("pi")
    storage = home / ".pi" / "agent" / "sessions"
    assert parser.storage() == storage
    project = tmp_path / "a project"
    (project / "sub").mkdir(parents=True)
    beside = tmp_path / "a project-2"
    own = Session(str(project)).prompt("a").write(storage / encoded(project))
    below = (
        Session(str(project / "sub")).prompt("b").write(storage / encoded(project / "sub"), f"b_{SESSION[:-1]}a.jsonl")
    )
    Session(str(beside)).prompt("c").write(storage / encoded(beside), f"c_{SESSION[:-1]}b.jsonl")
    (storage / encoded(project) / "notes.txt").write_text("")
    assert len(list(parser.discover_sessions(storage))) == 3
    assert set(parser.discover_project_sessions(project)) == {own, below}
    assert parser.find_session(SESSION) == own
    assert parser.session_id_from_path(own) == SESSION
    assert not parser.exists(parser.find_session("no-such"))
    assert parser.changed(own) == own.stat().st_mtime_ns


def test_the_folder_is_named_as_pi_names_it() -> None:
    assert encoded(Path("/home/dev/project")) == "--home-dev-project--"
    assert encoded(Path("/a b/c:d\\e")) == "--a b-c-d-e--"


@pytest.mark.parametrize("how", ["variable", "settings"])
def test_a_folder_that_the_user_chose_has_no_levels(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("PI_CODING_AGENT_SESSION_DIR", "~/my sessions")
    else:
        monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path / "moved"))
        (tmp_path / "moved").mkdir()
        (tmp_path / "moved" / "settings.json").write_text('{"sessionDir": "~/my sessions"}')
    path = Session(str(tmp_path)).prompt("a").write(home / "my sessions")
    parser = get_parser("pi")
    assert list(parser.discover_project_sessions(tmp_path)) == [path]
    assert parser.find_session(SESSION) == path


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sessionDir": 5}', "// {}"])
def test_settings_that_cannot_be_read_move_nothing(home: Path, text: str) -> None:
    (home / ".pi" / "agent").mkdir(parents=True)
    (home / ".pi" / "agent" / "settings.json").write_text(text)
    assert CONTRACT.transcripts(os.environ) == home / ".pi" / "agent" / "sessions"


def test_a_file_that_the_user_named_tells_its_session_itself(home: Path, tmp_path: Path) -> None:
    path = Session(str(tmp_path)).prompt("a").say("b").write(home / ".pi" / "agent" / "sessions" / "x", "mine.jsonl")
    parser = get_parser("pi")
    assert parser.session_id_from_path(path) == SESSION
    assert parser.find_session(SESSION) == path
    assert ingest_session(path, agent="pi").session_id == SESSION
    (tmp_path / "none.jsonl").write_text("5\n")
    assert parser.session_id_from_path(tmp_path / "none.jsonl") == "none"
