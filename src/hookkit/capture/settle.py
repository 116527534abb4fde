"""Waits until an agent has written what belongs to the turn that just ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

QUIET = 0.6  # seconds without a change
LIMIT = 10.0  # seconds altogether
FINAL = 3.0  # seconds for the final message: some agents write it after their last hook ran
_STEP = 0.1


def settle(
    path: Path,
    *,
    is_final: Callable[[Path], bool] = lambda _path: True,
    asked_again: Callable[[], bool] = lambda: False,
    quiet: float = QUIET,
    limit: float = LIMIT,
    final: float = FINAL,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until ``path`` did not change for ``quiet`` seconds and its last message is final.

    is_final: whether the turn's final message is there; a turn that has none yet gets ``final`` seconds. asked_again:
    whether another hook asked for an ingest meanwhile, which is then waited for too. False if the file was still
    changing after ``limit`` seconds. A missing file is settled: there may be hook lines elsewhere.
    """
    start = asked = changed = clock()
    seen = _look(path)
    while True:
        now = clock()
        if now - changed >= quiet and (now - asked >= final or is_final(path)):
            return True
        if now - start >= limit:
            return False
        sleep(_STEP)
        if asked_again():
            asked = changed = clock()
        found = _look(path)
        if found != seen:
            seen, changed = found, clock()


def _look(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
