"""OpenCode's sessions with their hook lines: one trace and a trail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.ingest import ingest_project
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, events, patches, repository

from .opencode_support import make, put

SESSION = "ses_00000000000000000000000001"
START = 1_795_338_000_000


def test_hook_lines_and_session_become_one_trace_and_a_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    repo = repository(tmp_path / "repo")
    lines: list[dict[str, Any]] = []

    def line(event: str, second: int, **data: Any) -> None:
        fields = {"session_id": SESSION, "agent": "opencode", "trail": capture(repo), **data}
        stamp = f"2026-11-22T09:00:{second:02d}.000000Z"
        lines.append({"type": "opentraces_hook", "event": event, "timestamp": stamp, "data": fields})

    given = {"filePath": str(repo / "f1.txt"), "content": "1\n"}
    call = {"tool": "write", "tool_call_id": "call_1", "tool_use_id": "call_1", "tool_input": given}
    line("UserPromptSubmit", 1, prompt="Write.")
    line("PreToolUse", 2, **call)
    (repo / "f1.txt").write_text("1\n")
    line("PostToolUse", 4, **call, duration_ms=7, limitations=[])
    line("Stop", 6, git={})
    sidecar = repo / ".opentraces" / "opencode" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True, exist_ok=True)
    (repo / ".opentraces" / ".gitignore").write_text("*\n")
    sidecar.write_text("".join(json.dumps(each) + "\n" for each in lines))
    at = [START + 1000 * second for second in range(7)]
    session = {
        "id": SESSION, "project_id": "p", "slug": "s", "directory": str(repo), "title": "t", "version": "1.18.33",
        "time_created": at[0], "time_updated": at[6],
    }  # fmt: skip
    times = {"time_created": at[1], "time_updated": at[1], "session_id": SESSION}
    state = {"status": "completed", "input": given, "output": "ok", "time": {"start": at[2], "end": at[5]}}
    answer = {
        "role": "assistant", "parentID": "msg_1", "modelID": "m", "providerID": "p", "finish": "stop",
        "time": {"created": at[2], "completed": at[6]}, "tokens": {"input": 1, "output": 1},
    }  # fmt: skip
    path = make(tmp_path / "data" / "opencode")
    put(
        path,
        [
            {"table": "session", "row": session},
            {"table": "message", "row": {"id": "msg_1", **times, "data": {"role": "user", "time": {"created": at[1]}}}},
            {"table": "message", "row": {"id": "msg_2", **times, "data": answer}},
            {"table": "part", "row": {"id": "prt_1", "message_id": "msg_1", **times,
                                      "data": {"type": "text", "text": "Write."}}},
            {"table": "part", "row": {"id": "prt_2", "message_id": "msg_2", **times,
                                      "data": {"type": "tool", "tool": "write", "callID": "call_1", "state": state}}},
        ],
    )  # fmt: skip
    (result,) = [each for each in ingest_project(repo) if each.agent == "opencode"]
    assert (result.status, result.transcript) == ("stored", path / SESSION)
    trace = json.loads(trace_path(result.trace_id).read_bytes())
    assert patches(repo) == [("call_1", "added", "f1.txt")]
    (opened,) = events(repo, "trace_step_window_opened")
    (closed,) = events(repo, "trace_step_window_closed")
    assert opened.payload["declared_write_paths"] == ["f1.txt"]
    assert opened.payload["tree_id"] != closed.payload["tree_id"]
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7
    assert trace["metadata"]["capture"]["missing_pre_or_post_hook"] == 0
    (again,) = [each for each in ingest_project(repo) if each.agent == "opencode"]
    assert again.status == "unchanged"
