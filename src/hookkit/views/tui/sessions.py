"""The recorded sessions on the whole terminal, to choose one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.strip import Strip

from hookkit.errors import HookkitError
from hookkit.store.index import activity
from hookkit.views import cost, text
from hookkit.views.tui.app import Refused, View
from hookkit.views.tui.banner import Banner, Bar
from hookkit.views.tui.line import Line, cut, safe, segments, width_of
from hookkit.views.tui.lines import LineList

Summary = Mapping[str, Any]

_HINTS = "enter open  / filter  s sort  r reverse  q quit"
_BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_SEARCHED = ("title", "project", "agent", "branch", "trace_id", "session_id")


def _tokens(summary: Summary) -> int:
    return sum(summary[key] for key in _BUCKETS)


# What sorts, and by what; the largest first.
_ORDERS: Mapping[str, Callable[[Summary], Any]] = {
    "activity": lambda summary: activity(summary["last_activity_at"]),
    "tokens": _tokens,
    "cost": lambda summary: summary["cost_usd"] or 0,
    "calls": lambda summary: summary["tool_calls"],
    "failed": lambda summary: summary["failed_tool_calls"],
    "duration": lambda summary: summary["duration_s"] or 0,
}
# Name, cells (negative: aligned to the right), cells of the terminal from which on it is shown, and its text.
_COLUMNS: Sequence[tuple[str, int, int, Callable[[Summary], str]]] = (
    ("TRACE", 9, 0, lambda summary: summary["trace_id"][:8] + ("" if summary["complete"] else "*")),
    ("LAST ACTIVITY", 16, 0, lambda summary: text.local(summary["last_activity_at"])),
    ("AGENT", 12, 60, lambda summary: str(summary["agent"])),
    ("PROJECT", 16, 100, lambda summary: PurePath(summary["project"]).name if summary["project"] else ""),
    ("TURNS", -5, 120, lambda summary: str(summary["turns"])),
    ("CALLS", -5, 76, lambda summary: str(summary["tool_calls"])),
    ("FAILED", -6, 76, lambda summary: str(summary["failed_tool_calls"] or "")),
    ("TOKENS", -6, 90, lambda summary: text.tokens(_tokens(summary))),
    ("COST", -9, 130, cost.short),
)


_BESIDE = 3  # cells of the terminal that no row has: of the mark, and of the scroll bar


class SessionRows:
    """Sessions, of which those are listed that have every word of ``filter`` in them."""

    def __init__(self) -> None:
        self.order, self.reverse, self.filter = "activity", False, ""
        self.all: list[Summary] = []
        self.shown: list[Summary] = []

    def __len__(self) -> int:
        return len(self.shown)

    def arrange(self) -> None:
        """Make ``shown`` anew."""
        words = self.filter.casefold().split()
        found = [summary for summary in self.all if all(word in _haystack(summary) for word in words)]
        self.shown = sorted(found, key=_ORDERS[self.order], reverse=not self.reverse)

    def line(self, index: int, width: int) -> Line:
        summary = self.shown[index]
        return _cells(width, [value(summary) for *_, value in _COLUMNS], summary["title"] or "")

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        return [(said, "dim") for said, _ in _cells(width, [name for name, *_ in _COLUMNS], "TITLE")]


def _haystack(summary: Summary) -> str:
    return " ".join(str(summary[key] or "") for key in _SEARCHED).casefold()


def _cells(width: int, values: Sequence[str], title: str) -> Line:
    line = []
    for (_, size, least, _), value in zip(_COLUMNS, values, strict=True):
        if width + _BESIDE >= least:
            said = cut(safe(value), abs(size))
            blank = " " * (abs(size) - width_of(said))
            line.append((f"{said}{blank}  " if size > 0 else f"{blank}{said}  ", ""))
    return [*line, (safe(title), "")]


class _Heading(Banner):
    """The names of the columns that the rows of a list have room for."""

    def __init__(self, rows: SessionRows, of: LineList) -> None:
        super().__init__([[]])
        self._rows, self._of = rows, of

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        heading = self._rows.heading(self._of.scrollable_content_region.width - 2)
        return Strip(segments([("  ", ""), *heading], width), width)


class SessionsScreen(View):
    """The sessions. pages: their summaries as JSON, "" for one that cannot be read; show: the view of one."""

    CSS = "SessionsScreen LineList { height: 1fr; scrollbar-gutter: stable; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "unfilter", show=False),
        Binding("s", "sort", show=False),
        Binding("r", "reverse", show=False),
    ]

    def __init__(self, pages: Iterator[Sequence[str]], show: Callable[[Summary], View]) -> None:
        super().__init__()
        self._pages, self._show = pages, show
        self._rows = SessionRows()
        self._list, self._bar = LineList(self._rows), Bar(_HINTS)
        self._unreadable = 0

    def compose(self) -> ComposeResult:
        yield Banner([[("Recorded sessions", "bold")]])
        yield _Heading(self._rows, self._list)
        yield self._list
        yield self._bar

    def on_mount(self) -> None:
        self._list.focus()
        self.call_after_refresh(lambda: self.run_worker(self._load()))

    async def _load(self) -> None:
        try:
            for page in self._pages:
                readable = [json.loads(summary) for summary in page if summary]
                self._unreadable += len(page) - len(readable)
                self._rows.all += readable
                self._arrange()
                await asyncio.sleep(0)
        except HookkitError as error:
            self.app.exit(error)
            return
        if not self._rows.all:
            self._bar.say("No session; `hookkit list` tells what to do.")
            self._place()
        if self._unreadable:
            self._bar.say(f"{self._unreadable} trace files cannot be read; `hookkit ingest --all` writes them again.")

    def _arrange(self) -> None:
        rows, index = self._rows, self._list.selected
        kept = rows.shown[index]["trace_id"] if 0 < index < len(rows) else None
        rows.arrange()
        self._list.renew()
        self._list.select(next((at for at, each in enumerate(rows.shown) if each["trace_id"] == kept), 0))
        self._place()

    def _place(self) -> None:
        rows = self._rows
        order = f"by {rows.order}{', least first' if rows.reverse else ''}"
        said = f"/{rows.filter}  " if rows.filter else ""
        self._bar.place(f"{safe(said)}{order}  {min(self._list.selected + 1, len(rows))}/{len(rows)}")

    def on_line_list_moved(self) -> None:
        self._place()

    def on_line_list_chosen(self) -> None:
        self.action_open()

    def on_refused(self, message: Refused) -> None:
        self._bar.say(message.error.message)

    def pressed(self, key: str) -> None:
        self._bar.clear()

    def action_open(self) -> None:
        if len(self._rows):
            self.app.push_screen(self._show(self._rows.shown[self._list.selected]))

    def action_sort(self) -> None:
        names = list(_ORDERS)
        self._rows.order = names[(names.index(self._rows.order) + 1) % len(names)]
        self._arrange()

    def action_reverse(self) -> None:
        self._rows.reverse = not self._rows.reverse
        self._arrange()

    async def action_filter(self) -> None:
        from hookkit.views.tui.prompt import Prompt

        prompt = Prompt(self._rows.filter, self._answered, self._filter)
        await self.mount(prompt, before=self._bar)
        self.set_focus(prompt)

    def action_unfilter(self) -> None:
        self._filter("")

    def _filter(self, words: str) -> None:
        self._rows.filter = words
        self._arrange()

    def _answered(self, words: str | None) -> None:
        self.set_focus(self._list)
        if words is None:
            self._filter("")
