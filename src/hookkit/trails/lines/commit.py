"""Which calls wrote what a commit adds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.facts import call_facts
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import CallFacts, Origin
from hookkit.trails.lines.objects import Spot, tree_ids
from hookkit.trails.lines.resolve import Resolver


@dataclass(frozen=True, slots=True)
class CommitRun:
    """Consecutive added lines of one origin. start: 1-based, in the commit's file; origin.line is that of the first."""

    path: str
    start: int
    count: int
    blob: str
    origin: Origin
    call: CallFacts | None


def attribute(worktree: Worktree, sha: str) -> list[CommitRun]:
    """The lines that a commit adds to its first parent, in order of files and lines. A merge adds none.

    sha: a full commit id. GitError if there is no such commit.
    """
    with LinesIndex(worktree) as index:
        return attribute_each(index.sync(), [sha])[sha]


def attribute_each(index: LinesIndex, commits: list[str]) -> dict[str, list[CommitRun]]:
    """The same for several commits, with what is read shared between them."""
    worktree = index.worktree
    resolver = Resolver(worktree, index.db)
    changed = _changed(worktree, list(dict.fromkeys(commits)))
    blobs = {(sha, os.fsencode(file.path)): file.new_blob for sha, (_, files) in changed.items() for file in files}
    resolver.prefetch((), blobs)
    found = {
        sha: [run_ for file in files for run_ in _runs(resolver, sha, at, file)] for sha, (at, files) in changed.items()
    }
    calls = {
        (r.origin.trace_id, r.origin.tool_call_id)
        for runs in found.values()
        for r in runs
        if r.origin.trace_id and r.origin.tool_call_id
    }
    facts = call_facts(index.db, calls)
    return {sha: [replace(r, call=_call(r.origin, facts)) for r in runs] for sha, runs in found.items()}


def _changed(worktree: Worktree, commits: Sequence[str]) -> dict[str, tuple[int, tuple[FileChange, ...]]]:
    """Commit -> (committer time, what differs from its first parent; nothing for a merge)."""
    if not commits:
        return {}
    asked = "".join(f"{sha}\n" for sha in commits).encode()
    command = ("log", "--no-walk=unsorted", "--stdin", "--no-show-signature", "--format=%H %ct %P")
    rows = [line.split(" ") for line in run(worktree.root, *command, stdin=asked).decode().splitlines()]
    trees = tree_ids(worktree, [name for sha, _, *parents in rows for name in (sha, *parents)])
    single = [(sha, parents) for sha, _, *parents in rows if len([each for each in parents if each]) < 2]
    pairs = [(trees.get(parents[0] if parents else "", ""), trees[sha]) for sha, parents in single]
    files = dict(zip((sha for sha, _ in single), diff_trees(worktree, pairs), strict=True))
    return {sha: (int(at), files.get(sha, ())) for sha, at, *_ in rows}


def _call(origin: Origin, facts: dict[tuple[str, str], CallFacts]) -> CallFacts | None:
    return facts.get((origin.trace_id or "", origin.tool_call_id or ""))


def _runs(resolver: Resolver, sha: str, at: int, file: FileChange) -> Iterator[CommitRun]:
    path = os.fsencode(file.path)
    for hunk in file.hunks:
        current: CommitRun | None = None
        for line in range(hunk.new_start, hunk.new_start + hunk.new_count):
            origin = resolver.origin(Spot(sha, path, line), at)
            if current and _continues(current, origin):
                current = replace(current, count=current.count + 1)
            else:
                if current:
                    yield current
                current = CommitRun(file.path, line + 1, 1, file.new_blob, origin, None)
        if current:
            yield current


def _continues(run_: CommitRun, origin: Origin) -> bool:
    if origin.line is not None:
        origin = replace(origin, line=origin.line - run_.count)
    return origin == run_.origin
