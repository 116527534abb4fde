"""Cursor's sessions as they are documented: what a trace says of each kind of line. No real transcript was read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.cursor.fold import named_model
from hookkit.capture.cursor.parser import CursorParser
from hookkit.capture.cursor.workspace import slug, workspace_of

from .cursor_support import (
    ALL,
    DOCUMENTED,
    SESSION,
    SESSIONS,
    SUBAGENT,
    TOUR,
    asked,
    hook,
    ingested,
    parsed,
    said,
    sidecar,
    use,
    user,
    write,
)


@pytest.mark.parametrize("path", ALL, ids=SESSIONS.name)
def test_a_documented_session_is_whole(path: Path) -> None:
    record = parsed(path)
    assert record.session_id == path.stem
    assert record.content_hash == record.compute_content_hash()
    capture_ = record.metadata["capture"]
    assert (capture_["unknown_types"], capture_["skipped_lines"]) == ({}, {})
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert calls == list(dict.fromkeys(calls))
    assert [seen.source_call_id for step in record.steps for seen in step.observations] == calls
    assert CursorParser().parse(path).record == record


def test_the_tour_says_what_happened() -> None:
    record = parsed(TOUR)
    assert [(step.content, step.timestamp) for step in record.steps if step.role == "user"] == [
        ("Add a greeting, with a test.", "2026-11-28T09:00:00Z"),
        ("Write test_greet.py and run it.", "2026-11-28T09:02:00Z"),
        ("Now tidy up.", "2026-11-28T09:07:00Z"),
    ]
    assert [[call.tool_name for call in step.tool_calls] for step in record.steps if step.tool_calls] == [
        ["Read", "Grep"], ["Write"], ["StrReplace"], ["Shell"], ["Task"], ["Shell"], ["CallMcpTool", "Delete"],
        ["ApplyPatch"], ["Shell"],
    ]  # fmt: skip
    assert {seen.error for step in record.steps for seen in step.observations} == {"no_result"}
    inner = [step for step in record.steps if step.call_type == "subagent"]
    (task,) = [step.step_index for step in record.steps if any(c.tool_name == "Task" for c in step.tool_calls)]
    assert [(step.parent_step, step.subagent_trajectory_ref, step.agent_role) for step in inner] == [
        (task, SUBAGENT, "generalPurpose")
    ] * 3
    assert record.metadata["capture"] | {"subagents": 1, "turns": 2, "complete": True} == record.metadata["capture"]
    assert record.task.description == "Add a greeting, with a test."
    assert (record.metrics.total_input_tokens, record.agent.model, record.outcome.success) == (0, None, None)


def test_other_documented_ends_are_told() -> None:
    ends = {path.parent.name: parsed(path) for path in ALL if path != TOUR}
    assert {name: record.outcome.terminal_state for name, record in ends.items()} == {
        "legacy": None,  # nothing says that its turn ended
        "interrupted": "interrupted",
        "failed": "error",
    }
    assert [e["message"] for e in ends["failed"].metadata["session_errors"]] == ["The model is overloaded."]
    assert [step.content for step in ends["legacy"].steps] == ["Explain a.txt.", "It counts."]


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<user_query>Go.</user_query>", "Go."),
        ("<timestamp>nonsense</timestamp>\n<user_query>Go.</user_query>", "Go."),
        ("<attached_files>x</attached_files>\n<user_query>Go.\nOn.</user_query>", "Go.\nOn."),
        ("<user_query>Go on, without an end", "Go on, without an end"),
        ("<user_query>Say <timestamp>x</timestamp>.</user_query>", "Say <timestamp>x</timestamp>."),
        ("Go.", "Go."),
        ("<div>is what I want</div>", "<div>is what I want</div>"),
        ("<system_reminder>Be brief.</system_reminder>", None),
        ("<timestamp>x</timestamp><task_notification>done</task_notification>", None),
        ("<user_query></user_query>", None),
        ("  ", None),
    ],
)
def test_text_that_nobody_typed_is_no_prompt(tmp_path: Path, text: str, prompt: str | None) -> None:
    record = parsed(write(tmp_path, user(text), said(use("Shell", command="ls"))))
    assert [step.content for step in record.steps if step.role == "user"] == ([prompt] if prompt else [])


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("Wednesday, Sep 16, 2026, 3:37 PM (UTC-4)", "2026-09-16T19:37:00Z"),
        ("Saturday, Nov 28, 2026, 12:05 AM (UTC+5:30)", "2026-11-27T18:35:00Z"),
        ("Nov 28, 2026, 12:05 PM (GMT)", "2026-11-28T12:05:00Z"),
        ("Nov 31, 2026, 12:05 PM (UTC)", None),
        ("Foo 3, 2026, 1:05 PM (UTC)", None),
        ("Nov 28, 2026, 1:05 PM (UTC+99)", None),
        ("2026-11-28T12:05:00Z", None),
    ],
)
def test_the_time_of_a_prompt_is_read_where_it_can_be(tmp_path: Path, told: str, moment: str | None) -> None:
    record = parsed(write(tmp_path, asked("Go.", told), said(use("Shell", command="ls"))))
    assert (record.steps[0].content, record.steps[0].timestamp) == ("Go.", moment)


def test_ids_thoughts_results_and_models_are_taken_where_they_are(tmp_path: Path) -> None:
    answer = said({"type": "thinking", "thinking": "Hm."}, {**use("Shell", command="ls"), "id": "call_1"})
    answer["message"]["model"] = "gpt-5.5"
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "x"}]}
    record = parsed(write(tmp_path, asked("Go."), answer, {"role": "user", "message": {"content": [result]}}))
    step = record.steps[1]
    assert (step.reasoning_content, step.model, step.tool_calls[0].tool_call_id) == ("Hm.", "cursor/gpt-5.5", "call_1")
    assert (step.observations[0].content, step.observations[0].error) == ("x", None)


@pytest.mark.parametrize("model", ["default", "auto", "", "inherit", None, 5])
def test_a_model_that_cursor_chooses_itself_has_no_name(model: Any) -> None:
    assert named_model(model) is None


def test_what_is_not_known_is_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path, asked("Go."), said(use("Shell"), {"type": "hologram"}, 5), {"type": "new"}, {"role": "tool"}, {},
        {"role": "user", "message": {"content": [{"type": "x"}]}}, {"role": "assistant", "message": "text"},
        said({"type": "tool_use", "name": 5}),
    )  # fmt: skip
    capture_ = parsed(path).metadata["capture"]
    assert capture_["unknown_types"] == {
        "?": 1, "assistant": 1, "block hologram": 1, "block x": 1, "new": 1, "tool": 1,
    }  # fmt: skip
    assert (capture_["malformed_blocks"], capture_["malformed_calls"]) == (1, 1)


def test_lines_that_are_no_json_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, asked("Go."), said(use("Shell", command="ls")))
    path.write_bytes(path.read_bytes() + b'{"role": "assis\n5\n[]\n\xff\n')
    outcome = CursorParser().parse(path)
    assert isinstance(outcome.record, TraceRecord)
    assert len(outcome.record.steps) == 2
    assert outcome.is_blocked()


def test_small_sessions_are_below_the_threshold(tmp_path: Path) -> None:
    parser = CursorParser()
    assert parser.parse_session(write(tmp_path, asked("Hi."), said({"type": "text", "text": "Hello."}))) is None
    assert parser.parse_session(write(tmp_path, asked("Go."), said(use("Shell", command="ls")))) is not None
    assert parser.parse_session(tmp_path / "gone.jsonl") is None


# Where sessions are


@pytest.fixture
def storage(home: Path) -> Path:
    return home / ".cursor" / "projects"


def test_sessions_of_editor_and_command_line_are_found_and_subagents_are_none(storage: Path) -> None:
    folder = storage / "p" / "agent-transcripts"
    shutil.copytree(DOCUMENTED / "tour", folder)
    flat = write(folder, asked("Go."), name="0f0c1f9e-0000-4000-8000-000000000000")
    write(folder, asked("The same."))  # the command line's copy of the editor's session
    (folder / "old.txt").write_text("user:\n")
    parser = CursorParser()
    nested = folder / SESSION / f"{SESSION}.jsonl"
    assert list(parser.discover_sessions(storage)) == [flat, nested]
    assert (parser.find_session(SESSION), parser.find_session(flat.stem)) == (nested, flat)
    inner = parser.find_session(SUBAGENT)
    assert (inner.parent.name, parser.first(inner)) == ("subagents", nested)
    assert parser.beside(nested) == [inner]
    assert not parser.exists(parser.find_session("none-of-that-name"))
    assert not parser.exists(parser.find_session("*"))


@pytest.mark.parametrize("way", ["noted", "named", "heard"])
def test_a_project_finds_its_sessions(storage: Path, tmp_path: Path, way: str) -> None:
    project = tmp_path / "my pro.ject"
    project.mkdir()
    name = slug(project.resolve()) if way == "named" else "something-else"
    path = write(storage / name / "agent-transcripts", asked("Go."))
    if way == "noted":
        (storage / name / ".workspace-trusted").write_text(json.dumps({"at": 5, "workspacePath": str(project)}))
    elif way == "heard":
        sidecar(project, hook("Stop", 1))
    write(storage / "elsewhere" / "agent-transcripts", asked("No."), name="other")
    assert list(CursorParser().discover_project_sessions(project)) == [path]
    if way != "heard":
        assert workspace_of(path) == str(project)
        write(path.parent, asked("Go."), said(use("Shell")))
        assert ingested(path)["metadata"]["cwd"] == str(project)


def test_a_workspace_that_several_folders_could_be_is_not_guessed(storage: Path, tmp_path: Path) -> None:
    for name in ("a-b", "a.b"):
        (tmp_path / name).mkdir()
    path = write(storage / slug(tmp_path / "a-b") / "agent-transcripts", asked("Go."))
    assert workspace_of(path) is None
    (tmp_path / "a.b").rmdir()
    assert workspace_of(path) == str(tmp_path / "a-b")
    assert workspace_of(tmp_path / "x.jsonl") is None


def test_the_last_message_is_there_when_the_turn_is_said_to_have_ended(tmp_path: Path) -> None:
    parser = CursorParser()
    assert parser.is_final(TOUR)
    assert not parser.is_final(write(tmp_path, asked("Go."), said(use("Shell", command="ls"))))
    assert parser.is_final(tmp_path / "gone.jsonl")
