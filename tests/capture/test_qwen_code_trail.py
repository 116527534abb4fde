"""Qwen Code's sessions with their hook lines: one trace and a trail."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkit import paths
from hookkit.capture import ingest
from hookkit.capture.ingest import ingest_abandoned, ingest_project
from hookkit.capture.qwen_code.parser import encoded
from tests.trails.recorded import patches, repository

from .played_sessions import NamedCalls, check_killed_call, check_one_trace_and_a_trail, write_sidecar
from .qwen_support import SESSION, START, Session


class QwenPlayed(NamedCalls):
    agent, session_id, start, shell = "qwen-code", SESSION, START, "run_shell_command"

    def __init__(self, repo: Path, home: Path) -> None:
        super().__init__(repo, Session(str(repo)))
        self.folder = home / ".qwen" / "projects" / encoded(repo)

    def write(self, call: str, name: str, text: str) -> None:
        given = {"file_path": str(self.repo / name), "content": text}
        self.session.call(call, "write_file", **given)
        self.line("PreToolUse", call, "write_file", tool_input=given)
        (self.repo / name).write_text(text)
        self.line("PostToolUse", call, "write_file", tool_input=given, duration_ms=7, limitations=[])
        self.session.result(call)

    def write_session(self) -> None:
        self.session.write(self.folder)

    def write_hooks(self) -> None:
        write_sidecar(paths.state() / "sidecars" / "qwen-code" / "hooks" / f"{SESSION}.jsonl", self.hooks)


@pytest.fixture
def played(tmp_path: Path, home: Path) -> QwenPlayed:
    return QwenPlayed(repository(tmp_path / "repo"), home)


def test_hook_lines_and_session_become_one_trace_and_a_trail(played: QwenPlayed) -> None:
    trace = check_one_trace_and_a_trail(played)
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7


def test_a_second_stop_of_the_same_turn_ends_it_again(played: QwenPlayed) -> None:
    """A subagent in the background ends after the turn, and the model says more."""
    played.session.prompt("Write.")
    played.line("UserPromptSubmit", prompt="Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.say("Waiting.")
    played.line("Stop", git={})
    played.session.prompt("<task-notification>").lines[-1].update(provenance="system", subtype="notification")
    played.write("call_2", "f2.txt", "2\n")
    played.session.say("After.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt"), ("call_2", "added", "f2.txt")]
    assert len(trace["metadata"]["hook_stop"]) == 2
    assert trace["metadata"]["capture"]["turns"] == 1


def test_a_killed_call_is_closed_at_the_next_boundary(played: QwenPlayed) -> None:
    check_killed_call(played)


def test_a_session_that_keeps_no_file_is_made_of_its_hook_lines(played: QwenPlayed, tmp_path: Path) -> None:
    played.line("UserPromptSubmit", prompt="Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.line("Stop", git={})
    trace = played.ingest(keep=False)
    assert trace["metadata"]["capture"]["source"] == "hook_lines"
    assert patches(played.repo) == [("call_1", "added", "f1.txt")]
    assert [each for each in ingest_project(repository(tmp_path / "other")) if each.agent == "qwen-code"] == []


def test_a_session_whose_agent_was_killed_is_read_by_a_later_one(
    played: QwenPlayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells its end, nor that of a turn that ended in an error of the model."""
    played.session.prompt("Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.write(played.folder)
    played.write_hooks()
    assert list(ingest_abandoned(played.repo, agent="qwen-code")) == []
    monkeypatch.setattr(ingest, "_ABANDONED", -60.0)
    assert [each.status for each in ingest_abandoned(played.repo, agent="qwen-code")] == ["stored"]
