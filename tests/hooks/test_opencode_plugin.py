"""OpenCode's plugin, run by node without OpenCode: what it starts, what it waits for, and that it disturbs nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .rig import INTERPRETER, ROOT
from .test_pi_extension import _SCRIPT

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

# An OpenCode that waits for what the real one waits for, and calls the handler of events without waiting.
_OPENCODE = """\
import fs from "node:fs";
import * as module from "./hookkit.mjs";
const steps = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const out = [], unhandled = [];
process.on("unhandledRejection", (why) => unhandled.push(String(why)));
process.on("uncaughtException", (why) => unhandled.push(String(why)));
const exported = Object.keys(module);
const hooks = await module.default({ directory: process.env.FOLDER, worktree: "/" });
for (const step of steps) {
  const begun = performance.now();
  const before = JSON.stringify([step.input, step.output]);
  let value;
  if (step.type) {
    hooks.event({ event: { type: step.type, properties: step.properties } });
  } else {
    value = await hooks[step.hook](step.input, step.output);
  }
  const same = before === JSON.stringify([step.input, step.output]);
  out.push({ ms: performance.now() - begun, nothing: value === undefined && same });
}
process.on("exit", () => {
  fs.writeFileSync(process.argv[3], JSON.stringify({ out, unhandled, exported, names: Object.keys(hooks) }));
});
"""
ROOT_SESSION, CHILD = "ses_root", "ses_child"


def event(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": kind, "properties": properties}


def hook(name: str, given: Any = None, output: Any = None) -> dict[str, Any]:
    return {"hook": name, "input": given, "output": output}


def before(call: str = "c1", session: str = ROOT_SESSION, tool: str = "bash", **args: Any) -> dict[str, Any]:
    return hook("tool.execute.before", {"tool": tool, "sessionID": session, "callID": call}, {"args": args})


def after(call: str = "c1", session: str = ROOT_SESSION, tool: str = "bash", **metadata: Any) -> dict[str, Any]:
    given = {"tool": tool, "sessionID": session, "callID": call, "args": {"command": "x"}}
    return hook("tool.execute.after", given, {"title": "", "output": "", "metadata": metadata})


CREATED = event("session.created", info={"id": ROOT_SESSION, "agent": "build"})
PROMPT = hook(
    "chat.message",
    {"sessionID": ROOT_SESSION},
    {"parts": [{"type": "text", "text": "Go."}, {"type": "text", "text": "not typed", "synthetic": True}]},
)
BUSY = event("session.status", sessionID=ROOT_SESSION, status={"type": "busy"})
IDLE = event("session.idle", sessionID=ROOT_SESSION)
DISPOSE = hook("dispose")
FAILED = event(
    "message.part.updated",
    part={"id": "prt_1", "type": "tool", "tool": "bash", "sessionID": ROOT_SESSION, "callID": "c1",
          "state": {"status": "error", "error": "no"}},
)  # fmt: skip


class Stage:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.script = base / 'a "script".py'
        self.script.write_text(_SCRIPT)
        self.interpreter = INTERPRETER
        self.patience = 5000

    def play(self, *steps: Mapping[str, Any], **environment: str) -> tuple[list[dict[str, Any]], list[float]]:
        """(what the script was given, in the order that it ended; how long each step took, in milliseconds)."""
        text = (ROOT / "hooks" / "hookkit_opencode.js").read_text()
        text = text.replace("{{interpreter}}", json.dumps(self.interpreter))
        text = text.replace("{{script}}", json.dumps(str(self.script)))
        assert text.count("const PATIENCE = 5000;") == 1
        text = text.replace("const PATIENCE = 5000;", f"const PATIENCE = {self.patience};")
        (self.base / "hookkit.mjs").write_text(text)
        (self.base / "opencode.mjs").write_text(_OPENCODE)
        (self.base / "steps.json").write_text(json.dumps(steps))
        report, log = self.base / "report.json", self.base / "log.jsonl"
        env = {"PATH": os.environ["PATH"], "LOG": str(log), "FOLDER": str(self.base), **environment}
        done = subprocess.run(
            [str(NODE), "opencode.mjs", "steps.json", str(report)],
            cwd=self.base, env=env, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found = json.loads(report.read_text())
        assert (found["unhandled"], found["exported"]) == ([], ["default"])
        assert all(one["nothing"] for one in found["out"]), "a handler gave something back, or changed what it got"
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line)["payload"] for line in lines], [one["ms"] for one in found["out"]]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def names(payloads: Sequence[Mapping[str, Any]]) -> list[str]:
    return [payload["hook_event_name"] for payload in payloads]


def test_a_turn_is_told_in_order_and_its_end_once(stage: Stage) -> None:
    told, _ = stage.play(CREATED, PROMPT, BUSY, before(command="x"), after(exit=0), IDLE, IDLE, DISPOSE)
    assert names(told) == [
        "session.created", "chat.message", "tool.execute.before", "tool.execute.after", "session.idle", "dispose",
    ]  # fmt: skip
    assert {payload["session_id"] for payload in told} == {ROOT_SESSION}
    assert (told[0]["source"], told[1]["prompt"], told[3]["result"]) == ("startup", "Go.", {"exit": 0})
    assert told[2].items() >= {"tool_name": "bash", "tool_use_id": "c1", "tool_input": {"command": "x"}}.items()
    assert told[3]["duration_ms"] >= 0


def test_a_session_that_is_taken_up_again_begins_too(stage: Stage) -> None:
    told, _ = stage.play(PROMPT)
    assert (names(told), told[0]["source"]) == (["session.created", "chat.message"], "resume")


def test_a_failed_call_is_told_before_the_model_goes_on_and_only_once(stage: Stage) -> None:
    told, ms = stage.play(before(command="x"), FAILED, FAILED, hook("chat.params"), SCRIPT="slow", SLOW="0.3")
    assert names(told) == ["tool.execute.before", "message.part.updated"]
    assert told[1].items() >= {"error": "no", "tool_use_id": "c1", "tool_input": {"command": "x"}}.items()
    assert ms[0] >= 300
    assert ms[1] < 250
    assert ms[3] >= 250
    assert names(stage.play(FAILED)[0][2:]) == []  # it never began


def test_a_turn_that_fails_has_one_end(stage: Stage) -> None:
    error = event("session.error", sessionID=ROOT_SESSION, error={"name": "APIError", "data": {"message": "400"}})
    told, _ = stage.play(BUSY, error, IDLE, IDLE, DISPOSE)
    assert [(payload["hook_event_name"], payload.get("error")) for payload in told] == [("session.error", "400")]


def test_a_subagent_belongs_to_the_session_that_called_it(stage: Stage) -> None:
    child = event("session.created", info={"id": CHILD, "parentID": ROOT_SESSION, "agent": "general"})
    busy = event("session.status", sessionID=CHILD, status={"type": "busy"})
    inner = hook("chat.message", {"sessionID": CHILD}, {"parts": [{"type": "text", "text": "Do."}]})
    idle = event("session.idle", sessionID=CHILD)
    told, _ = stage.play(CREATED, child, inner, busy, before("c2", CHILD), idle, DISPOSE)
    assert {payload["session_id"] for payload in told} == {ROOT_SESSION}
    inside = [payload["hook_event_name"] for payload in told if payload.get("agent_id") == CHILD]
    assert inside == ["session.created", "tool.execute.before", "session.idle"]
    again, _ = stage.play(before("c3", tool="task", task_id=CHILD), before("c4", CHILD))
    assert again[-1].items() >= {"session_id": ROOT_SESSION, "agent_id": CHILD}.items()


def test_a_call_that_is_named_by_its_part_is_told_by_its_own_id(stage: Stage) -> None:
    part = {"id": "prt_9", "type": "tool", "tool": "task", "sessionID": ROOT_SESSION, "callID": "01M8",
            "state": {"status": "running"}}  # fmt: skip
    told, _ = stage.play(event("message.part.updated", part=part), before("prt_9", tool="task"), after("prt_9"))
    assert [payload["tool_use_id"] for payload in told] == ["01M8", "01M8"]


def test_nothing_is_started_where_the_user_said_no(stage: Stage) -> None:
    assert stage.play(CREATED, PROMPT, before(), DISPOSE, HOOKKIT_DISABLE="1")[0] == []


@pytest.mark.long
@pytest.mark.parametrize("what", ["deaf", "fails", "loud"])
def test_a_script_that_goes_wrong_disturbs_nobody(stage: Stage, what: str) -> None:
    stage.play(CREATED, PROMPT, before(command="x" * (5 << 20)), after(), BUSY, IDLE, DISPOSE, SCRIPT=what)


def test_a_script_or_interpreter_that_is_gone_disturbs_nobody(stage: Stage) -> None:
    stage.script.unlink()
    for interpreter in (INTERPRETER, str(stage.base / "gone"), str(stage.base)):
        stage.interpreter = interpreter
        assert stage.play(CREATED, PROMPT, before(), after(), BUSY, IDLE, DISPOSE)[0] == []


@pytest.mark.long
def test_a_script_that_does_not_end_is_not_waited_for(stage: Stage) -> None:
    stage.patience = 300
    _, ms = stage.play(CREATED, PROMPT, before(), after(), BUSY, IDLE, DISPOSE, SCRIPT="for ever")
    assert all(each < 1500 for each in ms)


def test_events_of_another_shape_disturb_nobody(stage: Stage) -> None:
    odd: list[Any] = [None, {}, 5, [], "x", {"info": 5}, {"part": 5}, {"part": {"type": "tool"}}, {"status": None}]
    kinds = ["session.created", "session.status", "session.idle", "session.error", "message.part.updated", "toString"]
    steps = [{"type": kind, "properties": value} for kind in kinds for value in odd]
    hooks = ["chat.message", "tool.execute.before", "tool.execute.after", "experimental.session.compacting", "dispose"]
    steps += [hook(name, value, value) for name in hooks for value in odd]
    stage.play(*steps)
