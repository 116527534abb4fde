"""When, and between which boundaries, a commit came to be in this repository.

git's reflogs tell: an entry that makes a commit is its birth here; a commit that was only fetched, checked out or fast
forwarded to has none. Reflog times are whole seconds and may be those of an editor that was opened long before, so the
commits that boundaries saw as HEAD place a birth between two of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.database import transaction

# What moves HEAD to a commit that was there before. Everything else that names a new commit made it.
_MOVES = re.compile(
    rb"checkout: |reset: |clone: |Branch: |branch: |initial pull|pull.*: Fast-forward|merge .*: Fast-forward|"
    rb"rebase.*\((start|finish|abort)\)|rebase.*: (checkout|returning|updating)|fetch|switch: |worktree"
)
_ENTRY = re.compile(rb"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [^\n]*?> (\d{1,11}) [+-]\d{4}(?:\t([^\n]*))?\n")
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Birth:
    """A commit's coming to be.

    order: later births in one worktree have larger numbers. at: seconds since 1970. since, until: the boundaries around
    it, microseconds since 1970; None where there is none. replaced: the commit that HEAD was before.
    """

    commit: str
    root: int
    order: int
    at: int
    since: int | None
    until: int | None
    message: str
    replaced: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a reflog."""

    old: str
    new: str
    at: int
    message: bytes

    @property
    def makes(self) -> bool:
        return not _MOVES.match(self.message) and self.old != self.new


def entries(git_dir: Path, worktree: Worktree) -> list[Entry]:
    """The reflog of HEAD in one of the git folders of ``worktree``'s repository, oldest first; [] if there is none."""
    try:
        text = (git_dir / "logs" / "HEAD").read_bytes()
    except OSError:
        return _from_git(worktree) if git_dir == worktree.git_dir else []
    return [
        Entry(old.decode(), new.decode(), int(at), message or b"") for old, new, at, message in _ENTRY.findall(text)
    ]


def _from_git(worktree: Worktree) -> list[Entry]:
    """The same by way of git, for stores of references that keep no such file."""
    if not (worktree.git_dir / "reftable").exists() and not (worktree.common_dir / "reftable").exists():
        return []
    try:
        text = run(worktree.root, "reflog", "show", "--date=raw", "--format=%H%x00%gd%x00%gs", "HEAD", check=False)
    except HookkitError:
        return []
    found: list[Entry] = []
    for line in reversed(text.splitlines()):
        commit, when, message = line.split(b"\0", 2)
        at = re.search(rb"@\{(\d+)", when)
        old = found[-1].new if found else "0" * len(commit)
        found.append(Entry(old, commit.decode(), int(at[1]) if at else 0, message))
    return found


class Births:
    """The births in all worktrees of a repository that the index knows. Read once, when first asked."""

    def __init__(self, worktree: Worktree, db: sqlite3.Connection) -> None:
        self._worktree, self._db = worktree, db
        self._found: dict[str, Birth] | None = None
        self._told_since: dict[Path, int] = {}

    def of(self, commit: str) -> Birth | None:
        """The birth of a commit; None if it was not made here, or nothing tells."""
        return self.all().get(commit)

    def tells(self, at: int) -> bool:
        """Whether a commit of that time (seconds since 1970) that has no birth was certainly made elsewhere."""
        self.all()
        return bool(self._told_since) and at > max(self._told_since.values())

    def all(self) -> Mapping[str, Birth]:
        """Commit -> birth."""
        if self._found is None:
            self._found = {}
            common = self._worktree.common_dir
            known = {common / os.fsdecode(row[0]) for row in self._db.execute("SELECT DISTINCT git_dir FROM entries")}
            # Worktrees that were removed are among the known ones: their commits are still here.
            git_dirs = tuple(dict.fromkeys((common, *sorted({*common.glob("worktrees/*"), *known}))))
            roots = self._roots(git_dirs)
            for git_dir in git_dirs:
                log = self._remembered(git_dir, entries(git_dir, self._worktree))
                if log:
                    self._told_since[git_dir] = _whole_since(log)
                    self._read(roots.get(git_dir, 0), log)
        return self._found

    def _remembered(self, git_dir: Path, log: list[Entry]) -> list[Entry]:
        """The entries of a reflog, with those that git has dropped since they were read first."""
        name = os.fsencode(os.path.relpath(git_dir, self._worktree.common_dir))
        query = "SELECT old, new, at, message FROM entries WHERE git_dir = ? ORDER BY id"
        known = [Entry(*row) for row in self._db.execute(query, (name,))]
        times: Counter[Entry] = Counter()  # HEAD can come and go twice within a second
        fresh = []
        have = Counter(known)
        for entry in log:
            if times[entry] >= have[entry]:
                fresh.append((name, entry.old, entry.new, entry.at, entry.message, times[entry]))
            times[entry] += 1
        if fresh:
            with contextlib.suppress(sqlite3.Error), transaction(self._db):
                self._db.executemany(
                    "INSERT OR IGNORE INTO entries (git_dir, old, new, at, message, nth) VALUES (?, ?, ?, ?, ?, ?)",
                    fresh,
                )
        return known + [Entry(*row[1:5]) for row in fresh]

    def _roots(self, git_dirs: Sequence[Path]) -> dict[Path, int]:
        """Git folder -> number of its worktree, as far as the index knows it, or knew it while it was there."""
        real = {os.path.realpath(git_dir): git_dir for git_dir in git_dirs}
        found, kept = {}, {}
        for number, root, was in self._db.execute("SELECT id, root, git_dir FROM roots ORDER BY id").fetchall():
            git_dir = real.get(_git_dir(Path(os.fsdecode(root))))
            if git_dir is None:
                kept[self._worktree.common_dir / os.fsdecode(was or b"?")] = int(number)
                continue
            found[git_dir] = int(number)
            name = os.fsencode(os.path.relpath(git_dir, self._worktree.common_dir))
            if name != was:
                with contextlib.suppress(sqlite3.Error), transaction(self._db):
                    self._db.execute("UPDATE roots SET git_dir = ? WHERE id = ?", (name, number))
        return {git_dir: number for git_dir, number in kept.items() if git_dir in git_dirs} | found

    def _read(self, root: int, log: list[Entry]) -> None:
        assert self._found is not None
        place = _Places(self._db, root, log)
        for order, entry in enumerate(log):
            if entry.makes and place.is_new(order):
                since, until = place.around(order)
                message = entry.message.decode("utf-8", "replace")
                birth = Birth(entry.new, root, order, entry.at, since, until, message, entry.old)
                self._found.setdefault(entry.new, birth)


