"""What the git-ai notes of a repository say, taken over when the user asks, and shown where nothing sure was recorded.

Notes come with a fetch, from whoever may push: they are claims. They are kept apart from what hookkit recorded itself,
in ``<common git dir>/hookkit/git-ai.sqlite``, never stand in for a recorded call or for what ids prove, and are never
called firm.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hookkit.errors import HookkitError
from hookkit.exporters.git_ai_format import TOOLS, Claim, Lines, claims, count, joined, parse
from hookkit.exporters.git_ai_ref import contents, note_ids
from hookkit.git.worktree import Worktree, find
from hookkit.paths import private_dir
from hookkit.trails.lines.model import BlamedLine, CallFacts, Origin

CAPTURE_METHOD = "git_ai_note"

_DATABASE = Path("hookkit", "git-ai.sqlite")
_VERSION = 1
_TABLES = """
CREATE TABLE notes (commit_id TEXT PRIMARY KEY, blob TEXT) WITHOUT ROWID;
CREATE TABLE claims (commit_id TEXT, path BLOB, first INTEGER, last INTEGER, kind TEXT, key TEXT, tool TEXT,
    session TEXT, model TEXT, author TEXT);
CREATE INDEX claims_by_commit ON claims (commit_id, path);
"""
_AGENTS = {tool: agent for agent, tool in TOOLS.items()}

Status = Literal["imported", "unchanged", "unreadable"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one note. ai_lines, human_lines: how many it claims; problem: why it is unreadable."""

    commit: str
    status: Status
    ai_lines: int = 0
    human_lines: int = 0
    sessions: tuple[str, ...] = ()
    problem: str = ""


def database_path(worktree: Worktree) -> Path:
    return worktree.common_dir / _DATABASE


def take_over(worktree: Worktree, commits: Collection[str] | None = None, *, dry_run: bool = False) -> list[Imported]:
    """Read the notes of these commits (None: of all) and keep what they say; a note that changed replaces what it said.

    A note that cannot be read says nothing, also nothing that it said before.
    """
    ids = {commit: blob for commit, blob in note_ids(worktree).items() if commits is None or commit in commits}
    found = []
    with _open(worktree, write=not dry_run) as db:
        known = dict(db.execute("SELECT commit_id, blob FROM notes"))
        texts = _texts(worktree, ids)
        db.execute("BEGIN IMMEDIATE")
        for commit, data in texts:
            try:
                said, problem = [*claims(parse(data))], ""
            except ValueError as error:
                said, problem = [], str(error)
            if known.get(commit) != ids[commit]:
                _keep(db, commit, ids[commit], said)
            same = known.get(commit) == ids[commit]
            found.append(_imported(commit, said, problem, "unchanged" if same else "imported"))
        db.execute("ROLLBACK" if dry_run else "COMMIT")
    return found


def _texts(worktree: Worktree, ids: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    commits: dict[str, list[str]] = {}
    for commit, blob in ids.items():
        commits.setdefault(blob, []).append(commit)
    for blob, data in contents(worktree, [*commits]):
        for commit in commits[blob]:
            yield commit, data


def _imported(commit: str, said: Sequence[Claim], problem: str, status: Status) -> Imported:
    if problem:
        return Imported(commit, "unreadable", problem=problem)
    lines: dict[tuple[str, str], list[Lines]] = {}
    for claim in said:
        lines.setdefault((claim.kind, claim.path), []).extend(claim.lines)
    ai, human = (
        sum(count(joined(some)) for (kind, _), some in lines.items() if kind == asked) for asked in ("ai", "human")
    )
    return Imported(commit, status, ai, human, tuple(sorted({claim.session_id for claim in said if claim.session_id})))


def _keep(db: sqlite3.Connection, commit: str, blob: str, said: Sequence[Claim]) -> None:
    db.execute("DELETE FROM claims WHERE commit_id = ?", (commit,))
    db.execute("REPLACE INTO notes VALUES (?, ?)", (commit, blob))
    db.executemany(
        "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (commit, os.fsencode(claim.path), first, last, claim.kind, claim.key, *_texts_of(claim))
            for claim in said
            for first, last in claim.lines
        ],
    )


