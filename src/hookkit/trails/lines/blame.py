"""``git blame``, and for every line the call that wrote it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.worktree import find
from hookkit.trails.lines.facts import call_facts
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import UNKNOWN, BlamedLine, CallFacts, Origin
from hookkit.trails.lines.objects import Spot
from hookkit.trails.lines.porcelain import Blamed, Current, current, git_blame
from hookkit.trails.lines.resolve import Resolver


def blame(root: Path, path: str, *, rev: str | None = None, ranges: Sequence[tuple[int, int]] = ()) -> list[BlamedLine]:
    """The lines of a file and who wrote them.

    root: of the worktree. path: relative to it, as ``os.fsdecode`` gives it. rev: a commit; without one the file as it
    is in the worktree. ranges: (first, last), 1-based and inclusive; none: all lines. GitError where git refuses.
    """
    worktree = find(root)
    if worktree is None:
        raise HookkitError("NO_REPOSITORY", f"{root} is in no git worktree.", "Run this inside a repository.")
    for last in (False, True):
        try:
            with LinesIndex(worktree) as index:
                index.sync()
                return blame_with(Resolver(worktree, index.db), path, rev, ranges)
        except HookkitError as error:
            if last or error.code != "INDEX_DAMAGED":  # that is removed by now
                raise
    raise AssertionError


def blame_with(
    resolver: Resolver, path: str, rev: str | None, ranges: Sequence[tuple[int, int]] = ()
) -> list[BlamedLine]:
    """The same, by an index that is in step: for whoever asks about many files."""
    worktree = resolver.worktree
    now = None if rev is not None else current(worktree, path)
    blamed = git_blame(worktree, path, rev, ranges, now=now)
    origins = _origins(resolver, path, blamed, now)
    asked = {(o.trace_id, o.tool_call_id) for o in origins if o.trace_id and o.tool_call_id}
    facts = call_facts(resolver.db, asked)
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


def _origins(resolver: Resolver, path: str, blamed: Blamed, now: Current | None) -> list[Origin]:
    committed = {commit: commit.strip("0") != "" for commit in blamed.commits}
    resolver.prefetch({(commit, where): None for commit, where, *_ in blamed.lines if committed[commit]})
    current = [] if now is None or all(committed.values()) else _uncommitted(resolver, path, now)
    found = []
    for commit, where, original, line, _ in blamed.lines:
        if committed[commit]:
            at = blamed.commits[commit].committer_time
            found.append(resolver.origin(Spot(commit, where, original - 1), at))
        else:
            found.append(current[line - 1] if line <= len(current) else UNKNOWN)
    return _with_blank_lines([text for *_, text in blamed.lines], found)


def _uncommitted(resolver: Resolver, path: str, now: Current) -> list[Origin]:
    """The origins of the file as it is now, committed or not."""
    name = os.fsencode(str(resolver.worktree.root))
    row = resolver.db.execute("SELECT id FROM roots WHERE root = ?", (name,)).fetchone()
    return resolver.uncommitted(row[0] if row else 0, os.fsencode(path), now.text, now.blob)


def _with_blank_lines(texts: Sequence[bytes], origins: Sequence[Origin]) -> list[Origin]:
    """Blank lines follow their hunk: alone they say nothing, and differences place them as they like.

    Nothing proves that, so the answer is no longer firm.
    """
    found = list(origins)
    below: list[Origin | None] = [None] * len(texts)  # of the next line that is not blank
    for at in range(len(texts) - 2, -1, -1):
        below[at] = origins[at + 1] if texts[at + 1].strip() else below[at + 1]
    for at in range(1, len(texts)):
        above, other = found[at - 1], below[at]
        if texts[at].strip() or other is None:
            continue
        if _same_call(above, other) and not _same_call(above, found[at]):
            found[at] = replace(above, line=None, firmness="none" if above.kind == "unknown" else "provisional")
    return found


def _same_call(one: Origin, other: Origin) -> bool:
    return (one.kind, one.trace_id, one.tool_call_id) == (other.kind, other.trace_id, other.tool_call_id)


def _facts(origin: Origin, facts: dict[tuple[str, str], CallFacts]) -> CallFacts | None:
    if origin.trace_id is None or origin.tool_call_id is None:
        return None
    return facts.get((origin.trace_id, origin.tool_call_id))
