"""Where rows of telemetry are kept: segments, each a journal of JSON lines, or the Parquet file that it became.

    <home>/telemetry/journal/00000000000000000007.jsonl
    <home>/telemetry/events/date=2026-11-28/00000000000000000006.parquet

A segment is in one of the two places. While it becomes Parquet it may be in both for a moment: the Parquet file, which
gets its name when it is whole, is the one that counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hookkit import paths
from hookkit.telemetry.columns import COLUMNS

if TYPE_CHECKING:
    import duckdb

_SPILL = "spill-"
LONGEST_LINE = 64 << 20  # bytes; no row is as long
_DIGITS = 20
_GROUP = 20_000  # rows of a row group: few enough for a session's rows to be found without reading the rest
_DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of all segments."""

    folder: Path

    @property
    def journals(self) -> Path:
        return self.folder / "journal"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @property
    def last(self) -> Path:
        """Names the segment that was begun last."""
        return self.journals / "last"

    def journal(self, number: int) -> Path:
        """The journal of a segment, whether it exists or not."""
        return self.journals / f"{number:0{_DIGITS}}.jsonl"

    def open_segments(self) -> dict[int, Path]:
        """Segments that are journals still, by number; among them those that just became Parquet, see above."""
        return _numbered(self.journals.glob("*.jsonl") if self.journals.is_dir() else ())

    def closed_segments(self) -> dict[int, Path]:
        """Segments that are Parquet, by number."""
        return _numbered(self.events.glob("date=*/*.parquet") if self.events.is_dir() else ())

    def parquet(self, number: int, date: str) -> Path:
        return self.events / f"date={date}" / f"{number:0{_DIGITS}}.parquet"


def store() -> Store:
    """That of this user."""
    return Store(paths.home() / "telemetry")


def settings(place: Store, memory: str) -> dict[str, str | bool | int | float | list[str]]:
    """Of a connection to DuckDB: what exceeds ``memory`` goes beside the segments, and not into the current folder."""
    return {"memory_limit": memory, "temp_directory": str(place.folder / f"{_SPILL}{os.getpid()}")}


def _numbered(found: object) -> dict[int, Path]:
    by_number = {}
    for path in found:  # type: ignore[attr-defined]
        if path.stem.isdecimal():
            by_number[int(path.stem)] = path
    return dict(sorted(by_number.items()))


def structure(columns: Mapping[str, str] = COLUMNS) -> str:
    """The columns as DuckDB's readers of JSON want them."""
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in columns.items()) + "}"


def read_journal(path: Path) -> str:
    """SQL that gives the rows of a journal. What is no row, such as a line that is being written, is left out."""
    return (
        f"SELECT * FROM read_json({quoted(path)}, format = 'newline_delimited', ignore_errors = true, "
        f"maximum_object_size = {LONGEST_LINE}, columns = {structure()})"
    )


def quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def close_segment(connection: duckdb.DuckDBPyConnection, place: Store, number: int) -> Path | None:
    """Make the Parquet file of a segment that nobody appends to, and delete its journal. None if it had no rows.

    The file is whole and on disk before it has its name, and has it before the journal goes: killed anywhere, the
    segment is in one of the two, and is closed again by the next one who tries.
    """
    journal = place.journal(number)
    already = place.closed_segments().get(number)
    if already is None and journal.stat().st_size:
        final = place.parquet(number, _day(journal))
        paths.private_dir(final.parent)
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        try:
            connection.execute(
                f"COPY ({read_journal(journal)} WHERE position IS NOT NULL ORDER BY agent, session_id, position) "
                f"TO {quoted(temporary)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_GROUP})"
            )
            os.chmod(temporary, 0o600)
            _sync(temporary)
            os.replace(temporary, final)
            _sync(final.parent)
        finally:
            temporary.unlink(missing_ok=True)
        already = final
    journal.unlink(missing_ok=True)
    return already


def _day(journal: Path) -> str:
    """The day, in UTC, on which the first row of a journal came in."""
    with journal.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError, OSError):
                return time.strftime("%Y-%m-%d", time.gmtime(json.loads(line)["received_us"] / 1e6))
    return time.strftime("%Y-%m-%d", time.gmtime(journal.stat().st_mtime))


def clean(place: Store) -> None:
    """Delete what killed servers left half made. Only for whoever is the one that writes."""
    for left in place.events.glob("date=*/.*.tmp") if place.events.is_dir() else ():
        left.unlink(missing_ok=True)
    for folder in place.folder.glob(f"{_SPILL}*"):
        if not _lives(folder.name.removeprefix(_SPILL)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def retain(place: Store, days: int, most_bytes: int, now: float | None = None) -> list[Path]:
    """Delete segments older than ``days`` (0: none), and the oldest of more than ``most_bytes`` (0: none); which."""
    closed = place.closed_segments()
    sizes = {number: path.stat().st_size for number, path in closed.items()}
    left = sum(sizes.values()) + sum(path.stat().st_size for path in place.open_segments().values())
    oldest_day = time.strftime("%Y-%m-%d", time.gmtime((now or time.time()) - days * _DAY)) if days else ""
    gone = []
    for number, path in closed.items():
        day = path.parent.name.partition("=")[2]
        if day < oldest_day or (most_bytes and left > most_bytes):
            path.unlink(missing_ok=True)
            left -= sizes[number]
            gone.append(path)
            with contextlib.suppress(OSError):  # it is not empty yet
                path.parent.rmdir()
    return gone


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
