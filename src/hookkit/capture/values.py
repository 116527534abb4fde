"""Values as agents write them: points in time, counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_MOST = 1 << 53  # what every JSON reader can still count exactly
_MOST_DOLLARS = 1_000_000


def micros(text: object) -> int | None:
    """Microseconds since 1970 of an ISO 8601 text (no offset means UTC); None for anything else."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _TICK
    except (ValueError, OverflowError):
        return None


def count(value: object) -> int:
    """A count as an agent gives it; 0 for anything that cannot be one."""
    return value if type(value) is int and 0 <= value < _MOST else 0


def dollars(value: object) -> float:
    """An amount of money as an agent gives it; 0 for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if 0 <= value < _MOST_DOLLARS else 0.0


def text_of(value: object) -> str | None:
    """``value`` if it is a text that says something."""
    return value if isinstance(value, str) and value else None


def widen(span: list[Any], moment: int, stamp: str) -> list[Any]:
    """The span [start us, its text, end us, its text] made to include one more moment; [] is the empty span."""
    if not span:
        return [moment, stamp, moment, stamp]
    start, end = min((span[0], span[1]), (moment, stamp)), max((span[2], span[3]), (moment, stamp))
    return [*start, *end]


def join(one: list[Any], other: list[Any]) -> list[Any]:
    """The span that holds both."""
    return widen(widen(one, other[0], other[1]), other[2], other[3]) if other else one
