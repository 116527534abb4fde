"""The index of line origins: a SQLite file in the repository's private folder that can be thrown away at any time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from hookkit.git.worktree import Worktree
from hookkit.paths import private_dir

_VERSION = 1
_BUSY = 10.0  # seconds
_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE roots (id INTEGER PRIMARY KEY, root BLOB UNIQUE)",
    # A moment at which the tree of a whole worktree was taken. us: microseconds since 1970. limits: hook limitations.
    "CREATE TABLE boundaries (root INTEGER, us INTEGER, tree TEXT, head TEXT, limits TEXT, trace TEXT, "
    "PRIMARY KEY (root, us, tree)) WITHOUT ROWID",
    # declared and ranges are JSON. closed NULL: no boundary ended the call.
    "CREATE TABLE windows (trace TEXT, call TEXT, root INTEGER, opened INTEGER, closed INTEGER, inferred "
    "INTEGER, step INTEGER, tool TEXT, declared TEXT, container INTEGER, background INTEGER, ranges TEXT, "
    "PRIMARY KEY (trace, call, root)) WITHOUT ROWID",
    "CREATE INDEX windows_by_time ON windows (root, opened)",
    # What changed in one file between two consecutive boundaries, and whose it is: one owner a hunk, at least one.
    "CREATE TABLE changes (id INTEGER PRIMARY KEY, root INTEGER, since INTEGER, us INTEGER, status TEXT, path "
    "BLOB, old_path BLOB, old_blob TEXT, new_blob TEXT, hunks BLOB, moves BLOB, marks BLOB, owners BLOB)",
    "CREATE INDEX changes_by_path ON changes (path, root, us)",
    "CREATE INDEX changes_by_old_path ON changes (old_path, root, us) WHERE old_path != path",
    "CREATE INDEX changes_by_time ON changes (root, us)",
    "CREATE TABLE owners (id INTEGER PRIMARY KEY, kind TEXT, trace TEXT, call TEXT, step INTEGER, firm "
    "INTEGER, typed INTEGER, limits TEXT, UNIQUE (kind, trace, call, firm, typed, limits))",
    # Entries of reflogs, which git forgets after some months. git_dir: bytes; at: seconds since 1970.
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, git_dir BLOB, old TEXT, new TEXT, at INTEGER, message "
    "BLOB, UNIQUE (git_dir, old, new, at, message))",
    # When a line of that text was part of a change first, in one worktree. A moment earlier where it was taken out.
    "CREATE TABLE said (mark BLOB, root INTEGER, us INTEGER, PRIMARY KEY (mark, root)) WITHOUT ROWID",
    "CREATE INDEX said_by_time ON said (root, us)",
    "CREATE TABLE facts (trace TEXT, call TEXT, session TEXT, agent TEXT, model TEXT, tool TEXT, step "
    "INTEGER, turn INTEGER, prompt TEXT, PRIMARY KEY (trace, call)) WITHOUT ROWID",
    "CREATE TABLE fact_stamps (trace TEXT PRIMARY KEY, stamp TEXT) WITHOUT ROWID",
)


def database_path(worktree: Worktree) -> Path:
    """The file; SQLite keeps two more beside it."""
    return worktree.common_dir / "hookkit" / "lines.sqlite"


def connect(worktree: Worktree) -> sqlite3.Connection:
    """The database, made anew if it is damaged or of another version; in memory where nothing can be written."""
    path = database_path(worktree)
    for _ in range(2):
        try:
            return _open(path)
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError:
            break
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def _open(path: Path) -> sqlite3.Connection:
    private_dir(path.parent)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")  # what is lost is derived again
        return _prepared(db)
    except BaseException:
        db.close()
        raise


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return db
    with transaction(db):
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                db.execute(f'DROP TABLE IF EXISTS "{name}"')
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection):  # type: ignore[no-untyped-def]
    """All or nothing; the lock is taken at once, so that two processes never derive the same."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
