"""Gemini CLI's sessions with their hook lines: its hooks name no call, so calls are told by what they are."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.capture.calls import call_key
from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path
from tests.trails.recorded import events, patches, repository

from .gemini_support import (
    NAMES,
    RECORDED,
    SESSION,
    START,
    Session,
    asked,
    hook_lines,
    lines_of,
    printed,
    recorded,
    write_hooks,
)
from .played_sessions import Played, check_one_trace_and_a_trail

# Calls that Gemini rejects before it runs a hook (unknown tools, arguments, paths), and the one that was killed.
UNSEEN = {"errors": 4, "skill": 1}
LOST = {"killed": 1}
DENIED = {"denied": 1}


def trace_of(path: Path | str) -> dict[str, Any]:
    result = ingest_session(path, agent="gemini-cli")
    found: dict[str, Any] = json.loads(trace_path(result.trace_id).read_bytes())
    return found


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
def test_every_hook_line_of_a_recorded_session_finds_its_call(path: Path) -> None:
    name = path.parents[1].name
    lines = list(hook_lines(name))
    write_hooks(lines)
    trace = trace_of(path)
    metadata = trace["metadata"]
    found = metadata["capture"]
    assert found["unpaired"]["no_pre"] == 0
    assert found["unpaired"]["no_hook"] == UNSEEN.get(name, 0)
    assert found["unpaired"]["no_post"] == LOST.get(name, 0) + DENIED.get(name, 0)
    tools = {call["tool_call_id"]: call for step in trace["steps"] for call in step["tool_calls"]}
    assert metadata["hook_pre_tool_use"].keys() <= tools.keys()
    for call_id, entry in metadata["hook_pre_tool_use"].items():
        assert (entry["tool"], entry["tool_input"]) == (tools[call_id]["tool_name"], tools[call_id]["input"])
    failed = {
        seen["source_call_id"] for step in trace["steps"] for seen in step["observations"] if seen["error"] is not None
    }
    ended = metadata["hook_post_tool_use"]
    assert {key for key, entry in ended.items() if entry["event"] == "PostToolUseFailure"} <= failed
    assert {key for key in failed if ended.get(key, {}).get("event") == "PostToolUse"} == set()


def test_results_of_the_same_command_find_their_calls_in_any_order() -> None:
    """Identical commands run at the same time; their results tell their process groups."""
    path = recorded("identical")
    lines = list(hook_lines("identical"))
    write_hooks(lines)
    ended = trace_of(path)["metadata"]["hook_post_tool_use"]
    stamps = {line["data"]["result_id"]: line["timestamp"] for line in lines if "result_id" in line["data"]}
    wanted = {}
    for line in lines_of(path):
        for call in line.get("toolCalls", ()):
            told = str(call["result"])
            if "Process Group PGID: " in told:
                wanted[call["id"]] = stamps[told.partition("Process Group PGID: ")[2].partition("\\n")[0]]
    assert len(wanted) > 2
    assert {call_id: ended[call_id]["timestamp"] for call_id in wanted} == wanted


def test_lines_may_come_in_any_order() -> None:
    path = recorded("identical")
    lines = list(hook_lines("identical"))
    write_hooks(lines)
    result = ingest_session(path, agent="gemini-cli")
    once = trace_path(result.trace_id).read_bytes()
    shutil.rmtree(paths.home())
    write_hooks(lines[::-1])
    ingest_session(path, agent="gemini-cli")
    assert trace_path(result.trace_id).read_bytes() == once


def test_a_call_that_was_killed_is_in_the_answer_that_asked_for_it() -> None:
    """The session does not have it; the same command, run again after the resumption, is another call."""
    write_hooks(list(hook_lines("killed")))
    trace = trace_of(recorded("killed"))
    first, second = [step for step in trace["steps"] if step["tool_calls"]]
    assert [step["tool_calls"][0]["input"]["command"] for step in (first, second)] == [
        "echo a > k1.txt; sleep 4; echo b > k2.txt"
    ] * 2
    assert [step["observations"][0]["error"] for step in (first, second)] == ["no_result", None]
    assert first["step_index"] < next(s["step_index"] for s in trace["steps"] if s["content"] == "Continue.")
    assert trace["metadata"]["capture"]["tool_calls"] == 2


def test_a_session_without_its_file_is_told_by_its_hooks() -> None:
    write_hooks(list(hook_lines("tour")))
    trace = trace_of(SESSION)
    assert trace["metadata"]["capture"]["source"] == "hook_lines"
    assert trace["metadata"]["capture"]["hooked_tool_calls"] == 10


def test_an_answer_that_no_end_followed_is_not_the_last_one(tmp_path: Path) -> None:
    """A killed agent may have said something before it ran its calls."""
    session = Session().prompt("Go.").say("I start.")
    moment = (START + timedelta(seconds=2, milliseconds=500)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = {"session_id": SESSION, "agent": "gemini-cli", "prompt": "Go.", "limitations": ["no_worktree"]}
    write_hooks([{"type": "opentraces_hook", "event": "UserPromptSubmit", "timestamp": moment, "data": data}])
    assert trace_of(session.write(tmp_path))["metadata"]["capture"]["complete"] is False


def test_a_trace_survives_its_session(tmp_path: Path) -> None:
    """Gemini's cleanup may delete a session that was resumed."""
    path = Session().prompt("Go.").say("a").write(tmp_path)
    trace = trace_path(ingest_session(path, agent="gemini-cli").trace_id).read_bytes()
    path.unlink()
    result = ingest_session(SESSION, agent="gemini-cli")
    assert trace_path(result.trace_id).read_bytes() == trace


