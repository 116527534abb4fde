"""Text measured in the cells of a terminal: most characters take one, East Asian wide ones two, accents none.

Where terminals differ, the larger number is taken: a line may end early, but never goes on in the next row.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def width(text: str) -> int:
    """How many cells a text takes that holds no control characters (see ``store.plain``)."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, room: int, mark: str = "") -> str:
    """The longest start of ``text`` that fits into ``room`` cells; mark: stands for what is left out."""
    if mark:
        return text if width(text) <= room else cut(text, room - width(mark)) + mark
    if text.isascii():
        return text[: max(0, room)]
    used = 0
    for at, char in enumerate(text):
        used += _cells(char)
        if used > room:
            return text[:at]
    return text


def cut_front(text: str, room: int) -> str:
    """The longest end of ``text`` that fits into ``room`` cells, and does not begin with an accent."""
    kept = cut(text[::-1], room)[::-1]
    while kept and not _cells(kept[0]):
        kept = kept[1:]
    return kept


def pad(text: str, room: int, *, right: bool = False) -> str:
    """``text`` filled up to ``room`` cells with spaces behind it; right: before it."""
    spaces = " " * (room - width(text))
    return spaces + text if right else text + spaces


@lru_cache(maxsize=4096)
def _cells(char: str) -> int:
    if char == "\ufe0f":  # asks for the character before it as a picture: many terminals then draw it wide
        return 1
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff":
        return 0  # the latter two are the second and third letters of Korean syllables
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
