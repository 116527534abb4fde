"""Which sessions are followed: the ones that were asked for, or whichever of a project are written to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hookkit.capture.live import Live, Place, newest
from hookkit.capture.places import in_project
from hookkit.views.live import LiveRows

_DISCOVER = 0.5  # seconds between two looks for sessions that began
_SHARE = 20  # looking for sessions may take a twentieth of the time


@dataclass(slots=True)
class Followed:
    """One session that is followed. title: its first prompt, as far as it is known."""

    place: Place
    rows: LiveRows

    @property
    def title(self) -> str:
        record = self.rows.live.record
        return str((record.head["task"]["description"] if record else None) or "")


@dataclass(slots=True)
class Follower:
    """The sessions that are followed.

    project: look there for sessions that are written to from now on; None for those of ``places`` alone. agent: only
    sessions of this one.
    """

    project: Path | None = None
    agent: str | None = None
    since: int = field(default_factory=time.time_ns)
    sessions: dict[tuple[str, str], Followed] = field(default_factory=dict)
    _next: float = 0.0

    def follow(self, places: Iterable[Place]) -> None:
        """Follow these, too."""
        for place in places:
            key = (place.agent, place.session_id)
            if key not in self.sessions:
                live = Live(place.agent, place.transcript, self.project)
                self.sessions[key] = Followed(place, LiveRows(live))

    def follow_newest(self) -> bool:
        """Follow the session of the project that was written to last; whether there is one."""
        found = newest(in_project(self.project, self.agent)) if self.project else None
        self.follow([found] if found else [])
        return found is not None

    def tick(self, *, discover: bool = False) -> Iterator[tuple[Followed, int]]:
        """The sessions with something new, each with the number of the first row that is new or has changed.

        discover: look for sessions that began now, and not only from time to time.
        """
        now = time.monotonic()
        if self.project is not None and (discover or now >= self._next):
            self.follow(place for place in in_project(self.project, self.agent) if place.changed > self.since)
            took = time.monotonic() - now
            self._next = time.monotonic() + max(_DISCOVER, _SHARE * took)
        for followed in self.sessions.values():
            first = followed.rows.update()
            if first is not None:
                yield followed, first
