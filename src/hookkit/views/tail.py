"""What ``hookkit tail`` prints: a line as something begins or ends, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hookkit.capture.identity import trace_id
from hookkit.store.index import activity
from hookkit.store.plain import plain
from hookkit.views import text
from hookkit.views.follow import Followed
from hookkit.views.icons import icons
from hookkit.views.live import is_open
from hookkit.views.outline import Item
from hookkit.views.show import row

_WIDTH = 100
# The names of events, as JSON.
_EVENTS = {
    "turn": "turn.start", "subagent": "subagent.start", "said": "text", "tokens": "llm.response", "gap": "gap",
    "error": "error",
}  # fmt: skip


class Printer:
    """Turns rows that are new or have changed into lines; of a call, one as it begins and one as it ends.

    as_json: NDJSON after schemas/tail-event.schema.json. last: of what was there before ``since`` (microseconds since
    1970), so many rows; None: all. What came later is told whole, also of a session that is only found then.
    """

    def __init__(self, *, as_json: bool = False, last: int | None = 10, since: int = 0) -> None:
        self._as_json = as_json
        self._last = last
        self._since = since
        # Session -> row -> what was said of it.
        self._said: dict[tuple[str, str], dict[tuple[Any, ...], tuple[Any, ...]]] = {}
        self._current: tuple[str, str] | None = None

    def lines(self, followed: Followed, first: int) -> Iterator[str]:
        """The lines of what changed from row ``first`` on."""
        key = (followed.place.agent, followed.place.session_id)
        said = self._said.get(key)
        rows: Sequence[Item] = followed.rows.rows
        if said is None:
            said = self._said[key] = {}
            first = 0 if self._last is None else max(0, self._old(rows) - self._last)
            said.update((_key(item), _told(item)) for item in rows[:first])
        for item in rows[first:]:
            told, stage = _told(item), _stage(item)
            if said.get(_key(item)) == told:
                continue
            said[_key(item)] = told
            if not self._as_json and self._current != key:
                self._current = key
                yield heading(followed)
            yield json.dumps(event(followed, item, stage)) if self._as_json else line(item, stage)

    def _old(self, rows: Sequence[Item]) -> int:
        """How many rows stand before the first one that is not from before ``since``."""
        return next((at for at, item in enumerate(rows) if activity(item.time) >= self._since), len(rows))


def heading(followed: Followed) -> str:
    """What stands before the lines of a session, where it changes."""
    place = followed.place
    trace = trace_id(place.agent, place.session_id)[:8]
    return text.styled(f"{place.agent}  {trace}  {text.one_line(followed.title, _WIDTH)}".rstrip(), "bold")


def line(item: Item, stage: str) -> str:
    """One event as text."""
    clock = text.local(_when(item, stage), "%H:%M:%S") or " " * 8
    sign = getattr(icons(), "call" if stage == "done" else stage)
    if item.kind == "turn":
        return text.styled(f"{clock} {sign} Turn {item.turn}  {text.one_line(item.text, _WIDTH)}", "bold")
    if stage == "running":
        told = f"{'    ' * item.depth}{plain(item.name)}  {text.one_line(item.text, 60)}".rstrip()
        return f"{clock} {sign} {told}" + text.styled("  running", "dim")
    return f"{clock} {sign} {row(item, indented=False)}"


def event(followed: Followed, item: Item, stage: str) -> dict[str, Any]:
    """One event as JSON; schemas/tail-event.schema.json."""
    place = followed.place
    body: dict[str, Any] = {
        "type": _type(item, stage),
        "timestamp": _when(item, stage),
        "agent": place.agent,
        "session_id": place.session_id,
        "trace_id": trace_id(place.agent, place.session_id),
        "turn": item.turn,
        "step": item.step,
        "depth": item.depth,
    }
    if item.kind in ("turn", "subagent", "said", "error"):
        body["text"] = item.text
    if item.kind == "subagent":
        body["agent_name"] = item.name
    if item.kind == "tokens":
        body |= {"input_tokens": item.prompted, "output_tokens": item.made}
    if item.gap is not None:
        body |= {"before": item.gap.before, "after": item.gap.after}
    if item.kind == "call":
        body |= {"tool_call_id": item.call_id, "tool_name": item.name, "told": item.text}
        if stage != "running":
            window = item.window
            body |= {
                "duration_ms": item.duration_ms,
                "success": not item.state,
                "error": item.error or None,
                "before": window.before if window else None,
                "after": window.after if window else None,
            }
    return body


def _when(item: Item, stage: str) -> str | None:
    ended = item.window.closed if item.window and stage != "running" else None
    return ended.time if ended else item.time


def _type(item: Item, stage: str) -> str:
    if item.kind == "call":
        return {"running": "tool.start", "failed": "tool.error"}.get(stage, "tool.end")
    return _EVENTS[item.kind]


def _stage(item: Item) -> str:
    """What there is to say of a row now: ``running``, ``done``, ``failed`` of a call, else its kind."""
    if item.kind != "call":
        return item.kind
    return "running" if is_open(item) else "failed" if item.state else "done"


def _told(item: Item) -> tuple[Any, ...]:
    """What is told again when it changes: a message may grow, and so may what it cost."""
    return (_stage(item), item.text if item.kind == "said" else "", item.prompted, item.made)


def _key(item: Item) -> tuple[Any, ...]:
    gap = (item.gap.before, item.gap.after, item.gap.since) if item.gap else None
    return (item.kind, item.step, item.call_id, gap, item.text if item.kind == "error" else "")
