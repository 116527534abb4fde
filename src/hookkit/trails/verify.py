"""Whether the event log is what was written: every hash, the order, and that git still has what it names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hookkit.git import objects
from hookkit.git.plain import plain
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.trails.events import TrailError, TrailEvent, batch_id, canonical, content_hash, event_id, is_object_id
from hookkit.trails.log import log_head
from hookkit.trails.log_batch import about, batches, history
from hookkit.trails.log_cache import Cache, Mark

_KEYS = frozenset(each.name for each in fields(TrailEvent))
_Commits = Sequence[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """events, batches: how many are right, from the beginning on. problem: what is wrong with the first bad event.

    ``first_bad`` is its place in the log, from 1 on; ``first_bad_id`` the id that it claims, if it can be read.
    """

    ok: bool
    events: int
    batches: int
    first_bad: int | None = None
    first_bad_id: str | None = None
    problem: str | None = None


class _BadError(Exception):
    def __init__(self, problem: str, sequence: int, claimed: object = None) -> None:
        super().__init__(problem)
        self.problem, self.sequence = problem, sequence
        self.claimed = claimed if isinstance(claimed, str) else None


def verify(worktree: Worktree, *, full: bool) -> VerifyResult:
    """Check the log against itself; a repository without one is fine.

    full: every event, and every object that the ref reaches, read from the user's own store, as it must be for a git
    that knows nothing of hookkit. Otherwise only the events since the last time that it was found right.
    """
    head = log_head(worktree)
    if not head:
        return VerifyResult(True, 0, 0)
    with Cache(worktree) as cache:
        mark = None if full else cache.mark()
        new = history(worktree, head, mark.commit) if mark else None
        state = _State(worktree, mark if new is not None else None)
        try:
            commits = history(worktree, head) if new is None else new
            assert commits is not None
            state.take(commits)
            if full:
                _reachable(worktree, head, commits)
        except _BadError as error:
            return VerifyResult(False, error.sequence - 1, state.batches, error.sequence, error.claimed, error.problem)
        except TrailError as error:
            return VerifyResult(False, state.sequence, state.batches, state.sequence + 1, None, error.message)
        cache.set_mark(Mark(head, state.sequence, state.previous or "", state.batches, full))
    return VerifyResult(True, state.sequence, state.batches)


class _State:
    """Where the walk through the log is, and so what the next event must follow."""

    def __init__(self, worktree: Worktree, mark: Mark | None) -> None:
        self.worktree = worktree
        self.sequence = mark.sequence if mark else 0
        self.previous = (mark.event_id or None) if mark else None
        self.commit = mark.commit if mark else ""
        self.batches = mark.batches if mark else 0

    def take(self, commits: _Commits) -> None:
        """Check batches, oldest first; _BadError for the first event that is wrong."""
        texts = objects.read(self.worktree, (f"{commit}:events.jsonl" for commit, _ in commits))
        abouts = objects.read(self.worktree, (f"{commit}:batch.json" for commit, _ in commits))
        trees = objects.read(self.worktree, (f"{commit}:trees" for commit, _ in commits))
        for (commit, parents), text, said, kept in zip(commits, texts, abouts, trees, strict=True):
            if parents != ((self.commit,) if self.commit else ()):
                raise _BadError(f"its batch {commit} does not follow the batch before it", self.sequence + 1)
            if text is None:
                self._foreign(commit, parents)
            else:
                self._ours(text[1], said[1] if said else b"", kept[1] if kept else b"")
            self.commit = commit
            self.batches += 1

    def _ours(self, text: bytes, said: bytes, kept: bytes) -> None:
        before, first, events = self.previous, self.sequence + 1, []
        for line in text.splitlines():
            value = self._parsed(line)
            self._follows(value)
            events.append(TrailEvent.from_json(value))
        if problem := next(self._unlike_its_batch(events, said, kept, before), None):
            raise _BadError(problem, first, events[0].event_id if events else None)

    def _parsed(self, line: bytes) -> dict[str, Any]:
        here = self.sequence + 1
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise _BadError("its line is not JSON", here) from None
        if not isinstance(value, dict) or value.keys() != _KEYS or not isinstance(value["payload"], dict):
            raise _BadError("its line is not an event", here)
        if value["content_hash"] != content_hash(value["payload"]):
            raise _BadError("its payload is not what its content_hash was made from", here, value["event_id"])
        if value["event_id"] != event_id(value) or canonical(value) != line:
            raise _BadError("it is not what its event_id was made from", here, value["event_id"])
        return value

    def _follows(self, value: Mapping[str, Any]) -> None:
        here = self.sequence + 1
        if value["event_sequence"] != here:
            raise _BadError(f"its event_sequence is {value['event_sequence']!r}, not {here}", here, value["event_id"])
        if value["previous_event_id"] != self.previous:
            raise _BadError("it does not follow the event before it", here, value["event_id"])
        self.sequence, self.previous = here, str(value["event_id"])

    def _unlike_its_batch(
        self, events: Sequence[TrailEvent], said: bytes, kept: bytes, before: str | None
    ) -> Iterator[str]:
        try:
            batch = json.loads(said)
        except (ValueError, RecursionError):
            batch = None
        if not isinstance(batch, dict) or not events:
            yield "its batch has no events, or no batch.json"
            return
        if batch.get("event_count") != len(events):
            yield f"its batch has {len(events)} events, and batch.json says {batch.get('event_count')}"
        if batch.get("previous_event_log_head") != (self.commit or None):
            yield "its batch.json names another batch before it"
        if {(event.batch_id, event.writer) for event in events} != {(batch.get("batch_id"), batch.get("writer"))}:
            yield "its batch.json names another batch_id or writer than the events"
        if events[0].batch_id != batch_id(before, events[0].writer, events):
            yield "its batch is not what batch_id was made from"
        while kept:
            entry, _, rest = kept.partition(b"\0")
            width = len(entry.partition(b" ")[2]) // 2
            if entry != b"40000 " + rest[:width].hex().encode():
                yield "its batch keeps a tree under another name"
            kept = rest[max(1, width) :]

    def _foreign(self, commit: str, parents: tuple[str, ...]) -> None:
        """Another program's batch: what it makes its hashes from is its own affair."""
        for event in next(batches(self.worktree, [(commit, parents)])).events:
            self._follows(event.to_json())


