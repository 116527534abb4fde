"""What OpenCode's plugin tells becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

from .opencode_rig import RECORDED, SESSION, OpenCodeRig
from .rig import hook_module

events = hook_module("hookkit_opencode_events")
EVENTS = {
    "session.created": "SessionStart",
    "chat.message": "UserPromptSubmit",
    "tool.execute.before": "PreToolUse",
    "tool.execute.after": "PostToolUse",
    "message.part.updated": "PostToolUseFailure",
    "experimental.session.compacting": "PreCompact",
    "session.compacted": "PostCompact",
    "session.idle": "Stop",
    "session.error": "StopFailure",
    "dispose": "SessionEnd",
}
INSIDE = {"session.created": "SubagentStart", "session.idle": "SubagentStop"}
WITHOUT_TREE = {"PreCompact", "PostCompact", "SessionEnd", "SubagentStart", "SubagentStop"}


@pytest.fixture
def rig(tmp_path: Path, project: Path) -> OpenCodeRig:
    """In a repository that holds a.txt."""
    return OpenCodeRig(tmp_path, project)


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(EVENTS) == set(events.ROLES)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line_in_the_sidecar(rig: OpenCodeRig, path: Path) -> None:
    sent = rig.recorded(path)
    rig.send(json.dumps(sent).encode())
    (line,) = rig.lines()
    data, name = line["data"], sent["hook_event_name"]
    assert [sidecar.name for sidecar in rig.sidecars()] == [f"{SESSION}.jsonl"]
    failed = sent.get("tool_name") == "invalid" or sent.get("result", {}).get("exit", 0) != 0
    wanted = INSIDE.get(name) if "agent_id" in sent else None
    if name == "tool.execute.after" and failed:
        wanted = "PostToolUseFailure"
    assert line["event"] == (wanted or EVENTS[name])
    assert (data["session_id"], data["agent"], data["agent_event"]) == (SESSION, "opencode", name)
    assert data.get("agent_id") == sent.get("agent_id")
    if line["event"] in WITHOUT_TREE:
        assert "trail" not in data
    else:
        assert data["trail"] == rig.trail()
    if "tool_name" in sent:
        assert (data["tool"], data["tool_call_id"]) == (sent["tool_name"], sent["tool_use_id"])
    if line["event"] == "PostToolUseFailure":
        assert data["error"]


def test_an_edit_is_told_line_by_line(rig: OpenCodeRig) -> None:
    path = rig.project / "a.txt"
    path.write_text("a\n2\n")
    diff = f"Index: {path}\n====\n--- {path}\n+++ {path}\n@@ -1,2 +1,2 @@\n a\n-b\n+2\n"
    data = rig.tool("tool.execute.after", "edit", {"filePath": "a.txt"}, result={"diff": diff})["data"]
    assert (data["file_path"], data["start_line"], data["end_line"]) == (str(path), 2, 2)
    data = rig.tool("tool.execute.after", "edit", {"filePath": "a.txt"}, result={"diff": "nonsense"})["data"]
    assert data["capture_status"] == "hook_only"


def test_a_patch_tells_each_of_its_files(rig: OpenCodeRig) -> None:
    (rig.project / "a.txt").write_text("one\n2\nthree\n")
    (rig.project / "n.txt").write_text("n\n")
    change = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    files = [
        {"filePath": str(rig.project / "a.txt"), "type": "update", "patch": change},
        {"filePath": str(rig.project / "n.txt"), "type": "add", "patch": "@@ -0,0 +1,1 @@\n+n\n"},
        {"filePath": str(rig.project / "gone.txt"), "type": "delete", "patch": ""},
    ]
    data = rig.tool("tool.execute.after", "apply_patch", {"patchText": "*** Begin Patch"}, result={"files": files})[
        "data"
    ]
    assert [Path(each["file_path"]).name for each in data["files"]] == ["a.txt", "n.txt", "gone.txt"]
    assert (data["start_line"], data["end_line"]) == (2, 2)


def test_a_command_that_fails_is_a_failure(rig: OpenCodeRig) -> None:
    for code, told in ((4, "exit code 4"), (None, "it did not end by itself")):
        line = rig.tool("tool.execute.after", "bash", {"command": "x"}, result={"exit": code})
        assert (line["event"], line["data"]["error"]) == ("PostToolUseFailure", told)
    assert rig.tool("tool.execute.after", "bash", {"command": "x"}, result={"exit": 0})["event"] == "PostToolUse"


def test_a_subagents_prompt_and_end_are_not_the_users(rig: OpenCodeRig) -> None:
    for event in ("chat.message", "dispose"):
        rig.send(json.dumps(rig.payload(event, agent_id="ses_child")).encode())
    assert rig.lines() == []


def test_a_turn_that_failed_starts_an_ingest_too(rig: OpenCodeRig) -> None:
    report = rig.record_ingest()
    rig.fire("session.error")
    told = wait_for(lambda: report.exists() and json.loads(report.read_text()))
    assert told["arguments"] == [
        "_ingest-session", "--session", SESSION, "--agent", "opencode", "--project", str(rig.project),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [
        {"session_id": "../../x"}, {"session_id": None}, {"hook_event_name": "other"}, {"tool_input": [1]},
        {"tool_name": 5}, {"tool_use_id": {}}, {"cwd": 7}, {"cwd": "/\x00"}, {"result": [1]}, {"result": {"exit": {}}},
        {"result": {"files": [1, {"filePath": 5}], "diff": {}}}, {"duration_ms": float("nan")}, {"agent_id": [1]},
        {"tool_input": {"filePath": "\x00"}}, {"tool_input": {"filePath": {}, "content": []}},
        {"tool_name": "apply_patch", "tool_input": {"patchText": "*** Add File: ../../../x"}},
        {"tool_name": "bash", "tool_input": {"workdir": 5}},
        {"tool_input": {"filePath": "a.txt", "content": "x" * (5 << 20)}},
    ],
    ids=lambda odd: str(odd)[:50],
)  # fmt: skip
def test_odd_values_leave_valid_lines_in_their_place_or_none(rig: OpenCodeRig, odd: dict[str, Any]) -> None:
    given = {"tool_name": "write", "tool_use_id": "call_1", "tool_input": {"filePath": "a.txt", "content": "one\n"}}
    rig.send_odd({**rig.payload("tool.execute.after", **given), **odd})
