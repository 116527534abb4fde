"""Plays one seed and judges it."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hookkit.git.worktree import Worktree, find
from hookkit.trails.emit import emit_step_window_events_from_record
from hookkit.trails.lines.blame import blame
from hookkit.trails.verify import verify

from .check import Judge, Report
from .check_fates import check_fates
from .player import Player
from .session import Session
from .world import Tree

GENERATOR = 3  # raise it whenever a seed no longer plays what it played before
STEPS = 14


@contextmanager
def environment(home: Path) -> Iterator[None]:
    """The variables under which the product runs: those of somebody with this home."""
    old = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "HOOKKIT"))]:
        del os.environ[name]
    os.environ.update(HOME=str(home), GIT_CONFIG_NOSYSTEM="1", HOOKKIT_HOME=str(home / "hookkit"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)


def fast_folder() -> Path:
    """A new folder, in memory where the system has such a place."""
    shm = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="hookkit-fuzz-", dir=shm if os.access(shm, os.W_OK) else None))


def play(
    seed: int,
    folder: Path,
    *,
    steps: int = STEPS,
    skip: Collection[int] = (),
    settings: Mapping[str, str] | None = None,
    object_format: str = "",
) -> Player:
    """What the seed says, with all that the product is told on the way; call it within ``environment``."""
    player = Player(seed, folder, settings, object_format)
    root = player.world.main.root

    def ingest(session: Session) -> None:
        emit_step_window_events_from_record(root, session.record(), writer="fuzz")

    def look(tree: Tree) -> None:
        """What is asked in between must not change what is said in the end."""
        for path in player.world.files(tree)[:1]:
            blame(tree.root, path)

    player.ingest, player.look = ingest, look
    player.play(steps, skip)
    player.finish()
    return player


def judge(player: Player) -> Report:
    return Judge(player).everything()


def disturb(player: Player, report: Report) -> None:
    """What must not change any answer: garbage collection, a lost cache, an ingest that comes twice."""
    chance = random.Random(player.world.ledger.token())
    worktree = find(player.world.main.root)
    assert worktree is not None
    what = chance.random()
    if what < 0.10:
        player.world.git(player.world.main, "gc", "-q", "--prune=now")
    elif what < 0.20:
        player.finish()
    elif what < 0.30:
        drop_caches(worktree)
    else:
        return
    if what < 0.15:
        checked = verify(worktree, full=True)
        if not checked.ok:
            report.problems.append(f"verify: {checked}")
    report.add(judge(player))


def drop_caches(worktree: Worktree) -> None:
    for name in ("lines.sqlite", "events.sqlite"):
        for path in (worktree.common_dir / "hookkit").glob(name + "*"):
            path.unlink()


def run_seed(
    seed: int, *, steps: int = STEPS, skip: Collection[int] = (), keep: Path | None = None, with_fates: bool = False
) -> tuple[Report, Player]:
    """Play and judge; the repository is removed unless ``keep`` says where it should be."""
    folder = keep or fast_folder()
    if keep:
        shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True)
    try:
        with environment(folder / "home"):
            player = play(seed, folder, steps=steps, skip=skip)
            report = judge(player)
            disturb(player, report)
            if with_fates:
                report.add(check_fates(player))
        return report, player
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def shrink(seed: int, kind: str, steps: int = STEPS, with_fates: bool = False) -> set[int]:
    """The steps that can be left out while a problem of this kind remains."""

    def fails(skip: set[int]) -> bool:
        try:
            report, _ = run_seed(seed, steps=steps, skip=skip, with_fates=with_fates)
        except Exception:
            return kind == "crash"
        return any(problem.startswith(kind) for problem in report.problems)

    skip: set[int] = set()
    for number in range(steps):
        if fails({*skip, number}):
            skip.add(number)
    return skip
