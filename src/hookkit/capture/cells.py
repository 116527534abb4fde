"""The steps of a session while it is read: text, except the few that are still changing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hookkit.capture.record import canonical

_HOT = 256


class Cells:
    """A list of JSON objects kept as canonical text.

    ``append`` and ``open`` give the object itself, which may be changed until ``_HOT`` others were opened after it.
    A session of ten thousand steps thus costs its text in memory, and reading on costs nothing for the old ones.
    """

    def __init__(self, texts: Iterable[bytes] = ()) -> None:
        self._texts = list(texts)
        self._hot: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def append(self, value: dict[str, Any]) -> int:
        """Add an object; gives its number."""
        self._texts.append(b"")
        number = len(self._texts) - 1
        self._keep(number, value)
        return number

    def open(self, number: int) -> dict[str, Any]:
        """The object itself, to read or to change at once."""
        value = self._hot.pop(number, None)
        if value is None:
            value = json.loads(self._texts[number])
        self._keep(number, value)
        return value

    def text(self, number: int) -> bytes:
        """The object as canonical text."""
        value = self._hot.get(number)
        return self._texts[number] if value is None else canonical(value)

    def texts(self) -> list[bytes]:
        """All objects as canonical text, in order."""
        return [self.text(number) for number in range(len(self._texts))]

    def _keep(self, number: int, value: dict[str, Any]) -> None:
        self._hot[number] = value
        if len(self._hot) > _HOT:
            oldest = next(iter(self._hot))
            self._texts[oldest] = canonical(self._hot.pop(oldest))
