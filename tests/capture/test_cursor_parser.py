"""Cursor's sessions as they are documented: what a trace says of each kind of line. No real transcript was read."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.agents.cursor import CONTRACT
from hookkit.capture.calls import call_key
from hookkit.capture.cursor.fold import CursorFold, named_model
from hookkit.capture.cursor.identity import identity
from hookkit.capture.cursor.parser import CursorParser
from hookkit.capture.cursor.workspace import slug, workspace_of
from hookkit.capture.ingest import ingest_project, ingest_session
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, patches, repository

from .recorded_sessions import check_pieces, in_leaps

DOCUMENTED = Path(__file__).parents[1] / "agents" / "fixtures" / "cursor" / "documented" / "transcripts"
SESSION = "5f0c1f9e-3d7b-4c52-9a41-2f8e6b7c1d10"
SUBAGENT = "c2a71b64-08de-4f3a-8b15-6d2e90f1a7c3"
TOUR = DOCUMENTED / "tour" / SESSION / f"{SESSION}.jsonl"
ALL = sorted(path for path in DOCUMENTED.rglob("*.jsonl") if path.parent.name != "subagents")
ROOT = "/home/dev/project"


def parsed(path: Path) -> TraceRecord:
    outcome = CursorParser().parse(path)
    assert isinstance(outcome.record, TraceRecord)
    assert outcome.errors == []
    return outcome.record


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "message": {"content": [{"type": "text", "text": text}]}}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "message": {"content": list(blocks)}}


def use(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": given}


def asked(text: str, time: str = "") -> dict[str, Any]:
    return user((f"<timestamp>{time}</timestamp>\n" if time else "") + f"<user_query>\n{text}\n</user_query>")


def write(folder: Path, *lines: Any, name: str = SESSION) -> Path:
    path = folder / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def hook(event: str, second: int, *, session: str = SESSION, **data: Any) -> dict[str, Any]:
    """A hook line as Cursor's hooks write it, at 09:00 UTC and some seconds."""
    if "tool" in data:
        tool, given = data["tool"], data.setdefault("tool_input", {})
        data.setdefault("call_key", call_key(*identity(tool, given)))
        data["tool_use_id"] = data.setdefault("tool_call_id", f"hook-{data['call_key']}")
    stamp = f"2026-11-28T09:{second // 60:02}:{second % 60:02}.000000Z"
    fields = {"session_id": session, "agent": "cursor", **data}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp, "data": fields}


def sidecar(root: Path, *lines: dict[str, Any], session: str = SESSION) -> None:
    path = root / ".opentraces" / "cursor" / "hooks" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ingested(path: Path, project: Path | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trace_path(ingest_session(path, project, agent="cursor").trace_id).read_bytes())
    return found


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.parents[len(path.parts) - len(DOCUMENTED.parts) - 2].name)
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


