"""Copilot CLI's sessions with their hook lines: one trace and a trail."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.copilot_cli.parser import CopilotCliParser
from hookkit.capture.ingest import ingest_project
from hookkit.capture.session import Session as Reading
from hookkit.store.files import trace_path
from tests.hooks.rig import hook_module
from tests.trails.recorded import capture, events, patches, repository

from .copilot_support import AGENT, FIXTURES, SESSION, Session, lines_of, place, record_of, recorded, session_of


def hook_line(root: Path, event: str, at: datetime, session: str = SESSION, **data: Any) -> dict[str, Any]:
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    fields = {"session_id": session, "agent": "copilot-cli", "trail": capture(root), **data}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp, "data": fields}


def call_lines(
    root: Path, made: Session, call: str, given: Any, effect: Any, agent: str | None = None
) -> list[dict[str, Any]]:
    """A shell call of a session with its hooks in the transcript, and the lines that these leave."""
    who = {"agent_id": agent} if agent else {}
    session = agent or SESSION
    key = hook_module("hookkit_payload").call_key("Bash", given)
    common = {"tool": "Bash", "call_key": key, "tool_input": given, **who}
    made.answer("", (call, "bash", given), agent=agent)
    begun = made.moment()
    asked = [{"id": call, "name": "bash", "args": given}]
    made.add("hook.start", agent, hookInvocationId=f"b{call}", hookType="preToolUse", input={"toolCalls": asked})
    before = hook_line(root, "PreToolUse", begun, session, **common, sent_at=begun.isoformat())
    effect()
    ended = made.moment()
    told = {"timestamp": int(ended.timestamp() * 1000), "toolName": "bash", "toolArgs": given}
    made.add("hook.start", agent, hookInvocationId=f"a{call}", hookType="postToolUse", input=told)
    limits = {"limitations": ["hook_only"], "capture_status": "hook_only"}
    after = hook_line(root, "PostToolUse", ended, session, **common, **limits, sent_at=ended.isoformat())
    made.done(call, agent=agent)
    return [before, after]


def sidecar(root: Path, lines: list[dict[str, Any]], *name: str) -> None:
    path = root.joinpath(".opentraces", "copilot-cli", "hooks", *name)
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / ".opentraces" / ".gitignore").write_text("*\n")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("kept", [True, False], ids=["with a transcript", "without a transcript"])
def test_the_calls_of_a_session_and_its_subagent_become_windows_of_one_trace(
    tmp_path: Path, home: Path, kept: bool
) -> None:
    root = repository(tmp_path / "repo")
    made = Session(str(root)).prompt("Go.")
    own = call_lines(root, made, "c1", {"command": "echo"}, lambda: (root / "a.txt").write_text("a\n"))
    made.answer("", ("t1", "task", {"prompt": "Part."}))
    start = hook_line(root, "SubagentStart", made.moment(), agent_id=AGENT)
    del start["data"]["trail"]
    made.add("subagent.started", AGENT, toolCallId="t1", agentName="explore")
    inner = call_lines(root, made, "c2", {"command": "echo"}, lambda: (root / "b.txt").write_text("b\n"), AGENT)
    made.done("t1").answer("Done.")
    sidecar(root, [*own, start, hook_line(root, "Stop", made.moment())], f"{SESSION}.jsonl")
    sidecar(root, inner, "agents", f"{AGENT}.jsonl")
    if kept:
        made.write(home / ".copilot" / "session-state")

    (found,) = ingest_project(root)

    assert (found.status, found.session_id) == ("stored", SESSION)
    trace = json.loads(trace_path(found.trace_id).read_bytes())
    before, after = trace["metadata"]["hook_pre_tool_use"], trace["metadata"]["hook_post_tool_use"]
    assert before.keys() == after.keys()
    assert len(before) == 2
    if kept:
        assert before.keys() == {"c1", "c2"}
        assert before["c2"]["agent_id"] == AGENT
    windows = events(root, "trace_step_window_closed") or events(root)
    assert windows
    paths = {path: call for call, _, path in patches(root)}
    assert set(paths) == {"a.txt", "b.txt"}
    assert not kept or paths == {"a.txt": "c1", "b.txt": "c2"}


@pytest.mark.parametrize("written", range(1, 4))
def test_calls_that_the_killed_agent_had_not_written_down_are_in_the_trace(
    tmp_path: Path, home: Path, written: int
) -> None:
    """The session goes on under the same id. written: how much of the first run is on disk."""
    root = repository(tmp_path / "repo")
    made = Session(str(root)).prompt("Go.")
    first = call_lines(root, made, "c1", {"command": "echo"}, lambda: (root / "a.txt").write_text("a\n"))
    kept = {1: 1, 2: 2, 3: len(made.lines)}[written]
    begun = call_lines(root, made, "c2", {"command": "cat"}, lambda: (root / "b.txt").write_text("b\n"))[:1]
    lost = len(made.lines)
    made.add("session.resume", context={"cwd": str(root)}).prompt("Still there?")
    prompt = hook_line(root, "UserPromptSubmit", made.moment(), prompt="Still there?")
    made.answer("Yes.")
    end = hook_line(root, "Stop", made.moment())
    sidecar(root, [*first, *begun, prompt, end], f"{SESSION}.jsonl")
    made.lines = made.lines[:kept] + made.lines[lost:]
    made.write(home / ".copilot" / "session-state")

    (found,) = ingest_project(root)

    trace = json.loads(trace_path(found.trace_id).read_bytes())
    TraceRecord.model_validate(trace)
    steps = trace["steps"]
    assert [step["step_index"] for step in steps] == list(range(len(steps)))
    calls = {call["tool_call_id"]: call for step in steps for call in step["tool_calls"]}
    assert calls.keys() == trace["metadata"]["hook_pre_tool_use"].keys()
    assert [call["input"]["command"] for call in calls.values()] == ["echo", "cat"]
    assert {call["tool_name"] for call in calls.values()} == {"bash"}
    assert ("c1" in calls) == (written == 3)
    assert steps[-1]["content"] == "Yes."
    assert trace["metadata"]["capture"]["tool_calls"] == 2
    assert {path for _, _, path in patches(root)} == {"a.txt", "b.txt"}


def test_steps_are_numbered_anew_around_calls_that_only_hooks_tell_of(tmp_path: Path) -> None:
    path = FIXTURES / "subagents.jsonl"
    parser = CopilotCliParser()
    whole = record_of(recorded("subagents", tmp_path / "whole"))
    content = b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b"toolCallId" not in line)
    session = Reading(parser, session_of(path), place(content, tmp_path, session_of(path)), None)
    session.read()
    session.hooks.inside |= {step.subagent_trajectory_ref for step in whole.steps if step.subagent_trajectory_ref}
    lines = lines_of(path)
    for line in lines:
        session.hooks.add(line, owned=True)
    record = session.record()
    assert record is not None
    steps = TraceRecord.model_validate_json(b"".join(record.text())).steps
    assert [step.step_index for step in steps] == list(range(len(steps)))
    assert all(step.parent_step is None or step.parent_step < step.step_index for step in steps)
    assert sum(len(step.tool_calls) for step in steps) == sum(line["event"] == "PreToolUse" for line in lines)
