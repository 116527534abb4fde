"""Lines of cells: what a terminal shows of text, whatever is in it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from hookkit.store.plain import plain

Line = Sequence[tuple[str, str]]  # text that is safe to show, and how: "", "bold", "red", "bold red" …

# They change the width of the character before them on some terminals, and not on others.
_SELECTORS = re.compile("[\ufe00-\ufe0f]")
style = functools.cache(Style.parse)
width_of = cell_len


def safe(text: str) -> str:
    """``text`` on one line, with nothing in it that steers a terminal or has no width that terminals agree on."""
    return _SELECTORS.sub("", plain(text))


def cut(text: str, width: int) -> str:
    """At most ``width`` cells of ``text``; ``…`` where something is missing."""
    if cell_len(text) <= width:
        return text
    return "" if width < 1 else set_cell_size(text, width - 1).rstrip() + "…"


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in pieces of at most ``width`` cells; at least one."""
    if cell_len(text) <= width:
        return [text]
    pieces, start, used = [], 0, 0
    for index, char in enumerate(text):
        cells = cell_len(char)
        if used + cells > width and index > start:
            pieces.append(text[start:index])
            start, used = index, 0
        used += cells
    return [*pieces, text[start:]]


def segments(line: Line, width: int, selected: bool = False, fill: str = " ") -> Iterable[Segment]:
    """Segments of ``width`` cells together. selected: in reverse video. fill: one cell wide, behind the text."""
    left = width
    for text, how in line:
        shown = cut(text, left)
        left -= cell_len(shown)
        yield Segment(shown, _style(how, selected))
        if left <= 0:
            break
    if left > 0:
        yield Segment(fill * left, _style("" if fill == " " else "dim", selected))


def _style(how: str, selected: bool) -> Style:
    return style(f"{how} reverse".strip() if selected else how)
