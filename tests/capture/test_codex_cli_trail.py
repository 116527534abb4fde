"""Codex CLI's sessions with their hook lines: one trace and a trail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, events, repository

from .codex_support import SESSION, Rollout


def test_hook_lines_and_rollout_make_the_events_of_the_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    repo = repository(tmp_path / "repo")
    rollout, lines = Rollout(cwd=str(repo)), []

    def line(event: str, call: str | None = None, **more: Any) -> None:
        data = {"session_id": SESSION, "agent": "codex-cli", "trail": capture(repo), **more}
        if call:
            data |= {"tool": "Bash", "tool_call_id": call, "tool_use_id": call}
            data |= {"tool_input": {"command": "x"}} if event == "PreToolUse" else {"limitations": []}
        lines.append({"type": "opentraces_hook", "event": event, "timestamp": rollout.now(), "data": data})
        rollout.add("world_state")

    line("SessionStart")
    rollout.prompt("Go.")
    line("UserPromptSubmit", prompt="Go.")
    rollout.script("s1", "go()").used()
    line("PreToolUse", "exec-1")
    (repo / "a.txt").write_text("a\n")
    line("PostToolUse", "exec-1")
    rollout.ran("exec-1").told("s1", "Script completed\n").shell("c2").used()
    line("PreToolUse", "c2")
    (repo / "b.txt").write_text("b\n")  # a patch in a shell has no event after it
    rollout.item("FileChange", id="c2", status="completed", changes={}).told("c2").say("Done.").used()
    line("Stop", git={})
    path = rollout.done().write(tmp_path / "codex" / "sessions")
    sidecar = repo / ".opentraces" / "codex-cli" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("".join(json.dumps(each) + "\n" for each in lines))
    result = ingest_session(path, repo, agent="codex-cli")
    trace = json.loads(trace_path(result.trace_id).read_bytes())
    assert trace["metadata"]["hook_post_tool_use"]["c2"]["limitations"] == ["post_inferred"]
    trees = [each["data"]["trail"]["tree_id"]["hex"] for each in lines]
    windows = {
        call: (
            trace["metadata"]["hook_pre_tool_use"][call]["trail"]["tree_id"]["hex"],
            trace["metadata"]["hook_post_tool_use"][call]["trail"]["tree_id"]["hex"],
        )
        for call in ("exec-1", "c2")
    }
    assert windows == {"exec-1": (trees[2], trees[3]), "c2": (trees[4], trees[5])}
    assert [event.payload["tool_call_id"] for event in events(repo, "trace_step_window_opened")] == ["exec-1", "c2"]
