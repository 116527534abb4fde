"""Make recordings free of the machine they were made on: paths, ids, times, durations."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_AGENT = re.compile(r"\ba[0-9a-f]{16}\b")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b(?!T)")
_PORT = re.compile(r"\b127\.0\.0\.1:\d+")
_MARKER = re.compile(r" ?\[\[(?:conversation|answered) [\w-]+\]\]")
_DURATION = re.compile(r"duration_?ms$", re.IGNORECASE)

_NAMESPACE = uuid.UUID("0d5c3f7a-6a55-5e0b-8a6e-3f6f2f1d7b10")
_START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

# Listings of what the agent offers: the agent's own long texts, of no meaning to a recording.
_LISTINGS = frozenset({"skill_listing", "agent_listing_delta", "deferred_tools_delta"})


class Normaliser:
    """One per recording: the same id becomes the same id everywhere, the same moment the same moment.

    places: what stands in for each path of this machine. Longer paths go first.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = sorted(places.items(), key=lambda item: -len(item[0]))
        self._ids: dict[str, str] = {}
        self._times: dict[str, str] = {}

    def learn_times(self, text: str) -> None:
        """Note every moment in ``text``; times come out in the order they were, a quarter of a second apart."""
        moments = sorted({*self._times, *_TIME.findall(text)})
        for number, moment in enumerate(moments):
            stamp = _START + timedelta(milliseconds=250 * number)
            self._times[moment] = stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def apply(self, value: Any) -> Any:
        """A copy of a JSON value with every string and duration in it made neutral."""
        match value:
            case str():
                return self._text(value)
            case list():
                return [self.apply(item) for item in value]
            case dict():
                if value.get("type") in _LISTINGS:
                    return {key: self._listing(key, item) for key, item in value.items()}
                return {self._text(key): self._member(key, item) for key, item in value.items()}
            case _:
                return value

    def _member(self, key: str, value: Any) -> Any:
        return 10 if _DURATION.search(key) and isinstance(value, int) else self.apply(value)

    def _listing(self, key: str, value: Any) -> Any:
        if isinstance(value, str) and key != "type":
            return "(cut)"
        return [] if isinstance(value, list) else self.apply(value)

    def _text(self, text: str) -> str:
        for here, there in self._places:
            text = text.replace(here, there)
        text = _PORT.sub("127.0.0.1:8080", _MARKER.sub("", text))
        text = _TIME.sub(lambda found: self._times.get(found.group(), found.group()), text)
        text = _DAY.sub("2026-11-22", text)
        text = _UUID.sub(lambda found: self._numbered(found.group(), self._uuid), text)
        return _AGENT.sub(lambda found: self._numbered(found.group(), "a{:016x}".format), text)

    def _numbered(self, found: str, make: Any) -> str:
        return self._ids.setdefault(found, make(len(self._ids) + 1))

    @staticmethod
    def _uuid(number: int) -> str:
        return str(uuid.uuid5(_NAMESPACE, str(number)))
