"""Sessions on the whole terminal while their agents are at work: ``hookkit tail``."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.message import Message

from hookkit.store.index import activity
from hookkit.store.summary import summarise
from hookkit.views.follow import Followed, Follower
from hookkit.views.outline import Item
from hookkit.views.tui.head import head
from hookkit.views.tui.line import safe
from hookkit.views.tui.rows import NOWHERE, OutlineRows
from hookkit.views.tui.show import ShowScreen, every
from hookkit.views.tui.steps import LiveSteps

_TICK = 0.03  # seconds between two looks at the files
_OUTPUT = 10_000  # lines of a program's output that are kept
_HINTS = "? help  p freeze  f follow  enter open  d diff  / search  q quit"
_HINTS_PROGRAM = "? help  p freeze  o output  x stop  enter open  d diff  q quit"
_HELP = """\
p             freeze the view, and go on: what comes in the meantime is kept
f end         follow: stay at the end          any way up stops following
m             mark the row, or no longer
'             the mark before, then the last one
[ ]           the session before, after
o             what the program prints
x             stop the program: first it is asked, then it is made to
"""


class Program(Protocol):
    """The program that is watched."""

    dismissed: bool

    def ended(self) -> int | None: ...

    def stop(self) -> None: ...

    def tick(self) -> None: ...


class Output:
    """What a program printed, by lines; the last ones of many."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_OUTPUT)
        self.raw: deque[bytes] = deque(maxlen=_OUTPUT)
        self._lock, self._rest = threading.Lock(), b""

    def add(self, _stream: str, piece: bytes) -> None:
        """Take in what was printed; called from other threads."""
        with self._lock:
            self.raw.append(piece)
            *lines, self._rest = (self._rest + piece).split(b"\n")
            self.lines.extend(safe(line.decode("utf-8", "replace").removesuffix("\r")) for line in lines)

    def shown(self) -> Sequence[str]:
        """All lines, the one that has no end yet included."""
        with self._lock:
            rest = [safe(self._rest.decode("utf-8", "replace"))] if self._rest else []
            return [*self.lines, *rest]


class Came(Message):
    """Rows from ``first`` on are new or have changed."""

    def __init__(self, followed: Followed, first: int) -> None:
        super().__init__()
        self.key = (followed.place.agent, followed.place.session_id)
        self.first = first
        self.rows: Sequence[Item] = followed.rows.rows[first:]
        record = followed.rows.live.record
        self.steps = LiveSteps(record.steps if record else ())
        self.summary = summarise({**record.head, "metadata": record.metadata}) if record else _nothing()


