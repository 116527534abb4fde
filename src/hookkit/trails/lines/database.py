"""The index of line origins: a SQLite file in the repository's private folder that can be thrown away at any time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.worktree import Worktree

_VERSION = 4
_BUSY = 60.0  # seconds; as long as the first look at a long log may take another process
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE roots (id INTEGER PRIMARY KEY, root BLOB UNIQUE, git_dir BLOB)",
    # A moment at which the tree of a whole worktree was taken. us: microseconds since 1970. limits: hook limitations.
    "CREATE TABLE boundaries (root INTEGER, us INTEGER, tree TEXT, head TEXT, limits TEXT, trace TEXT, "
    "PRIMARY KEY (root, us, tree)) WITHOUT ROWID",
    "CREATE INDEX boundaries_by_trace ON boundaries (trace, root, us)",
    # declared and ranges are JSON. closed NULL: no boundary ended the call.
    "CREATE TABLE windows (trace TEXT, call TEXT, root INTEGER, opened INTEGER, closed INTEGER, inferred "
    "INTEGER, step INTEGER, tool TEXT, declared TEXT, container INTEGER, background INTEGER, "
    "brings_back INTEGER, ranges TEXT, "
    "PRIMARY KEY (trace, call, root)) WITHOUT ROWID",
    "CREATE INDEX windows_by_end ON windows (root, closed)",
    "CREATE INDEX windows_without_end ON windows (root) WHERE closed IS NULL OR background",
    # What changed in one file between two consecutive boundaries, and whose it is: one owner a hunk, at least one.
    # removed, added: marks of lines. typed: whether all owners are calls that named the file.
    # Numbers of changes and owners are never given twice: who reads while another process writes finds nothing wrong.
    "CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, root INTEGER, since INTEGER, us INTEGER, status TEXT, "
    "path BLOB, old_path BLOB, old_blob TEXT, new_blob TEXT, hunks BLOB, moves BLOB, removed BLOB, added BLOB, "
    "owners BLOB, typed INTEGER)",
    "CREATE INDEX changes_by_path ON changes (path, root, us)",
    "CREATE INDEX changes_by_old_path ON changes (old_path, root, us) WHERE old_path != path",
    "CREATE INDEX changes_by_time ON changes (root, us)",
    "CREATE INDEX changes_by_blob ON changes (new_blob, path, us)",
    "CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, trace TEXT, call TEXT, step INTEGER, firm "
    "INTEGER, typed INTEGER, limits TEXT, UNIQUE (kind, trace, call, firm, typed, limits))",
    # When a line of that text was part of a change first, in one worktree. A moment earlier where it was taken out.
    "CREATE TABLE said (mark INTEGER, root INTEGER, us INTEGER, PRIMARY KEY (mark, root)) WITHOUT ROWID",
    "CREATE INDEX said_by_time ON said (root, us)",
    "CREATE TABLE facts (trace TEXT, call TEXT, session TEXT, agent TEXT, model TEXT, tool TEXT, step "
    "INTEGER, turn INTEGER, prompt TEXT, PRIMARY KEY (trace, call)) WITHOUT ROWID",
    "CREATE TABLE fact_stamps (trace TEXT PRIMARY KEY, stamp TEXT) WITHOUT ROWID",
)
# Entries of reflogs, which git forgets after some months: the one thing here that cannot always be had again, so a new
# version keeps it. git_dir: relative to the common one. at: seconds since 1970. nth: equal ones before it.
_ENTRIES = (
    "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, git_dir BLOB, old TEXT, new TEXT, at INTEGER, "
    "message BLOB, nth INTEGER, UNIQUE (git_dir, old, new, at, message, nth))"
)


def database_path(worktree: Worktree) -> Path:
    """The file; SQLite keeps two more beside it."""
    return worktree.common_dir / "hookkit" / "lines.sqlite"


def connect(worktree: Worktree) -> sqlite3.Connection:
    """The database, made anew if it is damaged or of another version; in memory where nothing of ours is, or can be
    written.
    """
    path = database_path(worktree)
    for _ in range(2 if path.parent.is_dir() else 0):
        try:
            return _open(path)
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:
            discard(worktree)
        except OSError:
            break
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def discard(worktree: Worktree) -> None:
    """Remove the database; the next one to ask makes it anew."""
    path = database_path(worktree)
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def refusal(worktree: Worktree, error: sqlite3.Error) -> Exception:
    """What to raise instead of an error of the database; one that is damaged is removed."""
    name = database_path(worktree)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_ERROR or isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return error  # a mistake of ours
    if code in _DAMAGED or type(error) is sqlite3.DatabaseError:
        discard(worktree)
        return HookkitError("INDEX_DAMAGED", f"{name} was damaged, and is removed: {error}.", "Run the command again.")
    hint = "Try again when no other hookkit is at work here, with room on the disk."
    return HookkitError("INDEX_BUSY", f"{name} cannot be used: {error}.", hint)


def _open(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
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
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('entries', 'sqlite_sequence')"
            for (name,) in db.execute(query).fetchall():
                db.execute(f'DROP TABLE IF EXISTS "{name}"')
            for statement in (*_TABLES, _ENTRIES):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the lock is taken at once, so that two processes never derive the same."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # what went wrong first is what counts
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
