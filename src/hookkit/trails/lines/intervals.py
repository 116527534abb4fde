"""What changed between two neighbouring boundaries of a worktree, and whose it is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import GitError
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.changes import NO_MARK, Moves, lines, mark, pack_marks, pack_moves, pack_owners, pack_spans

# Of a boundary's hook limitations: the tree lacks files, so that it can only be compared with one that lacks the same.
PARTIAL = frozenset({"tracked_files_only", "large_files_excluded", "unreadable_paths"})
_FOREVER = 1 << 62
# Agents fill a file beside the one that they write and rename it; a call at the same time can see it.
_SCRATCH = re.compile(rb"(.+)\.tmp\.\d+\.[0-9a-f]+\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Window:
    """A call's time in one worktree. declared: the paths it may write; None: any. ranges: 1-based, as the hook saw."""

    trace: str
    call: str
    opened: int
    closed: int
    step: int | None
    inferred: bool
    declared: frozenset[bytes] | None
    container: bool
    background: bool
    ranges: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class Boundary:
    us: int
    tree: str
    head: str | None
    limits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a change is. typed: the call named the file, so what it wrote is its own and nothing that came back."""

    kind: str
    trace: str | None = None
    call: str | None = None
    step: int | None = None
    firm: bool = True
    typed: bool = False
    limits: frozenset[str] = frozenset()

    def doubt(self, *limits: str) -> Owner:
        return replace(self, firm=False, limits=self.limits | set(limits))


OUTSIDE = Owner("outside_tool_call")


@dataclass(frozen=True, slots=True)
class Open:
    """What was at work during an interval.

    windows: open from its start to its end. background: a call had started something that may still have run.
    elsewhere: a call that may write anything was at work in another worktree.
    """

    windows: Sequence[Window]
    background: bool = False
    elsewhere: bool = False


def derive(worktree: Worktree, db: sqlite3.Connection, root: int, since: int) -> None:
    """Derive the changes of a worktree anew from the last boundary before ``since`` (microseconds) on."""
    row = db.execute("SELECT max(us) FROM boundaries WHERE root = ? AND us < ?", (root, since)).fetchone()
    start = row[0] if row[0] is not None else since
    db.execute("DELETE FROM changes WHERE root = ? AND us > ?", (root, start))
    db.execute("DELETE FROM said WHERE root = ? AND us >= ?", (root, start))
    boundaries = _boundaries(db, root, start)
    pairs = [pair for pair in itertools.pairwise(boundaries) if pair[0].tree != pair[1].tree]
    if not pairs:
        return
    windows = _windows(db, root, start)
    elsewhere = _elsewhere(db, root, start)
    last = _last_boundaries(db, root)
    for number, files in differences(worktree, [(before.tree, after.tree) for before, after in pairs]):
        before, after = pairs[number]
        background = [w for w in windows if w.background and w.opened <= before.us and last.get(w.trace, 0) >= after.us]
        open_now = [w for w in windows if w.opened <= before.us and w.closed >= after.us]
        others = any(opened < after.us and closed > before.us for opened, closed in elsewhere)
        _store(db, root, before, after, files, Open(open_now, bool(background), others))


def _boundaries(db: sqlite3.Connection, root: int, start: int) -> list[Boundary]:
    query = "SELECT us, tree, head, limits FROM boundaries WHERE root = ? AND us >= ? ORDER BY us"
    return [
        Boundary(us, tree, head, frozenset(limits.split()))
        for us, tree, head, limits in db.execute(query, (root, start))
    ]


def _last_boundaries(db: sqlite3.Connection, root: int) -> dict[str, int]:
    """Trace -> when a session was last heard of in a worktree."""
    return dict(db.execute("SELECT trace, max(us) FROM boundaries WHERE root = ? GROUP BY trace", (root,)).fetchall())


def _elsewhere(db: sqlite3.Connection, root: int, start: int) -> list[tuple[int, int]]:
    """From when to when calls that may write anything were at work in other worktrees."""
    query = (
        "SELECT opened, coalesce(closed, opened) FROM windows"
        " WHERE root != ? AND declared IS NULL AND NOT container AND coalesce(closed, opened) >= ?"
    )
    return db.execute(query, (root, start)).fetchall()


def _windows(db: sqlite3.Connection, root: int, start: int) -> list[Window]:
    """The windows that reach into the time from ``start`` on, and all that started something in the background."""
    query = (
        "SELECT trace, call, opened, closed, step, inferred, declared, container, background, ranges FROM windows"
        " WHERE root = ? AND (closed IS NULL OR closed >= ? OR background) ORDER BY opened"
    )
    found = []
    last = _last_boundaries(db, root)
    for trace, call, opened, closed, step, inferred, declared, container, background, ranges in db.execute(
        query, (root, start)
    ):
        if closed is None:  # it may have been at work for as long as its session was heard of, and until the next look
            row = db.execute("SELECT min(us) FROM boundaries WHERE root = ? AND us > ?", (root, opened)).fetchone()
            closed, inferred = max(last.get(trace, 0), row[0] or opened), True
        paths = None if declared is None else frozenset(os.fsencode(path) for path in json.loads(declared))
        spans = None if ranges is None else tuple((int(first), int(end)) for first, end in json.loads(ranges))
        found.append(
            Window(trace, call, opened, closed, step, bool(inferred), paths, bool(container), bool(background), spans)
        )
    return found


def differences(worktree: Worktree, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, tuple[FileChange, ...]]]:
    """(number of the pair of trees, what differs) of each pair; pairs whose objects are gone are left out."""
    done = 0
    with contextlib.suppress(GitError):
        for files in diff_trees(worktree, pairs):
            done += 1
            yield done - 1, files
    for number in range(done, len(pairs)):
        with contextlib.suppress(GitError):
            yield number, next(iter(diff_trees(worktree, [pairs[number]])))


def _store(
    db: sqlite3.Connection,
    root: int,
    before: Boundary,
    after: Boundary,
    files: Sequence[FileChange],
    during: Open,
) -> None:
    paths = [(os.fsencode(file.old_path), os.fsencode(file.path)) for file in files]
    moves = Moves(files, paths)
    _note_said(db, root, after.us, files)
    partial = before.limits & PARTIAL != after.limits & PARTIAL
    known: dict[Owner, int] = {}
    for number, file in enumerate(files):
        spans = [(hunk.new_start, hunk.new_count) for hunk in file.hunks] or [(0, 0)]
        owners = [owner_of(paths[number], during, after.us, span) for span in spans]
        if partial:
            owners = [owner.doubt("incomplete_step_window_capture") for owner in owners]
        for owner in owners:
            known.setdefault(owner, 0)
            known[owner] = known[owner] or _owner_id(db, owner)
        db.execute(
            "INSERT INTO changes (root, since, us, status, path, old_path, old_blob, new_blob, hunks, moves, marks,"
            " owners) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                root, before.us, after.us, file.status, paths[number][1], paths[number][0], file.old_blob,
                file.new_blob, pack_spans(file.hunks), pack_moves(moves.into(number)), pack_marks(file.hunks),
                pack_owners([known[owner] for owner in owners]),
            ),
        )  # fmt: skip


def _note_said(db: sqlite3.Connection, root: int, us: int, files: Sequence[FileChange]) -> None:
    """Keep which lines were there: those taken out before this change, those put in since it."""
    for file in files:
        for hunk in file.hunks:
            for text, moment in ((hunk.removed, us - 1), (hunk.added, us)):
                found = ((mark(line), root, moment) for line in lines(text))
                db.executemany(
                    "INSERT OR IGNORE INTO said VALUES (?, ?, ?)", (row for row in found if row[0] != NO_MARK)
                )


def owner_of(
    paths: tuple[bytes, bytes],
    during: Open,
    end: int,
    span: tuple[int, int] = (0, 0),
) -> Owner:
    """Whose a hunk of a file is, in the interval that ended at ``end``.

    paths: before and after. span: (0-based start, count) of the lines that are new.
    """
    windows = during.windows
    meant = {_SCRATCH.sub(rb"\1", path) for path in paths}
    fitting = [w for w in windows if w.declared and w.declared & meant]
    writers = [w for w in windows if w.declared is None and not w.container]
    if fitting:
        window = max(fitting, key=lambda w: w.opened)
        owner = _call(window, typed=True)
        seen = window.closed == end and window.ranges is not None
        covered = seen and _covers(window.ranges or (), *span)
        if (writers or len(fitting) > 1) and not covered:
            return owner.doubt("concurrent_writer_overlap")
        if seen and not covered:
            return owner.doubt("hook_payload_state_mismatch")
        return owner
    if writers:
        owner = _call(max(writers, key=lambda w: w.opened))
        return owner.doubt("concurrent_writer_overlap") if len(writers) > 1 else owner
    if during.background:
        return OUTSIDE.doubt("background_process_overlap")
    waiting = [w for w in windows if w.container or w.declared]
    return OUTSIDE.doubt("concurrent_writer_overlap") if waiting or during.elsewhere else OUTSIDE


def _call(window: Window, *, typed: bool = False) -> Owner:
    owner = Owner("tool_call", window.trace, window.call, window.step, typed=typed)
    return owner.doubt("unbounded_mutation_window") if window.inferred else owner


def _covers(ranges: Sequence[tuple[int, int]], start: int, count: int) -> bool:
    """Whether the call's own report accounts for lines that are new.

    A diff may show a block that repeats one line further up or down, so a block next to a reported one counts.
    """
    return not count or any(first - 1 - count <= start + count and start <= last + count for first, last in ranges)


def owner_at(db: sqlite3.Connection, root: int, since: int, until: int, path: bytes) -> Owner:
    """Whose a change of ``path`` between two neighbouring boundaries would be."""
    windows = [w for w in _windows(db, root, since) if w.opened <= since and w.closed >= until]
    return owner_of((path, path), Open(windows), until)


def _owner_id(db: sqlite3.Connection, owner: Owner) -> int:
    values: Mapping[str, object] = {
        "kind": owner.kind, "trace": owner.trace or "", "call": owner.call or "", "step": owner.step,
        "firm": owner.firm, "typed": owner.typed, "limits": " ".join(sorted(owner.limits)),
    }  # fmt: skip
    keys = "kind = :kind AND trace = :trace AND call = :call AND firm = :firm AND typed = :typed AND limits = :limits"
    found = db.execute(f"SELECT id FROM owners WHERE {keys}", values).fetchone()
    if found:
        return int(found[0])
    query = "INSERT INTO owners (kind, trace, call, step, firm, typed, limits)"
    query += " VALUES (:kind, :trace, :call, :step, :firm, :typed, :limits)"
    return int(db.execute(query, values).lastrowid or 0)
