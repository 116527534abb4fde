"""From a line of a commit to the call that wrote it.

The commit's file is found among the versions that the worktree's snapshots went through, by path and blob id; where
that content was never seen at a boundary, by what was there at the boundaries around the commit's birth.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hookkit.git.worktree import Worktree
from hookkit.trails.lines.align import Match, matches
from hookkit.trails.lines.births import Birth, Births
from hookkit.trails.lines.chain import Chains
from hookkit.trails.lines.change import Change
from hookkit.trails.lines.changes import NO_MARK, lines
from hookkit.trails.lines.intervals import OUTSIDE, Owner, owner_at
from hookkit.trails.lines.model import UNKNOWN, Kind, Origin
from hookkit.trails.lines.objects import Spot, blob_ids, content
from hookkit.trails.lines.replay import FIRST, LINE, RETURNED, Version
from hookkit.trails.lines.sources import Sources

_DEEPEST = 40  # cherry-picks of cherry-picks
_MOST_GONE = 20  # files that are compared with one that has a new name
_NEAR = 20  # lines of a hunk
_SECOND = 1_000_000
_NONE: Mapping[tuple[str, bytes], str] = {}


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of one line: a code, or who must have written it; sure: whether ids prove it."""

    code: int | None = None
    owner: Owner | None = None
    sure: bool = True


