"""Which lines of one content are those of another."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from hookkit.trails.lines.changes import lines

_MOST = 20_000  # lines that differ; more are not compared


def matches(old: bytes, new: bytes) -> dict[int, int]:
    """Line of ``new`` -> line of ``old`` (0-based) with the same text, in order."""
    a, b = lines(old), lines(new)
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    found = {number: number for number in range(head)}
    found |= {len(b) - 1 - number: len(a) - 1 - number for number in range(tail)}
    return found | _between(a[head : len(a) - tail], b[head : len(b) - tail], head)


def _between(a: Sequence[bytes], b: Sequence[bytes], shift: int) -> dict[int, int]:
    if not a or not b or len(a) + len(b) > _MOST:
        return {}
    found = {}
    for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            found[shift + block.b + offset] = shift + block.a + offset
    return found
