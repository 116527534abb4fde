"""Reading on in a file where the last ingest stopped, if it is still that file."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hookkit.capture.jsonl import LineReader

_HEAD = 4096
_TAIL = 256


class FileChangedError(Exception):
    """What was read before is no longer in the file: it was cut, replaced or rewritten."""


class OutOfOrderError(Exception):
    """A line belongs to a file that is to be read before the one it was already seen in."""


@dataclass(slots=True)
class Progress:
    """How far a file was read, and how to know it again.

    head and tail: hashes of the first ``min(offset, 4096)`` bytes and of the 256 bytes before the offset.
    """

    offset: int = 0
    line: int = 0
    inode: int = 0
    head: str = ""
    tail: str = ""
    lines: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self, path: Path) -> None:
        """Raise ``FileChangedError`` unless the file still begins with what was read."""
        if not self.offset:
            return
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                same = found.st_size >= self.offset and found.st_ino == self.inode
                if not same or _marks(file.fileno(), self.offset) != (self.head, self.tail):
                    raise FileChangedError(path)
        except OSError as error:
            raise FileChangedError(path) from error

    def read(self, path: Path) -> Iterator[tuple[dict[str, Any], int]]:
        """The new objects with their line numbers; moves on with every one of them."""
        reader = LineReader(path, self.offset, self.line)
        for entry in reader:
            yield entry, reader.line
        self.offset, self.line = reader.offset, reader.line
        self.lines += reader.lines
        self.skipped = dict(Counter(self.skipped) + reader.skipped)
        with path.open("rb") as file:
            self.inode = os.fstat(file.fileno()).st_ino
            self.head, self.tail = _marks(file.fileno(), self.offset)

    def error(self, name: str) -> str | None:
        """Why this file makes the trace unfit for export: more than a torn line, and more than one line in twenty."""
        lost = sum(self.skipped.values())
        if lost > 1 and lost * 20 > self.lines:
            return f"{lost} of {self.lines} lines of {name} could not be read."
        return None


def _marks(descriptor: int, offset: int) -> tuple[str, str]:
    head = os.pread(descriptor, min(offset, _HEAD), 0)
    tail = os.pread(descriptor, min(offset, _TAIL), max(0, offset - _TAIL))
    return hashlib.blake2b(head, digest_size=16).hexdigest(), hashlib.blake2b(tail, digest_size=16).hexdigest()
