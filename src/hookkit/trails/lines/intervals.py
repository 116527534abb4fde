"""What changed between two neighbouring boundaries of a worktree, and whose it is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import GitError
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.changes import NO_MARK, Moves, lines, mark, pack_marks, pack_moves, pack_owners, pack_spans

# Of a boundary's hook limitations: the tree lacks files, so that it can only be compared with one that lacks the same.
PARTIAL = frozenset({"tracked_files_only", "large_files_excluded", "unreadable_paths"})
_NEVER = -(1 << 62)
# Agents fill a file beside the one that they write and rename it; a call at the same time can see it.
_SCRATCH = re.compile(rb"(.+)\.tmp\.\d+\.[0-9a-f]+\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Window:
    """A call's time in one worktree.

    declared: the paths it may write; None: any. ranges: 1-based, as the hook saw. brings_back: it ran what brings back
    content that git keeps, so that not all that is new is its own.
    """

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
    brings_back: bool = False


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment (microseconds since 1970) and the tree of then. limits: hook limitations."""

    us: int
    tree: str
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
    db.execute("DELETE FROM said WHERE root = ? AND us > ?", (root, start))
    boundaries = _boundaries(db, root, start)
    pairs = [pair for pair in itertools.pairwise(boundaries) if pair[0].tree != pair[1].tree]
    if not pairs:
        return
    at_work = _AtWork(db, root, start)
    for number, files in differences(worktree, [(before.tree, after.tree) for before, after in pairs]):
        before, after = pairs[number]
        _store(db, root, before, after, files, at_work.during(before.us, after.us))


def _boundaries(db: sqlite3.Connection, root: int, start: int) -> list[Boundary]:
    query = "SELECT us, tree, limits FROM boundaries WHERE root = ? AND us >= ? ORDER BY us, tree"
    return [Boundary(us, tree, frozenset(limits.split())) for us, tree, limits in db.execute(query, (root, start))]


class _AtWork:
    """What was at work in the intervals of a worktree from ``start`` on, asked for in order of time."""

    def __init__(self, db: sqlite3.Connection, root: int, start: int) -> None:
        windows = list(_windows(db, root, start))
        self._windows = deque(sorted(windows, key=lambda w: (w.opened, w.trace, w.call)))
        self._background = deque(sorted((w.opened, _heard(db, root, w.trace)) for w in windows if w.background))
        self._elsewhere = deque(sorted(_elsewhere(db, root, start)))
        self._open: list[Window] = []
        self._background_until = self._elsewhere_until = _NEVER

    def during(self, since: int, until: int) -> Open:
        """Between two neighbouring boundaries."""
        while self._windows and self._windows[0].opened <= since:
            self._open.append(self._windows.popleft())
        self._open = [window for window in self._open if window.closed >= until]
        while self._background and self._background[0][0] <= since:
            self._background_until = max(self._background_until, self._background.popleft()[1])
        while self._elsewhere and self._elsewhere[0][0] < until:
            self._elsewhere_until = max(self._elsewhere_until, self._elsewhere.popleft()[1])
        return Open(list(self._open), self._background_until >= until, self._elsewhere_until > since)


def _heard(db: sqlite3.Connection, root: int, trace: str) -> int:
    """When a session was last heard of in a worktree."""
    query = "SELECT max(us) FROM boundaries WHERE trace = ? AND root = ?"
    found = db.execute(query, (trace, root)).fetchone()[0]
    return _NEVER if found is None else int(found)


def _elsewhere(db: sqlite3.Connection, root: int, start: int) -> list[tuple[int, int]]:
    """From when to when calls that may write anything were at work in other worktrees."""
    others = "roots JOIN windows ON windows.root = roots.id WHERE roots.id != ?1 AND declared IS NULL AND NOT container"
    query = (
        f"SELECT opened, closed FROM {others} AND closed >= ?2 UNION ALL"
        f" SELECT opened, opened FROM {others} AND closed IS NULL AND opened >= ?2"
    )
    return db.execute(query, (root, start)).fetchall()


