"""Lists of lines of which only those are made that are seen."""

from __future__ import annotations

from typing import ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hookkit.views.icons import icons
from hookkit.views.tui.line import Line, segments


class Rows(Protocol):
    """What is listed."""

    def __len__(self) -> int: ...

    def line(self, index: int, width: int) -> Line:
        """What a row shows in ``width`` cells."""
        ...


class Lines(ScrollView, can_focus=True):
    """Lines to be scrolled. The rows may change at any time: then call ``renew``."""

    DEFAULT_CSS = """
    Lines {
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-background: ansi_default; scrollbar-background-hover: ansi_default;
        scrollbar-background-active: ansi_default; scrollbar-color: ansi_blue; scrollbar-color-hover: ansi_blue;
        scrollbar-color-active: ansi_bright_blue;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, rows: Rows, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.rows = rows

    def renew(self) -> None:
        """Show the rows as they are now."""
        self.virtual_size = Size(1, len(self.rows))  # no wider than it is: nothing to scroll sideways
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if index >= len(self.rows):
            return Strip.blank(width)
        return self.strip(index, width)

    def strip(self, index: int, width: int) -> Strip:
        """A row that there is, in ``width`` cells."""
        return Strip(segments(self.rows.line(index, width), width), width)


class LineList(Lines):
    """Lines of which one is selected. Rows may be appended while it is shown: call ``grew``.

    follow: it stays at the end when rows are appended. Any move upwards ends that; then new counts the rows that have
    come since. live: it follows from the start, and again as soon as the last row is selected; else only after ``end``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,space,ctrl+f", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
    ]

    class Moved(Message):
        """Another row is selected, or whether it follows has changed."""

    class Chosen(Message):
        """The selected row was clicked on once more."""

    def __init__(self, rows: Rows, *, live: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(rows, id=id)
        self.selected = 0
        self.live = self.follow = live
        self.new = 0
        self._mark = icons().selected

    def strip(self, index: int, width: int) -> Strip:
        selected = index == self.selected
        mark = f"{self._mark} " if selected else "  "
        return Strip(segments([(mark, ""), *self.rows.line(index, width - 2)], width, selected), width)

    def grew(self, more: int) -> None:
        """Show ``more`` rows that were appended. Nothing that is seen moves, unless it follows."""
        self.renew()
        if self.follow:
            self.select(len(self.rows) - 1)
        else:
            self.new += more

    def select(self, index: int, *, centre: bool = False) -> None:
        """Select a row, the nearest there is, and bring it into view."""
        self.selected = max(0, min(index, len(self.rows) - 1))
        self._bring_into_view(centre)
        self.refresh()
        self.post_message(self.Moved())

    def move_to(self, index: int, *, centre: bool = False) -> None:
        """Select a row as the user asked for it, which may be the end or the beginning of following."""
        self.follow = index >= len(self.rows) - 1 and (self.live or self.follow)
        if self.follow:
            self.new = 0
        self.select(index, centre=centre)

    def action_move(self, by: int) -> None:
        self.move_to(self.selected + by)

    def action_page(self, by: int) -> None:
        self.move_to(self.selected + by * max(1, self._height() - 1))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.follow = True
        self.move_to(len(self.rows) - 1)

    def on_click(self, event: Click) -> None:
        index = event.y + self.scroll_offset.y
        if index == self.selected:
            self.post_message(self.Chosen())
        elif index < len(self.rows):
            self.move_to(index)

    def on_resize(self, event: Resize) -> None:
        self._bring_into_view(False)

    def _height(self) -> int:
        return self.scrollable_content_region.height

    def _bring_into_view(self, centre: bool) -> None:
        height, top = self._height(), self.scroll_offset.y
        if height <= 0 or (not centre and top <= self.selected < top + height):
            return
        if centre:
            top = self.selected - height // 2
        else:
            top = self.selected if self.selected < top else self.selected - height + 1
        self.scroll_to(y=max(0, min(top, len(self.rows) - height)), animate=False, force=True)
