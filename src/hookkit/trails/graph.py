"""Commits and the calls that wrote them: one commit's share, and the graph of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hookkit.errors import UsageError
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.commit import CommitRun, attribute_each
from hookkit.trails.lines.index import LinesIndex
from hookkit.trails.lines.model import CallFacts, Origin

_BETWEEN = "\x1f"  # of fields; after a NUL git draws no more
_FIELDS = _BETWEEN.join(("%H", "%P", "%at", "%D", "%an", "%s"))
_COMMIT, _SPACE = "\x01", "\x02"  # at the start of a commit's own line, and of the line below it
# refs/opentraces is the event log: a history of its own that is no part of the project's.
_LOG = (
    "-c", "log.showSignature=false", "log", "--no-show-signature", "--no-color", "--no-patch", "--encoding=UTF-8",
    "--no-notes", "--decorate=short", "--decorate-refs-exclude=refs/opentraces",
)  # fmt: skip
ROOM = 9  # lines below a commit
_EVERYTHING = ("--branches", "--tags", "--remotes", "HEAD")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. author_time: seconds since 1970. refs: names that point at it, as ``git log --decorate`` has them."""

    id: str
    parents: tuple[str, ...]
    author: str
    author_time: int
    summary: str
    refs: tuple[str, ...] = ()


@dataclass(slots=True)
class CallLines:
    """The lines of one call in a commit. files: path -> [(first line, last line)], 1-based, in the commit's file.

    provisional: how many of the lines are not proven to be the call's.
    """

    origin: Origin
    call: CallFacts | None
    lines: int = 0
    provisional: int = 0
    files: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(slots=True)
class Share:
    """Who wrote the lines that a commit adds to its first parent. added = calls' lines + outside + unknown."""

    commit: Commit
    runs: Sequence[CommitRun]
    calls: list[CallLines]
    added: int = 0
    outside: int = 0
    unknown: int = 0
    provisional: int = 0

    @property
    def by_calls(self) -> int:
        return sum(call.lines for call in self.calls)

    @property
    def ratio(self) -> float | None:
        """The calls' lines among all; None where no line was added."""
        return self.by_calls / self.added if self.added else None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a drawn graph: what git draws at its left, and the commit that it shows.

    below: what it draws left of further lines about that commit, ``ROOM`` of them. Those that are ``joint`` belong to
    the drawing and are there whether there is anything to say or not.
    """

    drawn: str
    commit: Commit | None = None
    below: tuple[str, ...] = ()


def commit_id(root: Path, rev: str) -> str:
    """The full id of the commit that ``rev`` means; UsageError if it means none. root: of the worktree."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    found = run(root, *asked, check=False).decode().strip()
    if not found:
        raise unknown_revision(root, rev)
    return found


def unknown_revision(root: Path, rev: str) -> UsageError:
    """The error for a revision that names no commit."""
    if not run(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False):
        return UsageError("NO_COMMITS", "This branch has no commit yet.", "Commit something first.")
    return UsageError("UNKNOWN_REVISION", f"{rev!r} is no commit here.", "`git log --oneline --all` shows them.")


def share_of(worktree: Worktree, rev: str) -> Share:
    """Who wrote what a commit adds. UsageError for an unknown ``rev``."""
    sha = commit_id(worktree.root, rev)
    rows = _log(worktree, ["--max-count=1", sha])
    (commit,) = [row.commit for row in rows if row.commit]
    return shares(worktree, [commit])[0]


def shares(worktree: Worktree, commits: Sequence[Commit]) -> list[Share]:
    """Who wrote what each of the commits adds; a merge adds nothing."""
    with LinesIndex(worktree) as index:
        runs = attribute_each(index.sync(), [commit.id for commit in commits])
    return [_share(commit, runs[commit.id]) for commit in commits]


def graph(worktree: Worktree, revs: Sequence[str], *, limit: int, everything: bool = False) -> list[Row]:
    """The graph as git draws it, newest first. revs: commits or ranges; none: HEAD. limit 0: all."""
    limits = [f"--max-count={limit}"] if limit else []
    if revs and not everything:
        # Checked one by one: git would take an option for one.
        for rev in revs:
            if not run(worktree.root, "rev-parse", "--quiet", "--revs-only", "--end-of-options", rev, check=False):
                raise unknown_revision(worktree.root, rev)
    try:
        return _log(worktree, ["--graph", *limits, *(_EVERYTHING if everything else revs or ["HEAD"])])
    except GitError as error:
        if error.code == "GIT_FAILED" and not run(worktree.root, "rev-parse", "-q", "--verify", "HEAD", check=False):
            raise unknown_revision(worktree.root, "HEAD") from None
        raise


def _log(worktree: Worktree, arguments: Iterable[str]) -> list[Row]:
    form = f"--format=tformat:{_COMMIT}{_FIELDS}" + f"%n{_SPACE}" * ROOM
    output = run(worktree.root, *_LOG, form, *arguments, "--").decode("utf-8", "replace")
    rows: list[Row] = []
    for line in output.split("\n")[:-1]:
        drawn, is_commit, told = line.partition(_COMMIT)
        if is_commit:
            rows.append(Row(drawn, _commit(told)))
            continue
        drawn, is_space, _ = line.partition(_SPACE)
        if is_space and rows and rows[-1].commit:
            rows[-1] = Row(rows[-1].drawn, rows[-1].commit, (*rows[-1].below, drawn))
        elif not is_space:
            rows.append(Row(drawn))
    return rows


def joint(drawn: str) -> bool:
    """Whether a part of the drawing is more than lines that go straight on."""
    return not set(drawn) <= {" ", "|"}


def _commit(told: str) -> Commit:
    sha, parents, at, refs, author, summary = told.split(_BETWEEN, 5)
    return Commit(sha, tuple(parents.split()), author, int(at), summary, tuple(filter(None, refs.split(", "))))


def _share(commit: Commit, runs: Sequence[CommitRun]) -> Share:
    calls: dict[tuple[str | None, str | None], CallLines] = {}
    share = Share(commit, runs, [])
    for run_ in runs:
        origin = run_.origin
        share.added += run_.count
        if origin.kind == "outside_tool_call":
            share.outside += run_.count
        elif origin.kind == "unknown":
            share.unknown += run_.count
        else:
            key = (origin.trace_id, origin.tool_call_id)
            lines = calls.setdefault(key, CallLines(origin, run_.call))
            lines.lines += run_.count
            lines.provisional += run_.count * (origin.firmness != "firm")
            lines.files.setdefault(run_.path, []).append((run_.start, run_.start + run_.count - 1))
    share.calls = sorted(
        calls.values(), key=lambda call: (-call.lines, call.origin.trace_id or "", call.origin.step_index or 0)
    )
    share.provisional = sum(call.provisional for call in share.calls)
    return share
