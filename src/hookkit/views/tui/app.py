"""The program around the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from hookkit.errors import HookkitError
from hookkit.views.tui.lookup import Lookup


class Refused(Message):
    """A view that was opened could not be shown."""

    def __init__(self, error: HookkitError) -> None:
        super().__init__()
        self.error = error


class Viewer(App[HookkitError]):
    """A view and those that are opened from it. Its result is the error that ended it, if one did."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", show=False),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]
    # The terminal's own colours, whatever they are.
    CSS = """
    Screen { layout: vertical; background: ansi_default; color: ansi_default; }
    Input, Input:focus { border: none; height: 1; padding: 0; background: ansi_default; color: ansi_default; }
    """

    def __init__(self, first: Callable[[], Screen[None]], lookup: Lookup) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.lookup = lookup
        self._first = first

    def get_default_screen(self) -> Screen[None]:
        return self._first()

    def action_leave(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.exit()

    def action_interrupt(self) -> None:
        stopped = getattr(self.screen, "interrupt", None)  # a view that watches a program passes it on
        if stopped is None or not stopped():
            self.exit(return_code=130)

    def give_up(self, error: HookkitError) -> None:
        """End the view that cannot go on: that it could not is said by the one before it, or by the command line."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            self.screen.post_message(Refused(error))
        else:
            self.exit(error)


def run(first: Callable[[], Screen[None]], lookup: Lookup) -> int:
    """Show a view until the user leaves; the exit code. Raises what ended it."""
    app = Viewer(first, lookup)
    error = app.run()
    if error is not None:
        raise error
    return app.return_code or 0