def test_what_the_transcript_lacks_the_hook_lines_tell(tmp_path: Path) -> None:
    path = write(
        tmp_path / "agent-transcripts",
        asked("Go."), said(use("Shell", command="ls", description="d")), said(use("Write", path="/p/x", contents="1")),
        said(use("Shell", command="false")), said({"type": "text", "text": "Done."}),
        {"type": "turn_ended", "status": "success"},
    )  # fmt: skip
    write_ = {"tool": "Write", "tool_input": {"file_path": "/p/x", "content": "1"}}
    shell = {"tool": "Shell", "tool_input": {"command": "ls", "cwd": "", "timeout": 1}}
    usage = {"input_tokens": 100, "output_tokens": 9, "cache_read_tokens": 60, "cache_write_tokens": 30}
    bad = {"tool": "Shell", "tool_input": {"command": "false"}}
    sidecar(
        tmp_path,
        hook("UserPromptSubmit", 0, prompt="Go.", turn_id="t1", model="default"),
        hook("PreToolUse", 1, **shell), hook("PostToolUse", 2, **shell, duration_ms=7, limitations=[]),
        hook("PreToolUse", 3, **write_), hook("PostToolUse", 4, **write_, limitations=[]),
        hook("PreToolUse", 5, **bad), hook("PostToolUseFailure", 6, **bad, error="exit code 1", limitations=[]),
        hook("Stop", 7, turn_id="t1", model="claude-4.5-sonnet", usage=usage),
        hook("Stop", 12, turn_id="t1", model="claude-4.5-sonnet", usage={"input_tokens": 90, "output_tokens": 10}),
        hook("Stop", 20, turn_id="t2", model="openai/gpt-5.5", usage={"input_tokens": 5, "output_tokens": 1}),
    )  # fmt: skip
    trace = ingested(path, tmp_path)
    told = [seen["error"] for step in trace["steps"] for seen in step["observations"]]
    assert told == [None, None, "exit code 1"]
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7
    ids = [call["tool_call_id"] for step in trace["steps"] for call in step["tool_calls"]]
    assert list(trace["metadata"]["hook_pre_tool_use"]) == sorted(ids)
    assert list(trace["metadata"]["hook_post_tool_use"]) == sorted(ids)
    metrics = trace["metrics"]  # the two lines of one turn count once, each bucket at its highest
    assert (metrics["total_input_tokens"], metrics["total_output_tokens"]) == (90 + 5, 10 + 1)
    assert (metrics["total_cache_read_tokens"], metrics["total_cache_creation_tokens"]) == (60, 30)
    assert trace["agent"]["model"] == "openai/gpt-5.5"
    assert trace["metadata"]["capture"]["models"] == ["cursor/claude-4.5-sonnet", "openai/gpt-5.5"]
    assert trace["metadata"]["capture"]["failed_tool_calls"] == 1
    assert trace["outcome"]["success"] is None, "its last call had failed"


def test_a_session_without_a_transcript_is_told_by_its_hook_lines(tmp_path: Path) -> None:
    shell = {"tool": "Shell", "tool_input": {"command": "ls"}}
    sidecar(
        tmp_path,
        hook("UserPromptSubmit", 0, prompt="Go."), hook("PreToolUse", 1, **shell),
        hook("PostToolUse", 2, **shell, limitations=[]),
        hook("Stop", 3, model="composer-2.5", usage={"output_tokens": 4}),
    )  # fmt: skip
    (result,) = ingest_project(tmp_path)
    trace = json.loads(trace_path(result.trace_id).read_bytes())
    assert [step["content"] for step in trace["steps"]] == ["Go.", None]
    assert (trace["agent"]["model"], trace["metrics"]["total_output_tokens"]) == ("cursor/composer-2.5", 4)
    assert trace["metadata"]["capture"] | {"source": "hook_lines", "complete": True} == trace["metadata"]["capture"]


def test_hook_lines_of_a_subagent_are_those_of_its_calls_in_the_session(tmp_path: Path) -> None:
    storage = tmp_path / "user" / ".cursor" / "projects" / "p" / "agent-transcripts"
    shutil.copytree(DOCUMENTED / "tour", storage)
    outer = {"tool": "Task", "tool_input": {"prompt": "Write test_greet.py and run it."}}
    inner = {"tool": "Shell", "tool_input": {"command": "pytest -q test_greet.py"}}
    sidecar(tmp_path, hook("PreToolUse", 1, **outer), hook("PostToolUse", 9, **outer, limitations=[]))
    lines = [
        hook("PreToolUse", 3, session=SUBAGENT, **inner),
        hook("PostToolUse", 4, session=SUBAGENT, **inner, limitations=[]),
    ]
    sidecar(tmp_path, *lines, session=SUBAGENT)
    results = list(ingest_project(tmp_path))
    assert {result.session_id for result in results} == {SESSION}
    trace = json.loads(trace_path(results[0].trace_id).read_bytes())
    pre = trace["metadata"]["hook_pre_tool_use"]
    names = {c["tool_call_id"]: c["tool_name"] for step in trace["steps"] for c in step["tool_calls"]}
    assert {(names[call], entry.get("agent_id")) for call, entry in pre.items()} == {
        ("Task", None), ("Shell", SUBAGENT),
    }  # fmt: skip
    assert trace["metadata"]["capture"]["hooked_tool_calls"] == 2


