"""Where the steps of a session are: in a trace file, or in memory as long as there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Steps(Protocol):
    """What ``store.trace_file.TraceFile`` offers. A place is where a step begins."""

    @property
    def size(self) -> int: ...

    def raw(self, start: int, end: int) -> bytes:
        """The JSON between two places."""
        ...

    def step(self, place: int) -> Mapping[str, Any]:
        """The step at a place."""
        ...


@dataclass(frozen=True, slots=True)
class LiveSteps:
    """The steps of a session that still goes on: a step's place is its number."""

    texts: Sequence[bytes]

    @property
    def size(self) -> int:
        return len(self.texts)

    def raw(self, start: int, end: int) -> bytes:
        return b"".join(self.texts[start:end])

    def step(self, place: int) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self.texts[place])
        return found
