"""The changes of files, as the index has them, and who made them.

A file's lines are a list of codes, one a line: ``change id << LINE_BITS | line`` (0-based, in the file after that
change) says where the line was written, 0 that it was there before anything was recorded. Lines that stay or move keep
their code.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Any

from hookkit.trails.lines.change import Change
from hookkit.trails.lines.changes import marks_of
from hookkit.trails.lines.intervals import Owner
from hookkit.trails.lines.replay import LINE_BITS, RETURNED, Replay

_LOST = Owner("unknown", firm=False)


_COLUMNS = (
    "id, root, since, us, status, path, old_path, old_blob, new_blob, hunks, moves, removed, added, owners, typed"
)


class Chains:
    """The changes of one repository, read when they are asked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._owners: dict[int, Owner] = {}
        self._owner_rows: dict[int, tuple[Any, ...]] = {}
        self._changes: dict[int, Change | None] = {}
        self._said: dict[int, int | None] = {}  # mark -> when first, in microseconds since 1970
        self._asked: set[int] = set()  # marks that are read together with the next one
        self._rows: dict[bytes, list[Change]] = {}

    def change(self, code: int) -> Change | None:
        """The change that wrote a line; None if it was there before anything was recorded."""
        number = (code & ~RETURNED) >> LINE_BITS
        if not number:
            return None
        if number not in self._changes:
            row = self.db.execute(f"SELECT {_COLUMNS} FROM changes WHERE id = ?", (number,)).fetchone()
            self._changes[number] = Change(*row) if row else None  # another process derived it anew meanwhile
        return self._changes[number]

    def owner(self, change: Change, hunk: int) -> Owner:
        """Whose a hunk of a change is."""
        return self.owner_numbered(change.owners[hunk])

    def owner_numbered(self, number: int) -> Owner:
        """An owner by the number that changes name it by."""
        if number not in self._owners:
            row = self._row(number)
            if row is None:
                return _LOST
            kind, trace, call, step, firm, typed, limits = row
            owner = Owner(kind, trace or None, call or None, step, bool(firm), bool(typed), frozenset(limits.split()))
            self._owners[number] = owner
        return self._owners[number]

    def _row(self, number: int) -> tuple[Any, ...] | None:
        if number not in self._owner_rows:
            query = "SELECT id, kind, trace, call, step, firm, typed, limits FROM owners"
            self._owner_rows = {row[0]: row[1:] for row in self.db.execute(query)}
        return self._owner_rows.get(number)

    def said_before(self, mark: int, us: int) -> bool:
        """Whether a line of this mark had been put in or taken out before, in whatever file and worktree."""
        if mark not in self._said:
            asked = self._asked | {mark}
            self._asked = set()
            query = "SELECT mark, min(us) FROM said WHERE mark IN (SELECT value FROM json_each(?)) GROUP BY mark"
            self._said |= dict.fromkeys(asked)
            self._said |= dict(self.db.execute(query, (json.dumps(list(asked)),)).fetchall())
        first = self._said[mark]
        return first is not None and first < us

    def replay(
        self, paths: Iterable[bytes], blobs: Collection[str] = (), moments: Iterable[int] = (), *, losses: bool = False
    ) -> Replay:
        """What these paths, and those that lines came into them from, went through in all worktrees.

        blobs: whose versions are wanted. moments: microseconds; how the files were then is wanted. losses: what took
        each line away is wanted.
        """
        changes, known = self._ancestry(paths)
        self._asked |= marks_of(change.packed_added for change in changes if not change.typed) - self._said.keys()
        return Replay(self.owner, changes, known, blobs, moments, losses)

    def _ancestry(self, paths: Iterable[bytes]) -> tuple[list[Change], set[bytes]]:
        """The changes that lines of these paths can have come through, in order of time, and the paths they had."""
        found: dict[int, Change] = {}
        todo = list(paths)
        known = set(todo)
        while todo:
            path = todo.pop()
            for change in self._of(path):
                found[change.id] = change
                if change.path == path:
                    sources = {change.old_path, *(move.source for move in change.moves)} - known
                    known |= sources
                    todo += sources
        return sorted(found.values(), key=attrgetter("us", "root", "id")), known

    def _of(self, path: bytes) -> list[Change]:
        """The changes of a path, those that renamed it away included."""
        if path not in self._rows:
            query = (
                f"SELECT {_COLUMNS} FROM changes WHERE path = ?1"
                f" UNION ALL SELECT {_COLUMNS} FROM changes WHERE old_path = ?1 AND old_path != path"
            )
            rows = [Change(*row) for row in self.db.execute(query, (path,))]
            for row in rows:
                self._changes.setdefault(row.id, row)
            self._rows[path] = rows
        return self._rows[path]

    def since(self, root: int, us: int) -> list[Change]:
        """All changes of a worktree after ``us``, in order of time."""
        query = f"SELECT {_COLUMNS} FROM changes WHERE root = ? AND us > ? ORDER BY us, id"
        return [Change(*row) for row in self.db.execute(query, (root, us))]

    def holders(self, blob: str) -> list[bytes]:
        """The paths that ever held a content, the latest first."""
        query = "SELECT path FROM changes WHERE new_blob = ? GROUP BY path ORDER BY max(us) DESC"
        return [row[0] for row in self.db.execute(query, (blob,))]

    def present(self, root: int) -> list[bytes]:
        """The paths that ever changed in a worktree and were there at its last boundary, the latest changed first."""
        query = (
            "SELECT path FROM"
            " (SELECT path, new_blob, max(us) AS last FROM changes WHERE root = ?1 GROUP BY path) AS now"
            " WHERE new_blob != '' AND NOT EXISTS"
            " (SELECT 1 FROM changes WHERE old_path = now.path AND old_path != path AND root = ?1 AND us >= now.last)"
            " ORDER BY last DESC, path"
        )
        return [row[0] for row in self.db.execute(query, (root,))]

    def moved_from(self, root: int, path: bytes) -> set[bytes]:
        """The files into which lines of ``path`` were moved."""
        query = f"SELECT {_COLUMNS} FROM changes WHERE root = ? AND length(moves) > 0 AND instr(moves, ?) > 0"
        rows = [Change(*row) for row in self.db.execute(query, (root, path))]
        return {row.path for row in rows if row.path != path and any(move.source == path for move in row.moves)}
