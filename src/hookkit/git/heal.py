"""Bring a worktree whose capture was limited back to whole captures.

A hook that runs out of its budget writes <git dir>/hookkit/limited.json and from then on captures less. The ingest has
time: it finds the untracked files that are too large, brings the warm index (<git dir>/hookkit/index, from which the
next capture starts) up to date without them, and measures whether a whole capture is fast enough again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from hookkit import config
from hookkit.errors import HookkitError
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree, find, quoted

_FAST_ENOUGH = 1.0  # seconds for one capture: half of the hook's budget


@dataclass(frozen=True, slots=True)
class Limits:
    """How much untracked content a tree id may cost; ``[capture]`` of config.toml in hookkit's home.

    The limits apply only to a worktree whose whole capture was too slow.
    """

    max_untracked_file_bytes: int = 32 << 20
    max_untracked_bytes: int = 1 << 30
    max_untracked_files: int = 250_000

    @classmethod
    def load(cls) -> Limits:
        """The user's limits; the defaults if the settings cannot be read: nobody looks on who could be told."""
        try:
            return cls(**{field.name: config.get(f"capture.{field.name}") for field in fields(cls)})
        except HookkitError:
            return cls()


def heal(root: Path) -> None:
    """Lift or refine the limit of the worktree at ``root``. Cheap when there is none."""
    worktree = find(root)
    if worktree is None:
        return
    limit = worktree.private_dir / "limited.json"
    if limit.exists():
        _settle(worktree, limit, Limits.load())


def _settle(worktree: Worktree, limit: Path, limits: Limits) -> None:
    large = _large_untracked(worktree, limits)
    if large is None:
        return
    chosen = ["add", "--ignore-errors", "-A", "--", ".", *(f":(exclude,top,literal){path}" for path in large)]
    with _warm_lock(worktree) as free:
        if not free:
            return
        _seed(worktree)
        extra = {
            "GIT_INDEX_FILE": str(worktree.private_dir / "index"),
            "GIT_OBJECT_DIRECTORY": str(worktree.objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(worktree.common_dir / "objects"),
        }
        try:
            run(worktree.root, *chosen, extra=extra, timeout=600, check=False)
            started = time.monotonic()
            run(worktree.root, *chosen, extra=extra, timeout=600, check=False)
        except GitError:
            return
        if time.monotonic() - started > _FAST_ENOUGH:
            return
    if large:
        stage = limit.with_suffix(".stage")
        stage.write_text(json.dumps({"level": "without", "without": large}) + "\n", encoding="utf-8")
        stage.replace(limit)
    else:
        limit.unlink(missing_ok=True)


def _large_untracked(worktree: Worktree, limits: Limits) -> list[str] | None:
    """Untracked files over the limit; None when what remains is still too much for a tree id per call."""
    listed = run(worktree.root, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0")[:-1]
    large: list[str] = []
    total = 0
    for name in listed:
        try:
            size = os.lstat(os.path.join(os.fsencode(worktree.root), name)).st_size
        except OSError:
            continue
        if size > limits.max_untracked_file_bytes:
            large.append(os.fsdecode(name))
        else:
            total += size
    too_much = len(listed) > limits.max_untracked_files or total > limits.max_untracked_bytes or len(large) > 500
    return None if too_much else large


def _seed(worktree: Worktree) -> None:
    """Start the warm index from the user's, unless it did: the hooks use it only with the stamp of the user's index."""
    user, warm, seed = (worktree.git_dir / "index", worktree.private_dir / "index", worktree.private_dir / "index.seed")
    try:
        found = user.stat()
        stamp = f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
    except FileNotFoundError:
        stamp = "none"
    if seed.exists() and seed.read_text() == stamp:
        return
    seed.unlink(missing_ok=True)
    stage = warm.with_name(f"index.{os.getpid()}.stage")
    if stamp == "none":
        warm.unlink(missing_ok=True)
    else:
        shutil.copy2(user, stage)  # with its time, which git needs to trust the entries
        stage.replace(warm)
    stage.write_text(stamp)
    stage.replace(seed)


@contextlib.contextmanager
def _warm_lock(worktree: Worktree) -> Iterator[bool]:
    """The lock that the hooks take on the warm index; yields False when a hook has it."""
    handle = os.open(worktree.private_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
    finally:
        os.close(handle)
