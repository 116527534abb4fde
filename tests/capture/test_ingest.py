from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from opentraces_schema import TraceRecord

from hookkit import paths
from hookkit.capture import ingest as ingest_module
from hookkit.capture import state
from hookkit.capture.identity import trace_id
from hookkit.capture.ingest import ingest_abandoned, ingest_all, ingest_project, ingest_session
from hookkit.errors import HookkitError
from hookkit.store import files
from hookkit.store.files import trace_path
from hookkit.store.index import Index

from .support import ROOT, SESSION, Transcript, fixture, hook, stamp, write

TRACE = trace_id("claude-code", SESSION)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def stored(trace: str = TRACE) -> TraceRecord:
    return TraceRecord.model_validate_json(trace_path(trace).read_bytes())


def test_trace_is_a_record_whose_hash_is_right_and_only_the_user_can_read(tmp_path: Path, home: Path) -> None:
    transcript, project = fixture("recorded", tmp_path)
    record = stored(ingest_session(transcript, project).trace_id)
    assert record.content_hash == record.compute_content_hash()
    assert record.trace_id == trace_id("claude-code", record.session_id)
    for path in home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_session_of_text_alone_is_kept_though_it_is_below_the_quality_threshold(tmp_path: Path) -> None:
    ingest_session(write(tmp_path, Transcript().prompt("Hi.").say("Hello.")))
    assert stored().metadata["capture"]["meets_quality_threshold"] is False


def test_session_without_a_prompt_or_a_call_gives_no_trace(tmp_path: Path) -> None:
    transcript = write(
        tmp_path, Transcript().add("queue-operation").raw(hook("SessionStart", 0, at=1, source="startup"))
    )
    assert ingest_session(transcript).status == "empty"
    assert not trace_path(TRACE).exists()


def test_hook_lines_alone_give_a_trace(tmp_path: Path) -> None:
    sidecar = tmp_path / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    lines = [
        hook("UserPromptSubmit", 0, at=1, prompt={"cut": "Long", "length": 9000, "sha256": "0" * 64}),
        hook("PreToolUse", 1, "a", at=1),
        hook("PostToolUseFailure", 2, "a", at=2, error="Exit code 1", duration_ms=30),
        hook("PreToolUse", 3, "b", at=2, agent_id="x"),
        hook("Stop", 9, at=3),
    ]
    sidecar.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = ingest_session(tmp_path / "nowhere" / f"{SESSION}.jsonl", tmp_path)
    assert result.status == "stored"
    record = stored()
    assert record.metadata["capture"]["source"] == "hook_lines"
    assert [(step.role, step.content) for step in record.steps] == [("user", "Long…"), ("agent", None), ("agent", None)]
    assert [step.observations[0].error for step in record.steps[1:]] == ["Exit code 1", "no_result"]
    assert record.steps[1].tool_calls[0].duration_ms == 30
    assert (record.steps[2].call_type, record.steps[2].subagent_trajectory_ref) == ("subagent", "x")
    assert record.metadata["capture"]["complete"] is True
    assert record.metadata["hook_post_tool_use"]["b"]["capture_status"] == "post_inferred"


def test_sidecar_in_the_state_folder_is_read(tmp_path: Path) -> None:
    sidecar = paths.state() / "sidecars" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text(json.dumps(hook("PreToolUse", 1.1, "toolu_1")) + "\nnot json\n{}\n")
    ingest_session(write(tmp_path, Transcript().turn()))
    record = stored()
    assert record.metadata["hook_pre_tool_use"].keys() == {"toolu_1"}
    assert record.metadata["capture"]["malformed_hook_lines"] == 1
    assert record.metadata["capture"]["skipped_lines"] == {"not_json": 1}


