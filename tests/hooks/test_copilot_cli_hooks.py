"""What Copilot CLI tells its hooks becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.copilot_cli import CONTRACT, HOOK_NAMES
from hookkit.capture.calls import call_key
from tests.waiting import wait_for

from .copilot_rig import AGENT, RECORDED, SESSION, CopilotRig
from .rig import INTERPRETER, hook_module

events = hook_module("hookkit_copilot_events")
hunks = hook_module("hookkit_hunks")
NOT_OURS = ("ErrorOccurred", "Notification", "PermissionRequest", "UserPromptSubmit.subagent", "Stop.subagent")
WITHOUT_TREE = {"SubagentStart", "SubagentStop", "PreCompact", "SessionEnd"}
EXIT_4 = "text\n<shellId: 1 completed with exit code 4>"


@pytest.fixture
def copilot(tmp_path: Path, project: Path) -> CopilotRig:
    """In a repository that holds a.txt."""
    return CopilotRig(tmp_path, project)


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {path.name.partition(".")[0] for path in RECORDED} >= set(events.ROLES)


@pytest.mark.parametrize(
    "path", [path for path in RECORDED if not path.name.startswith(NOT_OURS)], ids=lambda path: path.stem
)
def test_a_recorded_payload_leaves_one_valid_line_in_the_sidecar(copilot: CopilotRig, path: Path) -> None:
    sent = copilot.recorded(path)
    copilot.send(json.dumps(sent).encode())
    (line,) = copilot.lines()
    data, own = line["data"], path.name.partition(".")[0]
    inside = own in ("PreToolUse", "PostToolUse") and "agent_id" in sent
    assert [f"{sidecar.parent.name}/{sidecar.name}" for sidecar in copilot.sidecars()] == [
        f"agents/{sent['agent_id']}.jsonl" if inside else f"hooks/{SESSION}.jsonl"
    ]
    failed = {"PostToolUse.Bash.failed": "PostToolUseFailure", "SessionEnd.error": "StopFailure"}
    assert line["event"] == failed.get(path.stem, own)
    assert data.get("agent_event") == (own if path.stem in failed else None)
    assert (data["session_id"], data["agent"]) == (sent["agent_id"] if inside else SESSION, "copilot-cli")
    assert data.get("agent_id") == sent.get("agent_id")
    if line["event"] in WITHOUT_TREE:
        assert "trail" not in data
    else:
        assert data["trail"] == copilot.trail()
    if "tool_name" in sent:
        given = sent["tool_input"]
        given = {"input": given} if isinstance(given, str) else given
        assert (data["tool"], data["sent_at"]) == (sent["tool_name"], sent["timestamp"])
        assert data["call_key"] == call_key(sent["tool_name"], given)
    for key in ("prompt", "source", "trigger"):
        if key in sent:
            assert data[key] == sent[key]


@pytest.mark.parametrize(
    "path", [path for path in RECORDED if path.name.startswith(NOT_OURS)], ids=lambda path: path.stem
)
def test_what_is_no_boundary_of_the_session_leaves_nothing(copilot: CopilotRig, path: Path) -> None:
    copilot.send(json.dumps(copilot.recorded(path)).encode())
    assert copilot.sidecars() == []


def test_what_the_agent_tells_itself_is_no_prompt(copilot: CopilotRig) -> None:
    told = '<system_notification>\nShell command "x" has completed.\n</system_notification>'
    copilot.send(json.dumps(copilot.payload("UserPromptSubmit", prompt=told)).encode())
    assert copilot.sidecars() == []


def test_the_start_of_a_nested_subagent_is_a_line_of_the_root_session(copilot: CopilotRig) -> None:
    """Its payload names no event; its sessionId is of the subagent above it."""
    sent = {
        "sessionId": AGENT, "timestamp": 1795874721248, "cwd": str(copilot.project), "agent_id": "inner",
        "transcriptPath": str(copilot.transcript), "agentName": "explore", "agent_type": "explore",
        "parent_agent_id": AGENT,
    }  # fmt: skip
    copilot.send(json.dumps(sent).encode())
    (line,) = copilot.lines()
    assert (line["event"], line["data"]["session_id"], line["data"]["agent_id"]) == ("SubagentStart", SESSION, "inner")


def test_an_edit_is_told_by_the_text_that_it_put_in(copilot: CopilotRig) -> None:
    (copilot.project / "a.txt").write_text("one\nTWO\nthree\n")
    given = {"path": str(copilot.project / "a.txt"), "old_str": "two", "new_str": "TWO"}
    data = copilot.tool("PostToolUse", "Edit", given)["data"]
    (found,) = data["ranges"]
    assert (found["start_line"], found["end_line"], found["change_type"]) == (2, 2, "modification")
    assert data["content_hash"] == hunks.digest(["TWO"])


@pytest.mark.parametrize("text", ["TWO\nTWO\n", "one\n", ""])
def test_an_edit_whose_text_stands_there_twice_or_not_at_all_claims_no_lines(copilot: CopilotRig, text: str) -> None:
    (copilot.project / "a.txt").write_text(text)
    given = {"path": str(copilot.project / "a.txt"), "old_str": "two", "new_str": "TWO"}
    data = copilot.tool("PostToolUse", "Edit", given)["data"]
    assert (data["capture_status"], "file_path" in data) == ("hook_only", False)


def test_a_patch_is_told_file_by_file(copilot: CopilotRig) -> None:
    (copilot.project / "a.txt").write_text("one\nTWO\nthree\n")
    (copilot.project / "b.txt").write_text("new\n")
    patch = (
        f"*** Begin Patch\n*** Update File: {copilot.project}/a.txt\n@@\n one\n-two\n+TWO\n three\n"
        f"*** Add File: b.txt\n+new\n*** End Patch\n"
    )
    data = copilot.tool("PostToolUse", "Edit", patch)["data"]
    assert data["tool_input"] == {"input": patch}
    assert [Path(each["file_path"]).name for each in data["files"]] == ["a.txt", "b.txt"]
    assert data["files"][0]["ranges"][0]["start_line"] == 2
    assert CONTRACT.writes("Edit", data["tool_input"]) == (f"{copilot.project}/a.txt", "b.txt")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (EXIT_4, "exit code 4"),
        (EXIT_4 + "\n", "exit code 4"),
        ("<shellId: 0 completed with exit code -1>", "exit code -1"),
        ("<shellId: 0 completed with exit code 0>", None),
        (f"{EXIT_4}\n<shellId: 0 completed with exit code 0>", None),
        (EXIT_4 + "\nmore", None),
        ("echo completed with exit code 4>", None),
        ("<shellId: 0 completed with exit code 4x>", None),
        ("<shellId: 0 completed with exit code ²>", None),
        ("<command with shellId: 0 is still running after 30 seconds", None),
        ("", None),
    ],
)
def test_a_command_failed_if_its_result_ends_with_an_exit_code_other_than_0(
    copilot: CopilotRig, text: str, error: str | None
) -> None:
    line = copilot.ran(text)
    assert line["event"] == ("PostToolUseFailure" if error else "PostToolUse")
    assert line["data"].get("error") == error


def test_a_session_that_was_started_in_a_subfolder_keeps_its_lines_at_the_root(copilot: CopilotRig) -> None:
    folder = copilot.project / "sub"
    folder.mkdir()
    sent = copilot.payload("PostToolUse", tool_name="Write", tool_input={"path": "n.txt", "file_text": "x\n"})
    (folder / "n.txt").write_text("x\n")
    copilot.send(json.dumps({**sent, "cwd": str(folder)}).encode())
    (line,) = copilot.lines()
    assert line["data"]["file_path"] == str(folder / "n.txt")
    assert line["data"]["trail"]["worktree_root"] == str(copilot.project.resolve())
    assert copilot.sidecars()[0].is_relative_to(copilot.project / ".opentraces")


@pytest.mark.parametrize(("event", "more"), [("Stop", {}), ("SessionEnd", {"reason": "error"})])
def test_the_end_of_a_turn_starts_an_ingest(copilot: CopilotRig, event: str, more: dict[str, Any]) -> None:
    report = copilot.record_ingest()
    path = {"transcript_path": str(copilot.transcript)} if event == "Stop" else {}
    copilot.fire(event, **path, **more)
    told = wait_for(lambda: report.exists() and json.loads(report.read_text()))
    which = [str(copilot.transcript)] if path else ["--session", SESSION]
    assert told["arguments"] == [
        "_ingest-session", *which, "--agent", "copilot-cli", "--project", str(copilot.project),
    ]  # fmt: skip


def test_only_the_events_of_this_session_are_passed_on(copilot: CopilotRig) -> None:
    found = {
        name: events.transcript({"transcript_path": path}, SESSION)
        for name, path in {
            "own": str(copilot.transcript),
            "of another session": f"/home/u/.copilot/session-state/{AGENT}/events.jsonl",
            "elsewhere": f"/home/u/{SESSION}/events.jsonl",
            "detour": f"/home/u/session-state/x/../{SESSION}/events.jsonl",
            "relative": f"session-state/{SESSION}/events.jsonl",
            "another name": f"/home/u/session-state/{SESSION}/passwd",
        }.items()
    }
    assert {name for name, path in found.items() if path} == {"own"}


@pytest.mark.parametrize("missing", ["script", "interpreter"])
def test_a_hook_that_is_gone_does_not_deny_the_call(tmp_path: Path, missing: str) -> None:
    """Any exit code but 0 denies it."""
    words = {"script": (INTERPRETER, tmp_path / "gone.py"), "interpreter": (tmp_path / "gone", tmp_path / "x.py")}
    program, script = words[missing]
    command = f"{shlex.quote(str(program))} -I -S {shlex.quote(str(script))} >/dev/null 2>&1 || :"
    shell = ["/bin/bash", "--norc", "--noprofile", "-c", command]
    done = subprocess.run(shell, input=b"{}", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


ODD: list[dict[str, Any]] = [
    {"session_id": "../../x"}, {"session_id": ["a"]}, {"session_id": "x" * 500}, {"agent_id": "../x"},
    {"agent_id": SESSION}, {"agent_id": 5}, {"hook_event_name": "other"}, {"hook_event_name": {}},
    {"hook_event_name": None, "transcriptPath": "/x", "agent_id": "a"},
    {"tool_input": [1]}, {"tool_input": "x"}, {"tool_input": "*** Add File: \x00\n+x"}, {"tool_name": 5},
    {"cwd": 7}, {"cwd": "/\x00"}, {"cwd": "/" + "x" * 9000}, {"transcript_path": "/etc/passwd"},
    {"timestamp": 5}, {"timestamp": "x" * 5000}, {"tool_result": [1]}, {"tool_result": {"text_result_for_llm": 5}},
    {"error": {"a": 1}}, {"tool_input": {"path": "a\ud800", "file_text": ""}}, {"tool_input": {"path": {}}},
    {"tool_input": {"path": "a.txt", "file_text": "x" * (5 << 20)}}, {"tool_input": {"n": float("nan")}},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:50])
def test_odd_values_leave_valid_lines_in_their_place_or_none(copilot: CopilotRig, odd: dict[str, Any]) -> None:
    given = {"path": "a.txt", "file_text": "one\n"}
    sent = copilot.payload("PostToolUse", tool_name="Write", tool_input=given, tool_result={})
    copilot.send_odd({**sent, **odd})


def test_every_name_of_the_hooks_has_one_of_the_transcript() -> None:
    assert set(CONTRACT.tool_names) == set(HOOK_NAMES.values())
    assert all(HOOK_NAMES[own] == hook for hook, own in CONTRACT.tool_names.items())
    assert str(CONTRACT.places["user"]({"COPILOT_HOME": "/c"}, Path("/"))) == "/c/hooks/hookkit.json"
    assert str(CONTRACT.transcripts({"COPILOT_HOME": "/c"})) == "/c/session-state"
