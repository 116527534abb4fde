"""One row of the index: what changed in one file between two neighbouring boundaries."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter

from hookkit.trails.lines.changes import NO_MARK, Move, Span, unpack_marks, unpack_moves, unpack_owners, unpack_spans


@dataclass(slots=True, eq=False)
class Change:
    """A row of the index. since, us: the boundaries around it, microseconds since 1970.

    typed: whether all its hunks are of calls that named the file.
    """

    id: int
    root: int
    since: int
    us: int
    status: str
    path: bytes
    old_path: bytes
    old_blob: str
    new_blob: str
    _hunks: bytes
    _moves: bytes
    packed_removed: bytes
    packed_added: bytes
    _owners: bytes
    typed: int
    _spans: list[Span] | None = None
    _above: list[int] | None = None  # before each hunk, the lines that the hunks above it added

    @property
    def spans(self) -> list[Span]:
        if self._spans is None:
            self._spans = unpack_spans(self._hunks)
        return self._spans

    @property
    def moves(self) -> Sequence[Move]:
        return list(unpack_moves(self._moves)) if self._moves else ()

    @property
    def owners(self) -> tuple[int, ...]:
        """The number of the owner of each hunk; at least one."""
        return unpack_owners(self._owners)

    @property
    def removed(self) -> Sequence[int]:
        """The marks of all lines that it took out, in order."""
        return unpack_marks(self.packed_removed)

    @property
    def added(self) -> Sequence[int]:
        """The marks of all lines that it put in, in order."""
        return unpack_marks(self.packed_added)

    def hunk_of(self, line: int) -> int:
        """The number of the hunk that wrote a line (0-based, in the file after)."""
        if len(self.spans) < 2:
            return 0
        return max(0, bisect_right(self.spans, line, key=itemgetter(2)) - 1)

    def mark(self, line: int) -> int:
        """What a line that the change added is known by."""
        if not self.spans:
            return NO_MARK
        if self._above is None:
            self._above = list(accumulate((span[3] for span in self.spans), initial=0))
        number = self.hunk_of(line)
        at = self._above[number] + line - self.spans[number][2]
        added = self.added
        return added[at] if 0 <= at < len(added) else NO_MARK
