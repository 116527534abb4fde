"""Ways of bringing branches together. All start from and end on a clean worktree; a conflict is backed out of."""

from __future__ import annotations

from .actions import edit
from .model import ELSEWHERE, Author
from .world import Tree, World

WAYS = ("rebase", "rebase-merge", "squash", "squash-keep", "merge", "no-ff", "pick", "pick-one", "drop", "octopus")


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


def bring_in(world: World, tree: Tree, topic: str, home: str, way: str) -> None:
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
    elif way in ("merge", "no-ff", "octopus"):
        if world.try_git(
            tree, "merge", "-q", "--no-edit", *(["--no-ff"] if way != "merge" else []), *prefer, topic
        ).returncode:
            world.settle(tree, ["merge", "--abort"])
    elif way in ("pick", "pick-one"):
        commits = world.git(tree, "rev-list", "--reverse", "--no-merges", f"{home}..{topic}").decode().split()
        for sha in commits[-1:] if way == "pick-one" else commits:
            if world.try_git(tree, "cherry-pick", *prefer, sha).returncode:
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
        world.clock.tick()


def pull(world: World, tree: Tree) -> None:
    """Bring in what was committed elsewhere."""
    way = world.rng.choice((["--no-rebase", "--no-edit"], ["--rebase"], ["--no-rebase", "--no-edit", "--no-ff"]))
    if world.try_git(tree, "pull", "-q", *way, *preferring(world), str(world.elsewhere), "HEAD").returncode:
        world.settle(tree, ["rebase", "--abort"])
        world.settle(tree, ["merge", "--abort"])
        world.git(tree, "reset", "-q", "--hard")


__all__ = ["WAYS", "Author", "bring_in", "commit_elsewhere", "go_back", "pull", "start_topic"]
