"""Journals become Parquet: whatever kills that, a segment is read once, and never not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from hookkit.telemetry import queries, segments
from hookkit.telemetry.journal import Journal
from hookkit.telemetry.reader import Reader
from hookkit.telemetry.segments import Store, close_segment, retain

from .receiver import stored


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(tmp_path / "telemetry")


def rows(*numbers: int, session: str = "s1", **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "received_us": 1_000_000 + number, "time_us": 1_000_000 + number, "signal": "log", "service": "claude-code",
            "agent": "claude-code", "session_id": session, "name": f"event {number}", "kind": "other",
            "attributes": json.dumps({"text": "a 'quoted' \u2028 text"}), "resource": "{}", "scope": "",
        } | more
        for number in numbers
    ]  # fmt: skip


def close_all(place: Store) -> None:
    with duckdb.connect() as connection:
        for number in place.open_segments():
            close_segment(connection, place, number)


def test_rows_come_out_as_they_went_in_before_and_after_their_segment_is_closed(place: Store) -> None:
    journal = Journal(place)
    last = journal.append(rows(1, 2, success=True, cost_micros=7, duration_ms=1.5))
    journal.close()
    before = stored(place)
    assert before[-1]["position"] == last
    close_all(place)
    assert not place.open_segments()
    assert len(place.closed_segments()) == 1
    assert stored(place) == before
    assert before[0]["success"] is True
    assert (before[0]["cost_micros"], before[0]["duration_ms"]) == (7, 1.5)
    assert json.loads(before[0]["attributes"]) == {"text": "a 'quoted' \u2028 text"}


def test_a_reader_follows_a_journal_that_grows_rolls_and_closes(place: Store) -> None:
    journal = Journal(place, most_bytes=600)
    reader = Reader(place)
    seen: list[str] = []
    position = 0
    for number in range(12):
        journal.append(rows(number))
        if number % 5 == 4:
            with duckdb.connect() as connection:
                for finished in journal.finished():
                    close_segment(connection, place, finished)
        assert reader.refresh()
        for row in queries.since(reader, position):
            seen.append(row["name"])
            position = row["position"]
    assert seen == [f"event {number}" for number in range(12)]
    assert not reader.refresh()
    assert len(reader.query("SELECT * FROM events")) == 12
    assert place.closed_segments()
    assert place.open_segments()


def test_the_line_that_a_killed_server_did_not_end_is_cut_off(place: Store) -> None:
    journal = Journal(place)
    journal.append(rows(1))
    journal.close()
    (path,) = place.open_segments().values()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"position": 99, "na')
    assert [row["name"] for row in stored(place)] == ["event 1"]
    again = Journal(place)
    assert path.read_bytes() == whole
    again.append(rows(2))
    assert [row["name"] for row in stored(place)] == ["event 1", "event 2"]


def test_rows_of_a_write_that_failed_are_not_there(place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(place)
    journal.append(rows(1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append(rows(2))
    journal.append(rows(3))
    found = stored(place)
    assert [row["name"] for row in found] == ["event 1", "event 3"]
    assert found[1]["position"] >> 32 == (found[0]["position"] >> 32) + 1  # who saw event 2 does not take 3 for it


def test_a_disk_that_stays_full_gathers_no_files(place: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(place)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                journal.append(rows(1))
    assert not place.open_segments()
    journal.append(rows(2))
    assert [row["name"] for row in stored(place)] == ["event 2"]


def test_a_segment_that_is_just_begun_is_not_taken_for_a_finished_one(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(place)
    asked: list[threading.Thread] = []
    finished: list[int] = []
    inner = os.open

    def asking(path: Any, *given: Any, **named: Any) -> int:
        descriptor = inner(path, *given, **named)
        if str(path).endswith(".jsonl"):  # the file is there, and the journal does not have it yet
            asked.append(threading.Thread(target=lambda: finished.extend(journal.finished())))
            asked[0].start()
            asked[0].join(0.2)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", asking)
        journal.append(rows(1))
    asked[0].join()
    assert finished == []


def test_what_duckdb_has_no_memory_for_goes_beside_the_segments(
    place: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worktree").mkdir()
    monkeypatch.chdir(tmp_path / "worktree")
    Journal(place).append(rows(1))
    with duckdb.connect(config={**segments.settings(place, "60MB"), "threads": 1}) as connection:
        connection.execute("CREATE TABLE large AS SELECT repeat(i::VARCHAR, 20) FROM range(2000000) numbers (i)")
        assert any((place.folder / f"spill-{os.getpid()}").iterdir())
    assert not any(Path.cwd().iterdir())
    left = place.folder / "spill-999999999"
    left.mkdir()
    segments.clean(place)
    assert not left.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
import duckdb
from hookkit.telemetry import segments
step, left = sys.argv[1], int(sys.argv[2])
inner = getattr(os, step)
def dying(*given, **named):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return inner(*given, **named)
setattr(os, step, dying)
place = segments.Store(Path(sys.argv[3]))
with duckdb.connect() as connection:
    segments.close_segment(connection, place, 1)
"""


