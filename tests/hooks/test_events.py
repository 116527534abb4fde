"""Every event leaves exactly one line, of its own shape, in silence."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from hookkit.agents import AGENTS
from hookkit.agents.contract import ExtensionWiring

from .rig import EVENTS, FIELDS, INTERPRETER, ROOT, Rig, expected_tree, git

AFTER = {"PostToolUse", "PostToolUseFailure"}
WITH_TREE = {"SessionStart", "UserPromptSubmit", "PreToolUse", "Stop", "StopFailure", *AFTER}
OWN = {
    "SessionStart": {"source": "startup", "model": "claude-opus-4-8"},
    "UserPromptSubmit": {"prompt": "Please mend it."},
    "PreToolUse": {"tool": "Bash", "tool_input": {"command": "pwd"}},
    "PostToolUse": {"tool": "Bash", "tool_input": {"command": "pwd"}, "duration_ms": 32, "capture_status": "hook_only"},
    "PostToolUseFailure": {"tool": "Bash", "error": "Exit code 3\nno", "is_interrupt": False, "duration_ms": 7},
    "SubagentStart": {"agent_id": "a3117c16562fad053", "agent_type": "general-purpose"},
    "SubagentStop": {"agent_transcript_path": FIELDS["SubagentStop"]["agent_transcript_path"]},
    "PreCompact": {"trigger": "manual", "custom_instructions": "keep the plan"},
    "PostCompact": {"trigger": "manual", "summary": "What was said."},
    "Stop": {"stop_hook_active": False},
    "StopFailure": {"error": "rate_limit", "error_details": "429"},
    "SessionEnd": {"reason": "other"},
}


def test_the_tests_know_every_event_of_the_contract() -> None:
    assert set(EVENTS) == set(FIELDS) == set(OWN)
    assert len(EVENTS) == 12


def test_every_file_of_the_hooks_is_installed_by_some_agent() -> None:
    """And nothing that an agent names is missing."""
    named = {name for contract in AGENTS.values() for name in contract.hook_files}
    named |= {c.wiring.template for c in AGENTS.values() if isinstance(c.wiring, ExtensionWiring)}
    assert named == {path.name for path in (ROOT / "hooks").iterdir() if path.is_file()} - {"__init__.py"}


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_appends_one_line_of_its_shape_to_the_transcript(rig: Rig, event: str) -> None:
    before = rig.begin()
    line = rig.fire(event)
    data = line["data"]
    assert rig.transcript.read_bytes() == before + json.dumps(line, separators=(",", ":")).encode() + b"\n"
    assert not rig.sidecars()
    assert line["event"] == event
    assert (data["session_id"], data["agent"]) == (rig.session, "claude-code")
    assert data.get("turn_id") == (None if event == "SessionStart" else "e602eabf-19f7-4a3e-9d4f-55d2a9a01c77")
    assert {name: data[name] for name in OWN[event]} == OWN[event]
    if event in WITH_TREE:
        assert data["trail"] == rig.trail()
    else:
        assert "trail" not in data
    if "tool" in data:
        assert data["tool_call_id"] == data["tool_use_id"] == "toolu_1795331453858026_0"
    if event in AFTER:
        assert data["limitations"] == ["hook_only", "posttooluse_no_file_range"]
    else:
        assert "limitations" not in data


@pytest.mark.parametrize("event", EVENTS)
def test_before_the_transcript_exists_the_line_goes_to_a_private_sidecar(rig: Rig, event: str) -> None:
    line = rig.fire(event)
    sidecar = rig.project / ".opentraces" / "claude-code" / "hooks" / f"{rig.session}.jsonl"
    assert not rig.transcript.exists()
    assert sidecar.read_bytes() == json.dumps(line, separators=(",", ":")).encode() + b"\n"
    assert sidecar.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in list(sidecar.parents)[:3]} == {0o700}
    assert git(rig.project, "status", "--porcelain", "--untracked-files=all") == ""


@pytest.mark.parametrize("event", EVENTS)
def test_outside_a_repository_the_sidecar_is_in_the_state_folder(plain: Rig, event: str) -> None:
    line = plain.fire(event)
    assert plain.sidecars() == [plain.state / "sidecars" / "claude-code" / "hooks" / f"{plain.session}.jsonl"]
    assert ("no_worktree" in line["data"].get("limitations", [])) == (event in WITH_TREE)
    assert list(plain.project.iterdir()) == []


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("lost", ["hookkit_claude_code.py", "hookkit_recorder.py", "hookkit_tree.py", "everything"])
def test_a_deleted_script_leaves_the_agent_alone(rig: Rig, event: str, lost: str) -> None:
    before = rig.begin()
    if lost == "everything":
        shutil.rmtree(rig.hooks)
    else:
        (rig.hooks / lost).unlink()
    rig.send(json.dumps(rig.payload(event)).encode())
    assert rig.transcript.read_bytes() == before


@pytest.mark.parametrize("event", EVENTS)
def test_a_deleted_interpreter_leaves_the_agent_alone(
    rig: Rig, event: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = rig.command.replace(INTERPRETER, str(tmp_path / "gone" / "python3"))
    monkeypatch.setattr(Rig, "command", property(lambda self: command))
    before = rig.begin()
    rig.send(json.dumps(rig.payload(event)).encode())
    assert rig.transcript.read_bytes() == before


def test_without_the_installers_settings_the_line_is_still_written(rig: Rig) -> None:
    (rig.hooks / "runtime.json").unlink()
    rig.begin()
    rig.fire("Stop")
    (rig.hooks / "runtime.json").write_text('{"state": 1, "ingest": "no list", "home": []}')
    rig.fire("Stop")
    (rig.hooks / "runtime.json").write_text("[" * 100_000)
    rig.fire("Stop")


def test_the_time_is_utc_with_microseconds(rig: Rig) -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", rig.fire("Stop")["timestamp"])


def test_an_event_nobody_asked_for_leaves_nothing(rig: Rig) -> None:
    before = rig.begin()
    rig.send(json.dumps({**rig.payload("Stop"), "hook_event_name": "Notification"}).encode())
    assert rig.transcript.read_bytes() == before
    assert not (rig.project / ".opentraces").exists()


def test_a_turns_end_says_what_differs_from_the_commit(rig: Rig) -> None:
    (rig.project / "a.txt").write_text("changed\n")
    (rig.project / "new ünïcode.txt").write_text("new\n")
    (rig.project / "sub" / "b.txt").unlink()
    assert rig.fire("Stop")["data"]["git"] == {
        "sha": git(rig.project, "rev-parse", "HEAD"),
        "dirty": True,
        "files_changed": 3,
        "changed_paths": ["a.txt", "new ünïcode.txt", "sub/b.txt"],
    }


def test_a_clean_worktree_is_not_dirty(rig: Rig) -> None:
    git(rig.project, "config", "diff.noprefix", "true")
    git(rig.project, "config", "diff.orderFile", "/nonexistent")
    found = rig.fire("Stop")["data"]["git"]
    assert (found["dirty"], found["files_changed"], found["changed_paths"]) == (False, 0, [])


def test_many_changed_paths_are_counted_and_the_first_ones_named(rig: Rig) -> None:
    for number in range(300):
        (rig.project / f"{number:03}{'x' * 200}").write_text("")
    found = rig.fire("Stop")["data"]["git"]
    assert found["files_changed"] == 300
    assert found["changed_paths"] == [f"{number:03}{'x' * 200}" for number in range(len(found["changed_paths"]))]
    assert 10 < len(found["changed_paths"]) <= 100


def test_a_long_string_is_cut_and_can_be_proved(rig: Rig) -> None:
    prompt = "é" * 3000
    assert rig.fire("UserPromptSubmit", prompt=prompt)["data"]["prompt"] == {
        "cut": "é" * 256,
        "length": 3000,
        "sha256": hashlib.sha256(prompt.encode()).hexdigest(),
    }
    assert rig.fire("UserPromptSubmit", prompt="é" * 1024)["data"]["prompt"] == "é" * 1024


def test_what_does_not_fit_into_a_line_goes_and_the_rest_stays(rig: Rig) -> None:
    tool_input = {f"key {number}": "x" * 900 for number in range(200)}
    data = rig.fire("PreToolUse", tool_input=tool_input)["data"]
    assert data["limitations"] == ["line_truncated"]
    assert "tool_input" not in data
    assert data["tool"] == "Bash"
    assert data["tool_call_id"] == "toolu_1795331453858026_0"
    assert data["trail"]["tree_id"]["hex"] == expected_tree(rig.project)


def test_strings_of_a_large_input_are_cut_before_anything_is_left_out(rig: Rig) -> None:
    tool_input = {f"key {number}": "x" * 1000 for number in range(30)}
    data = rig.fire("PreToolUse", tool_input=tool_input)["data"]
    assert "limitations" not in data
    assert {value["length"] for value in data["tool_input"].values()} == {1000}


def test_events_of_a_subagent_carry_its_id(rig: Rig) -> None:
    data = rig.fire("PreToolUse", agent_id="a1", agent_type="Explore")["data"]
    assert (data["agent_id"], data["agent_type"]) == ("a1", "Explore")


def test_the_worktree_is_remembered_for_a_purge(rig: Rig) -> None:
    rig.fire("PreToolUse")
    rig.fire("PostToolUse")
    assert (rig.state / "worktrees").read_text() == f"{rig.project.resolve()}\n"
