"""Prices of models from the data package genai-prices, where it is installed. Nothing is asked of the network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from hookkit.capture.fold.ledger import NANO, Use

# Those that sell other makers' models -> where their prices are in the package; None: at the model's maker.
_RESELLERS = {"cursor": ("cursor", None), "github": ("github-copilot", None), "opencode": (None,)}
_LATEST = datetime(9999, 12, 31, 12, tzinfo=UTC)  # never "now": the same session costs the same tomorrow
_TOKEN = Decimal("1e-9")  # so that sums of averages are exact


@dataclass(frozen=True, slots=True)
class Prices:
    """A list of prices. name: with its version. price: (model, use, when) -> nano-dollars; None where unknown."""

    name: str
    price: Callable[[str, Use, datetime | None], int | None]


@lru_cache(maxsize=1)
def load() -> Prices | None:
    """The prices that are in the package; None where it is not installed or of no use."""
    try:
        from genai_prices import Usage, __version__
        from genai_prices.data import providers
        from genai_prices.data_snapshot import DataSnapshot
    except Exception:  # whatever another package raises: a record matters more than its estimate
        return None
    snapshot = DataSnapshot(providers=providers, from_auto_update=False)

    def price(model: str, use: Use, when: datetime | None) -> int | None:
        # The average request of a size: the package finds the price of a size by the tokens of one request.
        each = {name: (Decimal(value) / use.requests).quantize(_TOKEN) for name, value in use._asdict().items()}
        usage = Usage(
            input_tokens=each["input"] + each["cache_read"] + each["cache_write"],
            output_tokens=each["output"],
            cache_read_tokens=each["cache_read"],
            cache_write_tokens=each["cache_write"],
            cache_write_1h_tokens=each["hour_write"],
        )
        provider, slash, name = model.partition("/")
        for place in _RESELLERS.get(provider, (provider,)) if slash else (None,):
            with contextlib.suppress(Exception):  # it has no such model
                found = snapshot.calc(usage, name if slash else model, place, None, when or _LATEST)
                return round(found.total_price * use.requests * NANO)
        return None

    return Prices(f"genai-prices {__version__}", price)
