"""The journal that rows are appended to: what is acknowledged is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from hookkit import paths
from hookkit.store.files import replace_file
from hookkit.telemetry.columns import Row
from hookkit.telemetry.segments import Store

SEGMENT_BYTES = 32 << 20
SEGMENT_SECONDS = 86_400.0  # of a month, some dozens of files, each with rows enough to be worth opening
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Journal:
    """Appends rows, in segments. One at a time for a folder: whoever opens it holds the lock of the server.

    One thread appends; any other may ask what is ``finished``.
    """

    def __init__(self, place: Store, *, most_bytes: int = SEGMENT_BYTES, most_seconds: float = SEGMENT_SECONDS) -> None:
        self._place, self._most_bytes, self._most_seconds = place, most_bytes, most_seconds
        paths.private_dir(place.journals)
        for path in place.open_segments().values():
            _mend(path)
        self._number = max([0, _last(place), *place.open_segments(), *place.closed_segments()])
        self._file: int | None = None
        self._moving = threading.Lock()  # held while one segment ends and the next begins
        self._lines = self._size = 0
        self._began = 0.0

    @property
    def number(self) -> int:
        """Of the segment that is appended to, or was last."""
        return self._number

    def append(self, rows: Sequence[Row]) -> int:
        """Append rows, giving each its position, and wait until they are on disk; the last position.

        OSError if the disk does not take them: then none of them is there.
        """
        if self._file is None or self._size > self._most_bytes or time.monotonic() - self._began > self._most_seconds:
            with self._moving:
                self._end()
                self._open()
        assert self._file is not None
        texts = []
        for at, row in enumerate(rows, self._lines):
            texts.append(_dumps({"position": self._number << 32 | at, **row}))
        texts.append("")
        content = "\n".join(texts).encode("utf-8", "replace")
        try:
            _write_all(self._file, content)
            os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
        except OSError:
            self._abandon()
            raise
        self._lines += len(rows)
        self._size += len(content)
        return self._number << 32 | (self._lines - 1)

    def close(self) -> None:
        """End the segment; the next row begins another one."""
        with self._moving:
            self._end()

    def finished(self) -> list[int]:
        """Segments that are journals still, and that nothing is appended to any more."""
        with self._moving:
            return [number for number in self._place.open_segments() if self._file is None or number != self._number]

    def _abandon(self) -> None:
        """Take back what a failed write left. A reader may have seen it: its positions are not given to other rows."""
        with self._moving:
            assert self._file is not None
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            if not self._lines:  # or each try on a full disk would leave a file
                with contextlib.suppress(OSError):
                    self._place.journal(self._number).unlink()
            self._end()

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._number += 1
        replace_file(self._place.last, [str(self._number).encode()], durable=False)
        path = self._place.journal(self._number)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _sync_folder(path.parent)
        self._lines = self._size = 0
        self._began = time.monotonic()


def _last(place: Store) -> int:
    """The number that was given last: positions are not given again, also when all segments are too old and gone."""
    try:
        return int(place.last.read_text())
    except (OSError, ValueError):
        return 0


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _mend(path: Path) -> None:
    """Cut off the line that a killed server did not end: nobody was told that it was kept."""
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - (1 << 16))
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end != size:
            file.truncate(end)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
