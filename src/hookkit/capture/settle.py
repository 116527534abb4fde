"""Waits until an agent has written what belongs to the turn that just ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from hookkit.capture.jsonl import decode

QUIET = 0.6  # seconds without a change
LIMIT = 10.0  # seconds altogether
FINAL = 3.0  # seconds for the final message: Claude Code writes it after its Stop hook ran
_STEP = 0.1
_TAIL = 256 << 10


def settle(
    path: Path,
    *,
    quiet: float = QUIET,
    limit: float = LIMIT,
    final: float = FINAL,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until ``path`` did not change for ``quiet`` seconds and its last message is final.

    A turn that has no final message yet gets ``final`` seconds. False if the file was still changing after ``limit``
    seconds. A missing file is settled: there may be hook lines elsewhere.
    """
    start = changed = clock()
    seen = _look(path)
    while True:
        now = clock()
        if now - changed >= quiet and (now - start >= final or has_final_message(path)):
            return True
        if now - start >= limit:
            return False
        sleep(_STEP)
        found = _look(path)
        if found != seen:
            seen, changed = found, clock()


def _look(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def has_final_message(path: Path) -> bool:
    """Whether the last message in the transcript is the agent's and asks for no tool."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")
    except OSError:
        return True
    for line in reversed(lines):
        entry = decode(line)[0] if b'"user"' in line or b'"assistant"' in line else None
        if entry is None or entry.get("isSidechain") is True or entry.get("type") not in ("user", "assistant"):
            continue
        message = entry.get("message")
        if entry["type"] == "user" or not isinstance(message, dict):
            return False
        return message.get("stop_reason") not in (None, "tool_use")
    return False
