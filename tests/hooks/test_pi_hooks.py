"""What Pi's extension tells becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.pi import CONTRACT

from .pi_rig import RECORDED, SESSION, PiRig
from .rig import hook_module

events = hook_module("hookkit_pi_events")
hunks = hook_module("hookkit_hunks")
EVENTS = {
    "session_start": "SessionStart",
    "before_agent_start": "UserPromptSubmit",
    "tool_call": "PreToolUse",
    "tool_result": "PostToolUse",
    "tool_execution_end": "PostToolUseFailure",
    "session_before_compact": "PreCompact",
    "session_compact": "PostCompact",
    "agent_end": "Stop",
    "session_shutdown": "SessionEnd",
}
WITHOUT_TREE = {"PreCompact", "PostCompact", "SessionEnd"}
FAILED = {"tool_result": "PostToolUseFailure", "tool_execution_end": "PostToolUseFailure", "agent_end": "StopFailure"}


@pytest.fixture
def pi(tmp_path: Path, project: Path) -> PiRig:
    """In a repository that holds a.txt."""
    return PiRig(tmp_path, project)


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(EVENTS) == set(events.ROLES)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line_in_the_sidecar(pi: PiRig, path: Path) -> None:
    sent = pi.recorded(path)
    pi.send(json.dumps(sent).encode())
    (line,) = pi.lines()
    data = line["data"]
    assert [sidecar.name for sidecar in pi.sidecars()] == [f"{SESSION}.jsonl"]
    assert not pi.transcript.exists()
    name = sent["hook_event_name"]
    failed = sent.get("is_error") or sent.get("stop_reason") in ("error", "aborted")
    assert line["event"] == (FAILED[name] if failed else EVENTS[name])
    assert (data["session_id"], data["agent"], data["agent_event"]) == (SESSION, "pi", name)
    if line["event"] in WITHOUT_TREE:
        assert "trail" not in data
    else:
        assert data["trail"] == pi.trail()
    if "tool_name" in sent:
        assert (data["tool"], data["tool_call_id"]) == (sent["tool_name"], sent["tool_use_id"])
        assert data["tool_use_id"] == sent["tool_use_id"]
    for key in ("prompt", "reason", "source", "error", "custom_instructions", "duration_ms"):
        if key in sent:
            assert data[key] == sent[key]


def test_an_edit_is_told_by_the_numbers_in_its_diff(pi: PiRig) -> None:
    """The diff of Pi itself, for a file of twelve lines of which four places change."""
    text = "0\n1\n1b\n2\n3\n4\nfive\n6\n7\n8\n9\n10\nend\n"
    (pi.project / "a.txt").write_text(text)
    diff = (
        "+ 1 0\n  1 1\n+ 3 1b\n  2 2\n  3 3\n  4 4\n- 5 5\n+ 7 five\n  6 6\n  7 7\n  8 8\n  9 9\n"
        "    ...\n 10 10\n-11 11\n-12 12\n+13 end"
    )
    line = pi.tool("tool_result", "edit", {"path": "a.txt", "edits": []}, is_error=False, details={"diff": diff})
    data = line["data"]
    assert [(r["start_line"], r["end_line"], r["change_type"], r.get("deleted_lines")) for r in data["ranges"]] == [
        (1, 1, "addition", None),
        (3, 3, "addition", None),
        (7, 7, "modification", 1),
        (13, 13, "modification", 2),
    ]
    assert (data["start_line"], data["end_line"], data["confidence"]) == (1, 13, "medium")
    assert data["content_hash"] == hunks.digest(["0", "1b", "five", "end"])


def test_lines_that_were_only_taken_out_are_told_by_their_place(pi: PiRig) -> None:
    (pi.project / "a.txt").write_text("zero\none\n")
    diff = "+1 zero\n 1 one\n-2 two\n-3 three"
    line = pi.tool("tool_result", "edit", {"path": "a.txt"}, is_error=False, details={"diff": diff})
    assert [(r["start_line"], r["change_type"]) for r in line["data"]["ranges"]] == [(1, "addition"), (2, "deletion")]


@pytest.mark.parametrize(
    "diff",
    ["", "+1", "+x y", "+² y", "+0 y", f"+{'9' * 5000} y", "+1 a\n+3 c", "@@ -1 +1 @@\n+a", "- a", 5, ["+1 a"], None],
)
def test_a_diff_of_another_form_claims_no_lines(pi: PiRig, diff: Any) -> None:
    line = pi.tool("tool_result", "edit", {"path": "a.txt"}, is_error=False, details={"diff": diff})
    if diff == "+1":  # an empty line
        assert line["data"]["ranges"] == [{**line["data"]["ranges"][0], "start_line": 1, "end_line": 1}]
        return
    assert line["data"]["capture_status"] == "hook_only"
    assert line["data"]["limitations"] == ["hook_only", "posttooluse_no_file_range"]
    assert "file_path" not in line["data"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("a.txt", "{project}/a.txt"),
        ("@a.txt", "{project}/a.txt"),
        ("./sub/../a.txt", "{project}/a.txt"),
        ("/elsewhere/a.txt", "/elsewhere/a.txt"),
        ("~/a.txt", "{home}/a.txt"),
        ("~other/a.txt", "{project}/~other/a.txt"),
        ("a\u00a0b.txt", "{project}/a b.txt"),
    ],
)
def test_a_path_is_found_as_pi_finds_it(pi: PiRig, given: str, found: str) -> None:
    line = pi.tool("tool_call", "write", {"path": given, "content": ""})
    wanted = found.format(project=pi.project, home=pi.home)
    assert line["data"]["tool_input"] == {"path": wanted, "content": ""}
    assert CONTRACT.writes("write", line["data"]["tool_input"]) == (wanted,)


def test_failed_call_claims_no_lines(pi: PiRig) -> None:
    line = pi.tool("tool_result", "write", {"path": "a.txt", "content": "x"}, is_error=True, error="EACCES")
    assert (line["event"], line["data"]["error"], line["data"]["capture_status"]) == (
        "PostToolUseFailure", "EACCES", "hook_only",
    )  # fmt: skip


def test_only_a_file_of_this_session_is_passed_on(pi: PiRig, tmp_path: Path) -> None:
    named = tmp_path / "mine.jsonl"
    named.write_text(json.dumps({"type": "session", "version": 3, "id": SESSION}) + "\n")
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"type": "session", "id": "another"}) + "\n")
    os.mkfifo(tmp_path / "fifo.jsonl")
    found = {
        name: events.transcript({"transcript_path": str(path)}, SESSION)
        for name, path in {
            "own": pi.transcript,
            "named by the user": named,
            "of another session": other,
            "gone": tmp_path / "gone.jsonl",
            "fifo": tmp_path / "fifo.jsonl",
            "folder": tmp_path,
            "detour": f"{pi.transcript.parent}/../x_{SESSION}.jsonl",
            "relative": f"x_{SESSION}.jsonl",
        }.items()
    }
    assert {name for name, path in found.items() if path} == {"own", "named by the user"}


@pytest.mark.parametrize(
    "odd",
    [
        {"session_id": "../../x"}, {"session_id": ["a"]}, {"session_id": None}, {"session_id": "x" * 500},
        {"hook_event_name": "other"}, {"hook_event_name": {}},
        {"tool_input": [1]}, {"tool_input": "x"}, {"tool_name": 5}, {"tool_use_id": {}}, {"tool_use_id": "x" * 900},
        {"cwd": 7}, {"cwd": "relative"}, {"cwd": "/\x00"}, {"cwd": "/" + "x" * 9000}, {"cwd": "/nowhere"},
        {"transcript_path": "/etc/passwd"}, {"transcript_path": []}, {"is_error": "yes"}, {"details": [1]},
        {"details": {"diff": {}}}, {"duration_ms": -1}, {"duration_ms": "x"}, {"duration_ms": float("nan")},
        {"error": {"a": 1}}, {"tool_input": {"path": "\x00"}}, {"tool_input": {"path": "a\ud800"}},
        {"tool_input": {"path": {}, "content": []}}, {"tool_input": {"path": "a.txt", "content": "x" * (5 << 20)}},
    ],
    ids=lambda odd: str(odd)[:50],
)  # fmt: skip
@pytest.mark.parametrize("event", ["tool_call", "tool_result"])
def test_odd_values_leave_valid_lines_in_their_place_or_none(pi: PiRig, event: str, odd: dict[str, Any]) -> None:
    sent = pi.payload(event, tool_name="write", tool_use_id="call_1", tool_input={"path": "a.txt", "content": "one\n"})
    pi.send_odd({**sent, "is_error": False, **odd})
