"""What the requests of a session used, in as few numbers as they can still be priced from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Prompts of more tokens than one of these have another price at some provider. All tokens of a request then have it,
# so the sum of a session does not tell its price: requests are summed by the size of their prompts.
SIZES = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
NANO = 1_000_000_000  # of a dollar: whole numbers add up to the same in any order
_TOLD = "told"


class Use(NamedTuple):
    """Sums over requests. The input holds neither cache, the cache writes those for an hour; cost: nano-dollars."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    hour_write: int = 0
    cost: int = 0


class Ledger:
    """The sums of a session, by model, and for each by the size of the prompts; apart, those whose cost is told.

    rows: model -> size -> ``Use``; plain JSON, and the same for the same requests in any order.
    """

    def __init__(self, rows: dict[str, dict[str, list[int]]] | None = None) -> None:
        self.rows: dict[str, dict[str, list[int]]] = rows or {}

    def add(self, model: str, use: Sequence[int], sign: int = 1) -> None:
        """Add requests of about the same size, or take them back (sign -1)."""
        use = Use(*use)
        if not use.requests:
            return
        prompted = (use.input + use.cache_read + use.cache_write) / use.requests
        size = _TOLD if use.cost else str(bisect_left(SIZES, prompted))
        sizes = self.rows.setdefault(model, {})
        sums = [known + sign * more for known, more in zip(sizes.get(size, Use()), use, strict=True)]
        if any(sums):
            sizes[size] = sums
        else:
            sizes.pop(size, None)
            if not sizes:
                del self.rows[model]

    def models(self) -> Iterator[tuple[str, Use, list[Use]]]:
        """(model, sums of the requests whose cost is told, those of the others), by name."""
        for model, sizes in sorted(self.rows.items()):
            others = [Use(*row) for size, row in sorted(sizes.items()) if size != _TOLD]
            yield model, Use(*sizes.get(_TOLD, ())), others

    def copy(self) -> Ledger:
        return Ledger({model: {size: [*row] for size, row in sizes.items()} for model, sizes in self.rows.items()})