def test_lines_of_claudes_hooks_count_only_where_cursors_own_told_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "agent-transcripts", asked("Go."), said(use("Shell", command="ls")))
    own = {"tool": "Shell", "tool_input": {"command": "ls"}}
    foreign = {**own, "tool_call_id": "a\nb", "call_key": None, "limitations": ["foreign_caller"]}
    theirs = [hook("PreToolUse", 1, **foreign), hook("PostToolUse", 2, **foreign)]
    sidecar(tmp_path, *theirs)
    assert len(ingested(path, tmp_path)["metadata"]["hook_pre_tool_use"]) == 1
    sidecar(tmp_path, hook("PreToolUse", 1, **own), hook("PostToolUse", 2, **own, limitations=[]))
    trace = ingested(path, tmp_path)
    (call,) = [c["tool_call_id"] for step in trace["steps"] for c in step["tool_calls"]]
    assert list(trace["metadata"]["hook_pre_tool_use"]) == [call]
    assert trace["metadata"]["capture"]["double_loaded_hook_lines"] == 2


def test_the_same_command_of_a_later_turn_is_not_taken_for_an_earlier_one(tmp_path: Path) -> None:
    """The hooks were installed between the two turns."""
    path = write(
        tmp_path / "agent-transcripts",
        asked("One.", "Saturday, Nov 28, 2026, 9:00 AM (UTC)"), said(use("Shell", command="make")),
        asked("Two.", "Saturday, Nov 28, 2026, 9:10 AM (UTC)"), said(use("Shell", command="make")),
    )  # fmt: skip
    call = {"tool": "Shell", "tool_input": {"command": "make"}}
    sidecar(tmp_path, hook("PreToolUse", 12 * 60, **call), hook("PostToolUse", 13 * 60, **call, limitations=[]))
    trace = ingested(path, tmp_path)
    assert list(trace["metadata"]["hook_pre_tool_use"]) == [trace["steps"][3]["tool_calls"][0]["tool_call_id"]]


