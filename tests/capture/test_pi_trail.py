"""Pi's sessions with their hook lines: one trace and a trail; and copies that end at a step."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.ingest import ingest_project
from hookkit.capture.pi.cut import cut
from hookkit.capture.pi.parser import PiParser, encoded
from hookkit.errors import HookkitError
from hookkit.store.files import trace_path
from tests.trails.recorded import capture, events, patches, repository

from .pi_support import NAME, SESSION, START, Session, record_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    for name in ("PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def session() -> Session:
    return Session()


# With hook lines


class Played:
    """A session with real trees: its file, and its sidecar as the hooks write it."""

    def __init__(self, repo: Path, home: Path) -> None:
        self.repo = repo
        self.session = Session(str(repo))
        self.hooks: list[dict[str, Any]] = []
        self.path = home / ".pi" / "agent" / "sessions" / encoded(repo) / NAME

    def line(self, event: str, call: str | None = None, tool: str = "bash", **data: Any) -> None:
        number = len(self.session.lines) + len(self.hooks) / 1000
        moment = (START + timedelta(seconds=number)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        fields: dict[str, Any] = {"session_id": SESSION, "agent": "pi", "trail": capture(self.repo), **data}
        if call:
            fields |= {"tool": tool, "tool_call_id": call, "tool_use_id": call}
        self.hooks.append({"type": "opentraces_hook", "event": event, "timestamp": moment, "data": fields})

    def call(self, call: str, name: str, text: str) -> None:
        self.session.call(call, "write", path=name, content=text)
        given = {"path": str(self.repo / name), "content": text}
        self.line("PreToolUse", call, "write", tool_input=given)
        (self.repo / name).write_text(text)
        self.line("PostToolUse", call, "write", tool_input=given, duration_ms=7, limitations=[])
        self.session.result(call)

    def ingest(self) -> dict[str, Any]:
        self.session.write(self.path.parent)
        sidecar = self.repo / ".opentraces" / "pi" / "hooks" / f"{SESSION}.jsonl"
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        (self.repo / ".opentraces" / ".gitignore").write_text("*\n")
        sidecar.write_text("".join(json.dumps(line) + "\n" for line in self.hooks))
        (result,) = [each for each in ingest_project(self.repo) if each.agent == "pi"]
        assert result.status == "stored"
        found: dict[str, Any] = json.loads(trace_path(result.trace_id).read_bytes())
        return found


@pytest.fixture
def played(tmp_path: Path, home: Path) -> Played:
    return Played(repository(tmp_path / "repo"), home)


def test_hook_lines_and_session_become_one_trace_and_a_trail(played: Played) -> None:
    played.session.prompt("Write.")
    played.line("UserPromptSubmit", prompt="Write.")
    played.call("call_1", "f1.txt", "1\n")
    played.session.say("Done.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt")]
    (opened,) = events(played.repo, "trace_step_window_opened")
    (closed,) = events(played.repo, "trace_step_window_closed")
    assert opened.step_index == 1
    assert opened.payload["declared_write_paths"] == ["f1.txt"]
    trees = [
        entry["trail"]["tree_id"]
        for key in ("pre", "post")
        for entry in trace["metadata"][f"hook_{key}_tool_use"].values()
    ]
    assert [opened.payload["tree_id"], closed.payload["tree_id"]] == trees
    assert trees[0] != trees[1]
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7
    assert (trace["metadata"]["project"], trace["metadata"]["cwd"]) == (str(played.repo), str(played.repo))
    assert trace["metadata"]["capture"]["missing_pre_or_post_hook"] == 0


def test_a_call_of_another_branch_keeps_its_prompt_and_its_lines(played: Played) -> None:
    played.session.prompt("Begin.").say("Begun.")
    fork = played.session.leaf
    played.session.prompt("One way.")
    played.call("call_1", "f1.txt", "1\n")
    played.session.back(fork).prompt("Other way.")
    played.call("call_2", "f2.txt", "2\n")
    played.session.say("Done.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt"), ("call_2", "added", "f2.txt")]
    assert [event.step_index for event in events(played.repo, "trace_step_window_opened")] == [3, 5]
    assert trace["metadata"]["steps_of_other_branches"] == [2, 3]


def test_a_killed_call_is_closed_at_the_next_boundary(played: Played) -> None:
    played.session.prompt("Go.").call("call_1", command="sleep 9")
    played.line("PreToolUse", "call_1", tool_input={"command": "sleep 9"})
    (played.repo / "late.txt").write_text("x\n")
    played.session.prompt("Again.")
    played.line("UserPromptSubmit", prompt="Again.")
    trace = played.ingest()
    assert trace["metadata"]["hook_post_tool_use"]["call_1"]["capture_status"] == "post_inferred"
    assert patches(played.repo) == [("call_1", "added", "late.txt")]


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
