"""What Gemini CLI tells its hooks becomes one line each, of its shape, in silence, whatever it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents.gemini_cli import CONTRACT
from hookkit.capture.calls import call_key

from .gemini_rig import RECORDED, SESSION, GeminiRig
from .rig import commit, expected_tree, fake_git, git, hook_module, make_repository, wait_for

events = hook_module("hookkit_gemini_events")
recorder = hook_module("hookkit_recorder")
hunks = hook_module("hookkit_hunks")
FAILED = ("cancelled", "error", "exit", "signal")  # in the name of a recorded payload
OPENED, CLOSED = "<untrusted_context>\nOutput: ", "\n</untrusted_context>"


def repository(tmp_path: Path) -> GeminiRig:
    """That holds a.txt."""
    project = make_repository(tmp_path / "project")
    (project / "a.txt").write_text("one\ntwo\nthree\n")
    commit(project)
    return GeminiRig(tmp_path, project)


@pytest.fixture
def gemini(tmp_path: Path) -> GeminiRig:
    return repository(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> GeminiRig:
    """One session for all recorded payloads."""
    return repository(tmp_path_factory.mktemp("shared"))


def after(name: str, given: dict[str, Any], **response: Any) -> dict[str, Any]:
    return {"tool_name": name, "tool_input": given, "cwd": "/", "tool_response": response}


def test_contract_and_script_name_the_same_events() -> None:
    assert {event.name: event.role for event in CONTRACT.events} == events.ROLES


def test_a_payload_of_every_event_is_recorded() -> None:
    assert {json.loads(path.read_text())["hook_event_name"] for path in RECORDED} == set(events.ROLES)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_leaves_one_valid_line(shared: GeminiRig, path: Path) -> None:
    sent, before = shared.recorded(path), shared.lines()
    shared.send(json.dumps(sent).encode())
    (line,) = shared.lines()[len(before) :]
    data, failed = line["data"], path.stem.endswith(FAILED)
    assert [found.stem for found in shared.sidecars()] == [SESSION]
    assert not shared.transcript.exists()
    assert line["event"] == ("PostToolUseFailure" if failed else recorder.EVENTS[events.ROLES[sent["hook_event_name"]]])
    assert (data["session_id"], data["agent"], data["sent_at"]) == (SESSION, "gemini-cli", sent["timestamp"])
    assert data.get("agent_event", line["event"]) == sent["hook_event_name"]
    if line["event"] == "SessionEnd":
        assert "trail" not in data
    else:
        head = {"algo": "sha1", "hex": git(shared.project, "rev-parse", "HEAD")}
        tree = {"algo": "sha1", "hex": expected_tree(shared.project)}
        assert data["trail"] == {"worktree_root": str(shared.project.resolve()), "tree_id": tree, "git_head": head}
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


def test_the_file_of_a_session_and_the_worktree_stay_as_they_are(gemini: GeminiRig) -> None:
    """Gemini lists its folders to the model, those too that git ignores."""
    kept, before = gemini.begin(), sorted(gemini.project.iterdir())
    gemini.fire("SessionStart", source="startup")
    gemini.tool("BeforeTool", "run_shell_command", {"command": "true"})
    assert (gemini.transcript.read_bytes(), sorted(gemini.project.iterdir())) == (kept, before)


def answer(path: str, before: str, now: str, diff: str) -> dict[str, Any]:
    shown = {"fileDiff": diff, "filePath": path, "originalContent": before, "newContent": now}
    return {"llmContent": "done", "returnDisplay": shown}


@pytest.mark.parametrize("named", ["new.txt", "{project}/new.txt"])
def test_a_written_file_is_told_line_by_line(gemini: GeminiRig, named: str) -> None:
    path, given = gemini.project / "new.txt", {"file_path": named.format(project=gemini.project), "content": "a\nb\n"}
    path.write_text("a\nb\n")
    response = answer(
        str(path), "", "a\nb\n", "Index: new.txt\n===\n--- new.txt\n+++ new.txt\n@@ -0,0 +1,2 @@\n+a\n+b\n"
    )
    data = gemini.tool("AfterTool", "write_file", given, tool_response=response)["data"]
    assert (data["file_path"], data["start_line"], data["end_line"]) == (str(path), 1, 2)
    assert (data["confidence"], data["capture_status"], data["limitations"]) == ("high", "captured", [])
    assert data["content_hash"] == hunks.digest(["a", "b"])
    assert CONTRACT.writes("write_file", given) == (given["file_path"],)


def test_a_file_that_is_not_what_was_written_is_said_to_be_so(gemini: GeminiRig) -> None:
    path = gemini.project / "new.txt"
    path.write_text("formatted\n")
    response = answer(str(path), "", "a\n", "@@ -0,0 +1 @@\n+a\n")
    data = gemini.tool("AfterTool", "write_file", {"file_path": str(path)}, tool_response=response)["data"]
    assert (data["confidence"], data["limitations"]) == ("low", ["hook_payload_state_mismatch"])


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


def test_outside_of_a_repository_the_line_says_so(tmp_path: Path) -> None:
    rig = GeminiRig(tmp_path)
    line = rig.tool("BeforeTool", "run_shell_command", {"command": "true"})
    assert "trail" not in line["data"]
    assert line["data"]["limitations"] == ["no_worktree"]
    assert rig.sidecars()[0].is_relative_to(rig.state)


@pytest.mark.parametrize("how", ["missing", "failing"])
def test_without_git_the_line_says_so(gemini: GeminiRig, tmp_path: Path, how: str) -> None:
    path = fake_git(tmp_path / "bin", "exit 1") if how == "failing" else str(tmp_path / "nothing")
    line = gemini.tool("BeforeTool", "run_shell_command", {"command": "true"}, env={"PATH": path})
    assert "trail" not in line["data"]
    assert line["data"]["limitations"]


def test_the_end_of_a_turn_starts_an_ingest_of_its_file(gemini: GeminiRig) -> None:
    report = gemini.record_ingest()
    gemini.fire("AfterAgent", stop_hook_active=False)
    found = wait_for(lambda: report.exists() and json.loads(report.read_text()))
    assert found["arguments"] == [
        "_ingest-session", str(gemini.transcript), "--agent", "gemini-cli", "--project", str(gemini.project),
    ]  # fmt: skip


def test_a_session_that_keeps_no_file_is_ingested_by_its_id(gemini: GeminiRig) -> None:
    report = gemini.record_ingest()
    gemini.fire("SessionEnd", transcript_path="", reason="exit")
    found = wait_for(lambda: report.exists() and json.loads(report.read_text()))
    assert found["arguments"][:3] == ["_ingest-session", "--session", SESSION]


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


@pytest.mark.parametrize("how", ["switch", "marker"])
def test_consent_is_asked_first(gemini: GeminiRig, how: str) -> None:
    if how == "marker":
        (gemini.project / ".opentraces").mkdir()
        (gemini.project / ".opentraces" / "excluded").touch()
    environment = {"HOOKKIT_DISABLE": "1"} if how == "switch" else {}
    gemini.send(json.dumps(gemini.payload("SessionStart", source="startup")).encode(), **environment)
    assert not gemini.lines()


def test_a_script_that_is_not_there_says_nothing_and_denies_nothing(gemini: GeminiRig) -> None:
    """An exit code from 2 on with a word on stderr would end the whole run."""
    (gemini.hooks / CONTRACT.hook_entry).unlink()
    gemini.send(json.dumps(gemini.payload("BeforeAgent", prompt="x")).encode())


def files(rig: GeminiRig) -> set[Path]:
    return {path for path in rig.base.rglob("*") if not {".git", "__pycache__"} & set(path.parts)}


@pytest.mark.parametrize("raw", [b"", b"\x00\xff{", b"[1]", b'{"a":' * 50_000, b"{}"], ids=repr)
def test_what_names_no_session_leaves_nothing(shared: GeminiRig, raw: bytes) -> None:
    before, known = files(shared), shared.lines()
    process = shared.start(GEMINI_SESSION_ID=None)
    assert shared.finish(process, raw) == (0, b"", b"")
    assert (files(shared), shared.lines()) == (before, known)


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
    before = files(gemini)
    gemini.send(json.dumps({**sent, **odd}).encode())
    assert len(gemini.lines()) <= 1
    for path in files(gemini) - before:
        assert path.is_relative_to(gemini.project / ".opentraces") or path.is_relative_to(gemini.state), path
        assert path.is_dir() or path.name in (".gitignore", f"{SESSION}.jsonl", "worktrees"), path


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


def test_a_payload_that_was_cut_off_still_leaves_a_line(gemini: GeminiRig) -> None:
    raw = json.dumps(gemini.payload("BeforeTool", tool_name="replace", tool_input={"file_path": "x"}))
    gemini.send(raw[:-5].encode())
    (line,) = gemini.lines()
    assert (line["event"], line["data"]["tool"]) == ("PreToolUse", "replace")
    assert "payload_truncated" in line["data"]["limitations"]
