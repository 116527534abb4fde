"""Anchors: which call's lines a commit holds, stated in the log when the commit is there.

A commit is looked at once; again only where boundaries came in that lie between the commit and what was known before
it, since the calls of a running turn are in the log no sooner than its end. Nothing depends on anchors being there: the
lines' origins are found without them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.trails.events import TrailEvent, TrailEventDraft, content_id, object_id
from hookkit.trails.log import append_events, has_fact, read_events_for_trace
from hookkit.trails.vocabulary import CAPTURE_LIMITATIONS, GIT_ANCHOR

_WRITER = "commit-correlator"
_AT_ONCE = 50  # commits that are looked at before their anchors are written
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (sha TEXT PRIMARY KEY, since INTEGER, author TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anchors (id TEXT PRIMARY KEY, sha TEXT, trace TEXT, call TEXT, step INTEGER, path TEXT)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS anchors_by_commit ON anchors (sha);
"""


@dataclass(frozen=True, slots=True)
class _Commit:
    """at: committer time as ISO 8601. author: who and when, which a rebase keeps."""

    sha: str
    at: str
    author: str


def update(worktree: Worktree) -> list[TrailEvent]:
    """Anchor the commits that were made in this repository since the last time; gives the events that were appended.

    HookkitError if git or the log cannot be read or written.
    """
    from hookkit.trails.lines.births import Births
    from hookkit.trails.lines.index import LinesIndex

    if not (worktree.common_dir / "hookkit").is_dir():
        return []  # nothing was recorded here
    appended: list[TrailEvent] = []
    patches = _Patches(worktree)
    with LinesIndex(worktree) as index, _open(worktree) as db:
        index.sync()
        _start_over_if_the_log_did(worktree, db)
        births = Births(worktree, index.db).all()
        known = dict(db.execute("SELECT sha, since FROM commits"))
        # What was committed before anything was recorded holds no line of a recorded call.
        new = [sha for sha, birth in births.items() if birth.since and known.get(sha, -1) != birth.since]
        about = _commits(worktree, new)
        new = [sha for sha in new if sha in about]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            drafts: list[TrailEventDraft] = []
            for sha, runs in _attributed(index, some).items():
                drafts += _anchors(db, about[sha], runs, patches)
                row = (sha, births[sha].since, about[sha].author)
                db.execute("INSERT OR REPLACE INTO commits VALUES (?, ?, ?)", row)
            appended += _append(worktree, db, drafts)
        pairs = [*_told(worktree, db), *_seen(db, [births[sha] for sha in new], about)]
        appended += _append(worktree, db, list(_superseded(worktree, db, dict.fromkeys(pairs))))
    return appended


