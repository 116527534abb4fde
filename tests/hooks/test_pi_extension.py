"""Pi's extension, run by node without Pi: what it starts, what it waits for, and that nothing of it can disturb Pi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.pi import CONTRACT

from .rig import INTERPRETER, ROOT

NODE = shutil.which("node")
pytestmark = [pytest.mark.long, pytest.mark.skipif(NODE is None, reason="node is not installed")]

# A Pi that gives the extension events as it is told to, waits for the handlers that the real one waits for, and takes
# its context away where the real one does.
_PI = """\
import fs from "node:fs";
import extension from "./hookkit.mjs";
const steps = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const handlers = {}, out = [];
let stale = false, unhandled = [];
process.on("unhandledRejection", (why) => unhandled.push(String(why)));
process.on("uncaughtException", (why) => unhandled.push(String(why)));
const session = {
  getSessionId() { if (stale) throw new Error("stale"); return "01a22273-0a05-734e-b354-cd774009669f"; },
  getSessionFile() { if (stale) throw new Error("stale"); return process.env.SESSION_FILE || undefined; },
};
const ctx = {
  get sessionManager() { if (stale) throw new Error("stale"); return session; },
  get cwd() { if (stale) throw new Error("stale"); return process.env.SESSION_CWD; },
  get model() { if (stale) throw new Error("stale"); return { provider: "scripted", id: "one" }; },
};
const pi = { on(name, handler) {
  if (name === process.env.UNKNOWN_EVENT) throw new Error("no such event");
  (handlers[name] ??= []).push(handler);
} };
extension(pi);
for (const step of steps) {
  if (step.do === "stale") { stale = true; continue; }
  if (step.do === "wait") { await new Promise((done) => setTimeout(done, step.ms)); continue; }
  const begun = performance.now();
  const told = (step.together ?? [step]).map((one) =>
    (handlers[one.event] ?? []).map((handle) => handle(one.payload, ctx)));
  const values = step.aside ? [] : (await Promise.all(told.flat()));
  out.push({ event: step.event, ms: performance.now() - begun, values: values.map((value) => value === undefined) });
}
process.on("exit", () => {
  fs.writeFileSync(process.argv[3], JSON.stringify({ out, unhandled, names: Object.keys(handlers) }));
});
"""
# Keeps what it is given, when, and by whom; slow and deaf where it is told to be.
_SCRIPT = """\
import json, os, sys, time
begun = time.time()
what = os.environ.get("SCRIPT", "")
if what == "deaf":
    os.close(0); time.sleep(0.3); os._exit(0)
raw = sys.stdin.buffer.read()
if what == "slow":
    time.sleep(float(os.environ["SLOW"]))
if what == "for ever":
    time.sleep(60)
if what == "loud":
    print("loud"); print("loud", file=sys.stderr)
payload = json.loads(raw)
note = {"payload": payload, "begun": begun, "ended": time.time(), "cwd": os.getcwd(), "argv": sys.orig_argv[1:-1]}
log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, json.dumps(note).encode() + b"\\n")
if what == "fails":
    os._exit(3)
