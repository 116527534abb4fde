"""Token counts of one API message in four buckets that never overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.values import count


def merge(into: dict[str, int], usage: object) -> tuple[int, int, int, int]:
    """Raise the counts of one API message to those of another of its fragments; gives by how much each grew.

    Every fragment repeats the usage of its message, and an early one may not yet know all output tokens. The API's
    ``input_tokens`` holds neither cache bucket.
    Order of the growth: input, output, cache read, cache write.
    """
    if not isinstance(usage, Mapping):
        return (0, 0, 0, 0)
    write = count(usage.get("cache_creation_input_tokens")) or _by_lifetime(usage.get("cache_creation"))
    new = {
        "input_tokens": count(usage.get("input_tokens")),
        "output_tokens": count(usage.get("output_tokens")),
        "cache_read_tokens": count(usage.get("cache_read_input_tokens")),
        "cache_write_tokens": write,
    }
    growth = [max(0, value - into[key]) for key, value in new.items()]
    for key, value in new.items():
        into[key] = max(into[key], value)
    return (growth[0], growth[1], growth[2], growth[3])


def _by_lifetime(detail: Any) -> int:
    return sum(count(value) for value in detail.values()) if isinstance(detail, Mapping) else 0
