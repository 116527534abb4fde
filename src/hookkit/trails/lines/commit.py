"""Which calls wrote what a commit adds."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    found: dict[str, list[CommitRun]] = {}
    for sha in commits:
        told = run(worktree.root, "log", "-1", "--no-show-signature", "--format=%ct %P", sha, "--").decode().split()
        at, parents = int(told[0]), told[1:]
        trees = tree_ids(worktree, [sha, *parents])
        pair = (trees[parents[0] if parents else ""], trees[sha])
        files = next(iter(diff_trees(worktree, [pair]))) if len(parents) < 2 else ()
        found[sha] = [run_ for file in files for run_ in _runs(resolver, sha, at, file)]
    calls = {
        (r.origin.trace_id, r.origin.tool_call_id)
        for runs in found.values()
        for r in runs
        if r.origin.trace_id and r.origin.tool_call_id
    }
    facts = call_facts(index.db, calls)
    return {sha: [replace(r, call=_call(r.origin, facts)) for r in runs] for sha, runs in found.items()}


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