"""
CALL = {"toolName": "bash", "toolCallId": "call_1", "input": {"command": "x"}}
RESULT = {**CALL, "content": [{"type": "text", "text": "ok"}], "isError": False}
SESSION_START = {"event": "session_start", "payload": {"reason": "startup"}}
SHUTDOWN = {"event": "session_shutdown", "payload": {"reason": "quit"}}
ANSWER = {"role": "assistant", "content": [], "stopReason": "stop"}
AGENT_END = {"event": "agent_end", "payload": {"messages": [ANSWER]}, "aside": True}
WHOLE: list[dict[str, Any]] = [
    SESSION_START,
    {"event": "before_agent_start", "payload": {"prompt": "Go on.", "systemPrompt": "long"}},
    {"event": "tool_call", "payload": CALL},
    {"event": "tool_result", "payload": RESULT},
    {"event": "tool_execution_end", "payload": {**CALL, "result": {}, "isError": False}, "aside": True},
    {"event": "session_before_compact", "payload": {"customInstructions": "short", "signal": {}}},
    {"event": "session_compact", "payload": {"compactionEntry": {"summary": "what was"}}},
    AGENT_END,
    SHUTDOWN,
]


class Played:
    """What came of a run of the extension. notes: what the hook script was given, in the order that it ended."""

    def __init__(self, done: subprocess.CompletedProcess[str], report: Path, log: Path) -> None:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found = json.loads(report.read_text())
        assert found["unhandled"] == []
        assert all(value is True for one in found["out"] for value in one["values"]), "a handler gave something back"
        self.names: list[str] = found["names"]
        self.ms = [one["ms"] for one in found["out"]]
        text = log.read_text() if log.exists() else ""
        self.notes: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [note["payload"] for note in self.notes]

    @property
    def events(self) -> list[str]:
        return [payload["hook_event_name"] for payload in self.payloads]


class Stage:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.project = base / "a project"
        self.project.mkdir()
        self.script = base / 'a "script".py'
        self.script.write_text(_SCRIPT)
        self.patience: int | None = None
        self.interpreter = INTERPRETER

    def play(self, steps: Sequence[Mapping[str, Any]], **environment: str) -> Played:
        text = (ROOT / "hooks" / "hookkit_pi.ts").read_text()
        text = text.replace("{{interpreter}}", json.dumps(self.interpreter))
        text = text.replace("{{script}}", json.dumps(str(self.script)))
        if self.patience is not None:
            assert text.count("const PATIENCE = 5000;") == 1
            text = text.replace("const PATIENCE = 5000;", f"const PATIENCE = {self.patience};")
        (self.base / "hookkit.mjs").write_text(text)
        (self.base / "pi.mjs").write_text(_PI)
        (self.base / "steps.json").write_text(json.dumps(steps))
        report, log = self.base / "report.json", self.base / "log.jsonl"
        env = {"PATH": os.environ["PATH"], "LOG": str(log), "SESSION_CWD": str(self.project)}
        env["SESSION_FILE"] = "/sessions/s.jsonl"
        done = subprocess.run(
            [str(NODE), "pi.mjs", "steps.json", str(report)],
            cwd=self.base, env={**env, **environment}, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return Played(done, report, log)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_it_listens_to_the_events_of_the_contract_and_to_no_other(stage: Stage) -> None:
    assert stage.play([]).names == [event.name for event in CONTRACT.events]


def test_every_event_starts_one_process_that_is_told_everything(stage: Stage) -> None:
    played = stage.play(WHOLE)
    assert played.events == [
        "session_start", "before_agent_start", "tool_call", "tool_result", "session_before_compact",
        "session_compact", "agent_end", "session_shutdown",
    ]  # fmt: skip
    every = {
        "session_id": "01a22273-0a05-734e-b354-cd774009669f",
        "transcript_path": "/sessions/s.jsonl",
        "cwd": str(stage.project),
    }
    for note in played.notes:
        assert note["payload"].items() >= every.items()
        assert note["cwd"] == str(stage.project)
        assert note["argv"] == ["-I", "-S"]
    start, prompt, call, result, before, after, end, shutdown = played.payloads
    assert (start["source"], start["model"]) == ("startup", "scripted/one")
    assert (prompt["prompt"], shutdown["reason"], end["stop_reason"]) == ("Go on.", "quit", "stop")
    told = {"tool_name": "bash", "tool_use_id": "call_1", "tool_input": {"command": "x"}}
    assert call.items() >= told.items()
    assert result.items() >= {**told, "is_error": False}.items()
    assert result["duration_ms"] >= 0
    assert (before["custom_instructions"], after["compact_summary"]) == ("short", "what was")


def test_a_failed_call_tells_its_text(stage: Stage) -> None:
    content = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    result = {"event": "tool_result", "payload": {**RESULT, "content": content, "isError": True}}
    played = stage.play([SESSION_START, {"event": "tool_call", "payload": CALL}, result])
    assert (played.payloads[-1]["is_error"], played.payloads[-1]["error"]) == (True, "a\n\nb")


def test_only_an_edit_tells_details(stage: Stage) -> None:
    details = {"diff": "+1 a", "firstChangedLine": 1}
    edit = {"event": "tool_result", "payload": {**RESULT, "toolName": "edit", "details": details}}
    other = {"event": "tool_result", "payload": {**RESULT, "details": {"big": "x" * 100}}}
    played = stage.play([SESSION_START, edit, other])
    assert [payload.get("details") for payload in played.payloads[1:]] == [{"diff": "+1 a"}, None]


def test_pi_waits_until_the_worktree_was_looked_at(stage: Stage) -> None:
    played = stage.play(WHOLE[:4], SCRIPT="slow", SLOW="0.3")
    assert all(ms >= 300 for ms in played.ms)
    assert played.events == ["session_start", "before_agent_start", "tool_call", "tool_result"]


def test_what_pi_does_not_wait_for_is_not_held_up(stage: Stage) -> None:
    played = stage.play([SESSION_START, AGENT_END], SCRIPT="slow", SLOW="0.5")
    assert played.ms[1] < 250
    assert played.events == ["session_start", "agent_end"]


@pytest.mark.parametrize(
    "following",
    [SHUTDOWN, {"event": "before_agent_start", "payload": {"prompt": "more"}}, {"event": "tool_call", "payload": CALL}],
)
def test_what_follows_the_end_of_a_turn_waits_for_it(stage: Stage, following: dict[str, Any]) -> None:
    played = stage.play([SESSION_START, AGENT_END, following], SCRIPT="slow", SLOW="0.3")
    assert played.events == ["session_start", "agent_end", following["event"]]
    assert played.notes[2]["begun"] >= played.notes[1]["ended"]


def test_a_context_that_was_taken_away_is_not_needed(stage: Stage) -> None:
    played = stage.play([SESSION_START, {"do": "stale"}, *WHOLE[1:]])
    assert len(played.notes) == 8
    assert {payload["session_id"] for payload in played.payloads} == {"01a22273-0a05-734e-b354-cd774009669f"}


def test_a_call_that_another_extension_stopped_is_closed(stage: Stage) -> None:
    end = {**CALL, "result": {"content": [{"type": "text", "text": "No."}]}, "isError": True}
    played = stage.play(
        [
            SESSION_START,
            {"event": "tool_call", "payload": CALL},
            {"event": "tool_execution_end", "payload": end},
            SHUTDOWN,
        ]
    )
    assert played.events == ["session_start", "tool_call", "tool_execution_end", "session_shutdown"]
    closed = played.payloads[2]
    assert (closed["is_error"], closed["error"], closed["tool_input"]) == (True, "No.", {"command": "x"})


def test_a_call_that_never_began_or_has_a_result_is_not_closed_again(stage: Stage) -> None:
    end = {"event": "tool_execution_end", "payload": {**CALL, "result": {}, "isError": True}}
    played = stage.play([SESSION_START, end, *WHOLE[2:4], end, end])
    assert played.events == ["session_start", "tool_call", "tool_result"]


def test_results_of_parallel_calls_do_not_wait_for_each_other(stage: Stage) -> None:
    calls = [{"event": "tool_call", "payload": {**CALL, "toolCallId": f"call_{n}"}} for n in range(3)]
    results = [{"event": "tool_result", "payload": {**RESULT, "toolCallId": f"call_{n}"}} for n in range(3)]
    played = stage.play([SESSION_START, *calls, {"event": "results", "together": results}], SCRIPT="slow", SLOW="0.4")
    last = played.notes[-3:]
    assert max(note["begun"] for note in last) < min(note["ended"] for note in last)
    assert all(note["payload"]["duration_ms"] < 400 for note in last)


def test_nothing_is_started_where_the_user_said_no(stage: Stage) -> None:
    assert stage.play(WHOLE, HOOKKIT_DISABLE="1").notes == []


def test_a_session_without_a_file_is_told_without_one(stage: Stage) -> None:
    assert all("transcript_path" not in payload for payload in stage.play(WHOLE, SESSION_FILE="").payloads)


def test_a_folder_that_is_gone_is_told_all_the_same(stage: Stage) -> None:
    played = stage.play(WHOLE, SESSION_CWD=str(stage.base / "gone"))
    assert len(played.notes) == 8
    assert {note["cwd"] for note in played.notes} == {"/"}


@pytest.mark.parametrize("what", ["deaf", "fails", "loud"])
def test_a_script_that_goes_wrong_disturbs_nobody(stage: Stage, what: str) -> None:
    big = {**CALL, "input": {"command": "x" * (5 << 20)}}  # more than a pipe holds
    stage.play([SESSION_START, {"event": "tool_call", "payload": big}, AGENT_END, SHUTDOWN], SCRIPT=what)


def test_a_script_or_interpreter_that_is_gone_disturbs_nobody(stage: Stage) -> None:
    stage.script.unlink()
    assert stage.play(WHOLE).notes == []
    stage.interpreter = str(stage.base / "gone")
    assert stage.play(WHOLE).notes == []
    stage.interpreter = str(stage.project)
    assert stage.play(WHOLE).notes == []


def test_a_script_that_does_not_end_is_not_waited_for(stage: Stage) -> None:
    stage.patience = 300
    played = stage.play(WHOLE, SCRIPT="for ever")
    assert all(ms < 1500 for ms in played.ms)


def test_an_event_that_a_later_pi_does_not_know_takes_no_other_with_it(stage: Stage) -> None:
    assert stage.play(WHOLE, UNKNOWN_EVENT="tool_call").events[-1] == "session_shutdown"


@pytest.mark.parametrize("event", [event.name for event in CONTRACT.events])
def test_events_of_another_shape_disturb_nobody(stage: Stage, event: str) -> None:
    odd: list[Any] = [None, {}, {"messages": None}, {"messages": []}, {"content": 5, "isError": True}, 5, [], "x"]
    stage.play([SESSION_START, *({"event": event, "payload": payload} for payload in odd), SHUTDOWN])


def test_events_before_the_session_began_are_told_if_they_can(stage: Stage) -> None:
    assert stage.play([WHOLE[1], {"event": "tool_call", "payload": CALL}]).events == ["before_agent_start", "tool_call"]
    (stage.base / "log.jsonl").unlink()
    assert stage.play([{"do": "stale"}, *WHOLE[1:]]).notes == []
