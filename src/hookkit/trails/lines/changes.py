"""The rows of the index: what changed in one file between two boundaries, packed small."""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hookkit.git.diff import FileChange, Hunk

# What git's own blame asks of a block before it calls it moved: alphanumeric characters, within a file and across.
MOVED_WITHIN, MOVED_ACROSS = 20, 40
_MOST_LINES = 200_000  # of one interval; moves are not looked for in more
_MOST_PLACES = 64  # where the same line was taken out
_LONG = 200  # lines; no better block is looked for then

Span = tuple[int, int, int, int]  # old start, old count, new start, new count; 0-based
_Spot = tuple[int, int]  # number of a file, line before the change (0-based)


@dataclass(frozen=True, slots=True)
class Move:
    """``count`` lines from ``new_start`` on came from ``source`` (a path before the change), from ``start`` on."""

    new_start: int
    count: int
    source: bytes
    start: int


def pack_spans(hunks: Sequence[Hunk]) -> bytes:
    """Hunks without their text."""
    return b"".join(struct.pack("<4I", h.old_start, h.old_count, h.new_start, h.new_count) for h in hunks)


def unpack_spans(data: bytes) -> list[Span]:
    return list(struct.iter_unpack("<4I", data))


def pack_owners(owners: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(owners)}I", *owners)


def unpack_owners(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data)


def pack_moves(moves: Sequence[Move]) -> bytes:
    return b"".join(
        struct.pack("<4I", move.new_start, move.count, move.start, len(move.source)) + move.source for move in moves
    )


def unpack_moves(data: bytes) -> Iterator[Move]:
    at = 0
    while at < len(data):
        new_start, count, start, length = struct.unpack_from("<4I", data, at)
        at += 16
        yield Move(new_start, count, data[at : at + length], start)
        at += length


def pack_marks(text: Iterable[bytes]) -> bytes:
    """8 bytes for every line of these texts."""
    return array("q", [mark(line) for each in text for line in lines(each)]).tobytes()


def unpack_marks(data: bytes) -> Sequence[int]:
    return memoryview(data).cast("q")


def marks_of(packed: Iterable[bytes]) -> set[int]:
    """All marks that say something."""
    return set(unpack_marks(b"".join(packed))) - {NO_MARK}


NO_MARK = 0
_SILENT = bytes(byte for byte in range(128) if not chr(byte).isalnum())


def mark(line: bytes) -> int:
    """What a line is known by when it comes back: a 64-bit hash of its text; NO_MARK if it says too little.

    The text is exact but for the line's end, which git itself converts on its way.
    """
    text = line.removesuffix(b"\n").removesuffix(b"\r")
    if alphanumeric(text) < MOVED_WITHIN:
        return NO_MARK
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), sys.byteorder, signed=True)


def alphanumeric(text: bytes) -> int:
    """How many characters of a line say something; bytes beyond ASCII do."""
    return len(text.translate(None, _SILENT))


def lines(text: bytes) -> list[bytes]:
    """As git counts lines: ended by a newline, the last one perhaps not."""
    found = text.split(b"\n")
    if not found[-1]:
        found.pop()
        return [line + b"\n" for line in found]
    return [line + b"\n" for line in found[:-1]] + found[-1:]


class Moves:
    """Blocks that were taken out in one place and put in at another, within one interval."""

    def __init__(self, files: Sequence[FileChange], paths: Sequence[tuple[bytes, bytes]]) -> None:
        self._files, self._paths = files, paths
        self._gone: dict[bytes, list[_Spot]] = defaultdict(list)  # line -> where it was
        self._at: dict[_Spot, bytes] = {}
        self._used: set[_Spot] = set()
        if sum(hunk.old_count + hunk.new_count for file in files for hunk in file.hunks) > _MOST_LINES:
            return
        for number, file in enumerate(files):
            for hunk in file.hunks:
                for offset, line in enumerate(lines(hunk.removed)):
                    spot = (number, hunk.old_start + offset)
                    self._at[spot] = line
                    # A block is found by a line that says something: there can be any number of those that do not.
                    if alphanumeric(line) and len(self._gone[line]) < _MOST_PLACES:
                        self._gone[line].append(spot)

    def into(self, number: int) -> list[Move]:
        """The blocks that came into file ``number``."""
        found = []
        for hunk in self._files[number].hunks if self._at else ():
            added = lines(hunk.added)
            at = free = 0  # free: from there on nothing is known to have moved
            while at < len(added):
                best = max(self._runs(number, added, at), key=lambda run: run[1], default=None)
                if best is None:
                    at += 1
                    continue
                (source, start), count = best
                while at > free and self._is_left((source, start - 1), added[at - 1]):
                    at, start, count = at - 1, start - 1, count + 1
                found.append(Move(hunk.new_start + at, count, self._paths[source][0], start))
                self._used |= {(source, start + n) for n in range(count)}
                at = free = at + count
        return found

    def _runs(self, number: int, added: Sequence[bytes], at: int) -> Iterator[tuple[_Spot, int]]:
        """(where it was, lines) of each block that was taken out and begins like ``added`` from ``at`` on."""
        for source, start in self._gone.get(added[at], ()):
            count = said = 0
            while at + count < len(added) and self._is_left((source, start + count), added[at + count]):
                said += alphanumeric(added[at + count])
                count += 1
            if said >= (MOVED_WITHIN if source == number else MOVED_ACROSS):
                yield (source, start), count
                if count >= _LONG:
                    return

    def _is_left(self, spot: _Spot, line: bytes) -> bool:
        return self._at.get(spot) == line and spot not in self._used
