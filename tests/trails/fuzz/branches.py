"""Ways of bringing branches together. All start from and end on a clean worktree; a conflict is backed out of."""

from __future__ import annotations

import os

from .actions import edit, text_of
from .model import ELSEWHERE, Author, has_token
from .world import Tree, World

MARKERS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
WAYS = ("rebase", "rebase-merge", "squash", "squash-keep", "merge", "no-ff", "pick", "pick-one", "drop")


def preferring(world: World) -> list[str]:
    """Half of the time no conflict stops git."""
    return world.rng.choice(([], [], ["-X", "ours"], ["-X", "theirs"]))


def start_topic(world: World, tree: Tree) -> str | None:
    """Leave for a new branch, changes and all; gives its name."""
    name = f"topic{world.clock.us}"
    return name if world.try_git(tree, "switch", "-q", "-c", name).returncode == 0 else None


def go_back(world: World, tree: Tree, home: str) -> bool:
    """Return to ``home`` with everything committed."""
    world.commit(tree)
    return world.try_git(tree, "switch", "-q", home).returncode == 0


def resolve(world: World, tree: Tree, author: Author) -> bool:
    """``author`` takes both sides of every conflict and writes a line of his own; false if that is not possible."""
    listed = world.git(tree, "diff", "--no-ext-diff", "--name-only", "-z", "--diff-filter=U").split(b"\0")[:-1]
    for name in listed:
        path = os.fsdecode(name)
        if not (tree.root / path).is_file() or b"<<<<<<< " not in world.read(tree, path):
            return False
        kept: list[bytes] = []
        for line in world.read(tree, path).split(b"\n"):
            if line not in kept if has_token(line) else line[:7] not in MARKERS:
                kept.append(line)
        text = text_of(world, b"\n".join(kept))
        text.insert()
        world.write(author, tree, path, text.content())
    world.git(tree, "add", "-A")
    return bool(listed)


def bring_in(world: World, tree: Tree, author: Author, topic: str, home: str, way: str) -> None:
    """``tree`` is on ``home`` and clean; the commits of ``topic`` come in."""
    world.note(f"bring in {topic} by {way}")
    prefer = preferring(world)
    if way in ("rebase", "rebase-merge"):
        if world.try_git(tree, "rebase", "-q", *prefer, home, topic).returncode:
            world.settle(tree, ["rebase", "--abort"])
        world.try_git(tree, "switch", "-q", home)
        if world.try_git(tree, "merge", "-q", *(["--ff-only"] if way == "rebase" else ["--no-ff"]), topic).returncode:
            world.settle(tree, ["merge", "--abort"])
    elif way in ("squash", "squash-keep"):
        if world.try_git(tree, "merge", "-q", "--squash", *prefer, topic).returncode:
            world.git(tree, "reset", "-q", "--hard")
        else:
            world.clock.tick()
            world.commit(tree, stage=False)
    elif way in ("merge", "no-ff"):
        options = [*(["--no-ff"] if way == "no-ff" else []), *prefer]
        if world.try_git(tree, "merge", "-q", "--no-edit", *options, topic).returncode:
            if world.rng.random() < 0.5 and resolve(world, tree, author):
                world.git(tree, "commit", "-q", "--no-verify", "--no-edit")
            else:
                world.settle(tree, ["merge", "--abort"])
    elif way in ("pick", "pick-one"):
        commits = world.git(tree, "rev-list", "--reverse", "--no-merges", f"{home}..{topic}").decode().split()
        for sha in commits[-1:] if way == "pick-one" else commits:
            if world.try_git(tree, "cherry-pick", *prefer, sha).returncode:
                if world.rng.random() < 0.5 and resolve(world, tree, author):
                    world.try_git(tree, "cherry-pick", "--continue")
                    break
                world.settle(tree, ["cherry-pick", "--abort"])
                world.git(tree, "reset", "-q", "--hard")
                break
    world.witness(tree)
    if way != "squash-keep" and world.rng.random() < 0.6:
        world.try_git(tree, "branch", "-q", "-D", topic)


def commit_elsewhere(world: World) -> None:
    """Somebody works in a clone of his own."""
    clone = world.other_clone()
    for _ in range(world.rng.randint(1, 2)):
        edit(world, clone, ELSEWHERE)
        world.commit(clone)
        world.foreign.add(world.head(clone))
        world.clock.tick()


def pull(world: World, tree: Tree) -> None:
    """Bring in what was committed elsewhere."""
    way = world.rng.choice((["--no-rebase", "--no-edit"], ["--rebase"], ["--no-rebase", "--no-edit", "--no-ff"]))
    if world.try_git(tree, "pull", "-q", *way, *preferring(world), str(world.elsewhere), "HEAD").returncode:
        world.settle(tree, ["rebase", "--abort"])
        world.settle(tree, ["merge", "--abort"])
        world.git(tree, "reset", "-q", "--hard")


__all__ = ["WAYS", "Author", "bring_in", "commit_elsewhere", "go_back", "pull", "start_topic"]
