"""The times of a session's rows: by the clock, since the session began, or since the row before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hookkit.views import text

Times = Literal["absolute", "relative", "delta"]
TIMES: tuple[Times, ...] = ("absolute", "relative", "delta")


@dataclass(slots=True)
class Clock:
    """Tells the times of rows, in the order in which they are shown. started: ISO 8601 time of the session's start."""

    times: Times
    started: str | None = None
    _last: float | None = None

    def tell(self, stamp: str | None) -> str:
        """A time: ``14:03:09``, ``+2 min 3 s``; "" for none, and for the first of ``delta``."""
        if self.times == "absolute":
            return text.local(stamp, "%H:%M:%S")
        moment = text.seconds(stamp)
        if moment is None:
            return ""
        since = text.seconds(self.started) if self.times == "relative" else self._last
        self._last = moment
        return "" if since is None else f"{'+' if moment >= since else '-'}{text.duration(abs(moment - since) * 1000)}"
