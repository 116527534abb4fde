"""`hookkit _commit`: what the git hooks start in the background. Nobody reads its output, so it has none."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.store.log import log

if TYPE_CHECKING:
    from hookkit.git import Worktree

_GATHER = 0.3  # seconds: what is committed meanwhile starts no run of its own


@click.command(hidden=True)
@click.option("--project", type=click.Path(path_type=Path), required=True)
def command(project: Path) -> int:
    """Anchor the new commits of the repository at PROJECT. Exit code 1 after a failure, which is in ingest.log."""
    project = project.absolute()
    _leave()
    try:
        _in_turn(project)
    except Exception:
        import traceback

        log(f"{project}\n{traceback.format_exc()}")
        return 1
    return 0


def _leave() -> None:
    """Have nothing to do any more with the git that ran the hook: not its process group, variables, or folder."""
    with contextlib.suppress(OSError):
        os.setsid()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.chdir("/")


def _in_turn(project: Path) -> None:
    """One run per repository at a time; what comes meanwhile is done by the one that runs."""
    from hookkit import git

    if os.environ.get("HOOKKIT_DISABLE") == "1" or _is_excluded(project):
        return
    worktree = git.find(project)
    if worktree is None or not (worktree.common_dir / "hookkit").is_dir():
        return  # nothing was recorded here
    from filelock import FileLock, Timeout

    request = worktree.common_dir / "hookkit" / "commit.request"
    lock = FileLock(worktree.common_dir / "hookkit" / "commit.lock", mode=0o600)
    request.touch(mode=0o600)
    while request.exists():
        # Whoever holds the lock looks for requests after letting go of it, so ours is not lost.
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            while request.exists():
                time.sleep(_GATHER)
                request.unlink(missing_ok=True)
                _anchor(worktree)
        finally:
            lock.release()


def _anchor(worktree: Worktree) -> None:
    from hookkit.trails import anchors
    from hookkit.trails.lines import index

    anchors.update(worktree)
    index.sync(worktree)  # what blame reads first is ready before it is asked


def _is_excluded(folder: Path) -> bool:
    return any(os.path.lexists(up / ".opentraces" / "excluded") for up in (folder, *folder.parents))
