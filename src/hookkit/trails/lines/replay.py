"""Carries the origin of every line of some files through the changes of all worktrees, in order of time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter

from hookkit.trails.lines.change import Change
from hookkit.trails.lines.changes import NO_MARK
from hookkit.trails.lines.intervals import Owner

LINE_BITS = 32
LINE = (1 << LINE_BITS) - 1
RETURNED = 1 << 62  # on a code: the line came back, known by its text alone
FIRST, LAST = -(1 << 62), 1 << 62

_FEW = 20  # hunks; more of them are cheaper put together than replaced one by one

_Place = tuple[int, bytes]  # worktree, path


@dataclass(frozen=True, slots=True)
class Version:
    """A content that a file had in a worktree from the boundary ``since`` until the one ``until`` (exclusive)."""

    root: int
    since: int
    until: int
    blob: str
    codes: Sequence[int]


@dataclass(slots=True)
class _File:
    """A file as it is at the moment that was reached.

    codes: shorter than the file where nothing is known of the rest; None: there is no file. graves: mark of a line that
    is gone -> its code.
    """

    codes: list[int] | None
    blob: str
    since: int = FIRST
    graves: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Step:
    """What a change does to its file. base: the codes before it, which may be written over; known: line -> code."""

    change: Change
    base: list[int]
    graves: dict[int, int]
    known: dict[int, int]


class Replay:
    """What came of some files.

    versions: path -> every time in which it held one of the wanted contents, in order of time. dropped: code -> the
    change, and its hunk, that took the line away last. borrowed: change id -> the lines it added that were written
    before, somewhere else.
    """

    def __init__(
        self,
        owner: Callable[[Change, int], Owner],
        changes: Sequence[Change],
        paths: Collection[bytes],
        blobs: Collection[str],
        moments: Iterable[int],
        losses: bool,
    ) -> None:
        """owner: whose a hunk of a change is. changes: in order of time. paths: all that are followed."""
        self.versions: dict[bytes, list[Version]] = {path: [] for path in paths}
        self.dropped: dict[int, tuple[Change, int]] = {}
        self.borrowed: dict[int, Collection[int]] = {}
        self._owner, self._paths, self._blobs, self._losses = owner, paths, blobs, losses
        self._files: dict[_Place, _File] = {}
        self._kept: dict[tuple[int, bytes, int], Sequence[int]] = {}
        self._shelf: dict[tuple[bytes, str], dict[int, Sequence[int]]] = defaultdict(dict)  # -> worktree -> codes
        self._again = _again(changes)
        self._returning = _returning(changes)
        self._play(changes, sorted(set(moments)))

    def codes(self, root: int, path: bytes) -> Sequence[int] | None:
        """Of the file at the last boundary; None if there was none, or if it never changed."""
        file = self._files.get((root, path))
        return file.codes if file else None

    def blob(self, root: int, path: bytes) -> str:
        """The content of the file at the last boundary; "" if there was none, or if it never changed."""
        file = self._files.get((root, path))
        return file.blob if file else ""

    def codes_at(self, root: int, path: bytes, us: int) -> Sequence[int]:
        """Of the file at one of the wanted moments; () if there was none, or if it had not changed by then."""
        return self._kept.get((root, path, us), ())

    def _play(self, changes: Sequence[Change], moments: Sequence[int]) -> None:
        waiting = list(reversed(moments))
        for (us, _), group in groupby(changes, key=attrgetter("us", "root")):
            while waiting and waiting[-1] < us:
                self._keep(waiting.pop())
            self._interval(us, list(group))
        for moment in waiting:
            self._keep(moment)
        for place, file in self._files.items():
            self._end(place, file, LAST)
        for found in self.versions.values():
            found.sort(key=lambda version: version.since)

    def _keep(self, moment: int) -> None:
        for (root, path), file in self._files.items():
            if file.codes is not None:
                self._kept[root, path, moment] = list(file.codes)

    def _interval(self, us: int, changes: Sequence[Change]) -> None:
        """All changes of one interval of one worktree: each of them is a change of what was there before any."""
        steps = [self._step(change) for change in changes if change.path in self._paths]
        for change in changes:
            if change.old_path != change.path and change.old_path in self._paths:
                place = (change.root, change.old_path)
                file = self._file(place, change.old_blob, us)
                self._end(place, file, us)
                file.codes, file.blob = None, ""
        for step in steps:
            self._apply(step, us)

    def _step(self, change: Change) -> _Step:
        base, graves = self._base(change)
        known: dict[int, int] = {}
        if change.spans:
            if not change.typed:
                self._bring_back(change, graves, known)
            for move in change.moves:
                source = base if move.source == change.old_path else self._codes((change.root, move.source))
                for offset in range(move.count):
                    at = move.start + offset
                    known[move.new_start + offset] = source[at] if at < len(source) else 0
        return _Step(change, base, graves, known)

    def _base(self, change: Change) -> tuple[list[int], dict[int, int]]:
        """The codes of a file before a change, and the lines that were there before."""
        if change.status == "added":
            file = self._files.get((change.root, change.path))
            return [], file.graves if file else {}
        file = self._file((change.root, change.old_path), change.old_blob, change.us)
        codes = file.codes
        if codes is None or file.blob != change.old_blob:  # a difference is missing in between
            codes = list(self._once(change.root, change.old_path, change.old_blob))
        if change.old_path == change.path:
            return codes, file.graves
        own = self._files.get((change.root, change.path))
        return list(codes), {**file.graves, **(own.graves if own else {})}

    def _file(self, place: _Place, blob: str, us: int) -> _File:
        """A file; with the content ``blob`` if nothing of it was known up to now."""
        if place not in self._files:
            file = _File(list(self._once(*place, blob)), blob)
            self._files[place] = file
            self._put_aside(place, file)
        return self._files[place]

    def _codes(self, place: _Place) -> Sequence[int]:
        file = self._files.get(place)
        return file.codes or () if file else ()

    def _apply(self, step: _Step, us: int) -> None:
        change, codes = step.change, step.base
        place = (change.root, change.path)
        file = self._files.get(place)
        if file is None:
            file = self._files[place] = _File(None, "")
        else:
            self._end(place, file, us)
        file.graves = step.graves
        if step.known:
            self.borrowed[change.id] = step.known.keys()
        if self._returning or self._losses:
            self._bury(change, codes, file.graves)
        file.since = us
        if change.status == "deleted":
            file.codes, file.blob = None, ""
            return
        codes = _replaced(codes, change, step.known)
        file.codes, file.blob = codes, change.new_blob
        self._put_aside(place, file)

    def _end(self, place: _Place, file: _File, us: int) -> None:
        """Note the version that a file had, now that it is over."""
        if file.codes is not None and file.blob in self._blobs:
            self.versions[place[1]].append(Version(place[0], file.since, us, file.blob, list(file.codes)))

    def _put_aside(self, place: _Place, file: _File) -> None:
        """Keep the codes of a content that comes back."""
        key = (place[1], file.blob)
        if file.codes is not None and key in self._again:
            there = self._shelf[key]
            there.pop(place[0], None)  # the latest stands last
            there[place[0]] = list(file.codes)

    def _once(self, root: int, path: bytes, blob: str) -> Sequence[int]:
        """The lines of a content as the same path had it before: here, or else in another worktree, the latest."""
        there = self._shelf.get((path, blob)) if blob else None
        if not there:
            return ()
        return there[root] if root in there else there[next(reversed(there))]

    def _bring_back(self, change: Change, graves: Mapping[int, int], known: dict[int, int]) -> None:
        """Lines that came back: with the whole file as it was once (its id proves that), or known by their text.

        Only where the writer did not name the file: git, a formatter, an editor's undo bring lines back; a call that
        names the file and gives its text wrote that text.
        """
        whole = (change.path, change.new_blob) in self._shelf
        codes = self._once(change.root, change.path, change.new_blob)
        added: Sequence[int] = () if whole or not (graves and self._returning) else change.added
        at = 0
        for hunk, (_, _, new_start, new_count) in enumerate(change.spans):
            if (whole or added) and not self._owner(change, hunk).typed:
                for offset in range(new_count):
                    line = new_start + offset
                    if whole:
                        known[line] = codes[line] if line < len(codes) else 0
                    elif code := graves.get(added[at + offset]):
                        known[line] = code | RETURNED
            at += new_count

    def _bury(self, change: Change, codes: Sequence[int], graves: dict[int, int]) -> None:
        """Keep what a change took away."""
        if self._losses:
            for hunk, (start, count, _, _) in enumerate(change.spans):
                for code in codes[start : start + count]:
                    self.dropped[code & ~RETURNED] = (change, hunk)
        if not self._returning:
            return
        removed = change.removed
        at = 0
        for start, count, _, _ in change.spans:
            for offset in range(count):
                mark = removed[at + offset]
                if mark in self._returning and start + offset < len(codes) and codes[start + offset]:
                    graves[mark] = codes[start + offset]
            at += count


def _replaced(codes: list[int], change: Change, known: Mapping[int, int]) -> list[int]:
    """The codes after a change; the list that is given is written over."""
    new = change.id << LINE_BITS
    missing = max((span[0] + span[1] for span in change.spans), default=0) - len(codes)
    codes += [0] * missing
    few = len(change.spans) < _FEW
    parts: list[list[int]] = []
    at = 0
    for old_start, old_count, new_start, new_count in reversed(change.spans) if few else change.spans:
        lines = range(new_start, new_start + new_count)
        came = [known.get(line, new | line) for line in lines] if known else [new | line for line in lines]
        if few:
            codes[old_start : old_start + old_count] = came
        else:
            parts += codes[at:old_start], came
            at = old_start + old_count
    return codes if few else list(chain.from_iterable((*parts, codes[at:])))


def _returning(changes: Iterable[Change]) -> set[int]:
    """The marks of what was taken out, and later put in by somebody who did not name the file."""
    gone: set[int] = set()
    found: set[int] = set()
    for change in changes:
        if gone and not change.typed:
            found.update(gone.intersection(change.added))
        if change.packed_removed:
            gone.update(change.removed)
    return found - {NO_MARK}


def _again(changes: Iterable[Change]) -> set[tuple[bytes, str]]:
    """The contents that a path has more than once, as far as nothing says that it kept them all the time."""
    times: Counter[tuple[bytes, str]] = Counter()
    now: dict[_Place, str] = {}
    for change in changes:
        if change.status != "added" and now.get((change.root, change.old_path)) != change.old_blob:
            times[change.old_path, change.old_blob] += 1
        if change.old_path != change.path:
            now[change.root, change.old_path] = ""
        now[change.root, change.path] = change.new_blob
        times[change.path, change.new_blob] += 1
    return {key for key, count in times.items() if count > 1 and key[1]}
