"""The rows of the index: what changed in one file between two boundaries, packed small."""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hookkit.git.diff import FileChange, Hunk

# What git's own blame asks of a block before it calls it moved: alphanumeric characters, within a file and across.
MOVED_WITHIN, MOVED_ACROSS = 20, 40
_MOST_LINES = 200_000  # of one interval; moves are not looked for in more

Span = tuple[int, int, int, int]  # old start, old count, new start, new count; 0-based


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


def pack_marks(hunks: Sequence[Hunk]) -> bytes:
    """8 bytes for every removed line of all hunks, then for every added one; zeros where a line says too little."""
    removed = b"".join(mark(line) for hunk in hunks for line in lines(hunk.removed))
    return removed + b"".join(mark(line) for hunk in hunks for line in lines(hunk.added))


def unpack_marks(data: bytes, removed: int) -> tuple[list[bytes], list[bytes]]:
    found = [data[at : at + 8] for at in range(0, len(data), 8)]
    return found[:removed], found[removed:]


NO_MARK = bytes(8)
_SILENT = bytes(byte for byte in range(128) if not chr(byte).isalnum())


def mark(line: bytes) -> bytes:
    """What a line is known by when it comes back: its exact text; zeros if it says too little."""
    text = line.removesuffix(b"\n")
    if alphanumeric(text) < MOVED_WITHIN:
        return NO_MARK
    return hashlib.blake2b(text, digest_size=8).digest()


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
        self._gone: dict[bytes, list[tuple[int, int, int]]] = defaultdict(list)  # line -> (file, line number, hunk)
        self._files, self._paths = files, paths
        self._used: set[tuple[int, int]] = set()
        total = sum(hunk.old_count + hunk.new_count for file in files for hunk in file.hunks)
        if total > _MOST_LINES:
            return
        for number, file in enumerate(files):
            for index, hunk in enumerate(file.hunks):
                for offset, line in enumerate(lines(hunk.removed)):
                    if line.strip():
                        self._gone[line].append((number, hunk.old_start + offset, index))
        self._at = {
            (number, hunk.old_start + offset): line
            for number, file in enumerate(files)
            for hunk in file.hunks
            for offset, line in enumerate(lines(hunk.removed))
        }

    def into(self, number: int) -> list[Move]:
        """The blocks that came into file ``number``."""
        if not self._gone:
            return []
        found = []
        for index, hunk in enumerate(self._files[number].hunks):
            added = lines(hunk.added)
            at = 0
            while at < len(added):
                move = self._longest(number, index, added, at)
                if move is None:
                    at += 1
                    continue
                source, start, count = move
                found.append(Move(hunk.new_start + at, count, self._paths[source][0], start))
                self._used |= {(source, start + n) for n in range(count)}
                at += count
        return found

    def _longest(self, number: int, index: int, added: list[bytes], at: int) -> tuple[int, int, int] | None:
        best: tuple[int, int, int] | None = None
        for source, start, _ in self._gone.get(added[at], ())[:64]:
            count = 0
            while (
                at + count < len(added)
                and (source, start + count) not in self._used
                and self._at.get((source, start + count)) == added[at + count]
            ):
                count += 1
            said = sum(alphanumeric(line) for line in added[at : at + count])
            enough = said >= (MOVED_WITHIN if source == number else MOVED_ACROSS)
            if enough and (best is None or count > best[2]):
                best = (source, start, count)
        return best
