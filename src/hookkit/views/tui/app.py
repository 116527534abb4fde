"""The program around the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, Key
from textual.message import Message
from textual.screen import Screen

from hookkit.errors import HookkitError
from hookkit.views.tui.lookup import Lookup


class Refused(Message):
    """A view that was opened could not be shown."""

    def __init__(self, error: HookkitError) -> None:
        super().__init__()
        self.error = error


class View(Screen[None]):
    """What can be shown on the whole terminal."""

    def pressed(self, key: str) -> None:
        """A key was pressed that is not for a line one types into; what is bound to it is done next."""

    def interrupt(self) -> bool:
        """^C; False: nothing here takes it, and it ends us."""
        return False


@runtime_checkable
class Typewriter(Protocol):
    """A widget that characters are typed into while it has the focus."""

    def type_in(self, character: str) -> None: ...


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

    def __init__(self, first: Callable[[], View], lookup: Lookup) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.lookup = lookup
        self._first = first

    def get_default_screen(self) -> View:
        return self._first()

    async def on_event(self, event: Event) -> None:
        """Textual sends a key to what has the focus, and does what is bound to it once it has come back from there.

        Of keys that come in one burst, those behind one that moves the focus would mean what they meant before it. Here
        each is done before the next is looked at.
        """
        if isinstance(event, Key) and not event.is_forwarded:
            await self._press(event)
        else:
            await super().on_event(event)

    async def _press(self, event: Key) -> None:
        if await self._check_bindings(event.key, priority=True):
            return
        if isinstance(self.focused, Typewriter):
            if event.is_printable and event.character:
                self.focused.type_in(event.character)
                return
        elif isinstance(self.screen, View):
            self.screen.pressed(event.key)
        await self._check_bindings(event.key)

    def action_leave(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.exit()

    def action_interrupt(self) -> None:
        if not isinstance(self.screen, View) or not self.screen.interrupt():
            self.exit(return_code=130)

    def give_up(self, error: HookkitError) -> None:
        """End the view that cannot go on: that it could not is said by the one before it, or by the command line."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            self.screen.post_message(Refused(error))
        else:
            self.exit(error)


def run(first: Callable[[], View], lookup: Lookup) -> int:
    """Show a view until the user leaves; the exit code. Raises what ended it."""
    app = Viewer(first, lookup)
    error = app.run()
    if error is not None:
        raise error
    return app.return_code or 0
