"""Where the lines of a commit came from, when git itself brought them: cherry-pick, rebase, squash, revert, checkout.

What counts is identity: the same file content (blob id), or a change that takes out and puts in exactly the same lines.
"""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from hookkit.errors import HookkitError
from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.births import Births
from hookkit.trails.lines.changes import NO_MARK, alphanumeric, lines, mark
from hookkit.trails.lines.objects import Spot, tree_ids
from hookkit.trails.lines.porcelain import Blamed, git_blame

_MOST_COMMITS = 2000  # of one path that are looked at, newest first
_MOST_TIPS = 20  # that a commit may be the squash of
_ENOUGH = 20  # alphanumeric characters; two changes that say less may be equal by chance

Key = tuple[tuple[bytes, bytes], ...]  # (removed, added) of every hunk


@dataclass(frozen=True, slots=True)
class Patch:
    """What one commit did to one path. at: committer time, seconds since 1970."""

    commit: str
    parent: str
    at: int
    change: FileChange


def key_of(change: FileChange, *, reverse: bool = False) -> Key:
    if reverse:
        return tuple((hunk.added, hunk.removed) for hunk in change.hunks)
    return tuple((hunk.removed, hunk.added) for hunk in change.hunks)


def says_enough(key: Key) -> bool:
    """Whether an equal change can hardly be a coincidence."""
    return sum(alphanumeric(removed) + alphanumeric(added) for removed, added in key) >= _ENOUGH


def _lines_of(change: FileChange) -> tuple[Counter[bytes], Counter[bytes]]:
    """The lines that a change puts in, and those that it takes out."""
    return (
        Counter(line for hunk in change.hunks for line in lines(hunk.added)),
        Counter(line for hunk in change.hunks for line in lines(hunk.removed)),
    )


