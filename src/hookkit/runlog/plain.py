"""Any value as plain JSON: what a program holds is not always one, and may have no end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

_DEEPEST = 20
_MOST_TEXT = 100_000  # characters of one value


def plain(value: object, most: int = _MOST_TEXT) -> Any:
    """``value`` as JSON; most: characters of all its texts together, the rest is cut and marked with an ellipsis."""
    return _Plain(most).value(value, 0)


def text(value: str, most: int = _MOST_TEXT) -> str:
    """A text of ``most`` characters at most."""
    return value if len(value) <= most else f"{value[:most]}…"


class _Plain:
    def __init__(self, most: int) -> None:
        self.left = most

    def value(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        self.left -= 1
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth >= _DEEPEST or self.left <= 0:
            return "…"
        if isinstance(value, Mapping):
            return {self.text(str(key)): item for key, item in self.items(value.items(), depth)}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [item for _, item in self.items(((None, item) for item in value), depth)]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"[{len(value)} bytes]"
        dump = getattr(value, "model_dump", None)  # a pydantic model
        if callable(dump):
            return self.value(dump(exclude_none=True), depth + 1)
        return self.text(repr(value))

    def items(self, items: Iterable[tuple[Any, Any]], depth: int) -> Iterable[tuple[Any, Any]]:
        for key, item in items:
            if self.left <= 0:
                break
            yield key, self.value(item, depth + 1)

    def text(self, value: str) -> str:
        value = text(value, max(self.left, 0))
        self.left -= len(value)
        return value
