"""Which lines of one content are those of another."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hookkit.errors import HookkitError
from hookkit.git.plain import plain
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.changes import lines

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_OPTIONS = (
    "--no-index", "--text", "-U0", "--inter-hunk-context=0", "--diff-algorithm=histogram", "--no-color",
    "--no-ext-diff", "--no-textconv",
)  # fmt: skip


class Match(NamedTuple):
    """line: of the older content, 0-based. sure: neither content has a second place like the one around it."""

    line: int
    sure: bool


def matches(worktree: Worktree, old: bytes, new: bytes) -> dict[int, Match]:
    """Line of ``new`` (0-based) -> the same line of ``old``, in order. {} if git cannot tell."""
    before, after = lines(old), lines(new)
    if old == new:
        return {number: Match(number, True) for number in range(len(after))}
    times = Counter(before), Counter(after)
    found: dict[int, Match] = {}
    for start, shift, count in _blocks(_differences(worktree, old, new), len(before)):
        block = after[start + shift : start + shift + count]
        sure = any(times[0][line] == 1 == times[1][line] for line in block)
        found |= {number + shift: Match(number, sure) for number in range(start, start + count)}
    return found


def _differences(worktree: Worktree, old: bytes, new: bytes) -> list[tuple[int, int, int, int]]:
    """(start, count) in either content of each difference, 0-based; all of both where git does not answer."""
    try:
        with tempfile.TemporaryDirectory(prefix="hookkit-") as scratch, plain(worktree) as variables:
            names = [str(Path(scratch) / name) for name in ("old", "new")]
            for name, text in zip(names, (old, new), strict=True):
                Path(name).write_bytes(text)
            said = run(worktree.root, "diff", *_OPTIONS, "--", *names, extra=variables, check=False)
    except (HookkitError, OSError):
        said = b""
    found = []
    for numbers in _HUNK.findall(said):  # every other line of the answer begins with a sign, or is of its head
        first, count, second, added = (int(number) if number else 1 for number in numbers)
        found.append((first - (count > 0), count, second - (added > 0), added))
    return found or [(0, len(lines(old)), 0, len(lines(new)))]


def _blocks(differences: list[tuple[int, int, int, int]], total: int) -> Iterator[tuple[int, int, int]]:
    """(start in the older content, how much further down in the newer one, lines) of what lies between differences."""
    start = shift = 0
    for first, count, second, added in differences:
        if first > start:
            yield start, shift, first - start
        start, shift = first + count, second + added - first - count
    if total > start:
        yield start, shift, total - start
