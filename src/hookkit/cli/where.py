"""Which repository, and which file in it, a command is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.git.worktree import Worktree
    from hookkit.trails.calls import Session


@dataclass(frozen=True, slots=True)
class Place:
    """A file. root: of its worktree. path: relative to it, with ``/``; "." for the root itself."""

    root: Path
    path: str

    @property
    def file(self) -> Path:
        return self.root / self.path


def here() -> Worktree:
    """The worktree of the current folder."""
    from hookkit.git.worktree import find

    worktree = find(Path.cwd())
    if worktree is None:
        raise _outside(Path.cwd())
    return worktree


def of(session: Session) -> Worktree:
    """The worktree that a session was recorded in; the current folder's if that one is gone."""
    return of_project(session.trace_id, session.project)


def of_project(trace_id: str, recorded: str | None) -> Worktree:
    """The same by the project that the trace of the session names."""
    from hookkit.git.worktree import find

    project = Path(recorded) if recorded else None
    worktree = find(project) if project and project.is_dir() else None
    if worktree is None:
        worktree = find(Path.cwd())
    if worktree is None:
        where = f"{recorded} is no git worktree (any more)" if recorded else "it had no project"
        raise HookkitError(
            "NOT_A_REPOSITORY",
            f"Trace {trace_id[:8]} has no repository: {where}.",
            "If the repository moved, run the command inside of it.",
        )
    return worktree


def place(path: str) -> Place:
    """The file that ``path`` means: relative to the current folder, or absolute. It need not exist.

    A link in the last place stands for itself, as it does for git.
    """
    from hookkit.git.worktree import worktree_root

    full = os.path.join(os.getcwd(), path)
    folder, name = os.path.split(full.rstrip("/"))
    if name in ("", ".", ".."):
        folder, name = full, ""
    folder = os.path.realpath(folder)
    nearest = folder
    while not os.path.isdir(nearest):  # with --rev, the folder may be gone by now
        nearest = os.path.dirname(nearest)
    root = worktree_root(Path(nearest))
    if root is None:
        raise _outside(Path(nearest))
    return Place(root, os.path.relpath(os.path.join(folder, name), root))


def _outside(folder: Path) -> UsageError:
    return UsageError(
        "NOT_A_REPOSITORY",
        f"{folder} is not inside a git worktree.",
        "Change into a repository, or give a path in one.",
    )
