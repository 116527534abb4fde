"""An ingest brings the trails of the repositories that a session worked in up to date; the trace depends on none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hookkit import paths
from hookkit.capture import trail
from hookkit.capture.ingest import ingest_session
from hookkit.capture.record import Record
from hookkit.store.files import trace_path
from hookkit.trails import emit_step_window_events_from_record, timeline
from hookkit.trails.emit_session import SessionFacts, facts_of
from tests.trails.recorded import capture, events, git, observed, patches, repository

from .support import SESSION, Transcript, fixture, hook, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


class Played:
    """A session with real trees: its transcript, and its hook lines in between."""

    def __init__(self, folder: Path, repo: Path) -> None:
        self.folder, self.repo = folder, repo
        self.transcript = Transcript()

    def line(self, event: str, call: str | None = None, root: Path | None = None, **data: Any) -> None:
        line = hook(event, len(self.transcript.lines), call, **data)
        line["data"]["trail"] = capture(root or self.repo)
        self.transcript.raw(line)

    def call(self, call: str, name: str, text: str, root: Path | None = None) -> None:
        self.transcript.call(call, command=f"make {name}")
        self.line("PreToolUse", call, root)
        ((root or self.repo) / name).write_text(text)
        self.line("PostToolUse", call, root)
        self.transcript.result(call)

    def turn(self, number: int, root: Path | None = None) -> None:
        self.transcript.prompt(f"turn {number}")
        self.line("UserPromptSubmit", root=root)
        self.call(f"toolu_{number}", f"f{number}.txt", f"{number}\n", root)
        self.transcript.say("Done.")
        self.line("Stop", root=root)

    def write(self) -> Path:
        return write(self.folder, self.transcript)


@pytest.fixture
def played(tmp_path: Path, repo: Path) -> Played:
    return Played(tmp_path, repo)


def test_ingest_emits_the_trail(played: Played, repo: Path) -> None:
    played.turn(1)
    result = ingest_session(played.write(), repo)
    assert result.status == "stored"
    assert patches(repo) == [("toolu_1", "added", "f1.txt")]
    assert {event.trace_id for event in events(repo)} == {result.trace_id}
    (opened,) = events(repo, "trace_step_window_opened")
    assert opened.step_index == 1
    assert not (paths.state() / "ingest.log").exists()


def test_ingest_and_record_tell_the_same(played: Played, repo: Path) -> None:
    played.turn(1)
    (repo / "by-hand.txt").write_text("x\n")
    played.turn(2)
    played.transcript.call("unseen", command="true").result("unseen")
    played.transcript.call("refused", command="true").result("refused", "no", error=True)
    played.turn(3)
    result = ingest_session(played.write(), repo)
    head = git(repo, "rev-parse", "refs/opentraces/local/events/v1")
    record = json.loads(trace_path(result.trace_id).read_bytes())
    again = emit_step_window_events_from_record(repo, record)
    assert again.emitted_events == []
    assert again.skipped_tool_calls == 2
    assert git(repo, "rev-parse", "refs/opentraces/local/events/v1") == head
    assert observed(repo) == [["by-hand.txt"]]


@pytest.mark.parametrize("name", ["recorded"])
def test_facts_of_an_ingest_are_those_of_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given: list[SessionFacts] = []

    def look(hooks: Any, record: Record, project: Path | None) -> bool:
        given.append(trail.facts_of(hooks, record))
        return True

    monkeypatch.setattr("hookkit.capture.ingest.follow", look)
    transcript, project = fixture(name, tmp_path)
    result = ingest_session(transcript, project)
    (lean,) = given
    whole = facts_of(json.loads(trace_path(result.trace_id).read_bytes()))
    assert _moments(lean) == _moments(whole)
    assert lean.digest(timeline.FOREVER) == whole.digest(timeline.FOREVER)
    calls = [moment.call for moment in lean.moments if moment.call]
    assert {call: whole.steps(calls).get(call) for call in calls} == {
        call: lean.steps(calls).get(call) for call in calls
    }
    first = min(moment.us for moment in lean.moments)
    late = [(window.call_id, window.start, window.end) for window in whole.unseen if window.start >= first]
    assert [(window.call_id, window.start, window.end) for window in lean.unseen if window.start >= first] == late
    assert late


def _moments(facts: SessionFacts) -> list[Any]:
    return sorted((moment.us, moment.slot, moment.call, moment.root, moment.stamp()) for moment in facts.moments)


def test_ingest_decodes_only_what_is_new(played: Played, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        played.turn(number)
    ingest_session(played.write(), repo)
    played.turn(99)
    transcript = played.write()
    decoded = []

    def loads(text: bytes) -> Any:
        decoded.append(text)
        return json.loads(text)

    monkeypatch.setattr(timeline, "json", SimpleNamespace(loads=loads, dumps=json.dumps))
    before = len(events(repo))
    ingest_session(transcript, repo)
    assert len(decoded) <= 8, "the 12 turns before have 48 boundaries"
    assert len(events(repo)) - before == 6


def test_sessions_in_several_repositories_fill_the_log_of_each(played: Played, repo: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    played.turn(1)
    played.turn(2, root=other)
    ingest_session(played.write(), repo)
    assert patches(repo) == [("toolu_1", "added", "f1.txt")]
    assert patches(other) == [("toolu_2", "added", "f2.txt")]
    assert events(repo, "trace_step_capture_incomplete") == events(other, "trace_step_capture_incomplete") == []


def test_trace_is_the_same_with_and_without_a_trail(
    played: Played, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.turn(1)
    transcript = played.write()
    with monkeypatch.context() as patch:
        patch.setattr("hookkit.trails.emit.emit_session", lambda *_: 1 / 0)
        result = ingest_session(transcript, repo)
        assert result.status == "stored"
        trace = trace_path(result.trace_id).read_bytes()
        assert "ZeroDivisionError" in (paths.state() / "ingest.log").read_text()
        assert events(repo) == []
    assert ingest_session(transcript, repo).status == "stored", "what failed is done again"
    assert trace_path(result.trace_id).read_bytes() == trace
    assert patches(repo) == [("toolu_1", "added", "f1.txt")]
    assert ingest_session(transcript, repo).status == "unchanged"


@pytest.mark.parametrize("piece", ["hookkit.trails.anchors.update", "hookkit.trails.lines.index.sync"])
def test_failure_after_the_events_keeps_trace_and_events(
    played: Played, repo: Path, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    played.turn(1)
    monkeypatch.setattr(piece, lambda _worktree: 1 / 0)
    assert ingest_session(played.write(), repo).status == "stored"
    assert patches(repo) == [("toolu_1", "added", "f1.txt")]
    assert "ZeroDivisionError" in (paths.state() / "ingest.log").read_text()


def test_repository_that_is_gone_leaves_the_trace(played: Played, repo: Path, tmp_path: Path) -> None:
    played.turn(1)
    transcript = played.write()
    repo.rename(tmp_path / "away")
    assert ingest_session(transcript).status == "stored"
    assert events(tmp_path / "away") == []
    assert not (paths.state() / "ingest.log").exists()


def test_late_sidecar_lines_get_into_the_trail(played: Played, repo: Path) -> None:
    played.turn(1)
    late = played.transcript.lines[1]
    assert late["event"] == "UserPromptSubmit"
    (repo / "before.txt").write_text("x\n")
    late["data"]["trail"] = capture(repo)
    played.transcript.lines.remove(late)
    transcript = played.write()
    ingest_session(transcript, repo)
    sidecar = repo / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text(json.dumps(late) + "\n")
    assert ingest_session(transcript, repo).status == "stored"
    origins = [event for event in events(repo) if event.payload.get("snapshot_role") == "origin"]
    assert [event.payload["event_time"] for event in origins][-1] == late["timestamp"]


def test_session_outside_of_any_repository_has_no_trail(tmp_path: Path) -> None:
    transcript = write(tmp_path, Transcript().turn().raw(hook("Stop", 9)))
    assert ingest_session(transcript).status == "stored"
    assert not (paths.state() / "ingest.log").exists()


def test_steps_are_found_by_the_ids_of_their_calls_and_not_by_what_inputs_say() -> None:
    bodies = [
        {"tool_calls": [{"tool_call_id": 'odd "id"', "input": {"tool_call_id": "b"}}]},
        {"tool_calls": [{"tool_call_id": "b", "input": {"text": '"tool_call_id": "c"'}}]},
        {"tool_calls": []},
    ]
    record = Record({}, {}, [json.dumps(body).encode() for body in bodies])
    assert trail.places(record, ["b", "c", 'odd "id"']) == {"b": 1, 'odd "id"': 0}
