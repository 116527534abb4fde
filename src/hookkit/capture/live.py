"""A session while its agent is at work: what its files say by now, look by look.

Nothing is stored and nothing is locked: the ingest of the session goes its own way. A look at a session that nobody
wrote to costs the times of its files.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookkit.capture.files import FileChangedError, OutOfOrderError
from hookkit.capture.record import Record
from hookkit.capture.registry import get_parser
from hookkit.capture.session import Session, resumed
from hookkit.capture.trail import facts_of
from hookkit.trails.timeline import Moment

_AGAIN_AFTER = 0.3  # seconds between two looks for a transcript that is not there yet
_AGAIN = 3  # readings from the start, where files change while they are read


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is. changed: when something was last written of it, in nanoseconds since 1970."""

    agent: str
    transcript: Path
    session_id: str
    changed: int


class Live:
    """One session that is followed."""

    def __init__(self, agent: str, transcript: Path, project: Path | None = None) -> None:
        self.parser = get_parser(agent)
        self.transcript = self.parser.first(transcript)
        self.session_id = self.parser.session_id_from_path(self.transcript)
        self.project = project
        self.record: Record | None = None
        known = resumed(self.parser, self.session_id, self.transcript, project)
        self._session = known or self._new()
        self._seen: tuple[object, ...] | None = None
        self._next = 0.0

    def look(self) -> bool:
        """Read what is new; whether anything was. ``record`` is then what the session is by now."""
        self._find()
        state = self._state()
        if state == self._seen:
            return False
        for _ in range(_AGAIN):
            try:
                for path, progress in self._session.progress.items():
                    progress.check(Path(path))
                self._session.read()
                break
            except (FileChangedError, OutOfOrderError):
                self._session = self._new()
            except FileNotFoundError:  # gone between two looks
                break
        self._seen = state
        self.record = self._session.record(complete=False)
        return True

    def moments(self) -> Sequence[Moment]:
        """The boundaries that hooks saw so far."""
        return facts_of(self._session.placed, self.record).moments if self.record else ()

    def _find(self) -> None:
        """Hooks may tell of a session before its agent has begun to write it down."""
        if time.monotonic() < self._next or self.parser.exists(self.transcript):
            return
        started = time.monotonic()
        found = self.parser.find_session(self.session_id)
        ended = time.monotonic()
        self._next = ended + max(_AGAIN_AFTER, 20 * (ended - started))  # an agent may keep thousands of sessions
        if found != self.transcript and self.parser.exists(found):
            self.transcript, self._session, self._seen = found, self._new(found), None

    def _new(self, transcript: Path | None = None) -> Session:
        return Session(self.parser, self.session_id, transcript or self.transcript, self.project)

    def _state(self) -> tuple[object, ...]:
        paths = {self.transcript, *self.parser.beside(self.transcript), *self._session.sidecars()}
        paths.update(map(Path, self._session.progress))
        return (self.parser.changed(self.transcript), *map(_stat, sorted(paths)))


def _stat(path: Path) -> tuple[str, int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return str(path), found.st_mtime_ns, found.st_size
    return None


def newest(places: Iterator[Place]) -> Place | None:
    """The session that was written to last; of several in one moment, the one of the greatest id."""
    return max(places, key=lambda place: (place.changed, place.session_id), default=None)
