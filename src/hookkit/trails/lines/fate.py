"""What became of the lines that a call wrote."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails import anchors
from hookkit.trails.lines.blame import blame_with
from hookkit.trails.lines.chain import Chains
from hookkit.trails.lines.change import Change
from hookkit.trails.lines.changes import NO_MARK, lines, mark
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.intervals import OUTSIDE
from hookkit.trails.lines.model import Origin
from hookkit.trails.lines.objects import content
from hookkit.trails.lines.porcelain import current
from hookkit.trails.lines.replay import LINE_BITS, RETURNED, Replay
from hookkit.trails.lines.resolve import Resolver, origin_of

State = Literal["alive", "moved", "changed", "reverted", "lost", "never_committed"]


@dataclass(frozen=True, slots=True)
class LineFate:
    """One line that a call wrote, and what it is now.

    path, line (1-based), text: as it was written. state: ``alive`` = where it was written; ``moved`` = in another file;
    ``changed`` = replaced by other lines; ``reverted`` = what was there before the call is back; ``lost`` = taken out;
    ``never_committed`` = gone, and no commit ever held it. committed: whether the commit that was asked about holds it,
    or did once. now_path, now_line: where it is, if it is anywhere. by: who took it away. commit: that holds it.
    """

    path: str
    line: int
    text: bytes
    state: State
    committed: bool
    now_path: str | None = None
    now_line: int | None = None
    by: Origin | None = None
    commit: str | None = None


def fates(
    worktree: Worktree, trace_id: str, tool_call_ids: Collection[str] | None = None, *, rev: str | None = None
) -> dict[str, list[LineFate]]:
    """Tool call id -> its lines in order of time and place. None: all calls of the trace. rev: default HEAD."""
    with contextlib.suppress(HookkitError):  # then the commits of the last minutes are not known to have held a line
        anchors.update(worktree)
    with LinesIndex(worktree) as index:
        index.sync()
        resolver = Resolver(worktree, index.db)
        chains = resolver.chains
        written = _written(index, chains, trace_id, tool_call_ids)
        places = _paths(index, chains, [change for change, _, _ in written])
        replay = chains.replay({path for _, path in places}, losses=True)
        seen = _seen(replay, places)
        anchored = _anchored(worktree, trace_id)
        paths = sorted({os.fsdecode(path) for _, path in places})
        held, now = _held(resolver, paths, rev or "HEAD"), _held(resolver, paths, None)
        present = _Present(worktree, held, now, seen)
        found: dict[str, list[LineFate]] = {}
        texts: dict[str, list[bytes]] = {}
        for change, hunk, call in written:
            if change.new_blob not in texts:
                texts[change.new_blob] = lines(content(worktree, change.new_blob) or b"")
            start, count = change.spans[hunk][2:]
            own = (n for n in range(start, start + count) if n not in replay.borrowed.get(change.id, ()))
            for line in own:
                text = texts[change.new_blob][line].rstrip(b"\n") if line < len(texts[change.new_blob]) else b""
                key = (os.fsdecode(change.path), change.new_blob, line + 1)
                found.setdefault(call, []).append(_fate(chains, replay, change, line, text, present, key in anchored))
    return found


_Held = tuple[str, int, str]  # path, line, commit
_Key = tuple[str, str, int]


def _written(
    index: LinesIndex, chains: Chains, trace: str, calls: Collection[str] | None
) -> list[tuple[Change, int, str]]:
    """(change, hunk, call) of everything that the calls wrote, in order of time."""
    found = []
    owners = {
        number: call
        for number, call in index.db.execute("SELECT id, call FROM owners WHERE trace = ?", (trace,))
        if calls is None or call in calls
    }
    moments = index.db.execute(
        "SELECT DISTINCT root, opened, coalesce(closed, opened) FROM windows WHERE trace = ?", (trace,)
    ).fetchall()
    for root in {row[0] for row in moments}:
        first = min(opened for number, opened, _ in moments if number == root)
        for change in chains.since(root, first):
            for hunk, owner in enumerate(change.owners):
                if owner in owners and hunk < len(change.spans):
                    found.append((change, hunk, owners[owner]))
    return found


def _paths(index: LinesIndex, chains: Chains, changes: Sequence[Change]) -> set[tuple[int, bytes]]:
    """(worktree, path) of every place where a line of these changes can be now."""
    found = {(change.root, change.path) for change in changes}
    todo = list(found)
    while todo:
        root, path = todo.pop()
        query = "SELECT DISTINCT path FROM changes WHERE root = ? AND old_path = ? AND old_path != path"
        targets = [row[0] for row in index.db.execute(query, (root, path))]
        for target in (*targets, *chains.moved_from(root, path)):
            if (root, target) not in found:
                found.add((root, target))
                todo.append((root, target))
    return found


def _seen(replay: Replay, places: Collection[tuple[int, bytes]]) -> dict[int, set[int]]:
    """Worktree -> the codes of all lines that were there at its last boundary."""
    found: dict[int, set[int]] = {}
    for root, path in sorted(places):
        codes = replay.codes(root, path) or ()
        found.setdefault(root, set()).update(code & ~RETURNED for code in codes)
    return found


def _held(resolver: Resolver, paths: Sequence[str], rev: str | None) -> Mapping[_Key, _Held]:
    """Where a line was written -> where the commit ``rev``, or the worktree as it is now, has it."""
    worktree = resolver.worktree
    if rev is None:
        there = {path for path in paths if (worktree.root / path).is_file()}
    else:
        listed = run(worktree.root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", rev, check=False)
        there = {os.fsdecode(name) for name in listed.split(b"\0")} & set(paths)
    found: dict[_Key, _Held] = {}
    for path in sorted(there):
        try:
            blamed = blame_with(resolver, path, rev)
        except HookkitError:
            continue
        for line in blamed:
            origin = line.origin
            if origin.path and origin.blob and origin.line:
                found.setdefault((origin.path, origin.blob, origin.line), (path, line.line, line.commit))
    return found


@dataclass(frozen=True, slots=True)
class _Present:
    """What is there: in the commit that was asked about, in the worktree now, at the last boundary of each worktree."""

    worktree: Worktree
    committed: Mapping[_Key, _Held]
    now: Mapping[_Key, _Held]
    seen: Mapping[int, Collection[int]]


def _anchored(worktree: Worktree, trace: str) -> set[_Key]:
    """Lines that some commit held, as the log says: (path, blob, line) as they were written."""
    from hookkit.trails.log import read_events_for_trace

    found = set()
    for event in read_events_for_trace(worktree, trace):
        origin = event.payload.get("origin") if event.event_type == "git_anchor_created" else None
        if origin:
            lines_ = range(origin["start_line"], origin["end_line"] + 1)
            found |= {(origin["path"], origin["blob_id"]["hex"], line) for line in lines_}
    return found


def _fate(
    chains: Chains, replay: Replay, change: Change, line: int, text: bytes, present: _Present, anchored: bool
) -> LineFate:
    path = os.fsdecode(change.path)
    key = (path, change.new_blob, line + 1)
    code = change.id << LINE_BITS | line
    here = present.committed.get(key) or present.now.get(key)
    if here:
        state: State = "alive" if here[0] == path else "moved"
        commit = here[2] if key in present.committed else None
        return LineFate(path, line + 1, text, state, anchored or commit is not None, here[0], here[1], commit=commit)
    if code in present.seen.get(change.root, ()):  # it went after the last boundary
        state = _loss_since(present.worktree, change, line) if anchored else "never_committed"
        return LineFate(path, line + 1, text, state, anchored, by=origin_of(OUTSIDE.doubt()))
    dropped = replay.dropped.get(code)
    if dropped is None:
        return LineFate(path, line + 1, text, "lost" if anchored else "never_committed", anchored)
    by, hunk = dropped
    origin = origin_of(chains.owner(by, min(hunk, len(by.owners) - 1)))
    if not anchored:
        return LineFate(path, line + 1, text, "never_committed", False, by=origin)
    return LineFate(path, line + 1, text, _loss(change, line, by, hunk), True, by=origin)


def _loss_since(worktree: Worktree, change: Change, line: int) -> State:
    """How a line went that the last boundary still saw, from what is there now."""
    path = os.fsdecode(change.path)
    if not (worktree.root / path).is_file():
        return "reverted" if change.status == "added" else "lost"
    text, blob = current(worktree, path)
    marks = {mark(each) for each in lines(text)}
    number = change.hunk_of(line)
    start = sum(span[1] for span in change.spans[:number])
    was = [each for each in change.removed[start : start + change.spans[number][1]] if each != NO_MARK]
    if blob == change.old_blob or (was and marks.issuperset(was)):
        return "reverted"
    known = {mark(each) for each in lines(content(worktree, change.new_blob) or b"")}
    return "changed" if marks - known else "lost"


def _loss(change: Change, line: int, by: Change, hunk: int) -> State:
    """How a line went: with the content from before the call, with other lines in its place, or just so."""
    if by.status == "deleted":
        return "reverted" if change.status == "added" and by.path == change.path else "lost"
    if by.new_blob == change.old_blob or _undoes(change, line, by, hunk):
        return "reverted"
    return "changed" if hunk < len(by.spans) and by.spans[hunk][3] else "lost"


def _undoes(change: Change, line: int, by: Change, hunk: int) -> bool:
    """Whether the lines that the call took out are what its lines were replaced with."""
    if hunk >= len(by.spans):
        return False
    own = change.hunk_of(line)
    start = sum(span[1] for span in change.spans[:own])
    was = change.removed[start : start + change.spans[own][1]]
    start = sum(span[3] for span in by.spans[:hunk])
    now = by.added[start : start + by.spans[hunk][3]]
    return any(mark != NO_MARK for mark in was) and was == now
