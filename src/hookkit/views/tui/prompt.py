"""One line to type into."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input
from textual.widgets.input import Selection


class Prompt(Input):
    """A line that goes away at enter or escape. typed: called with the text whenever that changes; answered: with the
    text at the end, None if it was cancelled. Both are called before the next key is looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(
        self, text: str, answered: Callable[[str | None], None], typed: Callable[[str], None] | None = None
    ) -> None:
        self._answered, self._typed = answered, typed
        super().__init__(text, placeholder="/ text, then enter", select_on_focus=False)

    def on_mount(self) -> None:
        self.selection = Selection(0, len(self.value))

    def type_in(self, character: str) -> None:
        """Put a character where the cursor is, instead of what is selected."""
        self.replace(character, *self.selection)

    def watch_value(self, value: str) -> None:
        if self._typed and self.is_mounted:
            self._typed(value)

    async def action_submit(self) -> None:
        self._end(self.value)

    def action_cancel(self) -> None:
        self._end(None)

    def _end(self, text: str | None) -> None:
        self._typed = None
        self.remove()
        self._answered(text)