def _texts_of(claim: Claim) -> tuple[str, ...]:
    """Halves of characters, which JSON can spell, become question marks."""
    said = (claim.tool, claim.session_id, claim.model, claim.author)
    return tuple(text.encode(errors="replace").decode() for text in said)


def forget(worktree: Worktree) -> bool:
    """Drop everything that was taken over; False if there was nothing."""
    path = database_path(worktree)
    there = path.exists()
    for suffix in ("", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return there


def overlay(root: Path, lines: Sequence[BlamedLine]) -> list[BlamedLine]:
    """The same lines; where nothing sure was recorded of one, what an imported note says of it, as provisional.

    root: of the worktree that they are of. The ``Origin`` of a claim has no trace: ``tool_call_id`` is the note's key,
    and ``call.tool`` is ``git_ai_note``.
    """
    git_dir = root / ".git"
    if git_dir.is_dir() and not (git_dir / _DATABASE).exists():
        return [*lines]  # the common case, without asking git for the folder
    worktree = find(root) if any(_open_to_claims(line.origin) for line in lines) else None
    if worktree is None or not database_path(worktree).exists():
        return [*lines]
    with _open(worktree, write=False) as db:
        asked: dict[tuple[str, str], list[tuple[int, int, Claim]]] = {}
        return [_overlaid(db, line, asked) for line in lines]


def _open_to_claims(origin: Origin) -> bool:
    """Not where a recorded call is known, nor where ids prove that none wrote it."""
    return origin.kind != "tool_call" and origin.firmness != "firm"


def _overlaid(
    db: sqlite3.Connection, line: BlamedLine, asked: dict[tuple[str, str], list[tuple[int, int, Claim]]]
) -> BlamedLine:
    if not _open_to_claims(line.origin):
        return line
    place = (line.commit, line.original_path)
    if place not in asked:
        asked[place] = _said(db, *place)
    claim = next((claim for first, last, claim in asked[place] if first <= line.original_line <= last), None)
    if claim is None:
        return line
    if claim.kind == "human":
        return replace(line, origin=Origin("outside_tool_call", "provisional"))
    call = CallFacts(
        trace_id="", session_id=claim.session_id, agent=_AGENTS.get(claim.tool, claim.tool), model=claim.model or None,
        tool=CAPTURE_METHOD, step_index=-1, turn=None, prompt=None,
    )  # fmt: skip
    return replace(line, origin=Origin("tool_call", "provisional", tool_call_id=claim.key), call=call)


def _said(db: sqlite3.Connection, commit: str, path: str) -> list[tuple[int, int, Claim]]:
    """First and last line, and the claim; the one that holds comes first."""
    rows = db.execute(
        "SELECT first, last, kind, key, tool, session, model, author FROM claims WHERE commit_id = ? AND path = ? "
        "ORDER BY rowid DESC",
        (commit, os.fsencode(path)),
    )
    return [
        (first, last, Claim(path, ((first, last),), kind, key, tool, session, model, author))
        for first, last, kind, key, tool, session, model, author in rows
    ]


@contextlib.contextmanager
def _open(worktree: Worktree, *, write: bool) -> Iterator[sqlite3.Connection]:
    """The database; an empty one in memory if none is there and nothing is written. A damaged one is made anew."""
    path = database_path(worktree)
    if not write and not path.exists():
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            _prepare(db)
            yield db
        return
    private_dir(path.parent)
    try:
        db = _connect(path)
    except sqlite3.OperationalError as error:
        raise _failed(path, error) from error
    except sqlite3.DatabaseError:
        forget(worktree)
        db = _connect(path)
    with contextlib.closing(db):
        try:
            yield db
        except sqlite3.OperationalError as error:
            raise _failed(path, error) from error


def _failed(path: Path, error: sqlite3.Error) -> HookkitError:
    return HookkitError("CLAIMS_FAILED", f"{path} could not be used: {error}.", "Run `hookkit import git-ai` again.")


def _connect(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            db.execute(f'DROP TABLE "{name}"')
        db.executescript(f"{_TABLES} PRAGMA user_version = {_VERSION};")