class Ended(Message):
    """The program has ended."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


@dataclass(slots=True)
class _Session:
    rows: OutlineRows
    summary: Mapping[str, Any]
    steps: LiveSteps


class TailScreen(ShowScreen):
    """Sessions that grow. program: what is watched, if it was started here; output: what it prints."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "freeze", show=False),
        Binding("f", "follow", show=False),
        Binding("m", "mark", show=False),
        Binding("apostrophe", "marked", show=False),
        Binding("x", "stop", show=False),
        Binding("o", "open('output')", show=False),
        Binding("left_square_bracket", "other(-1)", show=False),
        Binding("right_square_bracket", "other(1)", show=False),
    ]
    HINTS = _HINTS
    HELP = _HELP + ShowScreen.HELP

    def __init__(self, follower: Follower, program: Program | None = None, output: Output | None = None) -> None:
        self.HINTS = _HINTS_PROGRAM if program else _HINTS
        super().__init__(Path(), _nothing(), every)
        self._follower, self._program, self._output = follower, program, output
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._current: tuple[str, str] | None = None
        self._held: list[Came] | None = None  # what came while the view is frozen
        self._list.live = self._list.follow = True

    # What comes

    def _read(self) -> None:
        told = False
        while not self._stop.wait(_TICK):
            for followed, first in self._follower.tick():
                self.post_message(Came(followed, first))
            if self._program is None:
                continue
            self._program.tick()
            code = self._program.ended()
            if code is not None and not told:
                told = True
                self.post_message(Ended(code))

    def on_came(self, message: Came) -> None:
        if self._held is not None:
            self._held.append(message)
            self._place()
        else:
            self._take(message)

    def _take(self, message: Came) -> None:
        session = self._sessions.get(message.key)
        if session is None:
            rows = OutlineRows(activity(message.summary["started_at"]))
            session = self._sessions[message.key] = _Session(rows, message.summary, message.steps)
        session.summary, session.steps = message.summary, message.steps
        before = len(session.rows)
        session.rows.replace(message.first, [(row, _place_of(row)) for row in message.rows])
        if self._current is None or (self._current != message.key and self._list.follow):
            self._turn_to(message.key)
        elif self._current == message.key:
            self._show_head(session)
            self._list.grew(max(0, len(session.rows) - before))
        self._place()

    def _turn_to(self, key: tuple[str, str]) -> None:
        self._current = key
        session = self._sessions[key]
        session.rows.times = self._rows.times
        self._rows = self._list.rows = session.rows
        self._show_head(session)
        self._list.renew()
        self._list.action_last()

    def _show_head(self, session: _Session) -> None:
        self._summary, self._file = session.summary, session.steps
        self._banner.show(*head(session.summary), [])

    def on_ended(self, message: Ended) -> None:
        if self._program and self._program.dismissed:  # we were asked to end, and passed it on
            self.app.exit()
            return
        self._bar.say(f"The program has ended, exit code {message.code}. q leaves.")

    # What one can do

    def action_freeze(self) -> None:
        held, self._held = self._held, None if self._held is not None else []
        for message in held or ():
            self._take(message)
        self._place()

    def action_follow(self) -> None:
        if self._held is not None:
            self.action_freeze()
        self._list.action_last()
        self._place()

    def action_mark(self) -> None:
        """While it follows, the selected row is the newest: what comes below the mark is what has come since."""
        marks, at = self._rows.marks, self._list.selected
        if at < len(self._rows) and marks.pop(at, None) is None:
            marks[at] = time.strftime("%H:%M:%S")
        self._list.refresh()

    def action_marked(self) -> None:
        marks = sorted(self._rows.marks)
        if marks:
            self._list.move_to(max((at for at in marks if at < self._list.selected), default=marks[-1]), centre=True)
        else:
            self._bar.say("Nothing is marked: m marks a row.")

    def action_other(self, by: int) -> None:
        keys = list(self._sessions)
        if self._current is None or len(keys) < 2:
            self._bar.say("There is no other session.")
        else:
            self._turn_to(keys[(keys.index(self._current) + by) % len(keys)])

    def action_stop(self) -> None:
        if not self.interrupt():
            self._bar.say("No program runs here.")

    def interrupt(self) -> bool:
        if self._program is None or self._program.ended() is not None:
            return False
        self._program.stop()
        self._bar.say("The program was asked to end.")
        return True

    def _fill(self) -> None:
        if self._part == "output":
            lines = self._output.shown() if self._output else ["No program runs here."]
            self._pane.show("what the program prints", [[(line, "")] for line in lines])
            self._pane.body.scroll_end(animate=False)
        else:
            super()._fill()

    def _place(self) -> None:
        total = len(self._rows)
        at = f"{min(self._list.selected + 1, total)}/{total}"
        if self._held is not None:
            state = f"FROZEN +{sum(len(message.rows) for message in self._held)}"
        else:
            state = "FOLLOW" if self._list.follow else f"PAUSED +{self._list.new}" if self._list.new else "PAUSED"
        sessions = list(self._sessions)
        which = f"  {sessions.index(self._current) + 1} of {len(sessions)}" if self._current and sessions[1:] else ""
        self._bar.place(f"{state}  {at}{which}")

    def summary(self) -> Mapping[str, Any] | None:
        """What the session that was shown last is by now; None if there was none."""
        return self._summary if self._current else None


def wait(program: Program) -> int:
    """Stop a program that nobody watches any more; its exit code."""
    if program.ended() is None:
        program.stop()
    while (code := program.ended()) is None:
        program.tick()
        time.sleep(_TICK)
    return code


def _place_of(row: Item) -> int:
    return NOWHERE if row.step is None else row.step


def _nothing() -> dict[str, Any]:
    return summarise({"trace_id": "", "session_id": "", "task": {"description": "Waiting for a session …"}})
