"""Which repository a worktree of a session belongs to, also after it was moved or deleted."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.plain import plain
from hookkit.git.run import run
from hookkit.git.worktree import Worktree, find


def repositories(roots: Mapping[str, str], candidates: Iterable[Worktree | None]) -> list[tuple[Worktree, list[str]]]:
    """Worktree roots by repository: (a worktree of it, the roots in it). A root that none has is left out.

    roots: root -> hex id of a tree of it. A root where no worktree is any more belongs to the first repository that
    has its tree: one around it (agents' worktrees are often inside), a candidate, or one of the other roots.
    """
    found: dict[Path, tuple[Worktree, list[str]]] = {}
    gone: list[tuple[str, Worktree | None]] = []
    for root in roots:
        worktree = locate(root)
        if worktree is not None and str(worktree.root) == os.path.realpath(root):
            found.setdefault(worktree.common_dir, (worktree, []))[1].append(root)
        else:
            gone.append((root, worktree))
    for root, around in gone:
        known = [around, *candidates, *(worktree for worktree, _ in found.values())]
        for worktree in {each.common_dir: each for each in known if each is not None}.values():
            if existing(worktree, [roots[root]]):
                found.setdefault(worktree.common_dir, (worktree, []))[1].append(root)
                break
    return list(found.values())


def locate(folder: str) -> Worktree | None:
    """The worktree at or above a folder, or None; also where git refuses to look."""
    try:
        return find(Path(folder))
    except (HookkitError, OSError, ValueError):  # ValueError: a NUL in it
        return None


def existing(worktree: Worktree, trees: Collection[str]) -> set[str]:
    """Those of the tree ids (hex) that are in the repository or in the private store. Nothing is fetched."""
    if not trees:
        return set()
    with plain(worktree) as variables:
        asked = "".join(f"{tree}\n" for tree in dict.fromkeys(trees))
        said = run(worktree.root, "cat-file", "--batch-check", extra=variables, stdin=asked.encode())
    return {words[0].decode() for words in map(bytes.split, said.splitlines()) if words[1:2] == [b"tree"]}
