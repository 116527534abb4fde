"""The lower half of a view: all of one row, what it changed, or who wrote its file."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Resize

from hookkit.views.icons import icons
from hookkit.views.tui.banner import Banner
from hookkit.views.tui.detail import TextRows
from hookkit.views.tui.line import Line, safe
from hookkit.views.tui.lines import Lines


class Pane(Vertical):
    """A title and lines below it; hidden until it is shown."""

    DEFAULT_CSS = "Pane { height: 2fr; display: none; } Pane > Lines { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._title = Banner([[]], icons().rule)
        self.body = Lines(TextRows())

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.body

    def show(self, title: str, lines: Iterable[Line]) -> None:
        """Show lines from their start."""
        self._lines = list(lines)
        self._title.show([(f"{icons().rule * 2} ", "dim"), (f"{safe(title)} ", "bold")])
        self.display = True
        self._renew()
        self.body.scroll_home(animate=False)

    def add(self, lines: Iterable[Line]) -> None:
        """Show more lines below."""
        self._lines += lines
        self._renew()

    def hide(self) -> None:
        """Give the room back."""
        self.display = False

    def on_resize(self, event: Resize) -> None:
        rows = self.body.rows
        if isinstance(rows, TextRows):
            rows.fit(self.body.size.width - 1)
            self.body.renew()

    def _renew(self) -> None:
        rows = TextRows(self._lines)
        rows.fit((self.body.size.width or self.app.size.width) - 1)
        self.body.rows = rows
        self.body.renew()
