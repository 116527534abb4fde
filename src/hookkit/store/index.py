"""The summary index: a SQLite file that any process can build again from the trace files."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.errors import HookkitError
from hookkit.store.files import trace_path
from hookkit.store.summary import summarise

_VERSION = 3
_TABLE = """
CREATE TABLE traces (
    trace_id TEXT PRIMARY KEY, session_id TEXT, agent TEXT, project TEXT, activity INTEGER,
    mtime_ns INTEGER, size INTEGER, errors INTEGER, tools TEXT, models TEXT, summary TEXT
);
CREATE INDEX by_activity ON traces (activity DESC, trace_id);
CREATE INDEX by_session ON traces (session_id);
"""
_ROWS = "SELECT trace_id, session_id, summary, mtime_ns FROM traces"
_LARGE = 32 << 20  # bytes
_BUSY = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Row:
    """One trace of the index. summary: JSON text; "" if the trace file cannot be read. mtime_ns: of that file."""

    trace_id: str
    session_id: str
    summary: str
    mtime_ns: int


class Index:
    """An open index in step with the trace files. Use as a context manager."""

    def __init__(self) -> None:
        self._db = _open(index_path())

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def sync(self) -> Index:
        """Bring the rows in step with the files: new and changed ones are read, vanished ones dropped."""
        try:
            self._sync()
        except sqlite3.OperationalError:  # busy, or the disk is full: right in memory, and the next time on disk
            memory = _in_memory()
            with contextlib.suppress(sqlite3.Error):
                self._db.backup(memory)
            self._db.close()
            self._db = memory
            self._sync()
        except sqlite3.DatabaseError:  # damaged where opening it did not look
            self._db.close()
            _delete(index_path())
            self._db = _open(index_path())
            self._sync()
        return self

    def _sync(self) -> None:
        query = "SELECT trace_id, mtime_ns, size FROM traces"
        known = {name: (mtime_ns, size) for name, mtime_ns, size in self._db.execute(query)}
        changed = []
        for trace_id, found in _files():
            if known.pop(trace_id, None) != (found.st_mtime_ns, found.st_size):
                changed.append((trace_id, found))
        if not changed and not known:
            return
        with self._db:
            for trace_id, found in changed:
                self._put(trace_id, found, _read(trace_id))
            self._db.executemany("DELETE FROM traces WHERE trace_id = ?", [(trace_id,) for trace_id in known])

    def put(self, trace_id: str, found: os.stat_result, summary: Mapping[str, Any]) -> None:
        """Keep the summary of a trace file that was just written."""
        with contextlib.suppress(sqlite3.Error), self._db:  # whatever it is, the next sync reads the file
            self._put(trace_id, found, summary)

    def rows(
        self,
        *,
        project: str | None = None,
        agent: str | None = None,
        since_us: int | None = None,
        tool: str | None = None,
        model: str | None = None,
        errors: bool = False,
        limit: int = 0,
    ) -> Iterator[Row]:
        """The traces, latest activity first.

        since_us: microseconds since 1970. tool: one that was called. model: a part of its name. Both in upper or lower
        case. errors: only sessions with failed calls or errors of their own. limit 0: all.
        """
        conditions = {
            "project = ?": project,
            "agent = ?": agent,
            "activity >= ?": since_us,
            "instr(tools, ?)": _line(tool) if tool is not None else None,
            "instr(models, ?)": model.casefold() if model is not None else None,
            "errors >= ?": 1 if errors else None,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        query = f"{_ROWS} {where} ORDER BY activity DESC, trace_id LIMIT ?"
        for row in self._db.execute(query, (*given.values(), limit or -1)):
            yield Row(*row)

    def summary(self, trace_id: str) -> str:
        """The summary of a trace, as JSON; "" if its file cannot be read."""
        found = self._db.execute("SELECT summary FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        return str(found[0]) if found else ""

    def matching(self, prefix: str) -> list[Row]:
        """The traces whose trace id or session id begins with ``prefix``."""
        query = (
            f"{_ROWS} WHERE substr(trace_id, 1, ?1) = ?2"
            " OR substr(session_id, 1, ?1) = ?2 ORDER BY activity DESC, trace_id"
        )
        return [Row(*row) for row in self._db.execute(query, (len(prefix), prefix))]

    def _put(self, trace_id: str, found: os.stat_result, summary: Mapping[str, Any] | None) -> None:
        fields = summary or {}
        text = json.dumps(summary, ensure_ascii=False) if summary else ""
        values = (
            trace_id, _text(fields.get("session_id", "")), _text(fields.get("agent")), _text(fields.get("project")),
            activity(fields.get("last_activity_at")), found.st_mtime_ns, found.st_size,
            fields.get("failed_tool_calls", 0) + fields.get("errors", 0),
            _text("".join(map(_line, fields.get("tools", ())))), _text("".join(map(_line, fields.get("models", ())))),
            _text(text),
        )  # fmt: skip
        self._db.execute(f"INSERT OR REPLACE INTO traces VALUES ({', '.join('?' * len(values))})", values)


def _line(name: str) -> str:
    """A name as one line of a column that holds several: found whole, whatever is around it."""
    return f"\n{name.casefold()}\n"


def index_path() -> Path:
    """The file of the index; SQLite keeps two more beside it."""
    return paths.home() / "index.sqlite"


def _delete(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    """The database, made anew if it is damaged or of another version.

    In memory where nothing can be written, and where there is no trace yet: looking leaves nothing behind.
    """
    for _ in range(2 if paths.traces().is_dir() else 0):
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:
            _delete(path)
        except OSError:
            break
    return _in_memory()


def _in_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(_TABLE)
    return db


def _connect(path: Path) -> sqlite3.Connection:
    paths.private_dir(path.parent)
    with contextlib.suppress(FileExistsError):  # closing one that exists would drop the locks this process has on it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            db.execute("PRAGMA journal_mode = WAL")
            with db:
                db.execute("BEGIN IMMEDIATE")
                if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    db.execute("DROP TABLE IF EXISTS traces")
                    for statement in filter(str.strip, _TABLE.split(";")):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT 1 FROM traces LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _files() -> list[tuple[str, os.stat_result]]:
    found = []
    try:
        with os.scandir(paths.traces()) as entries:
            for entry in entries:
                name = entry.name
                if name[-5:] == ".json" and name[0] != ".":
                    try:
                        found.append((name[:-5], entry.stat()))
                    except FileNotFoundError:  # deleted while we look
                        continue
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise HookkitError(
            "UNREADABLE_STORE",
            f"{paths.traces()} cannot be read: {error.strerror}.",
            "Make the folder readable for you, or set HOOKKIT_HOME to another one.",
        ) from error
    return found


def _text(value: object) -> str | None:
    """The value as a database can hold it: JSON may have halves of characters."""
    return None if value is None else str(value).encode(errors="replace").decode()


def _read(trace_id: str) -> Mapping[str, Any] | None:
    try:
        summary = summarise(_record(trace_path(trace_id)))
    except (HookkitError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return summary if summary["trace_id"] == trace_id else None


def _record(path: Path) -> Mapping[str, Any]:
    """A trace as far as its summary needs it: of a large one that says its own counts, without the steps."""
    if path.stat().st_size > _LARGE:
        from hookkit.store.trace_file import TraceFile

        with TraceFile(path) as file:
            found = file.without_steps()
            if found and "capture" in file.metadata:
                return found
    record: Mapping[str, Any] = json.loads(path.read_bytes())
    return record


def activity(stamp: object) -> int:
    """Microseconds since 1970 of a record's time; 0 for anything else."""
    try:
        return int(datetime.fromisoformat(str(stamp)).timestamp() * 1e6)
    except (ValueError, OverflowError):
        return 0
