"""Lines that stay where they are: the head of a view, its last line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from hookkit.views.tui.line import Line, segments


class Banner(Widget):
    """Some lines, each cut to the width. fill: the character that fills up the last of them."""

    DEFAULT_CSS = "Banner { height: auto; }"

    def __init__(self, lines: Sequence[Line] = (), fill: str = " ") -> None:
        super().__init__()
        self.lines = lines
        self._fill = fill

    def show(self, *lines: Line) -> None:
        """Show other lines, as many as before."""
        self.lines = lines
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.lines)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        fill = self._fill if y == len(self.lines) - 1 else " "
        return Strip(segments(self.lines[y], width, fill=fill), width) if y < len(self.lines) else Strip.blank(width)


class Bar(Banner):
    """The last line: what one can do, or a message, and on the right where one is."""

    def __init__(self, hints: str) -> None:
        super().__init__([[(hints, "dim")]])
        self._hints = hints
        self._message = self._right = ""

    def say(self, message: str) -> None:
        """Show a message until ``clear``."""
        self._message = message
        self.refresh()

    def clear(self) -> None:
        """Show what one can do."""
        self.say("")

    def place(self, right: str) -> None:
        """Show where one is."""
        self._right = right
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, right = self.size.width, f" {self._right}"
        left = (self._message, "bold") if self._message else (self._hints, "dim")
        room = max(0, width - cell_len(right))
        return Strip([*segments([left], room), *segments([(right, "")], width - room)], width)
