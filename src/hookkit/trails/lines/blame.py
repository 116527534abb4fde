"""``git blame``, and for every line the call that wrote it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree, find
from hookkit.trails.lines.facts import call_facts
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import UNKNOWN, BlamedLine, CallFacts, Origin
from hookkit.trails.lines.objects import Spot
from hookkit.trails.lines.porcelain import Blamed, as_committed, git_blame
from hookkit.trails.lines.resolve import Resolver


def blame(root: Path, path: str, *, rev: str | None = None, ranges: Sequence[tuple[int, int]] = ()) -> list[BlamedLine]:
    """The lines of a file and who wrote them.

    root: of the worktree. path: relative to it, as ``os.fsdecode`` gives it. rev: a commit; without one the file as it
    is in the worktree. ranges: (first, last), 1-based and inclusive; none: all lines. GitError where git refuses.
    """
    worktree = find(root)
    if worktree is None:
        raise HookkitError("NO_REPOSITORY", f"{root} is in no git worktree.", "Run this inside a repository.")
    blamed = git_blame(worktree, path, rev, ranges)
    with LinesIndex(worktree) as index:
        index.sync()
        origins = _origins(worktree, index, path, blamed)
        asked = {(o.trace_id, o.tool_call_id) for o in origins if o.trace_id and o.tool_call_id}
        facts = call_facts(index.db, asked)
    found = []
    for (commit, original, original_line, line, text), origin in zip(blamed.lines, origins, strict=True):
        told = blamed.commits[commit]
        found.append(
            BlamedLine(
                line, text, commit, told.author, told.author_time, told.summary, os.fsdecode(original), original_line,
                origin, _facts(origin, facts),
            )
        )  # fmt: skip
    return found


def _origins(worktree: Worktree, index: LinesIndex, path: str, blamed: Blamed) -> list[Origin]:
    resolver = Resolver(worktree, index.db)
    committed = {(commit, where): None for commit, where, *_ in blamed.lines if commit.strip("0")}
    resolver.prefetch(committed)
    all_committed = all(commit.strip("0") for commit, *_ in blamed.lines)
    current = [] if all_committed else _current(worktree, index, resolver, path)
    found = []
    for commit, where, original, line, _ in blamed.lines:
        if commit.strip("0"):
            at = blamed.commits[commit].committer_time
            found.append(resolver.origin(Spot(commit, where, original - 1), at))
        else:
            found.append(current[line - 1] if line <= len(current) else UNKNOWN)
    return _with_blank_lines([text for *_, text in blamed.lines], found)


def _current(worktree: Worktree, index: LinesIndex, resolver: Resolver, path: str) -> list[Origin]:
    """The origins of the file as it is now, committed or not."""
    text = as_committed(worktree, path)
    blob = run(worktree.root, "hash-object", "--stdin", stdin=text).decode().strip()
    name = os.fsencode(str(worktree.root))
    row = index.db.execute("SELECT id FROM roots WHERE root = ?", (name,)).fetchone()
    if row is None:
        return []
    return resolver.uncommitted(row[0], os.fsencode(path), text, blob)


def _with_blank_lines(texts: Sequence[bytes], origins: Sequence[Origin]) -> list[Origin]:
    """Blank lines follow their hunk: alone they say nothing, and differences place them as they like."""
    found = list(origins)
    for at, text in enumerate(texts):
        if text.strip() or not 0 < at < len(texts) - 1:
            continue
        above = found[at - 1]
        below = next((origins[n] for n in range(at + 1, len(texts)) if texts[n].strip()), None)
        if below is not None and _same_call(above, below) and not _same_call(above, found[at]):
            found[at] = replace(above, line=None)
    return found


def _same_call(one: Origin, other: Origin) -> bool:
    return (one.kind, one.trace_id, one.tool_call_id) == (other.kind, other.trace_id, other.tool_call_id)


def _facts(origin: Origin, facts: dict[tuple[str, str], CallFacts]) -> CallFacts | None:
    if origin.trace_id is None or origin.tool_call_id is None:
        return None
    return facts.get((origin.trace_id, origin.tool_call_id))
