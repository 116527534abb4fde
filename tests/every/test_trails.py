"""T4 of the coverage matrix, and the watcher: what becomes of every agent's hook lines."""

from __future__ import annotations

import copy
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents, paths
from hookkit.capture import watch
from hookkit.capture.registry import get_parser
from hookkit.trails import emit_step_window_events_from_record
from tests.trails.recorded import events

from .played import Session, environment, keep


def test_every_call_with_two_hooks_has_a_window_between_two_trees(session: Session) -> None:
    opened = {event.payload["tool_call_id"]: event for event in events(session.root, "trace_step_window_opened")}
    closed = {event.payload["tool_call_id"]: event for event in events(session.root, "trace_step_window_closed")}
    assert len(closed) >= len(session.of("tool_post")) > 0
    assert set(closed) == set(opened)
    assert set(closed) <= {call["tool_call_id"] for call in session.calls}
    for event in (*opened.values(), *closed.values()):
        assert event.payload["agent"] == session.contract.name
        assert event.payload["tree_id"]["hex"]
        assert event.trace_id == session.trace["trace_id"]


def test_what_an_edit_changed_is_a_patch_of_its_call(session: Session) -> None:
    found = events(session.root, "trace_patch_created")
    assert found
    calls = {call["tool_call_id"]: call["tool_name"] for call in session.calls}
    assert {event.payload["tool_call_id"] for event in found} <= set(calls)


def test_the_capture_method_names_the_hooks(session: Session) -> None:
    (method, *rest) = {event.capture_method for event in events(session.root, "trace_step_window_opened")}
    assert (method, rest) == (("hook_pretooluse",), [])
    for event in events(session.root, "trace_patch_created"):
        assert set(event.capture_method) <= {"hook_pretooluse", "hook_posttooluse", "hook_posttoolusefailure"}
        assert event.capture_method[-1] != "hook_pretooluse"


def test_a_call_without_its_second_hook_is_marked_as_skipped(session: Session, alone: None, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(session.root, fresh, symlinks=True)
    shutil.rmtree(fresh / ".git" / "refs" / "opentraces")
    (fresh / ".git" / "packed-refs").unlink(missing_ok=True)
    record = moved(copy.deepcopy(dict(session.trace)), str(session.root), str(fresh))
    posts = record["metadata"]["hook_post_tool_use"]
    gone = next(iter(posts))
    del posts[gone]
    result = emit_step_window_events_from_record(fresh, record)
    assert result.skipped_tool_calls >= 1
    (incomplete,) = events(fresh, "trace_step_capture_incomplete")
    assert incomplete.payload["reasons"]["missing_pre_or_post_hook"] >= 1


def moved(value: Any, old: str, new: str) -> Any:
    """The same JSON with another folder in its place."""
    match value:
        case str():
            return value.replace(old, new)
        case list():
            return [moved(item, old, new) for item in value]
        case Mapping():
            return {moved(key, old, new): moved(item, old, new) for key, item in value.items()}
        case _:
            return value


# The watcher


def test_the_folder_of_sessions_is_that_of_the_contract(
    agent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    storage = get_parser(agent).storage()
    assert storage == agents.get(agent).transcripts(environment(tmp_path))
    assert storage.is_relative_to(tmp_path)


def age(place: Path) -> None:
    """Make a session an hour old."""
    if place.parent.is_file():
        with sqlite3.connect(place.parent) as database:
            database.execute("PRAGMA journal_mode = DELETE")
            for table in ("session", "message", "part"):
                database.execute(f"UPDATE {table} SET time_updated = time_updated - 3600000")
        database.close()
        place = place.parent
    for path in (place, *place.parent.rglob("*")):
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def waiting(agent: str, session: Session, alone: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A finished session that no hook reported, in a home where nothing was read yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    place = session.contract.transcripts(environment(tmp_path)).parent / session.transcript.relative_to(session.home)
    keep(session.transcript, place)
    age(place)
    for sidecar in session.root.rglob(".opentraces/*/hooks/*.jsonl"):
        os.utime(sidecar, (time.time() - 3600,) * 2)
    with (paths.private_dir(paths.state()) / "worktrees").open("ab") as file:
        file.write(os.fsencode(session.root) + b"\n")
    monkeypatch.setattr(watch, "discover_project_sessions", lambda _project, _names: [(agent, place)])
    return place


def test_an_active_tick_reads_the_session_and_a_quiet_one_does_not(
    session: Session, waiting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = watch.run_once(session.root)
    assert [one.session_id for one in tick.ingested] == [session.session_id]
    scans: list[Path] = []
    monkeypatch.setattr(watch, "scan_project", scans.append)
    assert watch.run_once(session.root).is_quiet
    assert scans == []


def test_a_session_that_cannot_be_read_breaks_no_sweep(session: Session, waiting: Path) -> None:
    place = waiting if waiting.is_file() else waiting.parent
    place.write_bytes(b"\x00" * 100)
    os.utime(place, (time.time() - 3600,) * 2)
    assert watch.run_once(session.root).error is None
