"""Token counts of one API message in four buckets that never overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.values import count


def buckets(usage: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write. The API's ``input_tokens`` holds neither cache bucket."""
    if not isinstance(usage, Mapping):
        return (0, 0, 0, 0)
    return (
        count(usage.get("input_tokens")),
        count(usage.get("output_tokens")),
        count(usage.get("cache_read_input_tokens")),
        count(usage.get("cache_creation_input_tokens")) or _by_lifetime(usage.get("cache_creation")),
    )


def hour_writes(usage: object) -> int:
    """How many tokens of the cache writes are for an hour."""
    detail = usage.get("cache_creation") if isinstance(usage, Mapping) else None
    return count(detail.get("ephemeral_1h_input_tokens")) if isinstance(detail, Mapping) else 0


def _by_lifetime(detail: Any) -> int:
    return sum(count(value) for value in detail.values()) if isinstance(detail, Mapping) else 0
