"""Time whole processes, two commands in turn, so that a drifting machine hits both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A process to time. ``before`` runs before each start, outside the measured time."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes = b""
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: wall time in seconds, peak resident memory in MiB, exit code."""

    seconds: float
    mebibytes: float
    code: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, against what, the median ratio, and both medians.

    unit: of the two, where they are no milliseconds.
    """

    name: str
    against: str
    ratio: float
    budget: str
    ours_ms: float
    theirs_ms: float
    note: str = ""
    unit: str = "ms"


def once(command: Command) -> Run:
    """Run the command to its end."""
    command.before()
    started = time.perf_counter()
    child = subprocess.Popen(
        command.argv,
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if child.stdin:
        child.stdin.write(command.stdin)
        child.stdin.close()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    return Run(seconds, usage.ru_maxrss / 1024, child.returncode)


def versus(ours: Command, theirs: Command, runs: int, warmup: int = 1) -> tuple[float, list[Run], list[Run]]:
    """The median of the pairwise ratios ours/theirs over ``runs`` alternating pairs, and all runs of both."""
    for _ in range(warmup):
        once(ours), once(theirs)
    pairs = [(once(ours), once(theirs)) for _ in range(runs)]
    ratio = statistics.median(a.seconds / b.seconds for a, b in pairs)
    return ratio, [a for a, _ in pairs], [b for _, b in pairs]


def milliseconds(runs: Sequence[Run]) -> float:
    """Median wall time."""
    return statistics.median(run.seconds for run in runs) * 1000
