"""The git-ai notes of a repository, as git has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hookkit.git.objects import read
from hookkit.git.run import run
from hookkit.git.worktree import Worktree

REF = "refs/notes/ai"


def tip(worktree: Worktree) -> str | None:
    """The newest commit of the notes; None without any."""
    found = run(worktree.root, "rev-parse", "--verify", "--quiet", f"{REF}^{{commit}}", check=False).decode().strip()
    return found or None


def note_ids(worktree: Worktree) -> dict[str, str]:
    """Annotated object -> blob of its note."""
    if tip(worktree) is None:
        return {}
    listed = run(worktree.root, "notes", f"--ref={REF}", "list").decode().splitlines()
    return {commit: blob for blob, commit in (line.split() for line in listed)}


def contents(worktree: Worktree, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(blob, its bytes) of those that exist, in order."""
    for blob, found in zip(blobs, read(worktree, blobs), strict=True):
        if found and found[0] == "blob":
            yield blob, found[1]