def test_transcript_with_many_unreadable_lines_is_stored_but_blocked(tmp_path: Path) -> None:
    transcript = write(tmp_path, Transcript().turn())
    with transcript.open("ab") as file:
        file.write(b"{broken\n\0\0\0\n")
    result = ingest_session(transcript)
    capture = stored().metadata["capture"]
    assert capture["blocked"] == [f"2 of 6 lines of {transcript.name} could not be read."]
    assert capture["complete"] is False
    assert (result.summary or {})["blocked"] == capture["blocked"]


@pytest.mark.parametrize("tail", [b"{broken\n", b'{"torn": "li'])
def test_one_torn_line_blocks_nothing(tmp_path: Path, tail: bytes) -> None:
    transcript = write(tmp_path, Transcript().turn())
    with transcript.open("ab") as file:
        file.write(tail)
    ingest_session(transcript)
    assert stored().metadata["capture"]["blocked"] == []


@pytest.mark.parametrize("name", ["..", "a b", "-x", "ä"])
def test_path_that_names_no_session_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HookkitError) as refused:
        ingest_session(tmp_path / f"{name}.jsonl")
    assert refused.value.code == "NOT_A_SESSION"
    assert refused.value.hint


def test_excluded_project_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "work" / "project"
    project.mkdir(parents=True)
    transcript = write(tmp_path, Transcript().prompt("Go.", cwd=str(project)).say("Yes."))
    marker = tmp_path / "work" / ".opentraces" / "excluded"
    marker.parent.mkdir()
    marker.touch()
    assert ingest_session(transcript, project).status == "excluded"
    assert ingest_session(transcript).status == "excluded"
    marker.unlink()
    monkeypatch.setenv("HOOKKIT_DISABLE", "1")
    assert ingest_session(transcript, project).status == "excluded"
    monkeypatch.delenv("HOOKKIT_DISABLE")
    assert ingest_session(transcript, project).status == "stored"


def test_later_ingest_leaves_its_request_to_the_running_one(tmp_path: Path) -> None:
    transcript = write(tmp_path, Transcript().turn())
    folder = paths.private_dir(state.folder())
    with FileLock(folder / f"{TRACE}.lock"):
        assert ingest_session(transcript).status == "busy"
        assert (folder / f"{TRACE}.request").exists()
    assert ingest_session(transcript).status == "stored"
    assert not (folder / f"{TRACE}.request").exists()


def test_request_that_comes_during_an_ingest_is_served_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = write(tmp_path, Transcript().turn())
    original = ingest_module._ingest
    statuses: list[str] = []

    def slow(*arguments: Any) -> Any:
        result = original(*arguments)
        if not statuses:
            statuses.append("first")
            with transcript.open("a") as file:
                file.write(Transcript().prompt("Late.", uuid="late").text())
            other = threading.Thread(target=lambda: statuses.append(ingest_session(transcript).status))
            other.start()
            other.join()
        return result

    monkeypatch.setattr(ingest_module, "_ingest", slow)
    result = ingest_session(transcript)
    assert statuses == ["first", "busy"]
    assert result.lines == 1
    assert stored().steps[-1].content == "Late."


class Killed(BaseException):
    """Stands for the end of the process: no handler of ours may depend on running."""


@pytest.mark.parametrize("number", range(9))
def test_ingest_that_dies_at_any_step_is_healed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    transcript = write(tmp_path, Transcript().turn())
    ingest_session(transcript, tmp_path)
    with transcript.open("a") as file:
        file.write(Transcript().prompt("Next.", uuid="next").text())
    count = iter(range(100))
    steps = 7  # load the state; sync and replace the trace, sync its folder (two calls); put the row; replace the state

    def dying(original: Any) -> Any:
        def step(*arguments: Any, **named: Any) -> Any:
            if next(count) == number:
                raise Killed
            return original(*arguments, **named)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", dying(os.fsync))
        patch.setattr(files.os, "replace", dying(os.replace))
        patch.setattr(files, "_sync_folder", dying(files._sync_folder))
        patch.setattr(Index, "put", dying(Index.put))
        patch.setattr(state, "load", dying(state.load))
        try:
            ingest_session(transcript, tmp_path)
        except Killed:
            assert number < steps
        else:
            assert number >= steps, "a step was not reached"
    TraceRecord.model_validate_json(trace_path(TRACE).read_bytes())
    ingest_session(transcript, tmp_path)
    assert [step.content for step in stored().steps][-1] == "Next."
    with Index().sync() as index:
        (row,) = index.rows()
        assert json.loads(row.summary)["turns"] == 2
    assert list(paths.traces().glob(".*")) == list(state.folder().glob(".*")) == []