class Resolver:
    """Answers for the lines of commits. Everything it reads it reads once."""

    def __init__(self, worktree: Worktree, db: sqlite3.Connection) -> None:
        self.worktree, self.db = worktree, db
        self.chains = Chains(db)
        self.births = Births(worktree, db)
        self.sources = Sources(worktree, self.births)
        self._versions: dict[bytes, dict[str, list[Version]]] = {}
        self._blobs: dict[tuple[str, bytes], str] = {}
        self._aligned: dict[tuple[str, bytes], tuple[Mapping[int, _Found], _Found | None]] = {}
        self._moments: dict[tuple[int, bytes, int], Sequence[int]] = {}
        self._said: dict[tuple[int, int], bool] = {}
        self._done: dict[Spot, Origin] = {}
        self._open: set[Spot] = set()  # what is being looked for: whatever leads back there knows no more
        self._first: int = db.execute("SELECT coalesce(min(us), 0) FROM boundaries").fetchone()[0]

    def prefetch(self, places: Iterable[tuple[str, bytes]], blobs: Mapping[tuple[str, bytes], str] = _NONE) -> None:
        """Read at once what the answers for these (commit, path) need. blobs: those that are known."""
        self._blobs |= blobs
        wanted = [place for place in places if place not in self._blobs]
        self._blobs |= dict(zip(wanted, blob_ids(self.worktree, wanted), strict=True))
        self._read_versions({path for _, path in (*wanted, *blobs)})

    def origin(self, spot: Spot, at: int, depth: int = 0) -> Origin:
        """Who wrote a line of a commit. at: the commit's committer time, seconds since 1970; 0 if not known."""
        if spot not in self._done:
            self._open.add(spot)
            self._done[spot] = self._origin(spot, at, depth)
            self._open.discard(spot)
        return self._done[spot]

    def blob(self, commit: str, path: bytes) -> str:
        if (commit, path) not in self._blobs:
            self._blobs[commit, path] = blob_ids(self.worktree, [(commit, path)])[0]
        return self._blobs[commit, path]

    def _read_versions(self, paths: Collection[bytes]) -> None:
        """What these paths went through, as far as commits that are known hold it."""
        found: dict[bytes, dict[str, list[Version]]] = {path: {} for path in paths}
        for (_, path), blob in self._blobs.items():
            if path in found:
                found[path][blob] = []
        for path, blobs in found.items():
            if path in self._versions:  # the second time: what commits brought, so others are asked for next
                blobs |= {patch.change.new_blob: [] for patch in self.sources.history(path).patches}
        wanted = {blob for blobs in found.values() for blob in blobs if blob}
        replay = self.chains.replay(paths, wanted)
        for path, blobs in found.items():
            for version in replay.versions.get(path, ()):
                if version.blob in blobs:
                    blobs[version.blob].append(version)
        self._versions |= found

    def _origin(self, spot: Spot, at: int, depth: int) -> Origin:
        if not self._first or (at and (at + 1) * _SECOND < self._first):
            return UNKNOWN  # made before anything was recorded
        blob = self.blob(spot.commit, spot.path)
        if not blob:
            return UNKNOWN
        if blob not in self._versions.get(spot.path, {}):
            self._read_versions([spot.path])
        versions = self._versions[spot.path][blob]
        plain = len(versions) == 1 and self._is_plain(versions[0], spot.line, at)
        birth = None if plain else self.births.of(spot.commit)
        found = self._from_version(versions, birth, spot, at) or self._from_birth(birth, spot)
        return self._settled(found, spot, at, depth)

    def _is_plain(self, version: Version, line: int, at: int) -> bool:
        """Whether a call named the file and gave the line, before the commit: nothing more is to be asked."""
        code = version.codes[line] if line < len(version.codes) else 0
        change = self.chains.change(code)
        if change is None:
            return version.since == FIRST
        return version.since <= (at + 1) * _SECOND and self.chains.owner(change, change.hunk_of(code & LINE)).typed

    def _from_version(self, versions: Sequence[Version], birth: Birth | None, spot: Spot, at: int) -> _Found | None:
        version, sure = _choose(versions, birth, at)
        if version is None:
            return None
        code = version.codes[spot.line] if spot.line < len(version.codes) else 0
        if not sure:
            sure = len({v.codes[spot.line] if spot.line < len(v.codes) else 0 for v in versions}) == 1
        return _Found(code, sure=sure)

    def _from_birth(self, birth: Birth | None, spot: Spot) -> _Found | None:
        """A content that no boundary saw: a part of what was there was committed, or it was replaced in time."""
        if birth is None or not birth.root or birth.since is None:
            return None
        key = (spot.commit, spot.path)
        if key not in self._aligned:
            self._aligned[key] = self._align(birth, spot.commit, spot.path)
        known, rest = self._aligned[key]
        return known.get(spot.line, rest)

    def _align(self, birth: Birth, commit: str, path: bytes) -> tuple[Mapping[int, _Found], _Found | None]:
        """What is known of the lines that were there around the birth of a commit, and of all others."""
        text = content(self.worktree, self.blob(commit, path))
        if text is None:
            return {}, None
        found: dict[int, _Found] = {}
        assert birth.since is not None
        for us in (birth.until, birth.since):  # what was there before counts more than what came of it
            was = None if us is None else content(self.worktree, self._blob_at(birth.root, us, path))
            if us is None or was is None:
                continue
            codes = self._codes_at(birth.root, path, us)
            for new, (old, sure) in matches(self.worktree, was, text).items():
                found[new] = _Found(codes[old] if old < len(codes) else 0, sure=sure)
        owner = owner_at(self.db, birth.root, birth.since, birth.until, path) if birth.until else OUTSIDE
        return found, _Found(owner=owner, sure=False)

    def _codes_at(self, root: int, path: bytes, us: int) -> Sequence[int]:
        """The codes of a file at a boundary; those at the boundaries that other commits will ask for are read, too."""
        if (root, path, us) not in self._moments:
            around = [self.births.of(commit) for commit, other in self._blobs if other == path]
            moments = {us, *(each for birth in around if birth for each in (birth.since, birth.until) if each)}
            replay = self.chains.replay([path], moments=moments)
            roots = {root, *(birth.root for birth in around if birth)}
            self._moments |= {(each, path, at): replay.codes_at(each, path, at) for each in roots for at in moments}
        return self._moments[root, path, us]

    def _blob_at(self, root: int, us: int, path: bytes) -> str:
        row = self.db.execute("SELECT tree FROM boundaries WHERE root = ? AND us = ?", (root, us)).fetchone()
        return blob_ids(self.worktree, [(row[0], path)])[0] if row else ""

    def _settled(self, found: _Found | None, spot: Spot, at: int, depth: int) -> Origin:
        if found is None:
            return self._came_from(spot, None, at, depth) or UNKNOWN
        if found.code is None:
            owner = found.owner or OUTSIDE
            return self._came_from(spot, None, at, depth) or origin_of(owner.doubt())
        change = self.chains.change(found.code)
        if change is None:
            return self._came_from(spot, None, at, depth) or UNKNOWN
        line = found.code & LINE
        owner = self.chains.owner(change, change.hunk_of(line))
        if not owner.typed:
            brought = self._brought(change.path, change.new_blob, change.since, change.us, line, depth)
            # A line that came back was written earlier than it came.
            brought = brought or self._came_from(spot, None if found.code & RETURNED else change.us, at, depth)
            if brought is not None:
                return brought
            if self._only_arrived(spot.commit, change.us, at):
                if self.births.tells(at):
                    return UNKNOWN
                owner = owner.doubt()
        if found.code & RETURNED or not found.sure or not (owner.typed or self._is_first(change, line)):
            owner = owner.doubt()
        return origin_of(owner, os.fsdecode(change.path), change.new_blob, line + 1)

    def uncommitted(self, root: int, path: bytes, text: bytes, blob: str) -> list[Origin]:
        """Who wrote the lines of a file as it is in a worktree now (root: 0 if nothing was recorded in it)."""
        codes, same = self._now_from(root, path, text, blob)
        # Nothing was recorded after the last boundary: what is new since then is nobody's we know of, or not read yet.
        later = origin_of(OUTSIDE.doubt()) if root else UNKNOWN
        found = []
        for line in range(len(lines(text))):
            match = same.get(line)
            found.append(later if match is None else self._now(codes, match))
        return found

    def _now_from(self, root: int, path: bytes, text: bytes, blob: str) -> tuple[Sequence[int], Mapping[int, Match]]:
        """The codes of the content that a file of now was made of, and line of now -> line there."""
        whole = {line: Match(line, True) for line in range(len(lines(text)))}
        for holder in dict.fromkeys((path, *self.chains.holders(blob))):
            replay = self.chains.replay([holder], {blob})
            codes = replay.codes(root, holder)
            if holder == path and codes is not None and replay.blob(root, path) == blob:
                return codes, whole
            if versions := replay.versions.get(holder):
                return versions[-1].codes, whole
        last = self.chains.replay([path])
        codes = last.codes(root, path)
        if codes is not None:
            return codes, matches(self.worktree, content(self.worktree, last.blob(root, path)) or b"", text)
        us = self.db.execute("SELECT max(us) FROM boundaries WHERE root = ?", (root,)).fetchone()[0]
        was = content(self.worktree, self._blob_at(root, us, path)) if us is not None else None
        if was is not None:  # it has been there all the time
            return (), matches(self.worktree, was, text)
        return self._renamed_since(root, text)

    def _renamed_since(self, root: int, text: bytes) -> tuple[Sequence[int], Mapping[int, Match]]:
        """The file that is no longer there and shares most lines with ``text``, at least half of them."""
        best: tuple[Sequence[int], Mapping[int, Match]] = ((), {})
        present = self.chains.present(root)
        gone = [path for path in present if not os.path.lexists(self.worktree.root / os.fsdecode(path))][:_MOST_GONE]
        replay = self.chains.replay(gone)
        for path in gone:
            same = matches(self.worktree, content(self.worktree, replay.blob(root, path)) or b"", text)
            if len(same) * 2 >= len(lines(text)) and len(same) > len(best[1]):
                best = replay.codes(root, path) or (), same
        return best

    def _now(self, codes: Sequence[int], match: Match) -> Origin:
        code = codes[match.line] if match.line < len(codes) else 0
        change = self.chains.change(code)
        if change is None:
            return UNKNOWN
        at = code & LINE
        owner = self.chains.owner(change, change.hunk_of(at))
        if not owner.typed:
            brought = self._brought(change.path, change.new_blob, change.since, change.us, at, 0)
            if brought is not None:
                return brought
        if code & RETURNED or not match.sure or not (owner.typed or self._is_first(change, at)):
            owner = owner.doubt()
        return origin_of(owner, os.fsdecode(change.path), change.new_blob, at + 1)

    def _is_first(self, change: Change, line: int) -> bool:
        """Whether nothing like a line was there before it was written by somebody who did not name the file.

        A line that says too little goes with those next to it in its hunk.
        """
        said = self._was_said(change, line)
        if said is None and change.spans:
            _, _, start, count = change.spans[change.hunk_of(line)]
            around = (
                range(line - 1, max(start, line - _NEAR) - 1, -1),
                range(line + 1, min(start + count, line + _NEAR + 1)),
            )
            said = any(self._first_told(change, lines_) for lines_ in around)
        return not said

    def _first_told(self, change: Change, numbers: Iterable[int]) -> bool:
        """Of the first of these lines that says something, whether it was there before."""
        return next((said for number in numbers if (said := self._was_said(change, number)) is not None), False)

    def _was_said(self, change: Change, line: int) -> bool | None:
        """Whether a line was there before a change put it in; None if it says too little to be known again."""
        found = change.mark(line)
        if found == NO_MARK:
            return None
        if (change.id, line) not in self._said:
            before = self.chains.said_before(found, change.us)
            before = before or self.sources.may_have_said(change.path, found, change.since)
            self._said[change.id, line] = before
        return self._said[change.id, line]

    def _brought(self, path: bytes, blob: str, since: int, us: int, line: int, depth: int) -> Origin | None:
        """The origin of a line that came into the worktree with a content that a commit already had."""
        if depth > _DEEPEST:
            return None
        for spot in self.sources.same_content(path, blob, us // _SECOND + 1, line):
            birth = self.births.of(spot.holder)
            if birth and birth.since is not None and birth.since >= since:
                continue  # made of this very content
            if spot.line in self._open:
                continue
            return self.origin(spot.line, spot.at, depth + 1)
        return None

    def _came_from(self, spot: Spot, us: int | None, at: int, depth: int) -> Origin | None:
        """The origin of a line that git took from another commit; us: only if that was there by then."""
        if depth > _DEEPEST:
            return None
        found = self.sources.same_change(spot.commit, spot.path, spot.line)
        if found is None or found.line in self._open or (us is not None and found.at * _SECOND > us):
            return None
        origin = self.origin(found.line, found.at, depth + 1)
        return origin if found.sure or origin.kind == "unknown" else replace(origin, firmness="provisional")

    def _only_arrived(self, commit: str, us: int, at: int) -> bool:
        """Whether a change may be nothing but the arrival of a commit that was made elsewhere."""
        return self.births.of(commit) is None and bool(at) and at * _SECOND < us


def _choose(versions: Sequence[Version], birth: Birth | None, at: int) -> tuple[Version | None, bool]:
    """The version that a commit was made of, and whether that is certain."""
    if not versions:
        return None, False
    if birth and birth.until is not None:
        versions = [version for version in versions if version.since <= birth.until]
    if birth and birth.since is not None:
        here = [version for version in versions if version.root == birth.root]
        there = [version for version in here if version.since <= birth.since < version.until]
        soon = [version for version in here if birth.since < version.since <= (birth.until or version.since)]
        staged = [version for version in here if version.since <= birth.since]
        for group in (there, soon[:1], staged):
            if group:  # which of several that were there before was staged, nothing tells
                return group[-1], group is not staged or len(group) == 1
    if not versions:
        return None, False
    if len(versions) == 1:
        return versions[0], True
    earlier = [version for version in versions if version.since < (at + 1) * _SECOND or version.since == FIRST]
    return (earlier or versions)[-1 if earlier else 0], False


def origin_of(owner: Owner, path: str | None = None, blob: str | None = None, line: int | None = None) -> Origin:
    """What an owner means for a line that was written at ``line`` (1-based) of ``path`` as it then was."""
    kind: Kind = "tool_call" if owner.kind == "tool_call" else "outside_tool_call"
    return Origin(
        kind, "firm" if owner.firm else "provisional", tuple(sorted(owner.limits)), owner.trace, owner.call, owner.step,
        path, blob, line,
    )  # fmt: skip
