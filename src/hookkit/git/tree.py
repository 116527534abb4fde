"""The tree id of a worktree the slow and plain way: the yardstick that the hooks' tree ids are held against."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hookkit.git.run import run
from hookkit.git.worktree import Worktree, quoted


def snapshot(worktree: Worktree) -> str:
    """Hex tree id of ``git add -A && git write-tree`` on a throw-away copy of the user's index and object store."""
    with tempfile.TemporaryDirectory(prefix="hookkit-") as scratch:
        index = Path(scratch) / "index"
        if (worktree.git_dir / "index").exists():
            shutil.copy2(worktree.git_dir / "index", index)  # with its time, which git needs to trust the entries
        extra = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(worktree.common_dir / "objects"),
        }
        run(worktree.root, "add", "-A", extra=extra)
        return run(worktree.root, "write-tree", extra=extra).decode().strip()