def _windows(db: sqlite3.Connection, root: int, start: int) -> Iterator[Window]:
    """The windows that reach into the time from ``start`` on, and all that started something in the background."""
    columns = "trace, call, opened, closed, step, inferred, declared, container, background, ranges, brings_back"
    query = (
        f"SELECT {columns} FROM windows WHERE root = ?1 AND closed >= ?2 UNION"
        f" SELECT {columns} FROM windows WHERE root = ?1 AND (closed IS NULL OR background)"
    )
    rows = db.execute(query, (root, start)).fetchall()
    for trace, call, opened, closed, step, inferred, declared, container, background, ranges, back in rows:
        if closed is None:  # it may have been at work for as long as its session was heard of, and until the next look
            row = db.execute("SELECT min(us) FROM boundaries WHERE root = ? AND us > ?", (root, opened)).fetchone()
            closed, inferred = max(_heard(db, root, trace), row[0] or opened), True
        paths = None if declared is None else frozenset(map(_path, json.loads(declared)))
        spans = None if ranges is None else tuple((int(first), int(end)) for first, end in json.loads(ranges))
        yield Window(
            trace, call, opened, closed, step, bool(inferred), paths, bool(container), bool(background), spans,
            bool(back),
        )  # fmt: skip


def _path(name: str) -> bytes:
    """As in a tree. A name that no file can have (halves of characters) becomes one that none has."""
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:
        return b""


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
            "INSERT INTO changes (root, since, us, status, path, old_path, old_blob, new_blob, hunks, moves, removed,"
            " added, owners, typed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                root, before.us, after.us, file.status, paths[number][1], paths[number][0], file.old_blob,
                file.new_blob, pack_spans(file.hunks), pack_moves(moves.into(number)),
                pack_marks(hunk.removed for hunk in file.hunks), pack_marks(hunk.added for hunk in file.hunks),
                pack_owners([known[owner] for owner in owners]), all(owner.typed for owner in owners),
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
        told = window.closed == end and window.ranges is not None
        if writers or len(fitting) > 1:
            # Next to what the call reports may be what the other one wrote.
            own = told and _holds(window.ranges or (), *span)
            return owner if own else owner.doubt("concurrent_writer_overlap")
        if told and not _is_near(window.ranges or (), *span):
            return owner.doubt("hook_payload_state_mismatch")
        return owner if told or not during.background else owner.doubt("background_process_overlap")
    if writers:
        window = max(writers, key=lambda w: w.opened)
        owner = _call(window)
        if window.brings_back:
            owner = owner.doubt()
        if during.background and not window.background:
            owner = owner.doubt("background_process_overlap")
        return owner.doubt("concurrent_writer_overlap") if len(writers) > 1 else owner
    if during.background:
        return OUTSIDE.doubt("background_process_overlap")
    waiting = [w for w in windows if w.container or w.declared]
    return OUTSIDE.doubt("concurrent_writer_overlap") if waiting or during.elsewhere else OUTSIDE


def _call(window: Window, *, typed: bool = False) -> Owner:
    owner = Owner("tool_call", window.trace, window.call, window.step, typed=typed)
    return owner.doubt("unbounded_mutation_window") if window.inferred else owner


def _is_near(ranges: Sequence[tuple[int, int]], start: int, count: int) -> bool:
    """Whether the call's own report accounts for lines that are new.

    A diff may show a block that repeats one line further up or down, so a block next to a reported one counts.
    """
    return not count or any(first - 1 - count <= start + count and start <= last + count for first, last in ranges)


def _holds(ranges: Sequence[tuple[int, int]], start: int, count: int) -> bool:
    """Whether the call's own report names all of the lines that are new; of lines that are gone it says nothing."""
    return bool(count) and any(first <= start + 1 and start + count <= last for first, last in ranges)


def owner_at(db: sqlite3.Connection, root: int, since: int, until: int, path: bytes) -> Owner:
    """Whose a change of ``path`` between two neighbouring boundaries would be."""
    return owner_of((path, path), _AtWork(db, root, since).during(since, until), until)


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
