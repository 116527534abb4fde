"""Searches a session: what its rows show, and all that their steps say."""

from __future__ import annotations

import json
import re

from hookkit.views.outline import Item
from hookkit.views.tui import detail
from hookkit.views.tui.rows import NOWHERE, OutlineRows
from hookkit.views.tui.steps import Steps


class Search:
    """Looks for a text, whatever its case. A step is decoded only if its JSON has the text somewhere."""

    def __init__(self, needle: str, rows: OutlineRows, file: Steps) -> None:
        self.needle = needle.casefold()
        self._rows, self._file = rows, file
        escaped = json.dumps(needle)[1:-1].encode()
        # Case beyond ASCII is more than a pattern of bytes can know: then every step is decoded.
        self._pattern = re.compile(re.escape(escaped), re.IGNORECASE) if needle.isascii() else None
        self._last = (NOWHERE, False)
        self._stopped = False

    def stop(self) -> None:
        """Let ``next``, in another thread, find nothing any more."""
        self._stopped = True

    def next(self, start: int, step: int) -> int | None:
        """The first row that has it, from ``start`` on in steps of 1 or -1 and around the end; None if none has."""
        count = len(self._rows)
        for distance in range(count):
            index = (start + step * distance) % count
            if self._stopped:
                return None
            if self.has(index):
                return index
        return None

    def has(self, index: int) -> bool:
        """Whether a row, or its part of the step, has the text."""
        item, place = self._rows.items[index], self._rows.places[index]
        if self.needle in f"{item.name} {item.text} {item.error} {item.call_id}".casefold():
            return True
        if place == NOWHERE or not self._near(index, place):
            return False
        return self._within(item, place)

    def _near(self, index: int, place: int) -> bool:
        """Whether the text stands between a step and the next one that has rows."""
        if self._last[0] != place:
            places = self._rows.places
            after = (places[at] for at in range(index + 1, len(places)) if places[at] not in (place, NOWHERE))
            pattern = self._pattern
            raw = self._file.raw(place, next(after, self._file.size))
            self._last = (place, pattern is None or pattern.search(raw) is not None)
        return self._last[1]

    def _within(self, item: Item, place: int) -> bool:
        said = (text for _, text in detail.parts(item, self._file.step(place)))
        return any(self.needle in text.casefold() for text in said)