@pytest.mark.parametrize(
    ("step", "at"),
    [("chmod", 0), ("open", 0), ("fsync", 0), ("replace", 0), ("fsync", 1), ("unlink", 0), ("unlink", 1)],
)
def test_killed_at_any_step_a_segment_is_read_once_and_closed_by_the_next(place: Store, step: str, at: int) -> None:
    journal = Journal(place)
    journal.append(rows(1, 2, 3))
    journal.close()
    before = stored(place)
    killed = subprocess.run([sys.executable, "-c", _KILLED, step, str(at), str(place.folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert stored(place) == before
    segments.clean(place)
    close_all(place)
    assert stored(place) == before
    assert not place.open_segments()
    assert [path.name for path in place.events.rglob("*") if path.is_file()] == ["00000000000000000001.parquet"]


def test_readers_never_miss_a_row_while_segments_are_closed(place: Store) -> None:
    journal = Journal(place, most_bytes=2000)
    wrong: list[Sequence[object]] = []
    written, ended = [0], threading.Event()

    def read() -> None:
        reader = Reader(place)
        while not ended.is_set():
            least = written[0]
            reader.refresh()
            names = [row["name"] for row in reader.query("SELECT name FROM events ORDER BY position")]
            if len(names) < least or len(set(names)) != len(names):
                wrong.append((least, names))

    thread = threading.Thread(target=read)
    thread.start()
    with duckdb.connect() as connection:
        for number in range(150):
            journal.append(rows(number))
            written[0] = number + 1
            for finished in journal.finished():
                close_segment(connection, place, finished)
    ended.set()
    thread.join()
    assert not wrong


def test_of_many_segments_only_those_are_looked_into_that_have_what_is_asked(place: Store) -> None:
    journal = Journal(place, most_bytes=1)
    for number in range(6):
        journal.append(rows(number, session=f"s{number % 3}", kind="tool", tool_name="Bash"))
    journal.close()
    reader = Reader(place)
    close_all(place)
    reader.refresh()
    last = queries.position(reader)
    files = place.closed_segments()
    for number in (2, 3, 5):
        files[number].write_bytes(b"nobody reads this")
    assert [row["name"] for row in queries.timeline(reader, "claude-code", "s0")] == ["event 0", "event 3"]
    assert [row["name"] for row in queries.since(reader, last - 1)] == ["event 5"]
    assert [row["name"] for row in queries.recent(reader, 1)] == ["event 5"]
    assert [row["call_count"] for row in queries.tools(reader, session_id="s0")] == [2]


def test_what_was_deleted_since_the_last_look_is_asked_without_it(place: Store) -> None:
    journal = Journal(place, most_bytes=1)
    for number in range(4):
        journal.append(rows(number))
    journal.close()
    close_all(place)
    reader = Reader(place)
    reader.refresh()
    next(iter(place.closed_segments().values())).unlink()
    left = ["event 1", "event 2", "event 3"]
    assert [row["name"] for row in queries.timeline(reader, "claude-code", "s1")] == left
    assert [row["name"] for row in queries.since(reader, 0)] == left
    assert reader.query("SELECT count(*) AS count FROM events") == [{"count": 3}]


def test_lines_that_come_in_pieces_are_read_once_they_are_whole(place: Store) -> None:
    journal = Journal(place)
    journal.append(rows(1, 2, 3))
    journal.close()
    (path,) = place.open_segments().values()
    whole = path.read_bytes()
    path.write_bytes(b"")
    reader = Reader(place)
    for start in range(0, len(whole), 100):
        with path.open("ab") as file:
            file.write(whole[start : start + 100])
        reader.refresh()
        names = [row["name"] for row in reader.query("SELECT name FROM events ORDER BY position")]
        assert len(names) == whole[: start + 100].count(b"\n")
    assert names == ["event 1", "event 2", "event 3"]


def test_a_file_that_is_no_parquet_keeps_no_other_from_being_read(place: Store) -> None:
    journal = Journal(place, most_bytes=1)
    for number in range(3):
        journal.append(rows(number))
    journal.close()
    close_all(place)
    place.closed_segments()[2].write_bytes(b"broken")
    assert [row["name"] for row in stored(place)] == ["event 0", "event 2"]


def test_what_is_too_old_or_too_much_is_deleted_the_oldest_first(place: Store) -> None:
    journal = Journal(place, most_bytes=1)
    for number in range(4):
        journal.append(rows(number, received_us=(number + 1) * 86_400_000_000))
    journal.close()
    close_all(place)
    assert [path.parent.name for path in place.closed_segments().values()] == [
        "date=1970-01-02", "date=1970-01-03", "date=1970-01-04", "date=1970-01-05",
    ]  # fmt: skip
    reader = Reader(place)
    reader.refresh()
    assert retain(place, 0, 0) == []
    retain(place, 3, 0, now=5 * 86_400 + 10)
    assert [row["name"] for row in reader.query("SELECT name FROM events ORDER BY position")] == [
        "event 1", "event 2", "event 3",
    ]  # fmt: skip
    size = next(iter(place.closed_segments().values())).stat().st_size
    retain(place, 0, 2 * size + 100)
    assert sorted(place.closed_segments()) == [3, 4]
    assert {path.name for path in place.events.iterdir()} == {"date=1970-01-04", "date=1970-01-05"}
    retain(place, 0, 1)
    assert not place.closed_segments()
    assert Journal(place).number == 4  # numbers are not given twice
