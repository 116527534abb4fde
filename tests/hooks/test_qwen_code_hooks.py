"""What Qwen Code tells its hooks becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.qwen_code import CONTRACT

from .qwen_rig import RECORDED, SESSION, QwenRig
from .rig import hook_module

events = hook_module("hookkit_qwen_events")
diffs = hook_module("hookkit_qwen_diff")
WITHOUT_TREE = {"SubagentStart", "SubagentStop", "PreCompact", "PostCompact", "SessionEnd"}
NEVER_SEEN = {"StopFailure"}  # headless; the program's own documents name it for the others


@pytest.fixture
def qwen(tmp_path: Path, project: Path) -> QwenRig:
    """In a repository that holds a.txt."""
    return QwenRig(tmp_path, project)


def test_a_timeout_means_the_same_in_seconds_and_in_milliseconds() -> None:
    assert all(event.timeout >= 1000 for event in CONTRACT.events)


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(events.ROLES) - NEVER_SEEN


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line_in_the_sidecar(qwen: QwenRig, path: Path) -> None:
    sent = qwen.recorded(path)
    qwen.send(json.dumps(sent).encode())
    if sent.get("prompt") == "":
        assert qwen.lines() == []
        return
    (line,) = qwen.lines()
    data = line["data"]
    assert qwen.sidecars() == [qwen.state / "sidecars" / "qwen-code" / "hooks" / f"{SESSION}.jsonl"]
    assert not qwen.transcript.exists()
    assert line["event"] == sent["hook_event_name"]
    assert (data["session_id"], data["agent"], data.get("turn_id")) == (SESSION, "qwen-code", sent.get("prompt_id"))
    if line["event"] in WITHOUT_TREE:
        assert "trail" not in data
    else:
        assert data["trail"] == qwen.trail()
    if "tool_name" in sent:
        ids = (sent["tool_name"], sent["tool_call_id"], sent["tool_call_id"])
        assert (data["tool"], data["tool_call_id"], data["tool_use_id"]) == ids
    for key in ("prompt", "reason", "source", "duration_ms", "agent_id", "agent_type", "is_interrupt", "trigger"):
        if key in sent:
            assert data[key] == sent[key]
    assert ("agent_transcript_path" in data) == ("background" in path.stem)


def told(before: str, after: str, diff: str) -> Any:
    found = diffs.ranges(diff, before, after)
    return found and [(r["start_line"], r["end_line"], r["change_type"], r.get("deleted_lines")) for r in found]


@pytest.mark.parametrize(
    ("before", "after", "diff", "found"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n", [(2, 2, "modification", 1)]),
        ("a\nb\nc\n", "a\nc\n", "@@ -1,3 +1,2 @@\n a\n-b\n c\n", [(1, 1, "deletion", 1)]),
        ("a\n", "", "@@ -1,1 +0,0 @@\n-a\n", [(1, 1, "deletion", 1)]),
        ("", "a\n", "@@ -0,0 +1,1 @@\n+a\n", [(1, 1, "addition", None)]),
        ("a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n", [(2, 2, "modification", 1)]),
        ("\ufeffa\n", "\ufeffb\n", "@@ -1 +1 @@\n-\ufeffa\n+\ufeffb\n", [(1, 1, "modification", 1)]),
        ("a", "a\nb", "@@ -1 +1,2 @@\n a\n\\ No newline\n+b\n\\ No newline\n", [(2, 2, "addition", None)]),
        ("-- x\n", "++ y\n", "--- f\n+++ f\n@@ -1 +1 @@\n--- x\n+++ y\n", [(1, 1, "modification", 1)]),
        ("a\n", "a\n", "Index: f\n", []),
    ],
)  # fmt: skip
def test_a_diff_tells_the_lines(before: str, after: str, diff: str, found: Any) -> None:
    assert told(before, after, diff) == found


def test_lines_that_only_changed_their_indentation_were_written_too() -> None:
    """Qwen's diff leaves them out: here the first two lines of the loop, and one far from the hunk."""
    before = "def f():\n  a\n  b\n  c\n1\n2\n3\n4\n5\n  far\n"
    after = "def f():\n    a\n    b\n    C\n1\n2\n3\n4\n5\n\tfar\n"
    diff = "@@ -1,7 +1,7 @@\n def f():\n     a\n     b\n-  c\n+    C\n 1\n 2\n 3\n"
    assert told(before, after, diff) == [(2, 4, "modification", 3), (10, 10, "modification", 1)]