def _reachable(worktree: Worktree, head: str, commits: _Commits) -> None:
    """_BadError for the first event whose objects git does not have, or has damaged."""
    if not (problem := _lacking(worktree, head)):
        return
    before = 0
    for batch in batches(worktree, commits):
        if _lacking(worktree, batch.commit, "--no-walk"):
            kept = {tree["hex"] for tree in about(worktree, batch.commit).get("missing_trees", ())}
            for event in batch.events:
                for tree in _trees(event.payload):
                    if tree not in kept and _lacking(worktree, tree):
                        raise _BadError(problem, event.event_sequence, event.event_id)
            raise _BadError(problem, before + 1, batch.events[0].event_id if batch.events else None)
        before += len(batch.events)


def _lacking(worktree: Worktree, start: str, *options: str) -> str:
    """What is wrong with the objects that ``start`` reaches in the user's store; "" if nothing is."""
    with plain(worktree) as variables:
        alone = variables | {"GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
        command = ("rev-list", "--verify-objects", "--missing=print", *options, start)
        try:
            said = run(worktree.root, *command, extra=alone, timeout=3600)
        except GitError as error:
            return f"git cannot read what it names: {error.message}"
    missing = [line[1:].decode() for line in said.splitlines() if line.startswith(b"?")]
    # A partial clone may lack what it can fetch again.
    if not missing or run(worktree.root, "config", "extensions.partialClone", check=False).strip():
        return ""
    return f"git has lost what it names: {missing[0]}"


def _trees(payload: Mapping[str, Any]) -> Iterator[str]:
    for key, value in payload.items():
        if key.endswith("tree_id") and is_object_id(value):
            yield value["hex"]
