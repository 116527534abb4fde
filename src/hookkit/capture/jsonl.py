"""Reads JSON Lines that another program is still writing.

Agents write transcripts while we read, get killed in mid-line and pad files with zeros after a crash. A line that
cannot be used is skipped and counted; only the file system itself may fail.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MAX_LINE = 32 << 20  # bytes; an image pasted into a prompt is a few million
MAX_DEPTH = 100  # levels; pydantic and the JSON encoder give up somewhat later
_SURROGATE = ("\\ud", "\\uD")


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# NaN and Infinity are no JSON, yet Python writes them; what we store must be readable by everybody.
_DECODER = json.JSONDecoder(parse_constant=lambda _name: None, parse_float=_finite)


class LineReader:
    """Iterates over the objects of one file from a byte offset.

    offset: after the last line that was used up; where the next reading starts.
    line: number of the last line used up, counted from ``first_line``.
    lines: how many lines with something on them were seen; skipped: how many of them were of no use, by reason.
    """

    def __init__(self, path: Path, offset: int = 0, first_line: int = 0) -> None:
        self.path = path
        self.offset = max(0, offset)
        self.line = first_line
        self.lines = 0
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            if not self._seek(file):
                return
            while raw := file.readline(MAX_LINE + 1):
                ended = raw.endswith(b"\n")
                if not ended and len(raw) > MAX_LINE:
                    if not self._drop_long(file, len(raw)):
                        return
                    continue
                entry = self._decode(raw, ended)
                # Without its newline a line is used only if it is whole: an object cannot be the start of a longer one.
                if not ended and entry is None:
                    return
                self.offset += len(raw)
                self.line += 1
                if entry is not None:
                    yield entry

    def _seek(self, file: BinaryIO) -> bool:
        size = file.seek(0, 2)
        if self.offset > size:
            return False
        if self.offset:
            file.seek(self.offset - 1)
            if file.read(1) != b"\n":
                self.offset += len(file.readline())
        file.seek(self.offset)
        return True

    def _drop_long(self, file: BinaryIO, length: int) -> bool:
        while piece := file.readline(1 << 20):
            length += len(piece)
            if piece.endswith(b"\n"):
                self.offset += length
                self.line += 1
                self.lines += 1
                self.skipped["too_long"] += 1
                return True
        return False

    def _decode(self, raw: bytes, ended: bool) -> dict[str, Any] | None:
        body = raw.strip(b"\0 \t\r\n")
        if not body:
            if b"\0" in raw and ended:
                self._skip("nul")
            return None
        entry, reason = decode(body)
        if entry is None and not ended:
            return None  # the rest is still to come
        if reason:
            self._skip(reason)
        else:
            self.lines += 1
        return entry

    def _skip(self, reason: str) -> None:
        self.lines += 1
        self.skipped[reason] += 1


def decode(body: bytes) -> tuple[dict[str, Any] | None, str]:
    """One line as an object, or None and the reason: bad_utf8, not_json, too_deep, not_object."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None, "bad_utf8"
    try:
        value = _DECODER.decode(text)
    except ValueError:
        return None, "not_json"
    except RecursionError:
        return None, "too_deep"
    if not isinstance(value, dict):
        return None, "not_object"
    if text.count("{") + text.count("[") > MAX_DEPTH and _too_deep(value):
        return None, "too_deep"
    if any(mark in text for mark in _SURROGATE):
        value = _whole(value)
    return value, ""


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _whole(value: Any) -> Any:
    """The same value without lone surrogates: JSON can spell them, UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value