def forget(worktree: Worktree) -> None:
    """Look at every commit again the next time."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            Path(f"{_path(worktree)}{suffix}").unlink(missing_ok=True)


def _attributed(index: Any, shas: list[str]) -> dict[str, Sequence[Any]]:
    """Commit -> runs of lines. One that cannot be read has none, and does not stand in the way of the others."""
    from hookkit.trails.lines.commit import attribute_each

    try:
        return dict(attribute_each(index, shas))
    except GitError:
        if len(shas) == 1:
            return {shas[0]: ()}
    return {sha: runs for each in shas for sha, runs in _attributed(index, [each]).items()}


class _Patches:
    """The patches of the log, by what they wrote. The events of a trace are read when it is first asked for."""

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._found: dict[str, dict[tuple[str, str, str], list[tuple[int, int, str]]]] = {}

    def of(self, trace: str, call: str, path: str, blob: str, line: int) -> str | None:
        """The id of the patch in which a call wrote a line of a file; None if the log has none."""
        if trace not in self._found:
            self._found[trace] = self._read(trace)
        wrote = self._found[trace].get((call, path, blob), ())
        return next((patch for first, last, patch in wrote if first <= line <= last), None)

    def _read(self, trace: str) -> dict[tuple[str, str, str], list[tuple[int, int, str]]]:
        found: dict[tuple[str, str, str], list[tuple[int, int, str]]] = {}
        for event in read_events_for_trace(self._worktree, trace):
            payload = event.payload
            lines, blob = payload.get("affected_range"), payload.get("after_blob_id")
            if event.event_type == "trace_patch_created" and lines and blob:
                key = (str(payload.get("tool_call_id")), str(payload["file_path"]), str(blob["hex"]))
                found.setdefault(key, []).append((lines["start_line"], lines["end_line"], payload["trace_patch_id"]))
        return found


def _anchors(
    db: sqlite3.Connection, commit: _Commit, runs: Sequence[Any], patches: _Patches
) -> Iterator[TrailEventDraft]:
    """One anchor for each run of lines in the commit that come from one call."""
    db.execute("DELETE FROM anchors WHERE sha = ?", (commit.sha,))
    for run_ in runs:
        origin = run_.origin
        if origin.kind != "tool_call" or origin.trace_id is None:
            continue
        there = {"start_line": run_.start, "end_line": run_.start + run_.count - 1}
        written, patch = None, None
        if origin.path and origin.blob and origin.line:
            patch = patches.of(origin.trace_id, str(origin.tool_call_id), origin.path, origin.blob, origin.line)
            last = origin.line + run_.count - 1
            place = {"start_line": origin.line, "end_line": last}
            written = {"path": origin.path, "blob_id": object_id(origin.blob), **place}
        what = {
            "tool_call_id": origin.tool_call_id,
            "commit_id": object_id(commit.sha),
            "path": run_.path,
            "range": there,
            "blob_id": object_id(run_.blob),
        }
        anchor = content_id(GIT_ANCHOR, {"trace_id": origin.trace_id, **what})
        firm = origin.firmness == "firm"
        payload = {
            **what,
            "git_anchor_id": anchor,
            "trace_patch_id": patch,
            "event_time": commit.at,
            "relation": "anchored_in_git",
            "evidence_tier": "exact_range_hash" if firm else "line_origin",
            "evidence_firmness": "firm" if firm else "provisional",
            "source": "line_origins",
            "origin": written,
            "capture_limitations": [name for name in origin.limitations if name in CAPTURE_LIMITATIONS],
        }
        row = (anchor, commit.sha, origin.trace_id, origin.tool_call_id, origin.step_index, os.fsencode(run_.path))
        db.execute("INSERT OR REPLACE INTO anchors VALUES (?, ?, ?, ?, ?, ?)", row)
        yield _draft("git_anchor_created", payload, "post_commit_correlator", origin.trace_id, origin.step_index)


def _told(worktree: Worktree, db: sqlite3.Connection) -> list[tuple[str, str]]:
    """(old, new) as git's post-rewrite hook told them since the last time."""
    try:
        text = (worktree.common_dir / "hookkit" / "rewritten").read_bytes()
    except OSError:
        return []
    read = int(_meta(db, "rewritten") or 0)
    text = text[read if read <= len(text) else 0 :]
    whole = text[: text.rfind(b"\n") + 1]
    db.execute("INSERT OR REPLACE INTO meta VALUES ('rewritten', ?)", (str(read + len(whole)),))
    words = [line.split() for line in whole.splitlines()]
    return [(pair[0].decode("ascii", "replace"), pair[1].decode("ascii", "replace")) for pair in words if len(pair) > 1]


def _seen(db: sqlite3.Connection, births: Sequence[Any], about: Mapping[str, _Commit]) -> Iterator[tuple[str, str]]:
    """(old, new) as reflogs tell them: an amended commit, or one that a rebase made of another one of that author and
    time."""
    for birth in births:
        if birth.message.startswith("commit (amend)"):
            yield birth.replaced, birth.commit
        elif birth.message.startswith("rebase"):
            author = about[birth.commit].author
            for (sha,) in db.execute("SELECT sha FROM commits WHERE author = ?", (author,)).fetchall():
                if sha != birth.commit:
                    yield sha, birth.commit


