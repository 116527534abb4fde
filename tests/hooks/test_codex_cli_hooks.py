"""What Codex CLI tells its hooks becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

from .codex_rig import RECORDED, SESSION, CodexRig
from .rig import commit, expected_tree, hook_module, make_repository

events = hook_module("hookkit_codex_events")
patch = hook_module("hookkit_patch")
WITH_TREE = {"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "StopFailure"}
# Of payloads that differ in their texts only, one stands for all.
TOLD = [path for path in RECORDED if not path.stem[-1].isdigit() and "agent" not in path.stem.partition(".")[2]]


@pytest.fixture
def codex(tmp_path: Path, project: Path) -> CodexRig:
    """In a repository that holds a.txt."""
    return CodexRig(tmp_path, project)


def test_a_payload_of_every_event_is_recorded() -> None:
    found = {json.loads(path.read_text())["hook_event_name"] for path in RECORDED}
    assert found >= set(events.ROLES)


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line_in_the_sidecar(codex: CodexRig, path: Path) -> None:
    before = codex.transcript.read_bytes()
    sent = codex.recorded(path)
    codex.send(json.dumps(sent).encode())
    assert codex.transcript.read_bytes() == before, "a fork refers to its parent's rollout by bytes"
    if sent["hook_event_name"] not in events.ROLES:
        assert codex.lines() == []
        return
    (line,) = codex.lines()
    data = line["data"]
    assert [sidecar.name for sidecar in codex.sidecars()] == [f"{SESSION}.jsonl"]
    name = "StopFailure" if sent["hook_event_name"] == "Interrupt" else sent["hook_event_name"]
    assert line["event"] == name
    assert (data["session_id"], data["agent"]) == (SESSION, "codex-cli")
    assert data.get("agent_event") == ("Interrupt" if name == "StopFailure" else None)
    if line["event"] in WITH_TREE:
        assert data["trail"] == codex.trail()
    else:
        assert "trail" not in data
    if "tool_name" in sent:
        assert (data["tool"], data["tool_call_id"]) == (sent["tool_name"], sent["tool_use_id"])
        assert data["tool_input"] == sent["tool_input"]
    for key in ("prompt", "reason", "source", "trigger", "turn_id", "agent_id", "agent_type", "agent_transcript_path"):
        if key in sent:
            assert data[key] == sent[key]


@pytest.mark.parametrize("path", [path for path in RECORDED if path not in TOLD], ids=lambda path: path.stem)
def test_every_recorded_payload_makes_data(path: Path) -> None:
    sent = json.loads(path.read_text())
    role = events.role(sent["hook_event_name"], sent)
    if role is None:
        return
    data = events.data(role, sent, False)
    assert "payload_unreadable" not in data.get("limitations", [])
    assert data.get("tool_call_id") == sent.get("tool_use_id")


# Which lines a patch wrote


def test_hunks_are_found_where_the_file_has_them_now(codex: CodexRig) -> None:
    (codex.project / "a.txt").write_text("zero\none\n2\nthree\n")
    data = codex.patched(f"*** Update File: {codex.project}/a.txt", "@@", "+zero", " one", "-two", "+2", " three")[
        "data"
    ]
    assert [(r["start_line"], r["end_line"], r["change_type"]) for r in data["ranges"]] == [
        (1, 1, "addition"), (3, 3, "modification"),
    ]  # fmt: skip
    assert (data["start_line"], data["end_line"], data["confidence"]) == (1, 3, "medium")


def test_a_patch_of_several_files_tells_each(codex: CodexRig) -> None:
    (codex.project / "moved.txt").write_text("one\nTWO\nthree\n")
    (codex.project / "b.txt").write_text("b\n")
    (codex.project / "a.txt").unlink()
    line = codex.patched(
        "*** Update File: a.txt", "*** Move to: moved.txt", "@@", " one", "-two", "+TWO",
        "*** Add File: b.txt", "+b", "*** Delete File: gone.txt",
    )  # fmt: skip
    told = [(Path(each["file_path"]).name, len(each["ranges"])) for each in line["data"]["files"]]
    assert told == [("moved.txt", 1), ("b.txt", 1), ("gone.txt", 0)]


def test_a_patch_is_applied_in_the_folder_of_the_call(codex: CodexRig) -> None:
    (codex.project / "sub").mkdir()
    (codex.project / "sub" / "s.txt").write_text("s\n")
    given = {"command": "*** Begin Patch\n*** Add File: s.txt\n+s\n*** End Patch\n"}
    call = {"tool_name": "apply_patch", "tool_use_id": "call_1", "tool_input": given}
    codex.send(json.dumps(codex.payload("PostToolUse", cwd=str(codex.project / "sub"), **call)).encode())
    (line,) = codex.lines()
    assert line["data"]["file_path"] == str(codex.project / "sub" / "s.txt")


def test_a_hunk_that_is_not_there_any_more_is_not_guessed(codex: CodexRig) -> None:
    (codex.project / "a.txt").write_text("formatted\n")
    data = codex.patched("*** Update File: a.txt", "@@", "-two", "+2")["data"]
    assert "file_path" not in data
    assert (data["capture_status"], data["limitations"]) == ("hook_only", ["hook_only", "posttooluse_no_file_range"])


@pytest.mark.parametrize(
    ("now", "lines", "first"),
    [
        ("q\nx\nx\n", ["@@", "+x"], 3),  # lines with nothing around them go to the end
        ("a\nb\nz\nb\n", ["@@", "-a2", "+b", "*** End of File"], 4),
        ("def f\na\nb\ndef g\na\nb\n", ["@@ def g", " a", "-c", "+b"], 6),
        ("a\nX\nc\na\nX\n", ["@@", " a", "-b", "+X"], None),  # either place may have been the one
        ("a\nX\nb\na\nb\n", ["@@", " a", "-b", "+X"], 2),
        ("  a\n\tb2\n", ["@@", " a", "-b", "+\tb2"], 2),  # Codex finds context in spite of other spaces
        ("left\n", ["@@", "-gone"], None),
        ("", ["@@", "-gone"], 1),
        ("x\r\ny\r\n", ["@@", " x", "+y"], 2),
    ],
)
def test_a_place_is_told_only_where_codex_can_have_meant_no_other(
    tmp_path: Path, now: str, lines: list[str], first: int | None
) -> None:
    (tmp_path / "f").write_bytes(now.encode())
    told = patch.ranges("\n".join(["*** Update File: f", *lines, "*** End Patch", ""]), str(tmp_path))
    assert [ranges[0]["start_line"] for _, ranges in told] == ([] if first is None else [first])


def test_a_patch_of_many_alike_lines_is_looked_at_in_no_time(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a\n" * 100_000)
    assert patch.ranges("*** Update File: f\n@@\n" + " a\n" * 200 + "+b\n", str(tmp_path)) == []
    assert patch.ranges("*** Update File: f\n@@\n" + " a\n" * 200 + "+a\n", str(tmp_path)) == []


# Where a line goes


def test_a_call_in_another_repository_is_told_to_the_session_s_own(codex: CodexRig, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other")
    commit(other)
    call = {"tool_name": "Bash", "tool_use_id": "call_1", "tool_input": {"command": "touch x"}}
    codex.send(json.dumps(codex.payload("PreToolUse", cwd=str(other), **call)).encode())
    (line,) = codex.lines()
    assert line["data"]["trail"]["worktree_root"] == str(other.resolve())
    assert not (other / ".opentraces").exists()


@pytest.mark.parametrize(
    "name", ["rollout-x-{other}.jsonl", "{session}.jsonl", "../rollout-2026-11-22T09-00-00-{session}.jsonl"]
)
def test_only_the_session_s_own_rollout_is_handed_on(codex: CodexRig, name: str) -> None:
    report = codex.record_ingest()
    path = f"{codex.transcript.parent}/{name.format(other='0' * 36, session=SESSION)}"
    codex.fire("Stop", stop_hook_active=False, transcript_path=path)
    told = json.loads(wait_for(lambda: report.exists() and report.read_text()))["arguments"]
    assert told[:3] == ["_ingest-session", "--session", SESSION]


def test_a_session_without_a_rollout_is_recorded_all_the_same(codex: CodexRig) -> None:
    line = codex.fire("UserPromptSubmit", prompt="Go.", transcript_path=None)
    assert line["data"]["prompt"] == "Go."


# Hostile payloads


@pytest.mark.parametrize(
    "changes",
    [
        {"tool_input": "*** Begin Patch"},
        {"tool_input": {"command": ["*** Begin Patch"]}},
        {"tool_input": {"command": "*** Add File: \0\n+x\n*** Update File: ../../../../etc/passwd\n@@\n-x\n"}},
        {"tool_input": {"command": "*** Update File: .\n@@\n" + "+x\n" * 100_000}},
        {"tool_input": {"command": "*** Move to: x\n@@\n-\n*** Delete File: "}},
        {"tool_name": 7, "tool_use_id": [], "turn_id": {}, "agent_id": "x" * 10_000},
        {"cwd": "relative", "transcript_path": "\0"},
        {"cwd": "/nowhere/at/all", "transcript_path": 7},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_wrong_values_are_left_out_and_the_line_is_valid(codex: CodexRig, changes: dict[str, Any]) -> None:
    call = {"tool_name": "apply_patch", "tool_use_id": "call_1", "tool_input": {}, "tool_response": 7}
    codex.send(json.dumps(codex.payload("PostToolUse", **{**call, **changes})).encode())
    (line,) = codex.lines()
    assert line["event"] == "PostToolUse"


# Consent, and what may be missing


def test_a_call_in_an_excluded_folder_leaves_nothing(codex: CodexRig, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other")
    (other / ".opentraces").mkdir()
    (other / ".opentraces" / "excluded").touch()
    call = {"tool_name": "Bash", "tool_use_id": "call_1", "tool_input": {"command": "touch x"}}
    codex.send(json.dumps(codex.payload("PreToolUse", cwd=str(other), **call)).encode())
    assert codex.lines() == []


def test_the_tree_is_that_of_plain_git(codex: CodexRig) -> None:
    (codex.project / "new.txt").write_text("new\n")
    (codex.project / "a.txt").unlink()
    assert codex.tree("UserPromptSubmit", prompt="Go.") == expected_tree(codex.project)
