"""What happens, told to everybody who listens, as server-sent events.

One pump asks the store for what is new; listeners share what it found. Nobody has a queue of their own: whoever is slow
reads on from the store, at the place where it was, so a listener costs the same however slow it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookkit.dashboard import shapes
from hookkit.dashboard.catalogue import Catalogue, Session
from hookkit.errors import HookkitError

MOST = 1000  # listeners
_SHARED = 4096  # of what happened last, kept for everybody
_BATCH = 500  # rows that are asked for at a time
_PAUSE = 0.5  # seconds in which what arrives is gathered
_log = logging.getLogger("hookkit.dashboard")
_LOOK = 1.0  # seconds after which the files are looked at, whether anybody said that something came or not


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell. number: counts all of them. position: of a row of telemetry; 0 for anything else."""

    number: int
    position: int
    agent: str
    session_id: str
    data: bytes


class TooManyError(HookkitError):
    """No more listeners: an answer with status 503."""


class Hub:
    """The one place where news come in. Made and used in the server's event loop, but for ``wake``."""

    def __init__(self, catalogue: Catalogue, most: int = MOST) -> None:
        """What is there already is no news. most: listeners at a time."""
        self.catalogue, self.most = catalogue, most
        self.since, self.position = catalogue.told.since, catalogue.told.position()
        catalogue.changed.clear()
        self._version = -1  # of the catalogue, when it was looked at
        self.listeners = 0
        self._news: deque[News] = deque(maxlen=_SHARED)
        self._number = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came, self._told = asyncio.Event(), asyncio.Event()

    def wake(self) -> None:
        """Say that something was written. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._came.set)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        self._came.set()
        self._told.set()

    async def pump(self) -> None:
        """Look for news until the hub is closed."""
        self._loop = asyncio.get_running_loop()
        more = False
        while not self._closed:
            came = False
            with contextlib.suppress(TimeoutError):
                came = await asyncio.wait_for(self._came.wait(), _LOOK)
                await asyncio.sleep(0 if more else _PAUSE)
            self._came.clear()
            try:
                found, sessions = await asyncio.to_thread(self._look, came)
            except Exception:  # the next time; who listens must not be forgotten because of it
                _log.exception("What is new could not be read")
                continue
            for row in found:
                if row["signal"] != "metric":
                    self._add(row["position"], row["agent"], row["session_id"], shapes.event(row))
            for session in sessions:
                self._add(0, session["agent"], session["session_id"], shapes.session(session))
            more = len(found) == _BATCH
            if more:
                self._came.set()
            if found or sessions:
                self.position = max([self.position, *(row["position"] for row in found)])
                self._told.set()
                self._told = asyncio.Event()

    def _look(self, came: bool) -> tuple[Sequence[Mapping[str, Any]], list[Session]]:
        self.catalogue.refresh(now=True)  # so that no page has to
        if self.catalogue.version == self._version and not came:
            return (), []
        self._version = self.catalogue.version
        changed = dict.fromkeys(self.catalogue.changed.popleft() for _ in range(len(self.catalogue.changed)))
        sessions = [found for name in changed if (found := self.catalogue.one(name))]
        return self.since(self.position, _BATCH), sessions

    def _add(self, position: int, agent: str, session_id: str, body: Mapping[str, Any]) -> None:
        self._number += 1
        self._news.append(News(self._number, position, agent, session_id, _encoded(body)))

    async def listen(self, after: int | None, agent: str = "all", session_id: str = "") -> AsyncIterator[bytes]:
        """Server-sent events, some at a time. after: the position up to which the listener knows all; None: now.

        session_id: of one session only. TooManyError, before the first event, if there are enough listeners.
        """
        self.check()
        self.listeners += 1
        try:
            number, position = self._number, self.position if after is None else after
            hello = {"connectionId": str(uuid.uuid4()), "position": str(position)}
            yield _event("connected", _encoded(hello))
            name = "event" if agent == "all" else f"{agent}-event"
            behind = position < self.position
            while not self._closed:
                told, some = self._told, []
                if behind:
                    rows = await asyncio.to_thread(self.since, position, _BATCH)
                    for row in rows:
                        position = row["position"]
                        if is_wanted(row, agent, session_id):
                            some.append(_event(name, _encoded(shapes.event(row)), position))
                    behind = len(rows) == _BATCH
                elif self._news and number < self._news[0].number - 1:
                    number, behind = self._number, True  # some are gone from what is shared
                elif number < self._number:
                    for news in self._after(number):
                        number = news.number
                        if news.position and news.position <= position:
                            continue
                        position = max(position, news.position)
                        if agent in ("all", news.agent) and session_id in ("", news.session_id):
                            some.append(_event(name if news.position else "session", news.data, news.position))
                elif told is self._told:
                    await told.wait()
                if some:
                    yield b"".join(some)  # at once: with many listeners, it is the sending that takes time
        finally:
            self.listeners -= 1

    def check(self) -> None:
        """TooManyError if nobody else may listen."""
        if self.listeners >= self.most:
            raise TooManyError(
                "TOO_MANY_LISTENERS", f"{self.most} listen already.", "Close some pages; ask for events."
            )

    def _after(self, number: int) -> list[News]:
        first = self._news[0].number
        return [self._news[at] for at in range(number + 1 - first, len(self._news))]


def is_wanted(row: Mapping[str, Any], agent: str, session_id: str) -> bool:
    """Whether a row is told to who asked for an agent, or ``all``, and for a session, or ""."""
    return row["signal"] != "metric" and agent in ("all", row["agent"]) and session_id in ("", row["session_id"])


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _event(name: str, data: bytes, position: int = 0) -> bytes:
    head = f"id: {position}\nevent: {name}\ndata: " if position else f"event: {name}\ndata: "
    return head.encode() + data + b"\n\n"