class GeminiPlayed(Played):
    agent, session_id, start, ahead = "gemini-cli", SESSION, START, -0.5

    def __init__(self, repo: Path, home: Path) -> None:
        super().__init__(repo, Session())
        self.folder = home / ".gemini" / "tmp" / "repo"

    def line(self, event: str, tool: str | None = None, given: Any = None, **data: Any) -> None:
        called = {"tool": tool, "tool_input": given, "call_key": call_key(tool, given)} if tool else {}
        self.hook(event, **data, **called)

    def write(self, call: str, name: str, text: str) -> None:
        given = {"file_path": str(self.repo / name), "content": text}
        self.session.say("")
        self.line("PreToolUse", "write_file", given)
        (self.repo / name).write_text(text)
        self.line("PostToolUse", "write_file", given, limitations=[])
        self.session.end(asked(call, "write_file", **given))

    def write_session(self) -> None:
        self.session.write(self.folder, root=str(self.repo))

    def write_hooks(self) -> None:
        write_hooks(self.hooks)


@pytest.fixture
def played(tmp_path: Path, home: Path) -> GeminiPlayed:
    return GeminiPlayed(repository(tmp_path / "repo"), home)


def test_hook_lines_and_session_become_one_trace_and_a_trail(played: GeminiPlayed) -> None:
    check_one_trace_and_a_trail(played)


def test_a_killed_call_is_closed_at_the_next_boundary(played: GeminiPlayed) -> None:
    given = {"command": "sleep 9"}
    played.session.prompt("Go.").say("")
    played.line("UserPromptSubmit", prompt="Go.")
    played.line("PreToolUse", "run_shell_command", given)
    (played.repo / "late.txt").write_text("x\n")
    played.session.prompt("Again.")
    played.line("UserPromptSubmit", prompt="Again.")
    played.session.say("")
    played.line("PreToolUse", "run_shell_command", given)
    (played.repo / "second.txt").write_text("x\n")
    played.line("PostToolUse", "run_shell_command", given, result_id="7", limitations=[])
    played.session.end(asked("call_2", "run_shell_command", printed("x", 7), **given)).say("Done.")
    trace = played.ingest()
    made, call = sorted(trace["metadata"]["hook_pre_tool_use"], key=lambda key: key == "call_2")
    assert trace["metadata"]["hook_post_tool_use"][made]["capture_status"] == "post_inferred"
    assert patches(played.repo) == [(made, "added", "late.txt"), (call, "added", "second.txt")]
    (first, second) = [step for step in trace["steps"] if step["tool_calls"]]
    assert [first["tool_calls"][0]["tool_call_id"], second["tool_calls"][0]["tool_call_id"]] == [made, call]
    opened = events(played.repo, "trace_step_window_opened")
    assert [event.step_index for event in opened] == [first["step_index"], second["step_index"]]
