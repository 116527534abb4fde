"""What can be told to others of a commit: which recorded call wrote which of the lines that it added."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from hookkit.errors import UsageError
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.store.index import Index
from hookkit.trails.lines.commit import CommitRun, attribute_each
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import CallFacts

# provisional: not proven. trace_missing: the session's trace was pruned. trace_blocked: it could not be read in full.
# path: the file's name cannot be told in this format.
Silence = Literal["provisional", "trace_missing", "trace_blocked", "path"]

_AT_ONCE = 50  # commits that share what is read of the repository


@dataclass(frozen=True, slots=True)
class Written:
    """Lines of a commit's file (1-based, both included) that one call wrote. blob: of the file in the commit."""

    path: str
    lines: tuple[int, int]
    blob: str
    tool_call_id: str
    firm: bool
    facts: CallFacts


@dataclass(frozen=True, slots=True)
class Told:
    """One commit. silent: lines of recorded calls that are left out, by reason."""

    commit: str
    written: tuple[Written, ...]
    silent: dict[Silence, int]


class Recorded:
    """Tells of the commits of one worktree.

    provisional: whether to tell also what is not proven. can_be_named: paths that the format has a way to write.
    """

    def __init__(
        self, worktree: Worktree, *, provisional: bool = False, can_be_named: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._worktree = worktree
        self._provisional = provisional
        self._can_be_named = can_be_named
        self._summaries: dict[str, dict[str, object]] = {}

    def tell(self, commits: Iterable[str]) -> Iterator[Told]:
        """What the recorded calls wrote of the lines that each commit added, in order of paths and lines."""
        with LinesIndex(self._worktree) as index:
            index.sync()
            for some in _batches(commits):
                for commit, parts in attribute_each(index, some).items():
                    yield self._told(commit, parts)

    def _told(self, commit: str, parts: Iterable[CommitRun]) -> Told:
        written: list[Written] = []
        silent: Counter[Silence] = Counter()
        for part in parts:
            if part.origin.kind != "tool_call":
                continue  # written outside of every call, or unknown: neither format has a word for it but no word
            reason = self._reason(part)
            if reason:
                silent[reason] += part.count
                continue
            assert part.call
            assert part.origin.tool_call_id
            lines = (part.start, part.start + part.count - 1)
            firm = part.origin.firmness == "firm"
            written.append(Written(part.path, lines, part.blob, part.origin.tool_call_id, firm, part.call))
        return Told(commit, tuple(sorted(written, key=lambda one: (one.path, one.lines))), dict(silent))

    def agent_version(self, trace_id: str) -> str | None:
        """The version of the agent that the session ran, if its trace says so."""
        found = self._summary(trace_id).get("agent_version")
        return found if isinstance(found, str) and found else None

    def _reason(self, part: CommitRun) -> Silence | None:
        if part.call is None or not part.origin.tool_call_id:
            return "trace_missing"
        if self._summary(part.call.trace_id).get("blocked"):
            return "trace_blocked"
        if part.origin.firmness != "firm" and not self._provisional:
            return "provisional"
        return None if self._can_be_named(part.path) else "path"

    def _summary(self, trace_id: str) -> dict[str, object]:
        if trace_id not in self._summaries:
            with Index() as index:
                if not self._summaries:
                    index.sync()
                rows = [row for row in index.matching(trace_id) if row.trace_id == trace_id and row.summary]
            self._summaries[trace_id] = json.loads(rows[0].summary) if rows else {}
        return self._summaries[trace_id]


def _batches(commits: Iterable[str]) -> Iterator[list[str]]:
    left = iter(commits)
    while some := [*islice(left, _AT_ONCE)]:
        yield some


def commits(worktree: Worktree, revisions: Iterable[str], *, everything: bool = False) -> list[str]:
    """The ids of the commits that are meant, oldest first.

    ``A..B`` means every commit of the range, a single revision that commit alone. everything: all of the branch.
    UsageError for what is no revision.
    """
    asked = [*revisions] or ["HEAD"]
    wrong = next((revision for revision in asked if revision.startswith("-") or not revision), None)
    if wrong is not None:
        raise _unknown(wrong)
    walk = [] if everything else ["--no-walk=unsorted"]
    try:
        found = run(worktree.root, "rev-list", "--topo-order", "--reverse", *walk, *asked, "--").decode().split()
    except GitError as error:
        if error.code != "GIT_FAILED":
            raise
        raise _unknown(" ".join(asked)) from None
    return list(dict.fromkeys(found))


def _unknown(revision: str) -> UsageError:
    return UsageError(
        "UNKNOWN_REVISION", f"git knows no commits {revision!r} here.", "Name a commit, or a range like `main..HEAD`."
    )
