"""Where the lines of a commit came from, when git itself brought them: cherry-pick, rebase, squash, revert, checkout.

What counts is identity: the same file content (blob id), or a change that takes out and puts in exactly the same lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hookkit.errors import HookkitError
from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.births import Births
from hookkit.trails.lines.changes import NO_MARK, alphanumeric, lines, mark
from hookkit.trails.lines.objects import Spot, tree_ids
from hookkit.trails.lines.porcelain import Blamed, git_blame

_MOST_COMMITS = 300  # of one path that are looked at, newest first
_MOST_TIPS = 20
_ENOUGH = 20  # alphanumeric characters; two changes that say less may be equal by chance

Key = tuple[tuple[bytes, bytes], ...]  # (removed, added) of every hunk


@dataclass(frozen=True, slots=True)
class Patch:
    """What one commit did to one path. at: committer time, seconds since 1970."""

    commit: str
    parent: str
    at: int
    change: FileChange

    @property
    def key(self) -> Key:
        return key_of(self.change)


def key_of(change: FileChange, *, reverse: bool = False) -> Key:
    if reverse:
        return tuple((hunk.added, hunk.removed) for hunk in change.hunks)
    return tuple((hunk.removed, hunk.added) for hunk in change.hunks)


def says_enough(key: Key) -> bool:
    """Whether an equal change can hardly be a coincidence."""
    return sum(alphanumeric(removed) + alphanumeric(added) for removed, added in key) >= _ENOUGH


@dataclass(frozen=True, slots=True)
class Source:
    """Where a line came from. holder: the commit that had it, made ``at`` (committer time, seconds since 1970).

    line: where it was written first, as far as git tells. sure: beyond chance.
    """

    holder: str
    at: int
    line: Spot
    sure: bool = True


@dataclass(frozen=True, slots=True)
class _Match:
    """A change (``change``) that puts in, or takes out, the same lines as the change ``own``.

    blamed: the commit in which the lines are looked up; None: the holder itself wrote them.
    """

    own: FileChange
    holder: str
    at: int
    change: FileChange
    blamed: str | None
    taken_back: bool
    sure: bool


class Sources:
    """Looks for the commits that lines came from. Everything is read once per path."""

    def __init__(self, worktree: Worktree, births: Births) -> None:
        self._worktree, self._births = worktree, births
        self._patches: dict[bytes, list[Patch]] = {}
        self._blames: dict[tuple[str, bytes], dict[int, Spot]] = {}
        self._ranges: dict[tuple[str, bytes], list[tuple[str, int, FileChange]]] = {}
        self._said: dict[bytes, dict[bytes, int]] = {}
        self._matches: dict[tuple[str, bytes], _Match | None] = {}

    def patches(self, path: bytes) -> list[Patch]:
        """What commits did to a path, newest first; those that only reflogs still know included."""
        if path not in self._patches:
            self._patches[path] = list(self._read(path))
        return self._patches[path]

    def same_content(self, path: bytes, blob: str, before: int, line: int) -> Iterator[Source]:
        """Commits older than ``before`` (seconds) that gave ``path`` this blob, newest first."""
        for patch in self.patches(path):
            if patch.at < before and patch.change.new_blob == blob:
                found = self._blamed(patch.commit, path, line)
                if found:
                    yield Source(patch.commit, patch.at, found)

    def said_before(self, path: bytes, found: bytes, us: int) -> bool:
        """Whether a commit that is older than ``us`` (microseconds) put in, or took out, a line of this mark."""
        if path not in self._said:
            said: dict[bytes, int] = {}
            for patch in reversed(self.patches(path)):
                for hunk in patch.change.hunks:
                    for line in (*lines(hunk.removed), *lines(hunk.added)):
                        said.setdefault(mark(line), patch.at)
            said.pop(NO_MARK, None)
            self._said[path] = said
        at = self._said[path].get(found)
        return at is not None and (at + 1) * 1_000_000 <= us

    def same_change(self, commit: str, path: bytes, line: int) -> Source | None:
        """The older commit that made the same change, or took it back, or the branch that did, for an added line."""
        key = (commit, path)
        if key not in self._matches:
            own = next((patch for patch in self.patches(path) if patch.commit == commit), None)
            self._matches[key] = self._match(own, path) if own else None
        match = self._matches[key]
        place = _place(match.own, line) if match else None
        if match is None or place is None:
            return None
        hunk, offset = place
        spot: Spot | None
        if match.blamed is None:
            spot = Spot(match.holder, path, match.change.hunks[hunk].new_start + offset)
        else:
            start = match.change.hunks[hunk].old_start if match.taken_back else match.change.hunks[hunk].new_start
            spot = self._blamed(match.blamed, path, start + offset)
        return Source(match.holder, match.at, spot, match.sure) if spot else None

    def _match(self, own: Patch, path: bytes) -> _Match | None:
        key = own.key
        sure = says_enough(key)
        for patch in self.patches(path):
            if patch.commit == own.commit or not self._older(patch, own):
                continue
            if patch.key == key:
                return _Match(own.change, patch.commit, patch.at, patch.change, None, False, sure)
            if key_of(patch.change, reverse=True) == key:
                return _Match(own.change, patch.commit, patch.at, patch.change, patch.parent, True, sure)
        for tip, at, change in self._squashed(own, path):
            if key_of(change) == key:
                return _Match(own.change, tip, at, change, tip, False, sure)
        return None

    def _squashed(self, own: Patch, path: bytes) -> Sequence[tuple[str, int, FileChange]]:
        """What whole branches did to a path since they left the line of ``own``: (tip, its time, change)."""
        key = (own.commit, path)
        if key not in self._ranges:
            found = []
            others = [p for p in self.patches(path) if p.commit != own.commit and self._older(p, own)]
            for patch in others[:_MOST_TIPS]:
                tip = patch.commit
                base = _git(self._worktree, "merge-base", own.parent, tip).strip().decode() if own.parent else ""
                if base and base != tip:
                    changed = _changes(self._worktree, [(base, tip)], path)
                    found += [(tip, patch.at, change) for change in changed if change]
            self._ranges[key] = found
        return self._ranges[key]

    def _older(self, patch: Patch, own: Patch) -> bool:
        if patch.at != own.at:
            return patch.at < own.at
        first, second = self._births.of(patch.commit), self._births.of(own.commit)
        return bool(first and second and first.root == second.root and first.order < second.order)

    def _read(self, path: bytes) -> Iterator[Patch]:
        name = os.fsdecode(path)
        listing = _git(
            self._worktree, "-c", "log.follow=false", "log", "--exclude=refs/opentraces/*", "--exclude=refs/notes/*",
            "--all", "--reflog", "--full-history", "--no-merges", "--no-show-signature", "--format=%H %ct %P",
            f"-n{_MOST_COMMITS}", "--", f":(top,literal){name}",
        ).decode()  # fmt: skip
        rows = [[*line.split(" "), ""][:3] for line in listing.splitlines()]  # commit, time, parent
        pairs = [(parent, commit) for commit, _, parent in rows]
        for (commit, at, parent), change in zip(rows, _changes(self._worktree, pairs, path), strict=False):
            if change is not None:
                yield Patch(commit, parent, int(at), change)

    def _blamed(self, commit: str, path: bytes, line: int) -> Spot | None:
        """The commit that wrote a line of ``commit``'s file, with the line there."""
        key = (commit, path)
        if key not in self._blames:
            try:
                blamed = git_blame(self._worktree, os.fsdecode(path), commit)
            except HookkitError:
                blamed = Blamed()
            self._blames[key] = {
                line - 1: Spot(origin, where, original - 1) for origin, where, original, line, _ in blamed.lines
            }
        return self._blames[key].get(line)


def _place(change: FileChange, line: int) -> tuple[int, int] | None:
    """The hunk that added a line, and its number there."""
    for number, hunk in enumerate(change.hunks):
        if hunk.new_start <= line < hunk.new_start + hunk.new_count:
            return number, line - hunk.new_start
    return None


def _changes(worktree: Worktree, pairs: Sequence[tuple[str, str]], path: bytes) -> list[FileChange | None]:
    """What became of ``path`` between the commits of each pair; None where it did not change, or nothing is known."""
    try:
        trees = tree_ids(worktree, [commit for pair in pairs for commit in pair])
        asked = [(trees.get(old, ""), trees.get(new, "")) for old, new in pairs]
        answers = diff_trees(worktree, asked, paths=[os.fsdecode(path)])
        return [next((change for change in files if os.fsencode(change.path) == path), None) for files in answers]
    except HookkitError:
        return [None] * len(pairs)


def _git(worktree: Worktree, *arguments: str) -> bytes:
    try:
        return run(worktree.root, *arguments, check=False)
    except HookkitError:
        return b""
