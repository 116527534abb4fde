"""What the log holds, without reading it again: which facts, batches and traces. Can be deleted at any time."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hookkit.git.worktree import Worktree
from hookkit.trails.log_batch import Batch, batches, history

_VERSION = 1
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE batches (number INTEGER PRIMARY KEY, hex TEXT, sequence INTEGER, event TEXT);
CREATE TABLE traces (trace TEXT, batch INTEGER, PRIMARY KEY (trace, batch)) WITHOUT ROWID;
CREATE TABLE facts (fact BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_BUSY = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the log had been verified: a batch's commit, its last event, and how much there was."""

    commit: str
    sequence: int
    event_id: str
    batches: int
    full: bool


class Cache:
    """Use as a context manager; ``sync`` first."""

    def __init__(self, worktree: Worktree) -> None:
        self.worktree = worktree
        self._db = _open(cache_path(worktree))

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def sync(self, head: str) -> None:
        """Take in the batches up to the commit ``head`` ("": there is no log)."""
        if self._meta("head") == head:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            known = self._meta("head")
            new = history(self.worktree, head, known) if head and known else None
            if new is None:
                for table in ("meta", "batches", "traces", "facts"):
                    self._db.execute(f"DELETE FROM {table}")
                new = (history(self.worktree, head) or []) if head else []
            for batch in batches(self.worktree, new):
                self._take(batch)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('head', ?)", (head,))

    def last(self) -> tuple[int, str] | None:
        """Sequence and id of the last event."""
        query = "SELECT sequence, event FROM batches WHERE sequence > 0 ORDER BY number DESC LIMIT 1"
        row = self._db.execute(query).fetchone()
        return (int(row[0]), str(row[1])) if row else None

    def has(self, fact: str) -> bool:
        """Whether the log states the fact."""
        return self._db.execute("SELECT 1 FROM facts WHERE fact = ?", (bytes.fromhex(fact),)).fetchone() is not None

    def facts(self) -> set[str]:
        """All of them."""
        return {row[0].hex() for row in self._db.execute("SELECT fact FROM facts")}

    def commits(self, since: int = 0, trace: str | None = None) -> list[str]:
        """Batches with events after sequence ``since``, or with events of a trace."""
        if trace is not None:
            query = "SELECT hex FROM traces JOIN batches ON number = batch WHERE trace = ? ORDER BY number"
            return [row[0] for row in self._db.execute(query, (_text(trace),))]
        query = "SELECT hex FROM batches WHERE sequence > ? ORDER BY number"
        return [row[0] for row in self._db.execute(query, (since,))]

    def mark(self) -> Mark | None:
        """Up to where the log was verified."""
        text = self._meta("verified")
        return Mark(**json.loads(text)) if text else None

    def set_mark(self, mark: Mark) -> None:
        """Remember that the log is right up to there."""
        text = json.dumps({name: getattr(mark, name) for name in mark.__slots__})
        with contextlib.suppress(sqlite3.Error), self._db:  # it only saves time
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('verified', ?)", (text,))

    def _meta(self, key: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def _take(self, batch: Batch) -> None:
        last = batch.events[-1] if batch.events else None
        number = self._db.execute(
            "INSERT INTO batches (hex, sequence, event) VALUES (?, ?, ?)",
            (batch.commit, last.event_sequence if last else 0, last.event_id if last else ""),
        ).lastrowid
        traces = {_text(event.trace_id) for event in batch.events if event.trace_id}
        self._db.executemany("INSERT INTO traces VALUES (?, ?)", ((trace, number) for trace in traces))
        facts = ((bytes.fromhex(event.fact()),) for event in batch.events)
        self._db.executemany("INSERT OR IGNORE INTO facts VALUES (?)", facts)


def cache_path(worktree: Worktree) -> Path:
    """The file of the cache; SQLite keeps two more beside it."""
    return worktree.common_dir / "hookkit" / "events.sqlite"


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()


def _open(path: Path) -> sqlite3.Connection:
    """Made anew if it is damaged or of another version; in memory where nothing of ours is, or can be written."""
    for _ in range(2 if path.parent.is_dir() else 0):
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:
            _delete(path)
        except OSError:
            break
    db = sqlite3.connect(":memory:", isolation_level=None)
    _run(db, _TABLES.split(";"))
    return db


def _connect(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            db.execute("PRAGMA journal_mode = WAL")
            with db:
                db.execute("BEGIN IMMEDIATE")
                if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    _run(db, (f"DROP TABLE IF EXISTS {table}" for table in ("meta", "batches", "traces", "facts")))
                    _run(db, _TABLES.split(";"))
                    db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT 1 FROM meta LIMIT 1").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _run(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        if statement.strip():
            db.execute(statement)


def _delete(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink(missing_ok=True)
