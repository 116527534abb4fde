"""One session on the whole terminal: its rows, and below them all of the one that is selected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from hookkit.errors import HookkitError
from hookkit.store.index import activity
from hookkit.store.trace_file import TraceFile
from hookkit.views.icons import icons
from hookkit.views.tui.app import View, Viewer
from hookkit.views.tui.background import Latest
from hookkit.views.tui.banner import Banner, Bar
from hookkit.views.tui.head import head
from hookkit.views.tui.line import Line
from hookkit.views.tui.lines import LineList
from hookkit.views.tui.pane import Pane
from hookkit.views.tui.rows import NOWHERE, TIMES, OutlineRows, is_error, is_prompt
from hookkit.views.tui.steps import Steps

if TYPE_CHECKING:  # what the first screen does not need is imported when it stands
    from hookkit.views.outline import Item
    from hookkit.views.tui.find import Search
    from hookkit.views.tui.reading import Progress

Part = Literal["", "all", "diff", "blame", "help", "output"]  # what the pane shows

_HINTS = "? help  / search  enter open  d diff  b blame  e error  q quit"
_HELP = """\
up down j k   one row          pgup pgdn   a page      home end   all of it
J K           next, previous prompt          e E   next, previous error
/             search                         n N   next, previous hit
enter         the whole row: input, result, what it changed
d             what the call changed
b             who wrote the lines of its file
tab           scroll the lower half, and back
esc           close the lower half
t             times: clock, since the start, since the row above
y             copy the id of the call, or the reference of the step
q             leave"""


class Advanced(Message):
    """More of the trace was read."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress


class Failed(Message):
    """The trace cannot be read."""

    def __init__(self, error: HookkitError) -> None:
        super().__init__()
        self.error = error


class Answered(Message):
    """What was asked for in the background is there. asked: the part and the row it is for."""

    def __init__(self, asked: object, lines: Sequence[Line]) -> None:
        super().__init__()
        self.asked = asked
        self.lines = lines


class Found(Message):
    """A search has ended; at: the row, or None."""

    def __init__(self, search: Search, at: int | None) -> None:
        super().__init__()
        self.search = search
        self.at = at


def every(item: Item) -> bool:
    """The filter that takes every row."""
    return True


