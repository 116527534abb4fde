"""One line to type into."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class Prompt(Input):
    """Has the focus from when it is mounted until enter or escape; then it goes away and says so."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    class Typed(Message):
        """The text has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Answered(Message):
        """The user is done; text: "" for nothing, or if it was cancelled."""

        def __init__(self, text: str, cancelled: bool) -> None:
            super().__init__()
            self.text = text
            self.cancelled = cancelled

    def __init__(self, sign: str, text: str = "") -> None:
        super().__init__(text, placeholder=f"{sign} text, then enter")

    def on_mount(self) -> None:
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._end(event.value, cancelled=False)

    def action_cancel(self) -> None:
        self._end("", cancelled=True)

    def _end(self, text: str, *, cancelled: bool) -> None:
        self.screen.post_message(self.Answered(text, cancelled))
        self.remove()