def _superseded(
    worktree: Worktree, db: sqlite3.Connection, pairs: Mapping[tuple[str, str], None]
) -> Iterator[TrailEventDraft]:
    """An event for each anchor in a commit that another one took the place of."""
    about = _commits(worktree, [new for _, new in pairs])
    for old, new in pairs:
        if new not in about or old == new:
            continue
        anchors = db.execute("SELECT id, trace, call, step, path FROM anchors WHERE sha = ?", (old,)).fetchall()
        for anchor, trace, call, step, path in anchors:
            query = "SELECT id FROM anchors WHERE sha = ? AND trace = ? AND call IS ? ORDER BY path != ?, id LIMIT 1"
            now = db.execute(query, (new, trace, call, path)).fetchone()
            payload = {
                "git_anchor_id": anchor,
                "superseded_by": now[0] if now else None,
                "tool_call_id": call,
                "path": os.fsdecode(path),
                "old_commit_id": object_id(old),
                "new_commit_id": object_id(new),
                "event_time": about[new].at,
                "capture_limitations": [],
            }
            yield _draft("git_anchor_superseded", payload, "post_rewrite_hook", trace, step)


def _draft(kind: str, payload: Mapping[str, Any], method: str, trace: str, step: int | None) -> TrailEventDraft:
    return TrailEventDraft(kind, payload, (method,), trace_id=trace, step_index=step)


def _append(worktree: Worktree, db: sqlite3.Connection, drafts: Sequence[TrailEventDraft]) -> list[TrailEvent]:
    """First the log, then the note of it: what is noted is in the log."""
    events = append_events(worktree, drafts, writer=_WRITER) if drafts else []
    if drafts:
        db.execute("INSERT OR REPLACE INTO meta VALUES ('fact', ?)", (drafts[-1].fact(),))
    db.commit()
    return events


def _start_over_if_the_log_did(worktree: Worktree, db: sqlite3.Connection) -> None:
    fact = _meta(db, "fact")
    if fact and not has_fact(worktree, fact):
        for table in ("meta", "commits", "anchors"):
            db.execute(f"DELETE FROM {table}")


def _commits(worktree: Worktree, shas: Sequence[str]) -> dict[str, _Commit]:
    """Those of the commits that git still has."""
    if not shas:
        return {}
    asked = "".join(f"{sha}\n" for sha in dict.fromkeys(shas)).encode("ascii", "replace")
    command = ("log", "--no-walk=unsorted", "--stdin", "--ignore-missing", "--no-show-signature", "--format=%H%x00%ct")
    said = b""
    with contextlib.suppress(GitError):
        said = run(worktree.root, *command[:-1], f"{command[-1]}%x00%an%x00%ae%x00%at", stdin=asked)
    found = {}
    for line in said.splitlines():
        sha, when, author = line.split(b"\0", 2)
        with contextlib.suppress(ValueError, OverflowError, OSError):
            at = datetime.fromtimestamp(int(when), UTC).isoformat().replace("+00:00", "Z")
            found[sha.decode()] = _Commit(sha.decode(), at, author.decode("utf-8", "replace"))
    return found


def _meta(db: sqlite3.Connection, key: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def _path(worktree: Worktree) -> Path:
    return worktree.common_dir / "hookkit" / "anchors.sqlite"


@contextlib.contextmanager
def _open(worktree: Worktree) -> Iterator[sqlite3.Connection]:
    """What is known of the commits. Can be deleted at any time: they are looked at again."""
    path = _path(worktree)
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        db = sqlite3.connect(path, timeout=30)
        db.executescript(_TABLES)
    except sqlite3.DatabaseError:
        forget(worktree)
        db = sqlite3.connect(":memory:")
        db.executescript(_TABLES)
    try:
        yield db
    finally:
        db.close()