class ShowScreen(View):
    """A recorded session. summary: schemas/session-summary.schema.json. accept: which rows are listed."""

    CSS = "ShowScreen LineList, TailScreen LineList { height: 1fr; }"
    HINTS = _HINTS
    HELP = _HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open('all')", show=False),
        Binding("d", "open('diff')", show=False),
        Binding("b", "open('blame')", show=False),
        Binding("question_mark", "open('help')", show=False),
        Binding("escape", "close", show=False),
        Binding("slash", "search", show=False),
        Binding("n", "hit(1)", show=False),
        Binding("N", "hit(-1)", show=False),
        Binding("e", "error(1)", show=False),
        Binding("E", "error(-1)", show=False),
        Binding("J", "prompt(1)", show=False),
        Binding("K", "prompt(-1)", show=False),
        Binding("t", "times", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, path: Path, summary: Mapping[str, Any], accept: Callable[[Item], bool] = every) -> None:
        super().__init__()
        self._path, self._summary, self._accept = path, summary, accept
        self._rows = OutlineRows(activity(summary["started_at"]))
        self._list = LineList(self._rows)
        self._pane, self._bar = Pane(), Bar(self.HINTS)
        self._banner = Banner([*head(summary), []], icons().rule)
        self._part: Part = ""
        self._needle = ""
        self._current_search: Search | None = None
        self._asked = (0, 1)
        self._done = 0.0
        self._stop = threading.Event()
        self._latest, self._searcher = Latest(), Latest()
        self._file: Steps | None = None

    def compose(self) -> ComposeResult:
        yield self._banner
        yield self._list
        yield self._pane
        yield self._bar

    def on_mount(self) -> None:
        self._list.focus()
        self._place()
        self.call_after_refresh(lambda: threading.Thread(target=self._read, daemon=True).start())

    def on_unmount(self) -> None:
        self._stop.set()
        self._end_search()

    # Reading

    def _read(self) -> None:
        from hookkit.views.tui.reading import in_background, read

        try:
            file = self._file = TraceFile(self._path)
            progress = read(file, str(self._summary["agent"]), self._summary["project"], self._accept)
            in_background(progress, lambda part: self.post_message(Advanced(part)), self._stop)
        except HookkitError as error:
            self.post_message(Failed(error))

    def on_advanced(self, message: Advanced) -> None:
        progress, old = message.progress, self._rows
        self._done = progress.done
        if progress.again:
            kept = self._selected()
            self._rows = OutlineRows(activity(self._summary["started_at"]))
            self._rows.times = old.times
            self._rows.extend(progress.rows)
            self._list.rows = self._rows
            self._list.renew()
            self._list.select(len(self._rows) - 1 if self._list.follow else _same_row(self._rows.items, kept))
            if self._current_search:  # among rows that are no more
                self._search(*self._asked)
        elif progress.rows:
            self._rows.extend(progress.rows)
            self._list.grew(len(progress.rows))
        self._place()

    def on_failed(self, message: Failed) -> None:
        cast(Viewer, self.app).give_up(message.error)

    def _place(self) -> None:
        total = len(self._rows)
        reading = f"reading {self._done:.0%}  " if self._done < 1 else ""
        times = "" if self._rows.times == TIMES[0] else f"{self._rows.times}  "
        self._bar.place(f"{times}{reading}{min(self._list.selected + 1, total)}/{total}")

    def _selected(self) -> Item | None:
        index = self._list.selected
        return self._rows.items[index] if index < len(self._rows) else None

    def on_line_list_moved(self) -> None:
        self._place()
        if self._part and self._part != "help":
            self._fill()

    def on_line_list_chosen(self) -> None:
        self.action_open("all")

    # The pane

    def action_open(self, part: Part) -> None:
        if self._part == part:
            self.action_close()
            return
        self._part = part
        self._fill()

    def action_close(self) -> None:
        self._end_search()
        self._bar.clear()
        self._part = ""
        self._pane.hide()
        self._list.focus()

    def _fill(self) -> None:
        from hookkit.views.tui import detail

        item, lookup = self._selected(), cast(Viewer, self.app).lookup
        if self._part == "help":
            self._pane.show("keys", [[(line, "")] for line in self.HELP.splitlines()])
        elif item is None:
            self._pane.show("nothing is selected", [])
        elif self._part == "all":
            title = f"{item.name} {item.call_id}" if item.kind == "call" else item.kind
            self._pane.show(title, detail.lines(item, self._step()))
            if item.kind == "call" and item.window:
                self._ask(item, "Changed", lambda: lookup.diff(self._summary, item))
        elif item.kind != "call":
            self._pane.show(self._part, [[("Select a call: this row is none.", "")]])
        else:
            self._pane.show(f"{self._part} of {item.name} {item.call_id}", [])
            if self._part == "diff":
                self._ask(item, "", lambda: lookup.diff(self._summary, item))
            else:
                files = detail.files(item, self._step() or {})
                self._ask(item, "", lambda: lookup.blame(self._summary, item, files))

    def _step(self) -> Mapping[str, Any] | None:
        place = self._rows.places[self._list.selected]
        return None if place == NOWHERE or self._file is None else self._file.step(place)

    def _ask(self, item: Item, heading: str, answer: Callable[[], Iterable[Line]]) -> None:
        asked = (self._part, item.call_id)
        start: list[Line] = [[("", "")], [(heading, "bold")]] if heading else []
        self._latest.do(lambda: self.post_message(Answered(asked, [*start, *answer()])))

    def on_answered(self, message: Answered) -> None:
        item = self._selected()
        if item and message.asked == (self._part, item.call_id):
            self._pane.add(message.lines)

    # Ways through the rows

    def action_error(self, step: int) -> None:
        self._go(step, is_error, "error")

    def action_prompt(self, step: int) -> None:
        self._go(step, is_prompt, "prompt")

    def _go(self, step: int, wanted: Callable[[Item], bool], name: str) -> None:
        items, index = self._rows.items, self._list.selected + step
        while 0 <= index < len(items):
            if wanted(items[index]):
                self._bar.clear()
                self._list.move_to(index)
                return
            index += step
        self._bar.say(f"No {'further' if step > 0 else 'earlier'} {name}.")

    def action_times(self) -> None:
        self._rows.times = TIMES[(TIMES.index(self._rows.times) + 1) % len(TIMES)]
        self._list.refresh()
        self._place()

    def action_copy(self) -> None:
        item = self._selected()
        if item is None:
            return
        trace = self._summary["trace_id"][:8]
        name = item.call_id or (trace if item.step is None else f"{trace}:{item.step}")
        self.app.copy_to_clipboard(name)
        self._bar.say(f"Copied {name}")

    def pressed(self, key: str) -> None:
        if key not in ("e", "E", "J", "K", "n", "N", "y"):
            self._bar.clear()

    # Search

    async def action_search(self) -> None:
        from hookkit.views.tui.prompt import Prompt

        prompt = Prompt("", self._answered)
        await self.mount(prompt, before=self._bar)
        self.set_focus(prompt)

    def _answered(self, needle: str | None) -> None:
        self.set_focus(self._list)
        if needle:
            self._needle = needle
            self._search(0, 1)

    def action_hit(self, step: int) -> None:
        if self._needle:
            self._search(step, step)
        else:
            self._bar.say("Nothing was searched for yet: / begins.")

    def _search(self, offset: int, step: int) -> None:
        if self._file is None or not len(self._rows):
            return
        from hookkit.views.tui.find import Search

        self._end_search()
        search = self._current_search = Search(self._needle, self._rows, self._file)
        self._asked = (offset, step)
        start = self._list.selected + offset
        self._bar.say(f"Searching {self._needle!r} …")
        self._searcher.do(lambda: self.post_message(Found(search, search.next(start, step))))

    def _end_search(self) -> None:
        if self._current_search:
            self._current_search.stop()
        self._current_search = None

    def on_found(self, message: Found) -> None:
        if message.search is not self._current_search:
            return  # nobody waits for it any more
        self._current_search = None
        if message.at is None:
            self._bar.say(f"{self._needle!r} is nowhere in what was read.")
            return
        self._bar.say(f"/{self._needle}  n next, N previous")
        self._list.move_to(message.at, centre=True)


def _same_row(items: Sequence[Item], kept: Item | None) -> int:
    """Where a row is now that they were read again; 0 if nowhere."""
    if kept is None:
        return 0
    name = (kept.kind, kept.step, kept.call_id)
    return next((at for at, item in enumerate(items) if (item.kind, item.step, item.call_id) == name), 0)