def test_ingest_that_is_killed_by_a_signal_is_healed_by_the_next(tmp_path: Path) -> None:
    transcript = write(tmp_path, Transcript().turn())
    for moment in range(8):
        command = [sys.executable, "-m", "hookkit", "ingest", str(transcript)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.05 + moment * 0.03)
            process.send_signal(signal.SIGKILL)
        if trace_path(TRACE).exists():
            stored()
    ingest_session(transcript, tmp_path)
    assert len(stored().steps) == 3


@pytest.mark.parametrize("broken", ["folder", "garbage"])
def test_index_that_cannot_be_written_does_not_keep_the_trace_from_being_stored(
    tmp_path: Path, home: Path, broken: str
) -> None:
    home.mkdir(parents=True)
    index = home / "index.sqlite"
    index.mkdir() if broken == "folder" else index.write_bytes(b"SQLite format 3\0" + b"garbage" * 500)
    assert ingest_session(write(tmp_path, Transcript().turn())).status == "stored"
    with closing(Index()._db), Index().sync() as found:
        assert [row.trace_id for row in found.rows()] == [TRACE]


def collect(results: Iterator[Any]) -> list[tuple[str, str]]:
    return [(result.status, result.session_id) for result in results]


def test_project_scan_finds_transcripts_and_sidecars_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "my.project"
    sidecars = project / ".opentraces" / "claude-code" / "hooks"
    sidecars.mkdir(parents=True)
    (project / ".git").mkdir()
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    encoded = "".join(char if char.isalnum() and char.isascii() else "-" for char in str(project))
    sessions = tmp_path / "config" / "projects" / encoded
    sessions.mkdir(parents=True)
    (sessions / f"{SESSION}.jsonl").write_text(Transcript().turn().text())
    other = SESSION.replace("0e0e0e0e", "0f0f0f0f")
    line = hook("PreToolUse", 1, "a", at=1, session_id=other)
    (sidecars / f"{other}.jsonl").write_text(json.dumps(line) + "\n")
    (sidecars / f"{SESSION}.jsonl").write_text(json.dumps(hook("Stop", 9, at=1)) + "\n")
    (project / "below").mkdir()
    assert collect(ingest_project(project / "below")) == [("stored", SESSION), ("stored", other)]
    assert collect(ingest_project(project)) == [("unchanged", SESSION), ("unchanged", other)]
    (paths.state() / "worktrees").write_text(f"{project}\n")
    assert collect(ingest_all()) == [("unchanged", SESSION), ("unchanged", other)]
    assert stored().metadata["hook_stop"][0]["event"] == "Stop"
    assert stored().metadata["project"] == ROOT


def test_the_same_session_is_the_same_trace_wherever_it_lies(tmp_path: Path) -> None:
    ingest_session(write(tmp_path / "a", Transcript().turn()))
    first = trace_path(TRACE).read_bytes()
    ingest_session(write(tmp_path / "b", Transcript().turn()))
    assert trace_path(TRACE).read_bytes() == first


def test_trace_whose_file_was_damaged_is_written_again(tmp_path: Path) -> None:
    transcript = write(tmp_path, Transcript().turn())
    ingest_session(transcript)
    whole = trace_path(TRACE).read_bytes()
    trace_path(TRACE).write_bytes(whole[:100])
    assert ingest_session(transcript).status == "stored"
    assert trace_path(TRACE).read_bytes() == whole
    assert ingest_session(transcript).status == "unchanged"


