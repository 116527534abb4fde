"""Cells of the terminal: how many a text takes, and texts of so many."""

from __future__ import annotations

import sys
import unicodedata


def is_utf8() -> bool:
    """Whether standard output takes more than ASCII for sure."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def width(text: str) -> int:
    """The cells of a text without control characters: wide characters take two, combining and invisible ones none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, cells: int, mark: str = "…") -> str:
    """At most so many cells of ``text``, ending with ``mark`` if it is longer."""
    if width(text) <= cells:
        return text
    left, kept = cells - width(mark), []
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + mark


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
