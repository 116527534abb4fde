"""What telemetry tells: the few questions that the dashboard asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

Event = Mapping[str, Any]  # a row of telemetry, by the names of its columns

_MOST = 50_000  # rows of one session that are looked at
_EMPTY = """
CREATE TABLE session_rollup (agent VARCHAR, session_id VARCHAR, started_us BIGINT, last_us BIGINT, prompts BIGINT,
    requests BIGINT, errors BIGINT, tools BIGINT, cost_micros BIGINT, input_tokens BIGINT, output_tokens BIGINT,
    cache_read_tokens BIGINT, cache_creation_tokens BIGINT, models VARCHAR[], service_version VARCHAR, terminal VARCHAR)
"""


class Told:
    """Telemetry, in tables of DuckDB's in memory. For any thread: each asks with a cursor of its own."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(_EMPTY)

    def refresh(self) -> bool:
        """Take in what was written since; whether there was anything."""
        return False

    def timeline(self, agent: str, session_id: str) -> list[Event]:
        """The rows of a session, in its order."""
        return []

    def since(self, position: int, limit: int) -> Sequence[Event]:
        """Rows after a position, in order of receipt."""
        return []

    def recent(self, limit: int) -> Sequence[Event]:
        """The latest rows, the newest first."""
        return []

    def position(self) -> int:
        """That of the latest row; 0 if there is none."""
        return 0
