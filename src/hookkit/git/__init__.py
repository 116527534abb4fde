"""The git plumbing hookkit uses outside the hooks: worktrees, tree ids, the private object store."""

from hookkit.git.heal import heal
from hookkit.git.run import GitError, run
from hookkit.git.tree import snapshot
from hookkit.git.worktree import Worktree, find, worktree_root

__all__ = ["GitError", "Worktree", "find", "heal", "run", "snapshot", "worktree_root"]
