"""Pi's sessions with their hook lines: one trace and a trail; and copies that end at a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkit.capture.pi.cut import cut
from hookkit.capture.pi.parser import PiParser, encoded
from hookkit.errors import HookkitError
from tests.trails.recorded import events, patches, repository

from .pi_support import NAME, SESSION, START, Session, record_of
from .played_sessions import NamedCalls, check_killed_call, check_one_trace_and_a_trail, write_sidecar


@pytest.fixture
def session() -> Session:
    return Session()


# With hook lines


class PiPlayed(NamedCalls):
    agent, session_id, start, shell = "pi", SESSION, START, "bash"

    def __init__(self, repo: Path, home: Path) -> None:
        super().__init__(repo, Session(str(repo)))
        self.path = home / ".pi" / "agent" / "sessions" / encoded(repo) / NAME

    def write(self, call: str, name: str, text: str) -> None:
        self.session.call(call, "write", path=name, content=text)
        given = {"path": str(self.repo / name), "content": text}
        self.line("PreToolUse", call, "write", tool_input=given)
        (self.repo / name).write_text(text)
        self.line("PostToolUse", call, "write", tool_input=given, duration_ms=7, limitations=[])
        self.session.result(call)

    def write_session(self) -> None:
        self.session.write(self.path.parent)

    def write_hooks(self) -> None:
        write_sidecar(self.repo / ".opentraces" / "pi" / "hooks" / f"{SESSION}.jsonl", self.hooks)
        (self.repo / ".opentraces" / ".gitignore").write_text("*\n")


@pytest.fixture
def played(tmp_path: Path, home: Path) -> PiPlayed:
    return PiPlayed(repository(tmp_path / "repo"), home)


def test_hook_lines_and_session_become_one_trace_and_a_trail(played: PiPlayed) -> None:
    trace = check_one_trace_and_a_trail(played)
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7


def test_a_call_of_another_branch_keeps_its_prompt_and_its_lines(played: PiPlayed) -> None:
    played.session.prompt("Begin.").say("Begun.")
    fork = played.session.leaf
    played.session.prompt("One way.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.back(fork).prompt("Other way.")
    played.write("call_2", "f2.txt", "2\n")
    played.session.say("Done.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt"), ("call_2", "added", "f2.txt")]
    assert [event.step_index for event in events(played.repo, "trace_step_window_opened")] == [3, 5]
    assert trace["metadata"]["steps_of_other_branches"] == [2, 3]


def test_a_killed_call_is_closed_at_the_next_boundary(played: PiPlayed) -> None:
    check_killed_call(played)


# Going on from a step


def test_a_copy_ends_with_a_step_and_the_results_of_its_calls(session: Session, tmp_path: Path, home: Path) -> None:
    parts = [{"type": "toolCall", "id": f"c{n}", "name": "bash", "arguments": {"command": "x"}} for n in range(2)]
    session.prompt("Go.").answer(*parts, stop="toolUse").result("c0").result("c1").say("Done.").prompt("More.")
    path = session.write(home / ".pi" / "agent" / "sessions" / "--home-dev-project--")
    other = "5f3a1c7e-5d0c-5b0a-9d52-2f7f0c6a3c11"
    made = cut(path, 1, other, tmp_path / "a folder")
    assert made.parent == home / ".pi" / "agent" / "sessions" / encoded(tmp_path / "a folder")
    record = record_of(made)
    assert (record.session_id, record.metadata["cwd"]) == (other, str(tmp_path / "a folder"))
    assert record.metadata["forked_from"] == SESSION
    assert [len(step.observations) for step in record.steps] == [0, 2]
    assert PiParser().session_id_from_path(made) == other
    assert len(record_of(cut(path, 0, other, tmp_path)).steps) == 1
    with pytest.raises(HookkitError, match="Step 9"):
        cut(path, 9, other, tmp_path)
