"""A new linked worktree that stands as a recorded one stood at a boundary."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hookkit.errors import HookkitError, UsageError
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.trails.boundaries import Boundary
from hookkit.trails.patch import objects_needed


def check(worktree: Worktree, boundary: Boundary, folder: Path) -> None:
    """Whether ``link`` can begin.

    UsageError if the folder holds anything, HookkitError if there was no commit, or git no longer has the tree.
    """
    if boundary.commit is None:
        raise HookkitError(
            "NO_COMMIT",
            "The repository had no commit at that step, so git cannot link a worktree to it.",
            f"`hookkit trail snapshot` writes the files into a folder: tree {boundary.tree}.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "FOLDER_NOT_EMPTY", f"{folder} is not empty.", "Give a folder that does not exist yet: --into."
        )
    with objects_needed(worktree):
        run(worktree.root, "cat-file", "-e", f"{boundary.tree}^{{tree}}", extra=worktree.object_environment())


def link(worktree: Worktree, boundary: Boundary, folder: Path) -> int:
    """Make ``folder`` a linked worktree of the repository with the files of a boundary; gives how many.

    HEAD is detached at the commit of the boundary, and the index is that commit's: what was not committed then shows as
    changed, or as untracked, as it did. Nothing of the other worktrees is touched. A failure leaves no worktree behind.
    Errors are those of ``check``; HookkitError also if git no longer has one of the objects.
    """
    check(worktree, boundary, folder)
    commit = str(boundary.commit)
    try:
        run(worktree.root, "worktree", "add", "--quiet", "--detach", "--no-checkout", str(folder), commit)
    except GitError as error:
        raise HookkitError("CANNOT_LINK", error.message, "Give another folder with --into.") from error
    try:
        with objects_needed(worktree):
            extra = worktree.object_environment()
            run(folder, "read-tree", boundary.tree, extra=extra)
            run(folder, "checkout-index", "--all", "--force", extra=extra, timeout=600)
            files = run(folder, "ls-files", "-z", extra=extra).count(b"\0")
            run(folder, "read-tree", commit)
            run(folder, "update-index", "-q", "--refresh", check=False)
        return files
    except BaseException:
        with contextlib.suppress(GitError):
            run(worktree.root, "worktree", "remove", "--force", str(folder))
        raise
