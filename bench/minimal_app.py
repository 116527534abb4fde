"""The least that a Textual program can be: what the first paint of the views is measured against."""

from textual.app import App
from textual.widget import Widget


class Word(Widget):
    def render(self) -> str:
        return "minimal"


class Minimal(App[None]):
    ENABLE_COMMAND_PALETTE = False

    def compose(self):  # type: ignore[no-untyped-def]
        yield Word()


if __name__ == "__main__":
    Minimal().run()
