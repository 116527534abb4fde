"""What changed between two neighbouring boundaries of a worktree, and whose it is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import GitError
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.changes import NO_MARK, Moves, lines, mark, pack_marks, pack_moves, pack_owners, pack_spans

# Of a boundary's hook limitations: the tree lacks files, so that it can only be compared with one that lacks the same.
_PARTIAL = frozenset({"tracked_files_only", "large_files_excluded", "unreadable_paths"})
_FOREVER = 1 << 62


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
    windows = _windows(db, root, start, [boundary.us for boundary in boundaries])
    last = dict(db.execute("SELECT trace, max(us) FROM boundaries WHERE root = ? GROUP BY trace", (root,)).fetchall())
    for (before, after), files in _diffs(worktree, pairs):
        background = [w for w in windows if w.background and w.opened <= before.us and last.get(w.trace, 0) >= after.us]
        open_now = [w for w in windows if w.opened <= before.us and w.closed >= after.us]
        _store(db, root, before, after, files, open_now, bool(background))


def _boundaries(db: sqlite3.Connection, root: int, start: int) -> list[Boundary]:
    query = "SELECT us, tree, head, limits FROM boundaries WHERE root = ? AND us >= ? ORDER BY us"
    return [
        Boundary(us, tree, head, frozenset(limits.split()))
        for us, tree, head, limits in db.execute(query, (root, start))
    ]


def _windows(db: sqlite3.Connection, root: int, start: int, moments: Sequence[int]) -> list[Window]:
    """The windows that reach into the time from ``start`` on, and all that started something in the background."""
    query = (
        "SELECT trace, call, opened, closed, step, inferred, declared, container, background, ranges FROM windows"
        " WHERE root = ? AND (closed IS NULL OR closed >= ? OR background) ORDER BY opened"
    )
    found = []
    for trace, call, opened, closed, step, inferred, declared, container, background, ranges in db.execute(
        query, (root, start)
    ):
        if closed is None:  # nothing of its session came after it: it may have done what was there at the next look
            closed, inferred = next((us for us in moments if us > opened), _FOREVER), True
        paths = None if declared is None else frozenset(os.fsencode(path) for path in json.loads(declared))
        spans = None if ranges is None else tuple((int(first), int(end)) for first, end in json.loads(ranges))
        found.append(
            Window(trace, call, opened, closed, step, bool(inferred), paths, bool(container), bool(background), spans)
        )
    return found


def _diffs(
    worktree: Worktree, pairs: Sequence[tuple[Boundary, Boundary]]
) -> Iterator[tuple[tuple[Boundary, Boundary], tuple[FileChange, ...]]]:
    """Each pair with its difference; pairs whose objects are gone are left out."""
    done = 0
    with contextlib.suppress(GitError):
        for pair, files in zip(pairs, diff_trees(worktree, ((a.tree, b.tree) for a, b in pairs)), strict=False):
            done += 1
            yield pair, files
    for pair in pairs[done:]:
        with contextlib.suppress(GitError):
            yield pair, next(iter(diff_trees(worktree, [(pair[0].tree, pair[1].tree)])))


def _store(
    db: sqlite3.Connection,
    root: int,
    before: Boundary,
    after: Boundary,
    files: Sequence[FileChange],
    windows: Sequence[Window],
    background: bool,
) -> None:
    paths = [(os.fsencode(file.old_path), os.fsencode(file.path)) for file in files]
    moves = Moves(files, paths)
    _note_said(db, root, after.us, files)
    partial = before.limits & _PARTIAL != after.limits & _PARTIAL
    known: dict[Owner, int] = {}
    for number, file in enumerate(files):
        spans = [(hunk.new_start, hunk.new_count) for hunk in file.hunks] or [(0, 0)]
        owners = [owner_of(paths[number], windows, after.us, background, span) for span in spans]
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
    windows: Sequence[Window],
    end: int,
    background: bool = False,
    span: tuple[int, int] = (0, 0),
) -> Owner:
    """Whose a hunk of a file is.

    paths: before and after. windows: all that are open from the start to the ``end`` of the interval. background: a
    call started something that may still run. span: (0-based start, count) of the lines that are new.
    """
    fitting = [w for w in windows if w.declared and w.declared & set(paths)]
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
    if background:
        return OUTSIDE.doubt("background_process_overlap")
    waiting = [w for w in windows if w.container or w.declared]
    return OUTSIDE.doubt("concurrent_writer_overlap") if waiting else OUTSIDE


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
    windows = [w for w in _windows(db, root, since, [until]) if w.opened <= since and w.closed >= until]
    return owner_of((path, path), windows, until)


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