class History:
    """What commits did to a path, newest first; those that only reflogs still know included.

    whole: whether there is nothing more: git answered, and there were not too many.
    """

    def __init__(self, patches: Sequence[Patch], *, whole: bool) -> None:
        self.patches, self.whole = patches, whole
        self.by_commit = {patch.commit: patch for patch in patches}
        self.by_blob: dict[str, list[Patch]] = defaultdict(list)
        self._by_key: dict[Key, list[int]] = defaultdict(list)  # numbers of patches
        self._by_reverse: dict[Key, list[int]] = defaultdict(list)
        for number, patch in enumerate(patches):
            self.by_blob[patch.change.new_blob].append(patch)
            self._by_key[key_of(patch.change)].append(number)
            self._by_reverse[key_of(patch.change, reverse=True)].append(number)

    def like(self, key: Key) -> Iterator[tuple[Patch, bool]]:
        """The patches that put in and take out exactly that, and (True) those that take it back."""
        same = dict.fromkeys(self._by_key.get(key, ()), False)
        back = dict.fromkeys(self._by_reverse.get(key, ()), True)
        for number, taken_back in sorted((back | same).items()):
            yield self.patches[number], taken_back

    def parts(self, whole: FileChange) -> Iterator[Patch]:
        """The patches that can be the last of several that are ``whole`` together: what they put in is still there.

        One that only takes out has to take out something that the whole takes out, too.
        """
        added, gone = _lines_of(whole)
        for patch, (puts, takes) in zip(self.patches, self._lines, strict=True):
            if all(times <= added[line] for line, times in puts.items()) if puts else takes.keys() & gone.keys():
                yield patch

    @cached_property
    def _lines(self) -> list[tuple[Counter[bytes], Counter[bytes]]]:
        return [_lines_of(patch.change) for patch in self.patches]

    @cached_property
    def said(self) -> Mapping[int, int]:
        """Mark of every line that was put in or taken out -> when first, in seconds since 1970."""
        found: dict[int, int] = {}
        for patch in self.patches:
            for hunk in patch.change.hunks:
                for line in (*lines(hunk.removed), *lines(hunk.added)):
                    each = mark(line)
                    found[each] = min(patch.at, found.get(each, patch.at))
        found.pop(NO_MARK, None)
        return found


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
        self._histories: dict[bytes, History] = {}
        self._blames: dict[tuple[str, bytes], dict[int, Spot]] = {}
        self._matches: dict[tuple[str, bytes], _Match | None] = {}

    def history(self, path: bytes) -> History:
        """What commits did to a path."""
        if path not in self._histories:
            self._histories[path] = self._read(path)
        return self._histories[path]

    def same_content(self, path: bytes, blob: str, before: int, line: int) -> Iterator[Source]:
        """Commits older than ``before`` (seconds) that gave ``path`` this blob, newest first."""
        for patch in self.history(path).by_blob.get(blob, ()):
            if patch.at < before:
                found = self._blamed(patch.commit, path, line)
                if found:
                    yield Source(patch.commit, patch.at, found)

    def may_have_said(self, path: bytes, found: int, us: int) -> bool:
        """Whether a commit that is older than ``us`` (microseconds) put in, or took out, a line of this mark.

        True as well where not all commits are known.
        """
        history = self.history(path)
        if not history.whole:
            return True
        at = history.said.get(found)
        return at is not None and (at + 1) * 1_000_000 <= us

    def same_change(self, commit: str, path: bytes, line: int) -> Source | None:
        """The older commit that made the same change, or took it back, or the branch that did, for an added line."""
        key = (commit, path)
        if key not in self._matches:
            own = self.history(path).by_commit.get(commit)
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
        key = key_of(own.change)
        sure = says_enough(key)
        for patch, taken_back in self.history(path).like(key):
            if patch.commit != own.commit and self._older(patch, own):
                blamed = patch.parent if taken_back else None
                return _Match(own.change, patch.commit, patch.at, patch.change, blamed, taken_back, sure)
        for tip, at, change in self._squashed(own, path):
            if key_of(change) == key:
                return _Match(own.change, tip, at, change, tip, False, sure)
        return None

    def _squashed(self, own: Patch, path: bytes) -> Iterator[tuple[str, int, FileChange]]:
        """What whole branches did to a path since they left the line of ``own``: (tip, its time, change)."""
        if not own.parent:
            return
        parts = self.history(path).parts(own.change)
        older = (patch for patch in parts if patch.commit != own.commit and self._older(patch, own))
        for patch in islice(older, _MOST_TIPS):
            base = _git(self._worktree, "merge-base", own.parent, patch.commit).strip().decode()
            if base and base != patch.commit:
                for change in _changes(self._worktree, [(base, patch.commit)], path)[0]:
                    if change:
                        yield patch.commit, patch.at, change

    def _older(self, patch: Patch, own: Patch) -> bool:
        if patch.at != own.at:
            return patch.at < own.at
        first, second = self._births.of(patch.commit), self._births.of(own.commit)
        return bool(first and second and first.root == second.root and first.order < second.order)

    def _read(self, path: bytes) -> History:
        try:
            listing = run(
                self._worktree.root, "-c", "log.follow=false", "log", "--exclude=refs/opentraces/*",
                "--exclude=refs/notes/*", "--all", "--reflog", "--full-history", "--no-merges", "--no-show-signature",
                "--format=%H %ct %P", f"-n{_MOST_COMMITS}", "--", f":(top,literal){os.fsdecode(path)}",
            ).decode()  # fmt: skip
        except HookkitError:
            return History((), whole=False)
        rows = [[*line.split(" "), ""][:3] for line in listing.splitlines()]  # commit, time, parent
        changes, whole = _changes(self._worktree, [(parent, commit) for commit, _, parent in rows], path)
        patches = [
            Patch(commit, parent, int(at), change)
            for (commit, at, parent), change in zip(rows, changes, strict=True)
            if change is not None
        ]
        return History(patches, whole=whole and len(rows) < _MOST_COMMITS)

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
    number = bisect_right(change.hunks, line, key=lambda hunk: hunk.new_start) - 1
    if number < 0 or line >= change.hunks[number].new_start + change.hunks[number].new_count:
        return None
    return number, line - change.hunks[number].new_start


def _changes(worktree: Worktree, pairs: Sequence[tuple[str, str]], path: bytes) -> tuple[list[FileChange | None], bool]:
    """What became of ``path`` between the commits of each pair, None where nothing did; and whether git told of all."""
    found: list[FileChange | None] = []
    with contextlib.suppress(HookkitError):
        trees = tree_ids(worktree, [commit for pair in pairs for commit in pair])
        asked = [(trees[old], trees[new]) for old, new in pairs if old in trees and new in trees]
        told = iter(diff_trees(worktree, asked, paths=[os.fsdecode(path)]))
        for old, new in pairs:
            files = next(told) if old in trees and new in trees else ()
            found.append(next((change for change in files if os.fsencode(change.path) == path), None))
        return found, len(asked) == len(pairs)
    return found + [None] * (len(pairs) - len(found)), False


def _git(worktree: Worktree, *arguments: str) -> bytes:
    try:
        return run(worktree.root, *arguments, check=False)
    except HookkitError:
        return b""
