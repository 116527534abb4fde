"""What Gemini CLI tells its hooks becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.gemini_cli import CONTRACT
from hookkit.capture.calls import call_key

from .gemini_rig import RECORDED, SESSION, GeminiRig, answer
from .rig import hook_module

events = hook_module("hookkit_gemini_events")
recorder = hook_module("hookkit_recorder")
FAILED = ("cancelled", "error", "exit", "signal")  # in the name of a recorded payload
OPENED, CLOSED = "<untrusted_context>\nOutput: ", "\n</untrusted_context>"


@pytest.fixture
def gemini(tmp_path: Path, project: Path) -> GeminiRig:
    """In a repository that holds a.txt."""
    return GeminiRig(tmp_path, project)


def after(name: str, given: dict[str, Any], **response: Any) -> dict[str, Any]:
    return {"tool_name": name, "tool_input": given, "cwd": "/", "tool_response": response}


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(events.ROLES)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line(gemini: GeminiRig, path: Path) -> None:
    sent = gemini.recorded(path)
    gemini.send(json.dumps(sent).encode())
    (line,) = gemini.lines()
    data, failed = line["data"], path.stem.endswith(FAILED)
    assert [found.stem for found in gemini.sidecars()] == [SESSION]
    assert not gemini.transcript.exists()
    assert line["event"] == ("PostToolUseFailure" if failed else recorder.EVENTS[events.ROLES[sent["hook_event_name"]]])
    assert (data["session_id"], data["agent"], data["sent_at"]) == (SESSION, "gemini-cli", sent["timestamp"])
    assert data.get("agent_event", line["event"]) == sent["hook_event_name"]
    if line["event"] == "SessionEnd":
        assert "trail" not in data
    else:
        assert data["trail"] == gemini.trail()
    if "tool_name" in sent:
        assert (data["tool"], data["call_key"]) == (sent["tool_name"], call_key(sent["tool_name"], sent["tool_input"]))
        assert "tool_call_id" not in data
    assert bool(data.get("error")) == failed
    told = {"BeforeAgent": "prompt", "SessionStart": "source", "AfterAgent": "stop_hook_active", "SessionEnd": "reason"}
    for key in told.values():
        assert data.get(key) == (sent[key] if told.get(sent["hook_event_name"]) == key else None)
    group = "Process Group PGID: "
    text = str(sent.get("tool_response", {}).get("llmContent"))
    assert data.get("result_id") == (text.partition(group)[2].partition("\n")[0] or None)


def lines(name: str, given: dict[str, Any], **response: Any) -> Any:
    data = events.data("tool_post", after(name, {"file_path": "/x/none.txt", **given}, **response), False)
    if data["capture_status"] == "hook_only":
        return None
    return [(r["start_line"], r["end_line"], r["change_type"], r.get("deleted_lines")) for r in data["ranges"]]


@pytest.mark.parametrize(
    ("before", "now", "diff", "found"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n", [(2, 2, "modification", 1)]),
        ("a\nb\nc\n", "a\nc\n", "@@ -1,3 +1,2 @@\n a\n-b\n c\n", [(1, 1, "deletion", 1)]),
        ("a", "a\nb", "@@ -1 +1,2 @@\n a\n\\ No newline at end of file\n+b\n", [(2, 2, "addition", None)]),
        ("-- x\n", "++ y\n", "--- f\n+++ f\n@@ -1 +1 @@\n--- x\n+++ y\n", [(1, 1, "modification", 1)]),
        ("a\n", "a\n", "Index: f\n===\n--- f\tOriginal\n+++ f\tWritten\n", []),
    ],
)  # fmt: skip
def test_a_diff_tells_the_lines(before: str, now: str, diff: str, found: Any) -> None:
    assert lines("replace", {}, **answer("/x/none.txt", before, now, diff)) == found


def test_a_file_that_an_edit_made_is_all_its_own() -> None:
    given = {"old_string": "", "new_string": "a\nb\n"}
    assert lines("replace", given, returnDisplay="Created none.txt") == [(1, 2, "addition", None)]
    assert lines("replace", {**given, "old_string": "x"}, returnDisplay="Created none.txt") is None


@pytest.mark.parametrize("shown", [{"fileDiff": 5}, {"fileDiff": "cut…", "newContent": "b"}, [], None, "done", {}])
def test_an_answer_of_another_form_claims_no_lines(shown: Any) -> None:
    assert lines("replace", {}, returnDisplay=shown) is None
    assert lines("run_shell_command", {}, returnDisplay=shown) is None


@pytest.mark.parametrize(
    ("text", "shown", "error"),
    [
        ("(empty)\nExit Code: 4\nProcess Group PGID: 7", "Command exited with code: 4", "Exit Code: 4"),
        ("x\nSignal: 15\nProcess Group PGID: 7", "x", "Signal: 15"),
        ("x\nExit Code: 1\nBackground PIDs: 9\nProcess Group PGID: 7", [[{"text": "x"}]], "Exit Code: 1"),
        ("x\nProcess Group PGID: 7", "x", None),
        ("x\nExit Code: 3\nProcess Group PGID: 7", "x\nExit Code: 3", None),
        ("Exit Code: 3\ny\nProcess Group PGID: 7", "", None),
    ],
)
def test_a_command_failed_if_the_agent_says_so_and_not_if_it_prints_so(
    text: str, shown: Any, error: str | None
) -> None:
    payload = after("run_shell_command", {}, llmContent=OPENED + text + CLOSED, returnDisplay=shown)
    role = events.role("AfterTool", payload)
    data = events.data(role, payload, False)
    assert (role == "tool_failure", data.get("error"), data["result_id"]) == (error is not None, error, "7")


def test_a_command_that_the_user_stopped_failed() -> None:
    told = "<untrusted_context>\nCommand was cancelled by user before it could complete. There was no output.\n"
    payload = after("run_shell_command", {}, llmContent=told, returnDisplay="Command cancelled by user.")
    data = events.data(events.role("AfterTool", payload), payload, False)
    assert (data["error"], data["is_interrupt"]) == ("Command was cancelled by user", True)


def test_an_error_is_told_in_its_words() -> None:
    payload = after("replace", {}, error={"message": "No match.", "type": "edit_no_occurrence_found"})
    assert events.data(events.role("AfterTool", payload), payload, False)["error"] == "No match."


@pytest.mark.parametrize(
    "event", ["PreCompress", "BeforeModel", "BeforeToolSelection", "AfterModel", "Notification", "later"]
)
def test_other_events_leave_nothing(event: str) -> None:
    assert events.role(event, {}) is None


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "", 5, None, f"chats/session-1-{SESSION[:8]}.jsonl", f"/x/chats/../chats/s-{SESSION[:8]}.jsonl",
     "/x/chats/session-1-another1.jsonl", f"/x/other/session-1-{SESSION[:8]}.jsonl",
     f"/x\x00/chats/session-1-{SESSION[:8]}.jsonl"],
)  # fmt: skip
def test_only_a_file_of_this_session_is_passed_on(path: Any) -> None:
    assert events.transcript({"transcript_path": path}, SESSION) is None
    good = f"/x/chats/session-2026-11-28T14-03-{SESSION[:8]}.jsonl"
    assert events.transcript({"transcript_path": good}, SESSION) == good
    own = "/x/chats/session-2026-11-28T14-03-my_own-i.jsonl"
    assert events.transcript({"transcript_path": own}, "my_own-id") == own


def test_a_script_that_is_not_there_says_nothing_and_denies_nothing(gemini: GeminiRig) -> None:
    """An exit code from 2 on with a word on stderr would end the whole run."""
    (gemini.hooks / CONTRACT.hook_entry).unlink()
    gemini.send(json.dumps(gemini.payload("BeforeAgent", prompt="x")).encode())


@pytest.mark.parametrize(
    "odd",
    [
        {"session_id": "../../x"}, {"hook_event_name": {}}, {"cwd": "/\x00"}, {"transcript_path": "/etc/passwd"},
        {"tool_input": [1], "tool_name": 5}, {"timestamp": float("nan")},
        {"tool_input": {"file_path": "a\ud800", "content": "x" * (5 << 20)}},
        {"tool_response": {"returnDisplay": {"fileDiff": "@@ -1 +1 @@\n+a", "newContent": {}}}},
    ],
    ids=lambda odd: str(odd)[:50],
)  # fmt: skip
def test_odd_values_leave_valid_lines_in_their_place_or_none(gemini: GeminiRig, odd: dict[str, Any]) -> None:
    sent = gemini.payload("AfterTool", tool_name="write_file", tool_input={"file_path": "a.txt"})
    gemini.send_odd({**sent, **odd})


@pytest.mark.parametrize("event", events.ROLES)
@pytest.mark.parametrize("odd", [None, 5, [], {}, "x" * 999, -1, True, [{}], {"a": 1}], ids=lambda odd: repr(odd)[:9])
def test_odd_values_in_any_field_raise_nothing(event: str, odd: Any) -> None:
    fields = (
        "session_id", "transcript_path", "cwd", "timestamp", "prompt", "prompt_response", "source", "tool_name",
        "tool_input", "tool_response", "stop_hook_active", "reason",
    )  # fmt: skip
    for payload in (
        {"hook_event_name": event, **dict.fromkeys(fields, odd)},
        after("run_shell_command", {}, llmContent=odd, returnDisplay=odd, error=odd),
        after("replace", {"file_path": odd}, returnDisplay={"fileDiff": odd, "newContent": odd}),
    ):
        assert isinstance(events.data(events.role(event, payload), payload, False), dict)
        assert events.transcript(payload, SESSION) is None
        assert all(path.startswith("/") for path in events.call_folders(payload))
