"""Which signals of which agents have arrived: a small file, for ``hookkit doctor``."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.store.files import replace_file
from hookkit.telemetry.columns import Row

_EVERY = 1.0  # seconds between two writes
_MOST = 100  # programs: whoever can send, can call itself anything
# agent -> signal -> {"last_us": microseconds since 1970, "count": rows since the file began}
Found = Mapping[str, Mapping[str, Mapping[str, int]]]


def path() -> Path:
    return paths.state() / "telemetry-arrivals.json"


def arrivals() -> Found:
    """What has arrived so far; nothing if nothing has, or if the file cannot be read."""
    try:
        found = json.loads(path().read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        agent: {
            signal: {key: value for key, value in said.items() if isinstance(value, int)}
            for signal, said in signals.items()
            if isinstance(said, dict)
        }
        for agent, signals in found.items()
        if isinstance(signals, dict)
    }


class Arrivals:
    """Counts, and writes the file at most once a second."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, dict[str, int]]] = {
            agent: {signal: dict(said) for signal, said in signals.items()} for agent, signals in arrivals().items()
        }
        self._saved = 0.0

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row["agent"] not in self._found and len(self._found) >= _MOST:
                continue
            said: dict[str, Any] = self._found.setdefault(row["agent"], {}).setdefault(
                row["signal"], {"last_us": 0, "count": 0}
            )
            said["last_us"] = max(said.get("last_us", 0), row["received_us"])
            said["count"] = said.get("count", 0) + 1
        if time.monotonic() - self._saved >= _EVERY:
            self.save()

    def save(self) -> None:
        self._saved = time.monotonic()
        if self._found:
            with contextlib.suppress(OSError):  # doctor knows less then
                paths.private_dir(path().parent)
                replace_file(path(), [json.dumps(self._found).encode()], durable=False)
