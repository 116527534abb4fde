"""The cost of a session: what its agent says, else an estimate, and which is which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hookkit.capture import prices
from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.ledger import NANO, Use

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMELESS = "unknown"


def cost(assembly: Assembly, start_us: int | None) -> dict[str, Any] | None:
    """What goes into ``metadata["cost"]``; None for a session without tokens. start_us: estimates are of that day.

    ``usd`` is what is known, None if nothing is: without the models in ``unpriced`` (or some of their requests), so a
    lower bound if there are any. ``source``: ``agent``, ``estimate``, ``mixed`` or None. ``prices``: the list that was
    asked. ``steps``: step index -> USD as the agent says.
    """
    when = None if start_us is None else _EPOCH + timedelta(microseconds=start_us)
    models: dict[str, Any] = {}
    unpriced: list[str] = []
    listed: prices.Prices | None = None
    told_all = estimated_all = 0
    is_told = is_estimated = False
    for name, told, others in assembly.ledger.models():
        listed = prices.load() if others else listed
        found = [None if listed is None else listed.price(name, use, when) for use in others]
        estimates = [price for price in found if price is not None]
        if len(estimates) < len(others):
            unpriced.append(name or _NAMELESS)
        known = bool(told.cost or estimates)
        models[name or _NAMELESS] = {
            "usd": (told.cost + sum(estimates)) / NANO if known else None,
            **_buckets([told, *others]),
        }
        told_all, estimated_all = told_all + told.cost, estimated_all + sum(estimates)
        is_told, is_estimated = is_told or bool(told.cost), is_estimated or bool(estimates)
    if not models:
        return None
    return {
        "usd": (told_all + estimated_all) / NANO if is_told or is_estimated else None,
        "source": {(True, False): "agent", (False, True): "estimate", (True, True): "mixed"}.get(
            (is_told, is_estimated)
        ),
        "prices": listed.name if listed else None,
        "models": models,
        "unpriced": unpriced,
        "steps": {str(step): nano / NANO for step, nano in assembly.costs.items()},
    }


def _buckets(uses: list[Use]) -> dict[str, int]:
    return {
        "input_tokens": sum(use.input for use in uses),
        "output_tokens": sum(use.output for use in uses),
        "cache_read_tokens": sum(use.cache_read for use in uses),
        "cache_write_tokens": sum(use.cache_write for use in uses),
    }
