from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.store.files import trace_path
from hookkit.store.index import Index, index_path

from .support import damage, session, trace


def titles(**conditions: object) -> list[str]:
    with Index().sync() as index:
        return [json.loads(row.summary)["title"] if row.summary else "" for row in index.rows(**conditions)]  # type: ignore[arg-type]


def test_sessions_come_in_order_of_their_last_activity() -> None:
    for number, day in ((1, 3), (2, 9), (3, 5)):
        trace(number, day=day)
    assert titles() == ["Prompt 2", "Prompt 3", "Prompt 1"]
    assert titles(limit=1) == ["Prompt 2"]


def test_rows_can_be_chosen_by_project_agent_and_time() -> None:
    trace(1, day=1, project="/a")
    trace(2, day=2, project="/b")
    assert titles(project="/a") == ["Prompt 1"]
    assert titles(agent="codex-cli") == []
    assert titles(since_us=1_767_312_000_000_000) == ["Prompt 2"]  # 2 January 2026


def test_index_follows_the_files() -> None:
    first, second = trace(1), trace(2)
    assert titles() == ["Prompt 2", "Prompt 1"]
    trace_path(first).unlink()
    trace(2, prompt="Changed")
    trace(3)
    assert titles() == ["Prompt 3", "Changed"]
    assert trace_path(second).exists()


def test_row_that_ingest_put_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    name = trace(1)
    with Index() as index:
        index.put(name, trace_path(name).stat(), {"trace_id": name, "session_id": session(1), "title": "Put"})
    assert titles() == ["Put"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"trace_id": "x", "session_id": 5}'])
def test_unreadable_trace_file_has_a_row_without_a_summary(content: bytes) -> None:
    trace(1)
    damage(trace_path(trace(2)), content)
    assert sorted(titles()) == ["", "Prompt 1"]


def test_trace_under_another_name_is_not_taken_for_it() -> None:
    name = trace(1)
    trace_path(name).rename(trace_path("something-else"))
    assert titles() == [""]


DAMAGES: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(b"no database at all"),
    lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 8000),
    lambda path: path.write_bytes(path.read_bytes()[:5000]),
    lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\x55" * (path.stat().st_size - 4096)),
    lambda path: path.unlink(),
]


@pytest.mark.parametrize("damage_it", DAMAGES)
def test_damaged_index_is_built_again(damage_it: Callable[[Path], object]) -> None:
    for number in range(40):
        trace(number, day=1 + number % 28)
    before = titles()
    for name in ("-wal", "-shm"):
        index_path().with_name(f"index.sqlite{name}").unlink(missing_ok=True)
    damage_it(index_path())
    assert titles() == before


def test_index_of_another_version_is_built_again() -> None:
    trace(1)
    titles()
    with closing(sqlite3.connect(index_path())) as db, db:
        db.execute('UPDATE traces SET summary = \'{"title": "old"}\'')
        db.execute("PRAGMA user_version = 999")
    assert titles() == ["Prompt 1"]


def test_home_that_cannot_be_written_still_lists(home: Path) -> None:
    trace(1)
    index_path().mkdir()
    assert titles() == ["Prompt 1"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_index_that_is_locked_for_long_does_not_hide_new_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    trace(1)
    assert titles() == ["Prompt 1"]
    monkeypatch.setattr("hookkit.store.index._BUSY", 0.01)
    with closing(sqlite3.connect(index_path())) as other:
        other.execute("BEGIN IMMEDIATE")
        trace(2, day=2)
        assert titles() == ["Prompt 2", "Prompt 1"]


def test_half_a_character_in_a_trace_does_not_break_the_list() -> None:
    trace(1, prompt="half \ud800", project="/p\udcff")
    trace(2, day=2)
    assert titles() == ["Prompt 2", "half ?"]


def test_home_that_is_read_only_still_lists(home: Path) -> None:
    trace(1)
    home.chmod(0o500)
    try:
        assert titles() == ["Prompt 1"]
    finally:
        home.chmod(0o700)


def test_no_trace_at_all_is_an_empty_list_and_leaves_nothing_behind(home: Path) -> None:
    assert titles() == []
    assert not home.exists()


def test_home_that_is_no_folder_is_an_empty_list(home: Path) -> None:
    home.write_text("")
    assert titles() == []


def test_index_is_the_users_alone() -> None:
    trace(1)
    titles()
    assert index_path().stat().st_mode & 0o777 == 0o600


def test_many_processes_can_write_at_once(tmp_path: Path) -> None:
    """Eight ingests of the same eight sessions, each of them also bringing the index in step."""
    line = {"type": "user", "message": {"content": "Go."}, "timestamp": "2026-01-01T00:00:00Z"}
    for number in range(8):
        (tmp_path / f"{session(number)}.jsonl").write_text(json.dumps(line) + "\n")
    commands = [["ingest", str(tmp_path)], ["list", "--json"]] * 8
    running = [
        subprocess.Popen([sys.executable, "-m", "hookkit", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    for process in running:
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, b"")
        assert b"Traceback" not in output
    assert titles() == ["Go."] * 8
    assert len(list(paths.traces().iterdir())) == 8


def test_large_trace_is_summed_up_without_decoding_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    trace(1, prompt="Large")
    trace_path(trace(2, prompt="No counts of its own")).write_text(
        json.dumps(json.loads(trace_path(trace(2)).read_bytes()) | {"metadata": {}}, sort_keys=True)
    )
    with Index().sync() as index:
        expected = [row.summary for row in index.rows()]
    index_path().unlink()
    monkeypatch.setattr("hookkit.store.index._LARGE", 0)
    with Index().sync() as index:
        assert [row.summary for row in index.rows()] == expected
    assert all(expected)