def sidecar_of(project: Path, session: str = SESSION) -> Path:
    """A sidecar with a whole turn, last written an hour ago."""
    path = project / ".opentraces" / "claude-code" / "hooks" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [hook("UserPromptSubmit", 0, at=1, prompt="Do it."), hook("PreToolUse", 1, "toolu_1", at=1)]
    for line in lines:
        line["data"]["session_id"] = session
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path, (time.time() - 3600,) * 2)
    return path


@pytest.mark.parametrize("lost_state", [False, True])
def test_trace_outlives_the_transcript_that_the_agent_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost_state: bool
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    sidecar_of(tmp_path)
    transcript = write(tmp_path, Transcript().turn())
    ingest_session(transcript, tmp_path)
    before = trace_path(TRACE).read_bytes()
    transcript.unlink()
    if lost_state:
        state.state_path(TRACE).unlink()
    assert [result.status for result in ingest_project(tmp_path)] == ["unchanged"]
    assert trace_path(TRACE).read_bytes() == before


def test_session_that_was_started_in_a_subfolder_is_found_by_its_sidecar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    sidecar_of(tmp_path / "project")
    write(tmp_path, Transcript().turn())
    assert [result.status for result in ingest_project(tmp_path / "project")] == ["stored"]
    assert stored().metadata["capture"]["source"] == "transcript"


def test_session_of_a_killed_agent_is_read_once_it_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    project, live = tmp_path / "project", SESSION.replace("0e", "1e")
    sidecar_of(project)
    os.utime(sidecar_of(project, live))
    transcript = write(tmp_path, Transcript().turn())
    assert list(ingest_abandoned(project, agent="claude-code")) == []
    os.utime(transcript, (time.time() - 3600,) * 2)
    assert [result.session_id for result in ingest_abandoned(project, agent="claude-code")] == [SESSION]
    assert list(ingest_abandoned(project, agent="claude-code")) == []


def test_session_that_cannot_be_read_keeps_no_other_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    good = write(tmp_path, Transcript().turn())
    bad = good.with_name("0a.jsonl")
    bad.write_text("{}")
    good.with_name("no session.jsonl").write_text("{}")
    opened = Path.open

    def refusing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == bad:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    failed, done = ingest_all()
    assert (failed.status, failed.session_id, done.status) == ("failed", "0a", "stored")
    assert failed.error == f"{bad} cannot be read: Permission denied."


def test_home_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path, home: Path) -> None:
    home.write_text("")
    with pytest.raises(HookkitError) as raised:
        ingest_session(write(tmp_path, Transcript().turn()))
    assert raised.value.code == "CANNOT_WRITE"
    assert "HOOKKIT_HOME" in raised.value.hint


def test_state_that_cannot_be_written_does_not_keep_the_trace_from_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    transcript = write(tmp_path, Transcript().turn())
    with monkeypatch.context() as patched:
        patched.setattr(state, "replace_file", full)
        assert ingest_session(transcript).status == "stored"
    assert trace_path(TRACE).exists()


def test_folder_whose_name_is_no_text_can_be_a_project(tmp_path: Path) -> None:
    project = Path(os.fsdecode(os.fsencode(tmp_path) + b"/p\xff"))
    result = ingest_session(write(tmp_path, Transcript().turn()), project)
    assert result.status == "stored"
    with Index().sync() as index:
        assert [json.loads(row.summary)["project"] for row in index.rows()] == [f"{tmp_path}/p?"]


def test_turn_without_a_stop_reason_is_complete_after_its_stop_hook(tmp_path: Path) -> None:
    turn = Transcript().prompt("Hi.").message("m", {"type": "text", "text": "Hello."})
    turn.raw(hook("Stop", 2, at=1)).add("system", subtype="turn_duration", timestamp=stamp(5))
    ingest_session(write(tmp_path, turn))
    assert stored().metadata["capture"]["complete"] is True