def test_the_trail_tells_which_call_wrote_what(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    path = write(
        tmp_path / "agent-transcripts",
        asked("Go."), said(use("Write", path=str(repo / "x.txt"), contents="1\n")), said(use("Shell", command="make")),
        {"type": "turn_ended", "status": "success"},
    )  # fmt: skip
    first = {"tool": "Write", "tool_input": {"file_path": str(repo / "x.txt"), "content": "1\n"}}
    second = {"tool": "Shell", "tool_input": {"command": "make", "cwd": ""}}
    lines = [hook("UserPromptSubmit", 0, prompt="Go.", trail=capture(repo))]
    for number, (call, name) in enumerate(((first, "x.txt"), (second, "made.txt"))):
        lines.append(hook("PreToolUse", 2 * number + 1, **call, trail=capture(repo)))
        (repo / name).write_text("1\n")
        lines.append(hook("PostToolUse", 2 * number + 2, **call, trail=capture(repo), limitations=[]))
    sidecar(repo, *lines, hook("Stop", 9, trail=capture(repo)))
    trace = ingested(path, repo)
    ids = [call["tool_call_id"] for step in trace["steps"] for call in step["tool_calls"]]
    assert patches(repo) == [(ids[0], "added", "x.txt"), (ids[1], "added", "made.txt")]
    assert trace["metadata"]["project"] == str(repo)


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


def test_two_runs_over_the_same_session_give_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        os.environ["HOOKKIT_HOME"] = str(tmp_path / name)
        texts.append(trace_path(ingest_session(TOUR, agent="cursor").trace_id).read_bytes())
    assert texts[0] == texts[1]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_cuts_give_the_bytes_of_one_reading(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    tmp_path = tmp_path_factory.mktemp("cuts")
    shutil.copytree(DOCUMENTED / "tour", tmp_path / "agent-transcripts")
    path = tmp_path / "agent-transcripts" / SESSION / f"{SESSION}.jsonl"
    for number, (tool, given_) in enumerate(
        (("Write", {"file_path": f"{ROOT}/greet.py"}), ("Shell", {"command": "python -m pytest -q"}))
    ):
        call = {"tool": tool, "tool_input": given_}
        sidecar(tmp_path, hook("PreToolUse", number, **call), hook("PostToolUse", number, **call, limitations=[]))
    inner = {"tool": "Shell", "tool_input": {"command": "pytest -q test_greet.py"}}
    sidecar(tmp_path, hook("PreToolUse", 9, session=SUBAGENT, **inner), session=SUBAGENT)
    every = sorted(tmp_path.rglob("*.jsonl"))
    contents = {each: each.read_bytes() for each in every}
    for each in every:
        each.unlink()
    check_pieces(in_leaps(contents, random.Random(seed)), path, tmp_path, "cursor", tmp_path)
    shutil.rmtree(tmp_path)


STRANGE = st.sampled_from(
    [None, 0, -1, 2.5, True, "", "x", [], {}, [[]], [{}], {"type": "x"}, "\ud800", "<user_query>"]
)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_mutation_of_a_documented_line_raises(data: st.DataObject) -> None:
    lines = [json.loads(line) for line in TOUR.read_text().splitlines()]
    fold = CursorFold(SESSION)
    for number, line in enumerate(lines, 1):
        changed = copy.deepcopy(line)
        places = list(_places(changed))
        holder, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            holder[key] = data.draw(STRANGE)
        fold.feed(data.draw(st.sampled_from(["", SUBAGENT])), changed, number)
    parser = CursorParser()
    parser.assemble(TOUR, fold)
    parser.keyed_calls(fold)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


# Where sessions are


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "user" / ".cursor" / "projects"


def test_sessions_of_editor_and_command_line_are_found_and_subagents_are_none(storage: Path, tmp_path: Path) -> None:
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


# What calls may do


@pytest.mark.parametrize(
    ("tool", "given_", "paths"),
    [
        ("Write", {"file_path": "/p/a", "content": ""}, ("/p/a",)),
        ("Write", {"path": "/p/a", "contents": ""}, ("/p/a",)),
        ("StrReplace", {"path": "/p/a"}, ("/p/a",)),
        ("Delete", {"path": "/p/a"}, ("/p/a",)),
        ("EditNotebook", {"target_notebook": "/p/n"}, ("/p/n",)),
        ("ApplyPatch", {"input": "*** Update File: /p/a\n*** Move to: /p/b\n"}, ("/p/a", "/p/b")),
        ("ApplyPatch", {"input": "nothing"}, None),
        ("Write", {}, None),
        ("Read", {"file_path": "/p/a"}, ()),
        ("Grep", {}, ()),
        ("Shell", {"command": "ls"}, None),
        ("MCP:any", {}, None),
        ("CallMcpTool", {}, None),
        ("Task", {}, None),
    ],
)
def test_what_a_call_may_write(tool: str, given_: dict[str, Any], paths: tuple[str, ...] | None) -> None:
    assert CONTRACT.writes(tool, given_) == paths


def test_what_goes_on_and_what_brings_content_back() -> None:
    assert CONTRACT.background("Shell", {"command": "make &"})
    assert CONTRACT.background("Shell", {"command": "make", "is_background": True})
    assert CONTRACT.background("Task", {"run_in_background": True})
    assert not CONTRACT.background("Shell", {"command": "make && ls"})
    assert CONTRACT.brings_back("Shell", {"command": "git stash pop"})
    assert not CONTRACT.brings_back("Write", {"content": "git stash pop"})
