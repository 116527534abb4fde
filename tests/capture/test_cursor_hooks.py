"""Cursor's hook lines: they tell what a transcript lacks, and calls are told by what they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hookkit.capture.ingest import ingest_project
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, patches, repository

from .cursor_support import DOCUMENTED, SESSION, SUBAGENT, asked, hook, ingested, said, sidecar, use, write


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


def test_hook_lines_of_a_subagent_are_those_of_its_calls_in_the_session(tmp_path: Path, home: Path) -> None:
    storage = home / ".cursor" / "projects" / "p" / "agent-transcripts"
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
