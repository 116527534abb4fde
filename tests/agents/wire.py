"""Wire formats of model APIs: one module each, all answering from the same abstract script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .script import Position, Turn

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; a body of several chunks is a stream of server-sent events."""

    status: int
    content_type: str
    chunks: Iterable[bytes]
    headers: dict[str, str] = field(default_factory=dict)


class Wire(Protocol):
    """One API of one vendor."""

    def serves(self, path: str) -> bool:
        """Whether a POST to ``path`` (without query) is this wire's."""
        ...

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        """The answer to a request that is no turn of a conversation (token counts, titles, summaries), else None."""
        ...

    def position(self, request: Json) -> Position:
        """Whose turn it is, read from nothing but the request."""
        ...

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        """The turn as this wire's answer; ``turn`` holds no ApiError and no Delay."""
        ...

    def failure(self, status: int, message: str) -> Answer:
        """An error as this wire's vendor spells it."""
        ...
