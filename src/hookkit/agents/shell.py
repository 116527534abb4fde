"""What a shell command may do, as far as its text tells."""

from __future__ import annotations

import re

# git's ways to bring content into a worktree that it keeps elsewhere: nothing of that was written by who called git.
_BRINGS_BACK = re.compile(
    r"\bgit(?:\s+(?:-[Cc]\s+\S+|-\S+))*\s+"
    r"(?:am|apply|checkout|checkout-index|cherry-pick|merge|pull|read-tree|rebase|reset|restore|revert|stash|switch)"
    r"(?![\w-])"
)


def brings_back(command: object) -> bool:
    """Whether a command may bring content back that was written before, by whomever."""
    return isinstance(command, str) and _BRINGS_BACK.search(command) is not None


_BACKGROUND = re.compile(r"(?<![&>|\\])&(?![&>])")


def starts_background(command: object) -> bool:
    """Whether a command starts something that may go on after it: an ``&`` that is no ``&&``, ``>&`` or ``&>``."""
    return isinstance(command, str) and _BACKGROUND.search(command) is not None


# What the hooks of every agent need beside their own entry.
SHARED_HOOK_FILES = (
    "hookkit_git.py",
    "hookkit_hunks.py",
    "hookkit_json.py",
    "hookkit_line.py",
    "hookkit_payload.py",
    "hookkit_recorder.py",
    "hookkit_tree.py",
)
