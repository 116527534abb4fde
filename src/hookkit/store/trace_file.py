"""A trace file read piece by piece, so that nobody waits for a gigabyte to be decoded before the first step is seen.

A trace is one JSON object with sorted keys: its ``metadata``, where the hook lines are, precede its ``steps``. Both are
decoded value by value through a window of the file. Where a value ends, only its decoder tells: what a session said may
look like anything.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hookkit.errors import HookkitError

Buffer = bytes | mmap.mmap

# Members of the metadata that hold hook lines: by call id, or in a list.
_HOOKS = frozenset({"hook_pre_tool_use", "hook_post_tool_use", "hook_stop", "hook_events"})
_WINDOW = 1 << 20  # bytes
# Characters: so near to the window's end, an error may come from the cut, and so may the end of a number.
_SPLIT = 16
_SPACE = frozenset(" \t\r\n")
_BEFORE_STEPS = re.compile(rb'"session_id": "(?:[^"\\]|\\.)*", \Z')
_STEPS, _AFTER_STEPS = b'"steps": [', b'], "system_prompts": '
_decode = json.JSONDecoder().raw_decode


class Cursor:
    """A place in JSON text. Raises ValueError for what is no JSON."""

    def __init__(self, data: Buffer, at: int = 0) -> None:
        """at: offset in bytes."""
        self.at = at
        self._data = data
        self._start = 0  # of the window
        self._window = ""
        self._first = False  # no member of the open object or list was read yet

    def value(self) -> Any:
        """Decode the value here and go behind it."""
        self._skip()
        while True:
            try:
                value, end = _decode(self._window, self.at - self._start)
            except json.JSONDecodeError as error:
                if not self._cut(error):
                    raise
            except RecursionError as error:
                raise ValueError("it is nested too deep") from error
            else:
                if end < len(self._window) - _SPLIT or self._whole():
                    break
            self._move(2 * (len(self._window) - (self.at - self._start)))
        end += self._start
        if not self._window.isascii():  # the window is read as Latin-1: a character a byte
            value = json.loads(self._data[self.at : end])
        self.at = end
        return value

    def open(self, bracket: str) -> None:
        """Enter the object or list here."""
        self._take(bracket)
        self._first = True

    def more(self, bracket: str) -> bool:
        """Whether another member follows; if not, go behind the closing ``bracket``."""
        char = self.peek()
        first, self._first = self._first, False
        if char == bracket:
            self.at += 1
            return False
        if not first:
            self._take(",")
        return True

    def key(self) -> str:
        """The key of the member that follows; the place is then that of its value."""
        key = self.value()
        if not isinstance(key, str):
            raise ValueError(f"a key is no text, at byte {self.at}")
        self._take(":")
        self._skip()
        return key

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        self._skip()
        return self._window[self.at - self._start : self.at - self._start + 1]

    def _take(self, char: str) -> None:
        if self.peek() != char:
            raise ValueError(f"{char!r} expected at byte {self.at}")
        self.at += 1

    def _skip(self) -> None:
        while True:
            index = self.at - self._start
            if not 0 <= index < len(self._window):
                self._move(_WINDOW)
                if not self._window:
                    return
                index = 0
            if self._window[index] not in _SPACE:
                return
            self.at += 1

    def _move(self, size: int) -> None:
        self._start = self.at
        self._window = self._data[self.at : self.at + max(size, _WINDOW)].decode("latin-1")

    def _whole(self) -> bool:
        return self._start + len(self._window) >= len(self._data)

    def _cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the value may only seem wrong because the window ends."""
        near = error.pos >= len(self._window) - _SPLIT or error.msg.startswith("Unterminated string")
        return near and not self._whole()


