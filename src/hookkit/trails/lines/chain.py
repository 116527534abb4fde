"""Carries the origin of every line of a file through the changes of a worktree.

A file's lines are a list of codes, one a line: ``change id << 24 | line`` (0-based, in the file after that change) says
where the line was written, 0 that it was there before anything was recorded. Lines that stay or move keep their code.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from hookkit.trails.lines.changes import NO_MARK, Move, Span, unpack_marks, unpack_moves, unpack_owners, unpack_spans
from hookkit.trails.lines.intervals import Owner

RETURNED = 1 << 62  # on a code: the line came back, known by its text alone
LINE = (1 << 24) - 1
FIRST, LAST = -(1 << 62), 1 << 62


@dataclass(slots=True, eq=False)
class Change:
    """A row of the index. since, us: the boundaries around it, microseconds since 1970."""

    id: int
    root: int
    since: int
    us: int
    status: str
    path: bytes
    old_path: bytes
    old_blob: str
    new_blob: str
    _hunks: bytes
    _moves: bytes
    _marks: bytes
    _owners: bytes
    _spans: list[Span] | None = None

    @property
    def spans(self) -> list[Span]:
        if self._spans is None:
            self._spans = unpack_spans(self._hunks)
        return self._spans

    @property
    def moves(self) -> list[Move]:
        return list(unpack_moves(self._moves))

    @property
    def owners(self) -> tuple[int, ...]:
        return unpack_owners(self._owners)

    def marks(self) -> tuple[list[bytes], list[bytes]]:
        """Of all removed lines, and of all added ones, in order."""
        return unpack_marks(self._marks, sum(span[1] for span in self.spans))

    def hunk_of(self, line: int) -> int:
        """The number of the hunk that wrote a line (0-based, in the file after)."""
        return max(0, bisect_right(self.spans, line, key=lambda span: span[2]) - 1)


@dataclass(slots=True)
class State:
    """A file at a moment. codes: shorter than the file where nothing is known of the rest; None: there is no file."""

    codes: list[int] | None
    blob: str
    graves: dict[bytes, int] = field(default_factory=dict)  # mark of a line that is gone -> its code


@dataclass(frozen=True, slots=True)
class Version:
    """A content that a file had in a worktree from the boundary ``since`` until the one ``until`` (exclusive)."""

    root: int
    since: int
    until: int
    blob: str
    codes: Sequence[int]
    change: Change | None


_COLUMNS = "id, root, since, us, status, path, old_path, old_blob, new_blob, hunks, moves, marks, owners"


class Chains:
    """The chains of one repository, computed when they are asked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        # Of the files that were looked at: code -> the change, and its hunk, that took the line away last; change id ->
        # the lines it added that were written before, somewhere else.
        self.dropped: dict[int, tuple[Change, int]] = {}
        self.borrowed: dict[int, Collection[int]] = {}
        self._owners = dict(_owners(db))
        self._changes: dict[int, Change] = {}
        self._states: dict[tuple[int, bytes, int], State] = {}
        self._roots: dict[bytes, list[int]] = {}

    def change(self, code: int) -> Change | None:
        """The change that wrote a line; None if it was there before anything was recorded."""
        number = (code & ~RETURNED) >> 24
        if number and number not in self._changes:
            row = self.db.execute(f"SELECT {_COLUMNS} FROM changes WHERE id = ?", (number,)).fetchone()
            self._changes[number] = Change(*row)
        return self._changes.get(number)

    def owner(self, change: Change, hunk: int) -> Owner:
        return self._owners[change.owners[hunk]]

    def said_before(self, change: Change, line: int) -> bool:
        """Whether a line that a change wrote had been there before, in whatever file and worktree."""
        found = self.mark(change, line)
        if found == NO_MARK:
            return False
        query = "SELECT 1 FROM said WHERE mark = ? AND us < ? LIMIT 1"
        return self.db.execute(query, (found, change.us)).fetchone() is not None

    def mark(self, change: Change, line: int) -> bytes:
        """What a line that a change added is known by."""
        number = change.hunk_of(line)
        at = sum(span[3] for span in change.spans[:number]) + line - (change.spans[number][2] if change.spans else 0)
        added = change.marks()[1]
        return added[at] if 0 <= at < len(added) else NO_MARK

    def roots(self, path: bytes) -> list[int]:
        """The worktrees in which a path ever changed."""
        if path not in self._roots:
            query = "SELECT DISTINCT root FROM changes WHERE path = ?1 OR (old_path = ?1 AND old_path != path)"
            self._roots[path] = sorted(row[0] for row in self.db.execute(query, (path,)))
        return self._roots[path]

    def versions(self, path: bytes, blobs: Collection[str]) -> list[Version]:
        """Every time in which ``path`` held one of ``blobs``, in any worktree, in order of time."""
        found: list[Version] = []
        for root in self.roots(path):
            held: tuple[int, str, Sequence[int], Change | None] | None = None
            for change, state, us in self._walk(root, path, LAST):
                if held:
                    found.append(Version(root, held[0], us, *held[1:]))
                    held = None
                if state.codes is not None and state.blob in blobs:
                    held = (us, state.blob, list(state.codes), change)
            if held:
                found.append(Version(root, held[0], LAST, *held[1:]))
        return sorted(found, key=lambda version: version.since)

    def state(self, root: int, path: bytes, us: int) -> State:
        """The file as it was after all changes before ``us`` (exclusive)."""
        key = (root, path, us)
        if key not in self._states:
            last = State(None, "")
            for _, state, _ in self._walk(root, path, us):
                last = state
            codes = None if last.codes is None else list(last.codes)
            self._states[key] = State(codes, last.blob, dict(last.graves))
        return self._states[key]

    def rows(self, root: int, path: bytes, before: int = LAST) -> list[Change]:
        """The changes of a path, those that renamed it away included, in order of time."""
        query = (
            f"SELECT {_COLUMNS} FROM changes WHERE path = ?1 AND root = ?2 AND us < ?3"
            f" UNION ALL SELECT {_COLUMNS} FROM changes"
            " WHERE old_path = ?1 AND old_path != path AND root = ?2 AND us < ?3"
        )
        found = [Change(*row) for row in self.db.execute(query, (path, root, before))]
        return sorted(found, key=lambda change: (change.us, change.path == path, change.id))

    def since(self, root: int, us: int) -> list[Change]:
        """All changes of a worktree after ``us``, in order of time."""
        query = f"SELECT {_COLUMNS} FROM changes WHERE root = ? AND us > ? ORDER BY us, id"
        return [Change(*row) for row in self.db.execute(query, (root, us))]

    def holders(self, blob: str) -> list[bytes]:
        """The paths that ever held a content, the latest first."""
        query = "SELECT path FROM changes WHERE new_blob = ? GROUP BY path ORDER BY max(us) DESC"
        return [row[0] for row in self.db.execute(query, (blob,))]

    def present(self, root: int) -> list[bytes]:
        """The paths that ever changed in a worktree and were there at its last boundary."""
        query = "SELECT path, new_blob, max(us) FROM changes WHERE root = ? GROUP BY path"
        gone = "SELECT DISTINCT old_path FROM changes WHERE root = ? AND old_path != path AND us >= ? AND old_path = ?"
        return [
            path
            for path, blob, us in self.db.execute(query, (root,)).fetchall()
            if blob and not self.db.execute(gone, (root, us, path)).fetchone()
        ]

    def moved_from(self, root: int, path: bytes) -> set[bytes]:
        """The files into which lines of ``path`` were moved."""
        query = f"SELECT {_COLUMNS} FROM changes WHERE root = ? AND length(moves) > 0 AND instr(moves, ?) > 0"
        rows = [Change(*row) for row in self.db.execute(query, (root, path))]
        return {row.path for row in rows if row.path != path and any(move.source == path for move in row.moves)}

    def _walk(self, root: int, path: bytes, before: int) -> Iterator[tuple[Change | None, State, int]]:
        """(change, state after it, when) of every version of a path; the same State object every time."""
        rows = self.rows(root, path, before)
        if not rows:
            return
        twice = {blob for blob, times in _blobs(rows).items() if times > 1}
        seen: dict[str, list[int]] = {}
        state = State(None, "")
        first = rows[0]
        if first.status != "added" and (first.path != path or first.old_path == path):
            state = State(self._elsewhere(root, path, first.old_blob, first.us) or [], first.old_blob)
            yield None, state, FIRST
        for change in rows:
            self._changes.setdefault(change.id, change)
            if state.codes is not None and state.blob in twice:
                seen[state.blob] = list(state.codes)
            if change.path != path:
                state.codes, state.blob = None, ""
            else:
                self._apply(change, state, seen)
            yield change, state, change.us

    def _apply(self, change: Change, state: State, seen: dict[str, list[int]]) -> None:
        if change.old_path != change.path:
            before = self.state(change.root, change.old_path, change.us)
            state.codes, state.blob = list(before.codes or ()), before.blob
            state.graves = {**before.graves, **state.graves}
        elif change.status == "added":
            state.codes, state.blob = [], ""
        if state.blob != change.old_blob and change.status != "added":  # a difference is missing in between
            state.codes = list(seen.get(change.old_blob, ()))
        base = state.codes if state.codes is not None else []
        came = self._came(change, base, state, seen)
        self._bury(change, base, state)
        if change.status == "deleted":
            state.codes, state.blob = None, ""
            return
        for old_start, old_count, new_start, new_count in reversed(change.spans):
            if len(base) < old_start + old_count:
                base += [0] * (old_start + old_count - len(base))
            base[old_start : old_start + old_count] = came[new_start : new_start + new_count]
        state.codes, state.blob = base, change.new_blob

    def _came(self, change: Change, base: list[int], state: State, seen: dict[str, list[int]]) -> _Lines:
        """The codes of the lines that a change added."""
        found = _Lines(change.id)
        if not all(self._owners[number].typed for number in change.owners):
            self._return(change, state, seen, found)
        for move in change.moves:
            source = base if move.source == change.old_path else None
            if source is None:
                source = self.state(change.root, move.source, change.us).codes or []
            for offset in range(move.count):
                at = move.start + offset
                found.known[move.new_start + offset] = source[at] if at < len(source) else 0
        self.borrowed[change.id] = found.known.keys()
        return found

    def _return(self, change: Change, state: State, seen: dict[str, list[int]], found: _Lines) -> None:
        """Lines that came back: with the whole file as it was once (its id proves that), or known by their text.

        Only where the writer did not name the file: git, a formatter, an editor's undo bring lines back; a call that
        names the file and gives its text wrote that text.
        """
        whole = seen.get(change.new_blob) or self._elsewhere(change.root, change.path, change.new_blob, change.us)
        added = None if whole or not state.graves else change.marks()[1]
        at = 0
        for hunk, (_, _, new_start, new_count) in enumerate(change.spans):
            if not self.owner(change, hunk).typed:
                for line in range(new_start, new_start + new_count):
                    if whole is not None:
                        found.known[line] = whole[line] if line < len(whole) else 0
                    elif added is not None and (code := state.graves.get(added[at + line - new_start])):
                        found.known[line] = code | RETURNED
            at += new_count

    def _bury(self, change: Change, base: Sequence[int], state: State) -> None:
        if not any(span[1] for span in change.spans):
            return
        marks = iter(change.marks()[0])
        for hunk, (start, count, _, _) in enumerate(change.spans):
            for line, mark in zip(range(start, start + count), marks, strict=False):
                code = base[line] if line < len(base) else 0
                known = self.dropped.get(code & ~RETURNED)
                if known is None or known[0].us <= change.us:
                    self.dropped[code & ~RETURNED] = (change, hunk)
                if mark != NO_MARK and code:
                    state.graves[mark] = code

    def _elsewhere(self, root: int, path: bytes, blob: str, us: int) -> list[int] | None:
        """The lines of the same content of the same path, as another worktree had it before."""
        others = [other for other in self.roots(path) if other != root]
        if not others or not blob:
            return None
        query = (
            "SELECT root, us FROM changes WHERE path = ? AND new_blob = ? AND us < ?"
            f" AND root IN ({','.join('?' * len(others))}) ORDER BY us DESC LIMIT 1"
        )
        found = self.db.execute(query, (path, blob, us, *others)).fetchone()
        return self.state(found[0], path, found[1] + 1).codes if found else None


class _Lines:
    """The codes of added lines by their number: known ones, and for all others that this change wrote them."""

    def __init__(self, change: int) -> None:
        self.known: dict[int, int] = {}
        self._change = change << 24

    def __getitem__(self, lines: slice) -> list[int]:
        numbers = range(lines.start, lines.stop)
        if not self.known:
            return [self._change | number for number in numbers]
        return [self.known.get(number, self._change | number) for number in numbers]


def _owners(db: sqlite3.Connection) -> Iterator[tuple[int, Owner]]:
    query = "SELECT id, kind, trace, call, step, firm, typed, limits FROM owners"
    for number, kind, trace, call, step, firm, typed, limits in db.execute(query):
        limited = frozenset(limits.split())
        yield number, Owner(kind, trace or None, call or None, step, bool(firm), bool(typed), limited)


def _blobs(rows: Sequence[Change]) -> Counter[str]:
    found = Counter(row.new_blob for row in rows)
    found[rows[0].old_blob] += 1
    return found
