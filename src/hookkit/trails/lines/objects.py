"""Blobs of commits, trees and files, by their names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree


class Spot(NamedTuple):
    """A line of a file in a commit; line is 0-based."""

    commit: str
    path: bytes
    line: int


def blob_ids(worktree: Worktree, names: Sequence[tuple[str, bytes]]) -> list[str]:
    """The blob of each (commit or tree, path); "" where there is none."""
    found = [""] * len(names)
    plain = [number for number, (_, path) in enumerate(names) if b"\n" not in path]
    asked = b"".join(names[number][0].encode() + b":" + names[number][1] + b"\n" for number in plain)
    if asked:
        # Never the size or type alone: of what is missing git prints the name, which may hold spaces.
        form = "--batch-check=%(objecttype) %(objectname)"
        answer = run(worktree.root, "cat-file", form, extra=worktree.object_environment(), stdin=asked)
        for number, line in zip(plain, answer.split(b"\n"), strict=False):
            if line.startswith(b"blob "):
                found[number] = line[5:].decode()
    for number in set(range(len(names))) - set(plain):
        commit, path = names[number]
        text = run(
            worktree.root, "rev-parse", "--verify", "--quiet", f"{commit}:{os.fsdecode(path)}",
            extra=worktree.object_environment(), check=False,
        )  # fmt: skip
        found[number] = text.decode().strip()
    return found


def tree_ids(worktree: Worktree, commits: Sequence[str]) -> dict[str, str]:
    """Commit (or tree) id -> tree id, of those that are there. "", which stands for nothing, stays."""
    asked = [commit for commit in dict.fromkeys(commits) if commit]
    lines = b"".join(commit.encode() + b"^{tree}\n" for commit in asked)
    form = "--batch-check=%(objecttype) %(objectname)"
    answer = run(worktree.root, "cat-file", form, extra=worktree.object_environment(), stdin=lines) if asked else b""
    found = {"": ""}
    for commit, line in zip(asked, answer.split(b"\n"), strict=False):
        if line.startswith(b"tree "):
            found[commit] = line[5:].decode()
    return found


def content(worktree: Worktree, blob: str) -> bytes | None:
    """What a blob holds; None if it is gone."""
    if not blob:
        return None
    try:
        return run(worktree.root, "cat-file", "blob", blob, extra=worktree.object_environment())
    except HookkitError:
        return None