def _whole_since(log: list[Entry]) -> int:
    """Since when a reflog lacks nothing: git drops old entries, from the start and from within. Seconds since 1970."""
    since = 0 if not log[0].old.strip("0") else log[0].at
    for before, after in itertools.pairwise(log):
        if before.new != after.old:
            since = after.at
    return since


def _git_dir(root: Path) -> str:
    """The git folder of exactly this worktree, as its ``.git`` tells; "" if there is none. Starts no process."""
    place = root / ".git"
    try:
        text = b"" if place.is_dir() else place.read_bytes()
    except (OSError, ValueError):
        return ""
    return os.path.realpath(root / os.fsdecode(text.removeprefix(b"gitdir:").strip()) if text else place)


class _Places:
    """Places entries of one reflog between the boundaries of its worktree."""

    def __init__(self, db: sqlite3.Connection, root: int, log: list[Entry]) -> None:
        self._log = log
        self._first: dict[str, float] = {}
        self._orders: dict[str, list[int]] = {}
        for order, entry in enumerate(log):
            self._first.setdefault(entry.new, order)
            self._first.setdefault(entry.old, order - 0.5)
            self._orders.setdefault(entry.new, []).append(order)
        query = "SELECT us, head FROM boundaries WHERE root = ? ORDER BY us"
        found = db.execute(query, (root,)).fetchall() if root else []
        self._moments: list[int] = [us for us, _ in found]
        self._boundaries = list(self._placed([(us, head) for us, head in found if head]))

    def is_new(self, order: int) -> bool:
        """Whether no earlier entry names the commit of this one."""
        return self._first[self._log[order].new] >= order

    def around(self, order: int) -> tuple[int | None, int | None]:
        """The boundaries around an entry: the last that saw HEAD as it was before it, and the next one."""
        at = bisect_left(self._boundaries, order, key=lambda boundary: boundary[1])
        after = self._boundaries[at][0] if at < len(self._boundaries) else None
        before = self._boundaries[at - 1][0] if at else None
        # A reflog's time is never later than what it tells of.
        earlier = bisect_left(self._moments, self._log[order].at * _SECOND)
        if earlier and (after is None or self._moments[earlier - 1] < after):
            before = max(before or 0, self._moments[earlier - 1])
        return before, after

    def _placed(self, boundaries: Sequence[tuple[int, str]]) -> Iterator[tuple[int, int]]:
        """(when, the last entry that it can have seen) of every boundary.

        HEAD comes back to commits, and the reflog counts in seconds. Entries of earlier seconds have happened; of those
        of the same second as few as the commits that the boundaries saw ask for.
        """
        last = -1
        for us, head in boundaries:
            orders = self._orders.get(head, ())
            certain = max((n for n in orders if (self._log[n].at + 1) * _SECOND <= us), default=-1)
            possible = (n for n in orders if n >= max(last, certain) and self._log[n].at * _SECOND <= us)
            last = min(possible, default=max(last, certain))
            yield us, last
