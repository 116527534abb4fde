"""Which worktree a path belongs to, and where hookkit keeps its own things in that repository."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hookkit.git.run import run


def worktree_root(path: Path) -> Path | None:
    """The nearest folder at or above ``path`` that holds ``.git``; None outside a worktree. Starts no process."""
    start = Path(os.path.realpath(path))
    return next((folder for folder in (start, *start.parents) if _is_git(folder / ".git")), None)


def _is_git(dot_git: Path) -> bool:
    """A git folder, or the file that leads to one; git itself walks past an empty folder of that name."""
    return (dot_git / "HEAD").is_file() or dot_git.is_file()


@dataclass(frozen=True, slots=True)
class Worktree:
    """A worktree and its two git folders (the same one unless the worktree is linked)."""

    root: Path
    git_dir: Path
    common_dir: Path

    @property
    def private_dir(self) -> Path:
        """Scratch index and state of this worktree; never read by git itself."""
        return self.git_dir / "hookkit"

    @property
    def objects(self) -> Path:
        """The private object store that the hooks write trees and blobs into."""
        return self.common_dir / "hookkit" / "objects"

    def object_environment(self) -> dict[str, str]:
        """Variables that let git read the private store beside the user's own objects."""
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(self.objects)}


def find(path: Path) -> Worktree | None:
    """The worktree that holds ``path``, or None."""
    root = worktree_root(path)
    if root is None:
        return None
    answer = run(root, "rev-parse", "--absolute-git-dir", "--git-common-dir").decode().splitlines()
    return Worktree(root, Path(answer[0]), (root / answer[1]).resolve())


def quoted(folder: Path) -> str:
    """One entry of GIT_ALTERNATE_OBJECT_DIRECTORIES; git splits on ``:`` unless the entry is in C quotes."""
    text = str(folder)
    if ":" not in text and not text.startswith('"'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
