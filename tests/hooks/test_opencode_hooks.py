"""What OpenCode's plugin tells becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.opencode import CONTRACT

from .opencode_rig import RECORDED, SESSION, OpenCodeRig
from .rig import commit, expected_tree, fake_git, git, hook_module, make_repository, wait_for

events = hook_module("hookkit_opencode_events")
hunks = hook_module("hookkit_hunks")
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
def rig(tmp_path: Path) -> OpenCodeRig:
    """In a repository that holds a.txt."""
    project = make_repository(tmp_path / "project")
    (project / "a.txt").write_text("one\ntwo\nthree\n")
    commit(project)
    return OpenCodeRig(tmp_path, project)


def test_contract_and_script_name_the_same_events() -> None:
    assert {event.name: event.role for event in CONTRACT.events} == events.ROLES
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(EVENTS)


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
        assert data["trail"]["tree_id"]["hex"] == expected_tree(rig.project)
        assert data["trail"]["git_head"]["hex"] == git(rig.project, "rev-parse", "HEAD")
    if "tool_name" in sent:
        assert (data["tool"], data["tool_call_id"]) == (sent["tool_name"], sent["tool_use_id"])
    if line["event"] == "PostToolUseFailure":
        assert data["error"]


def test_a_written_file_and_an_edit_are_told_line_by_line(rig: OpenCodeRig) -> None:
    path = rig.project / "a.txt"
    path.write_text("a\nb\n")
    data = rig.tool("after", "write", {"filePath": str(path), "content": "a\nb\n"})["data"]
    assert (data["file_path"], data["start_line"], data["end_line"], data["confidence"]) == (str(path), 1, 2, "high")
    assert data["content_hash"] == hunks.digest(["a", "b"])
    path.write_text("a\n2\n")
    diff = f"Index: {path}\n====\n--- {path}\n+++ {path}\n@@ -1,2 +1,2 @@\n a\n-b\n+2\n"
    data = rig.tool("after", "edit", {"filePath": "a.txt"}, result={"diff": diff})["data"]
    assert (data["file_path"], data["start_line"], data["end_line"]) == (str(path), 2, 2)
    data = rig.tool("after", "edit", {"filePath": "a.txt"}, result={"diff": "nonsense"})["data"]
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
    data = rig.tool("after", "apply_patch", {"patchText": "*** Begin Patch"}, result={"files": files})["data"]
    assert [Path(each["file_path"]).name for each in data["files"]] == ["a.txt", "n.txt", "gone.txt"]
    assert (data["start_line"], data["end_line"]) == (2, 2)


def test_a_command_that_fails_is_a_failure(rig: OpenCodeRig) -> None:
    for code, told in ((4, "exit code 4"), (None, "it did not end by itself")):
        line = rig.tool("after", "bash", {"command": "x"}, result={"exit": code})
        assert (line["event"], line["data"]["error"]) == ("PostToolUseFailure", told)
    assert rig.tool("after", "bash", {"command": "x"}, result={"exit": 0})["event"] == "PostToolUse"


def test_a_subagents_prompt_and_end_are_not_the_users(rig: OpenCodeRig) -> None:
    for event in ("chat.message", "dispose"):
        rig.send(json.dumps(rig.payload(event, agent_id="ses_child")).encode())
    assert rig.lines() == []


def test_outside_of_a_repository_and_without_git_the_line_says_so(rig: OpenCodeRig, tmp_path: Path) -> None:
    line = rig.tool("before", "bash", {}, env={"PATH": fake_git(tmp_path / "bin", "exit 1")})
    assert "trail" not in line["data"]
    assert line["data"]["limitations"]
    bare = OpenCodeRig(tmp_path / "bare")
    assert bare.tool("before", "bash", {"command": "true"})["data"]["limitations"] == ["no_worktree"]


@pytest.mark.parametrize("event", ["session.idle", "dispose", "session.error"])
def test_the_end_of_a_turn_or_session_starts_an_ingest_by_its_id(rig: OpenCodeRig, event: str) -> None:
    report = rig.record_ingest()
    rig.fire(event)
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
    def there() -> set[Path]:
        return {path for path in rig.base.rglob("*") if not {".git", "__pycache__"} & set(path.parts)}

    given = {"tool_name": "write", "tool_use_id": "call_1", "tool_input": {"filePath": "a.txt", "content": "one\n"}}
    before = there()
    rig.send(json.dumps({**rig.payload("tool.execute.after", **given), **odd}).encode())
    assert len(rig.lines()) <= 1
    for path in there() - before:
        assert path.is_relative_to(rig.project / ".opentraces") or path.is_relative_to(rig.state), path
