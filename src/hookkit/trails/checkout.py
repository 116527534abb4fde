"""Writes the tree of a boundary to a folder, as git would check it out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hookkit.errors import HookkitError, UsageError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.patch import objects_needed

# A split index would leave its other half in the user's git folder.
_WHOLE_INDEX = ("-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", "core.untrackedCache=false")


def write_tree(worktree: Worktree, tree: str, folder: Path) -> int:
    """Write the files of ``tree`` (hex id) into ``folder``; gives how many.

    The folder is made; one that holds anything is refused. Line ends and filters are those of the worktree. Of
    submodules only the folder is made: their content was never in the tree. HookkitError if git no longer has an
    object.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError("FOLDER_NOT_EMPTY", f"{folder} is not empty.", "Give a folder that does not exist yet.")
    except OSError as error:
        raise HookkitError(
            "NOT_WRITABLE", f"{folder} cannot be written: {error.strerror}.", "Give another folder with --to."
        ) from error
    with objects_needed(worktree), tempfile.TemporaryDirectory(prefix="hookkit-") as scratch:
        extra = {**worktree.object_environment(), "GIT_INDEX_FILE": str(Path(scratch) / "index")}

        def git(*arguments: str) -> bytes:
            return run(worktree.root, *_WHOLE_INDEX, *arguments, extra=extra, timeout=600)

        git("read-tree", tree)
        git("checkout-index", "--all", "--force", f"--prefix={os.path.realpath(folder)}/")
        return git("ls-files", "-z").count(b"\0")