@pytest.mark.parametrize(
    "diff",
    [
        "@@ -1 +1 @@\n-x\n+b\n", "@@ -1 +1 @@\n-a\n+x\n", "@@ -1 +1,2 @@\n-a\n+b\n+c\n", "@@ -9 +9 @@\n-a\n+b\n",
        "@@ -1 +2 @@\n-a\n+b\n", "@@ -1 +1 @@\n-a\n", "@@ -1 +1 @@\n?\n", "", "@@ -999999999 +999999999 @@\n+a\n",
    ],
)  # fmt: skip
def test_a_diff_that_does_not_lead_from_one_text_to_the_other_claims_no_lines(diff: str) -> None:
    assert told("a\n", "b\n", diff) is None


@pytest.mark.parametrize("shown", [{"fileDiff": 5}, {"fileDiff": "cut…", "newContent": "b\n"}, [], None, "done", {}])
def test_an_answer_of_another_form_claims_no_lines(shown: Any) -> None:
    payload = {"tool_name": "edit", "tool_input": {"file_path": "/x"}, "tool_call_id": "c", "cwd": "/"}
    data = events.data("tool_post", {**payload, "tool_response": {"returnDisplay": shown}}, False)
    if data.get("capture_status") == "captured":
        assert data["ranges"] == []
    else:
        assert data["limitations"] == ["hook_only", "posttooluse_no_file_range"]


def test_a_command_claims_no_lines(qwen: QwenRig) -> None:
    data = qwen.tool("PostToolUse", "run_shell_command", {"command": "x"}, tool_response={"returnDisplay": "x"})["data"]
    assert (data["capture_status"], data["limitations"]) == ("hook_only", ["hook_only", "posttooluse_no_file_range"])


def test_a_prompt_is_told_once(qwen: QwenRig) -> None:
    """Before every further request Qwen says again that a prompt was submitted: an empty one."""
    qwen.fire("UserPromptSubmit", prompt="Do it", submitted_prompt="/do it")
    qwen.send(json.dumps(qwen.payload("UserPromptSubmit", prompt="")).encode())
    assert [line["data"]["prompt"] for line in qwen.lines()] == ["Do it"]


@pytest.mark.parametrize("event", ["Notification", "MessageDisplay", "PostToolBatch", "InstructionsLoaded", "later"])
def test_other_events_leave_nothing(event: str) -> None:
    assert events.role(event, {}) is None


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "", 5, None, f"chats/{SESSION}.jsonl", f"/x/chats/../chats/{SESSION}.jsonl", "/x/chats/a.jsonl",
     f"/x/other/{SESSION}.jsonl", f"/x\x00/chats/{SESSION}.jsonl"],
)  # fmt: skip
def test_only_a_file_of_this_session_is_passed_on(path: Any) -> None:
    assert events.transcript({"transcript_path": path}, SESSION) is None
    assert events.transcript({"transcript_path": f"/x/chats/{SESSION}.jsonl"}, SESSION)


@pytest.mark.parametrize(
    "odd",
    [
        {"session_id": "../../x"}, {"hook_event_name": {}}, {"cwd": "/\x00"}, {"transcript_path": "/etc/passwd"},
        {"tool_input": [1], "tool_name": 5, "tool_call_id": {}}, {"duration_ms": float("nan")},
        {"tool_input": {"file_path": "a\ud800", "content": "x" * (5 << 20)}},
        {"tool_response": {"returnDisplay": {"fileDiff": "@@ -1 +1 @@\n+a", "newContent": {}}}},
    ],
    ids=lambda odd: str(odd)[:50],
)  # fmt: skip
def test_odd_values_leave_valid_lines_in_their_place_or_none(qwen: QwenRig, odd: dict[str, Any]) -> None:
    sent = qwen.payload("PostToolUse", tool_name="write_file", tool_call_id="c", tool_input={"file_path": "a.txt"})
    qwen.send_odd({**sent, **odd})


@pytest.mark.parametrize("event", events.ROLES)
@pytest.mark.parametrize("odd", [None, 5, [], {}, "x" * 999, -1, True, [{}], {"a": 1}], ids=lambda odd: repr(odd)[:9])
def test_odd_values_in_any_field_raise_nothing(event: str, odd: Any) -> None:
    fields = (
        "session_id", "transcript_path", "cwd", "prompt_id", "prompt", "source", "model", "tool_name", "tool_input",
        "tool_call_id", "tool_use_id", "tool_response", "duration_ms", "error", "is_interrupt", "agent_id",
        "agent_type", "agent_transcript_path", "trigger", "stop_hook_active", "reason",
    )  # fmt: skip
    payload = {"hook_event_name": event, **dict.fromkeys(fields, odd)}
    role = events.role(event, payload)
    assert role == events.ROLES[event]
    assert isinstance(events.data(role, payload, False), dict)
    assert events.transcript(payload, SESSION) is None
    assert events.call_folders(payload) == []