class TraceFile:
    """A trace on disk. HookkitError from every method if it cannot be read. Use as a context manager.

    head: the members before the metadata, and once the hook lines were read also those between these and the steps.
    metadata: what of it is no hook line; whole once these were read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self._steps: int | None = None
        with self._readable():
            self._data: Buffer = _mapped(path)
            if not self._find_metadata():
                # Not in the canonical order: read whole, once, and put into it.
                self._data = json.dumps(json.loads(self._data[:]), sort_keys=True).encode()
                self.head.clear()
                if not self._find_metadata():
                    raise ValueError("it has no metadata or no steps")

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    @property
    def size(self) -> int:
        """In bytes. Offsets are less."""
        return len(self._data)

    def raw(self, start: int, end: int) -> bytes:
        """The text between two offsets, where a search may look before it decodes."""
        return self._data[start:end]

    def hook_lines(self) -> Iterator[tuple[int, str, str, Any]]:
        """Offset, member of the metadata, call id ("" in lists) and entry of each hook line, in the file's order."""
        with self._readable():
            at = Cursor(self._data, self._metadata)
            at.open("{")
            while at.more("}"):
                key = at.key()
                bracket = at.peek()
                if key not in _HOOKS or bracket not in ("{", "["):
                    self.metadata[key] = at.value()
                    continue
                closing = "}" if bracket == "{" else "]"
                at.open(bracket)
                while at.more(closing):
                    call = at.key() if bracket == "{" else ""
                    yield at.at, key, call, at.value()
            while at.more("}"):
                key = at.key()
                if key == "steps":
                    self._steps = at.at
                    return
                self.head[key] = at.value()
            raise ValueError("it has no steps")

    def without_steps(self) -> dict[str, Any] | None:
        """The record with no steps and no hook lines; None where what follows the steps has not the canonical form."""
        for _ in self.hook_lines():
            pass
        place = self._data.rfind(_AFTER_STEPS)
        try:
            # What reads as the rest of an object up to the very end of the file can only be that of the whole record.
            rest = json.loads(b"{" + self._data[place + len("], ") :]) if place >= 0 else None
        except ValueError:
            return None
        return None if rest is None else {**self.head, **rest, "metadata": self.metadata, "steps": []}

    def steps(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Offset and value of each step. Where the hook lines were not read yet, they are gone through first."""
        if self._steps is None:
            for _ in self.hook_lines():
                pass
        assert self._steps is not None
        return self._list(self._steps)

    def step(self, offset: int) -> Mapping[str, Any]:
        """The step at an offset that ``steps`` gave."""
        with self._readable():
            value = Cursor(self._data, offset).value()
            if not isinstance(value, dict):
                raise ValueError(f"there is no step at byte {offset}")
            return value

    def early_steps(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Offset and value of each step without going through the hook lines: to be shown in the meantime.

        They are found by what stands before them, which a hook line could hold as well: what counts is what ``steps``
        gives. They end where one cannot be read; none if nothing looks so.
        """
        place = self._data.find(_STEPS, self._metadata)
        while place >= 0:
            if _BEFORE_STEPS.search(self._data[max(0, place - 1024) : place]):
                with contextlib.suppress(HookkitError):
                    yield from self._list(place + len(_STEPS) - 1)
                return
            place = self._data.find(_STEPS, place + 1)

    def _list(self, offset: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        with self._readable():
            at = Cursor(self._data, offset)
            at.open("[")
            while at.more("]"):
                at.peek()
                place, step = at.at, at.value()
                if not isinstance(step, dict):
                    raise ValueError(f"there is no step at byte {place}")
                yield place, step

    def _find_metadata(self) -> bool:
        """Read the members before the metadata; False if the steps come first."""
        at = Cursor(self._data)
        at.open("{")
        while at.more("}"):
            key = at.key()
            if key == "metadata" and at.peek() == "{":
                self._metadata = at.at
                return True
            if key == "steps":
                return False
            self.head[key] = at.value()
        return False

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise HookkitError(
                "UNREADABLE_TRACE", f"{self.path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
            ) from error


def _mapped(path: Path) -> Buffer:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
