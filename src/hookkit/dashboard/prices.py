"""What a request cost: as the agent says, else an estimate by the prices that are installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hookkit.capture import prices
from hookkit.capture.fold.ledger import Use

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount.

    micros: microdollars, with fractions of them; None if nothing is known. estimate: not the agent's own figure.
    bound: a part of it is not known, so that it is more.
    """

    micros: float | None
    estimate: bool = False
    bound: bool = False

    @staticmethod
    def sum(one: Money | None, other: Money) -> Money:
        """Both together."""
        if one is None:
            return other
        unknown = one.micros is None or other.micros is None
        if one.micros is None and other.micros is None:
            return one
        return Money(
            (one.micros or 0) + (other.micros or 0),
            one.estimate or other.estimate,
            one.bound or other.bound or unknown,
        )


class Costs:
    """The costs of a session's steps. cost: ``metadata["cost"]``. started: microseconds since 1970: whose prices."""

    def __init__(self, cost: Mapping[str, Any], started: int | None) -> None:
        self._told: Mapping[str, float] = cost.get("steps") or {}
        self._when = None if started is None else _EPOCH + timedelta(microseconds=started)
        # Where the ingest had no prices, the sum of a session is not known; then its parts are not, either.
        self._estimates = bool(cost.get("prices"))

    def of(self, step: Mapping[str, Any]) -> Money:
        """What the request of a step cost."""
        told = self._told.get(str(step.get("step_index")))
        if told is not None:
            return Money(round(told * 1e6))
        listed = prices.load() if self._estimates else None
        usage = step.get("token_usage") or {}
        if listed is None or not step.get("model"):
            return Money(None)
        names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        use = Use(1, *(int(usage.get(name) or 0) for name in names))
        nano = listed.price(str(step["model"]), use, self._when)
        return Money(None if nano is None else round(nano / 1000), True)
