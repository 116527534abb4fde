"""What Cursor is documented to tell its hooks becomes one line each, of its shape, in silence. Nothing here was run."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.claude_code import CONTRACT as CLAUDE

from .cursor_rig import MAIL, PAYLOADS, SESSION, SUBAGENT, CursorRig
from .rig import INTERPRETER, ROOT, hook_module, make_repository

events = hook_module("hookkit_cursor_events")
EVENTS = {
    "sessionStart": "SessionStart",
    "beforeSubmitPrompt": "UserPromptSubmit",
    "preToolUse": "PreToolUse",
    "postToolUse": "PostToolUse",
    "postToolUseFailure": "PostToolUseFailure",
    "subagentStart": "SubagentStart",
    "subagentStop": "SubagentStop",
    "preCompact": "PreCompact",
    "stop": "Stop",
    "sessionEnd": "SessionEnd",
}
FAILED = {
    "postToolUse-Shell-exit": ("PostToolUseFailure", "exit code 1"),
    "postToolUse-MCP-error": ("PostToolUseFailure", "error"),
    "postToolUseFailure-Shell": ("PostToolUseFailure", "Command timed out after 30s"),
    "postToolUseFailure-denied": ("PostToolUseFailure", "permission_denied"),
    "stop-aborted": ("StopFailure", "interrupted"),
    "stop-error": ("StopFailure", "error"),
}
WITHOUT_TREE = {"SubagentStart", "SubagentStop", "PreCompact", "SessionEnd"}


@pytest.fixture
def cursor(tmp_path: Path, project: Path) -> CursorRig:
    """In a repository that holds a.txt."""
    return CursorRig(tmp_path, project)


def test_there_is_a_documented_payload_of_every_event() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in PAYLOADS} == set(EVENTS) == set(events.ROLES)


def test_every_documented_payload_leaves_one_valid_line_in_the_sidecar(cursor: CursorRig) -> None:
    trail = cursor.trail()
    for written, path in enumerate(PAYLOADS, 1):
        sent = cursor.documented(path)
        cursor.send(json.dumps(sent).encode())
        lines = cursor.lines()
        assert len(lines) == written, path.stem
        line = max(lines, key=lambda line: str(line["timestamp"]))
        data, name = line["data"], sent["hook_event_name"]
        event, error = FAILED.get(path.stem, (EVENTS[name], None))
        assert (line["event"], data.get("error")) == (event, error), path.stem
        assert (data["session_id"], data["agent"]) == (sent["conversation_id"], "cursor")
        assert data.get("agent_event") == name
        assert data.get("turn_id") == (sent["generation_id"] or None)
        assert data.get("trail") == (None if event in WITHOUT_TREE else trail), path.stem
        if "tool_name" in sent:
            assert (data["tool"], data["tool_input"]) == (sent["tool_name"], sent["tool_input"])
            assert data["tool_call_id"] == data["tool_use_id"] == sent["tool_use_id"].replace("\n", "_")
            assert len(data["call_key"]) == 32
    assert not cursor.transcript.exists()
    assert {path.stem for path in cursor.sidecars()} == {SESSION, SUBAGENT}
    assert all(path.is_relative_to(cursor.project / ".opentraces") for path in cursor.sidecars())


def test_the_address_of_the_user_is_written_nowhere(cursor: CursorRig) -> None:
    for path in PAYLOADS:
        if "Start" in path.stem or path.stem.startswith(("stop", "before", "postToolUse-W")):
            cursor.send(json.dumps(cursor.documented(path)).encode())
    written = [path for path in cursor.base.rglob("*") if path.is_file() and not path.is_relative_to(cursor.hooks)]
    assert any(path.suffix == ".jsonl" for path in written)
    assert not [path for path in written if MAIL.encode() in path.read_bytes()]


def test_model_and_tokens_of_a_turn_are_told_at_its_end(cursor: CursorRig) -> None:
    usage = {"input_tokens": 20, "output_tokens": 5, "cache_read_tokens": 8, "cache_write_tokens": 0}
    data = cursor.fire("stop", status="completed", **usage)["data"]
    assert (data["usage"], data["model"]) == (usage, "claude-4.5-sonnet")
    strange = {"input_tokens": -1, "output_tokens": 2.5, "cache_read_tokens": True, "cache_write_tokens": "8"}
    assert "usage" not in cursor.fire("stop", status="completed", **strange)["data"]


@pytest.mark.parametrize("tool", ["StrReplace", "Write"])
def test_an_edit_that_names_both_texts_is_told_line_by_line(cursor: CursorRig, tool: str) -> None:
    (cursor.project / "a.txt").write_text("one\nzwei\nthree\n")
    given = {"file_path": str(cursor.project / "a.txt"), "old_string": "two", "new_string": "zwei"}
    data = cursor.tool("postToolUse", tool, given, duration=3.6)["data"]
    assert (data["file_path"], data["start_line"], data["end_line"]) == (given["file_path"], 2, 2)
    assert (data["confidence"], data["capture_status"], data["limitations"]) == ("high", "captured", [])
    assert (data["duration_ms"], data["ranges"][0]["change_type"]) == (4, "modification")


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Write", {"content": "one\ntwo\nthree\n"}),  # nothing says what was there before
        ("StrReplace", {"old_string": "x", "new_string": "not there"}),
        ("StrReplace", {"old_string": "x", "new_string": "e"}),  # there more than once
        ("StrReplace", {"old_string": 1, "new_string": "two"}),
        ("Read", {"old_string": "x", "new_string": "two"}),
        ("Delete", {}),
    ],
)
def test_lines_that_nothing_proves_are_not_claimed(cursor: CursorRig, tool: str, given: Any) -> None:
    data = cursor.tool("postToolUse", tool, {"path": str(cursor.project / "a.txt"), **given})["data"]
    assert data["capture_status"] == "hook_only"
    assert data["limitations"] == ["hook_only", "posttooluse_no_file_range"]
    assert "file_path" not in data


def test_hooks_and_transcript_give_a_call_the_same_key() -> None:
    from hookkit.capture.cursor.identity import identity

    patch = "*** Begin Patch\n*** Update File: /p/a.txt\n@@\n-one\n+eins\n*** End Patch"
    same = [
        (("Read", {"file_path": "/p/a.txt"}), ("Read", {"path": "/p/a.txt", "limit": 3})),
        (("Write", {"file_path": "/p/a.txt", "content": "x"}), ("Write", {"path": "/p/a.txt", "contents": "x"})),
        (("Write", {"file_path": "/p/a.txt", "content": "x"}), ("StrReplace", {"path": "/p/a.txt", "new_string": ""})),
        (("Write", {"file_path": "/p/a.txt"}), ("ApplyPatch", {"input": patch})),
        (("ApplyPatch", {"input": patch}), ("ApplyPatch", {"input": patch})),
        (("Write", {"file_path": "/p/n.ipynb"}), ("EditNotebook", {"target_notebook": "/p/n.ipynb"})),
        (("Delete", {"file_path": "/p/a.txt"}), ("Delete", {"path": "/p/a.txt"})),
        (("Shell", {"command": "ls", "cwd": "", "timeout": 3}), ("Shell", {"command": "ls", "description": "List"})),
        (("Task", {"prompt": "Go.", "model": "inherit"}), ("Subagent", {"prompt": "Go.", "description": "d"})),
        (("Grep", {"pattern": "x", "file_path": "/p", "glob": "*.py"}), ("Grep", {"pattern": "x", "glob": "*.py"})),
        (("Grep", {"pattern": "", "glob": "**/a"}), ("Glob", {"glob_pattern": "**/a", "target_directory": "/p"})),
        (("MCP:look", {"a": 1}), ("CallMcpTool", {"server": "s", "toolName": "look", "arguments": {"a": 1}})),
        (("TodoWrite", {"merge": True}), ("TodoWrite", {"merge": True})),
    ]
    for hook, own in same:
        assert events.identity(*hook) == identity(*own), (hook, own)
        assert own[0] == "CallMcpTool" or events.identity(*own) == identity(*own)


def test_the_same_call_has_the_same_key_before_and_after(cursor: CursorRig) -> None:
    given = {"command": "true", "cwd": "", "timeout": 30000}
    before, after = (cursor.tool(event, "Shell", given)["data"] for event in ("preToolUse", "postToolUse"))
    other = cursor.tool("preToolUse", "Shell", {"command": "false"})["data"]
    assert before["call_key"] == after["call_key"] != other["call_key"]


def test_the_worktree_is_that_of_the_workspace_and_not_of_cursors_own_folder(cursor: CursorRig) -> None:
    make_repository(cursor.folder)
    for changes, env in (({}, {"CURSOR_PROJECT_DIR": None}), ({"workspace_roots": ...}, {})):
        line = cursor.fire("preToolUse", env=env, tool_name="Shell", tool_input={"command": "true"}, **changes)
        assert line["data"]["trail"]["worktree_root"] == str(cursor.project.resolve())


def test_without_a_workspace_no_worktree_is_guessed(cursor: CursorRig) -> None:
    make_repository(cursor.folder)
    line = cursor.fire(
        "preToolUse", env={"CURSOR_PROJECT_DIR": None}, tool_name="Shell", tool_input={}, workspace_roots=...
    )
    assert line["data"]["limitations"] == ["no_worktree"]
    assert cursor.sidecars()[0].is_relative_to(cursor.state)


@pytest.mark.parametrize("field", ["working_directory", "cwd"])
def test_a_command_in_another_worktree_is_bound_to_that_one(cursor: CursorRig, tmp_path: Path, field: str) -> None:
    other = make_repository(tmp_path / "other")
    line = cursor.tool("preToolUse", "Shell", {field: str(other)}, cwd="")
    assert line["data"]["trail"]["worktree_root"] == str(other.resolve())
    assert [path.parents[3] for path in cursor.sidecars()] == [cursor.project]


@pytest.mark.parametrize(
    "changes",
    [
        {"tool_input": "x" * (5 << 20)},
        {"tool_input": '{"command": "ls"}'},
        {"tool_input": ["a"], "tool_use_id": {"b": 1}, "duration": float("nan"), "tool_output": 7, "cwd": 5},
        {"tool_output": "{" * 5000, "duration": -1, "workspace_roots": [1, None, "relative", "/\0"], "model": [1]},
        {"tool_use_id": "x" * 500, "generation_id": "\n", "transcript_path": "/etc/passwd"},
        {"tool_name": "\ud800", "tool_input": {"file_path": "/\0"}},
    ],
)
def test_a_hostile_payload_gives_a_valid_line_at_most(cursor: CursorRig, changes: dict[str, Any]) -> None:
    sent = cursor.payload("postToolUse", **{"tool_name": "Write", "tool_use_id": "a", "tool_input": {}, **changes})
    cursor.send(json.dumps(sent).encode())
    (line,) = cursor.lines()
    assert line["event"] == "PostToolUse"


def test_events_that_double_a_call_are_not_recorded(cursor: CursorRig) -> None:
    for name in ("afterFileEdit", "beforeShellExecution", "afterShellExecution", "beforeReadFile", "afterMCPExecution"):
        cursor.send(json.dumps(cursor.payload(name, file_path=str(cursor.project / "a.txt"))).encode())
    assert not cursor.lines()


def test_an_excluded_workspace_is_not_recorded(cursor: CursorRig) -> None:
    (cursor.project / ".opentraces").mkdir()
    (cursor.project / ".opentraces" / "excluded").touch()
    cursor.send(json.dumps(cursor.payload("stop", status="completed")).encode(), CURSOR_PROJECT_DIR=None)
    cursor.send(json.dumps(cursor.payload("stop", status="completed")).encode())
    assert not cursor.lines()


def test_only_a_transcript_of_this_session_is_passed_on() -> None:
    folder = "/home/dev/.cursor/projects/p/agent-transcripts"
    good = [f"{folder}/{SESSION}.jsonl", f"{folder}/{SESSION}/{SESSION}.jsonl"]
    bad = [
        f"{folder}/other.jsonl", f"{folder}/../agent-transcripts/{SESSION}.jsonl", f"/x/{SESSION}.jsonl",
        f"agent-transcripts/{SESSION}.jsonl", None, 5, "",
    ]  # fmt: skip
    assert [path for path in (*good, *bad) if events.transcript({"transcript_path": path}, SESSION)] == good


def test_claudes_hooks_that_cursor_runs_too_write_lines_of_cursor(cursor: CursorRig) -> None:
    """Under Claude's name of an event or Cursor's; ingest leaves them out where Cursor's own hooks ran."""
    for name in CLAUDE.hook_files:
        shutil.copy2(ROOT / "hooks" / name, cursor.hooks / name)
    claude = f"{shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(cursor.hooks / CLAUDE.hook_entry))} || :"
    call = {"session_id": SESSION, "tool_name": "Shell", "tool_input": {"command": "ls"}, "tool_use_id": "a\nb"}
    for number, name in enumerate(("PreToolUse", "preToolUse", "beforeSubmitPrompt"), 1):
        sent = json.dumps(cursor.payload(name, **call)).encode()
        done = subprocess.run(
            ["/bin/sh", "-c", claude], input=sent, capture_output=True, env=cursor.environment(), check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        lines = cursor.lines()
        assert len(lines) == number
        assert (lines[-1]["data"]["agent"], lines[-1]["data"]["limitations"]) == ("cursor", ["foreign_caller"])
