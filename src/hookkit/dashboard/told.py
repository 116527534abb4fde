"""What telemetry tells: the few questions that the dashboard asks of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from hookkit.telemetry import queries
from hookkit.telemetry.reader import Reader

Event = Mapping[str, Any]  # a row of telemetry, by the names of its columns

_USED = """
CREATE TABLE used (segment BIGINT, agent VARCHAR, session_id VARCHAR, day VARCHAR, model VARCHAR, agent_name VARCHAR,
    requests BIGINT, cost_micros DOUBLE, input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT,
    cache_write_tokens BIGINT);
CREATE TABLE called (segment BIGINT, agent VARCHAR, session_id VARCHAR, tool VARCHAR, calls BIGINT, failed BIGINT,
    accepted BIGINT, rejected BIGINT, durations DOUBLE[]);
CREATE TABLE prompted (segment BIGINT, agent VARCHAR, session_id VARCHAR, us BIGINT, title VARCHAR);
"""
# What came in since the last look is summed up, so that no page has to go through a million rows.
_FRESH = """
CREATE OR REPLACE TABLE fresh AS
SELECT position, position >> 32 AS segment, agent, session_id, time_us, kind, tool_use_id, tool_name, model, agent_name,
    cost_micros, duration_ms, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, success, decision,
    CASE kind WHEN 'prompt' THEN json_extract_string(attributes, '$.prompt') END AS prompt
FROM events WHERE position > ? AND kind <> 'metric'
"""
_REQUESTS = """
INSERT INTO used
SELECT segment, agent, session_id, strftime(make_timestamp(time_us), '%Y-%m-%d'), coalesce(model, 'unknown'),
    coalesce(agent_name, 'main'), count(*), sum(cost_micros), coalesce(sum(input_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_creation_tokens), 0)
FROM fresh WHERE kind = 'request' GROUP BY ALL
"""
_ACCEPTED = "(starts_with(lower(decision), 'a') OR starts_with(lower(decision), 'proceed'))"
_CALLS = f"""
INSERT INTO called
WITH calls AS (
    SELECT segment, agent, session_id, tool_name AS tool, kind, coalesce(tool_use_id, position::VARCHAR) AS call,
        bool_and(coalesce(success, true)) AS ok, max(duration_ms) AS duration, bool_or({_ACCEPTED}) AS accepted
    FROM fresh WHERE kind IN ('tool', 'decision') AND tool_name IS NOT NULL GROUP BY ALL
)
SELECT segment, agent, session_id, tool, count(*) FILTER (WHERE kind = 'tool'),
    count(*) FILTER (WHERE kind = 'tool' AND NOT ok), count(*) FILTER (WHERE kind = 'decision' AND accepted),
    count(*) FILTER (WHERE kind = 'decision' AND NOT accepted),
    coalesce(list(duration) FILTER (WHERE kind = 'tool' AND duration IS NOT NULL), [])
FROM calls GROUP BY ALL
"""
# The first line of a prompt, where the program was told to send it.
_PROMPTS = """
INSERT INTO prompted
SELECT segment, agent, session_id, min(time_us), arg_min(title, time_us) FROM (
    SELECT *, left(trim(split_part(trim(prompt), chr(10), 1)), 80) AS title FROM fresh WHERE kind = 'prompt'
) WHERE title NOT IN ('', '<REDACTED>') GROUP BY ALL
"""
_GONE = "DELETE FROM {table} WHERE segment < ?"
_SWEEP = 60.0  # seconds between two looks for what was deleted as too old


class Told:
    """Telemetry, in tables of DuckDB's in memory. For any thread.

    Beside the relations of ``Reader`` there are ``used`` (requests by session, day, model and subagent) and ``called``
    (calls by session and tool; accepted, rejected: by decisions) and ``prompted`` (the first line of the first prompt).
    """

    def __init__(self, reader: Reader | None = None) -> None:
        self._reader = reader or Reader()
        self.connection = self._reader.connection
        self.connection.execute(_USED)
        self._summed = 0  # the position up to which requests and calls are summed up
        self._swept = time.monotonic()

    def refresh(self) -> bool:
        """Take in what was written since; whether there was anything. One thread at a time."""
        if not self._reader.refresh():
            return False
        self.ask(_FRESH, [self._summed])
        (last,) = self.ask("SELECT max(position) AS position FROM fresh")
        if last["position"] is not None:
            for statement in (_REQUESTS, _CALLS, _PROMPTS):
                self.ask(statement)
            self._summed = last["position"]
        if time.monotonic() > self._swept + _SWEEP:
            self._swept = time.monotonic()
            (first,) = self.ask("SELECT coalesce(min(position), 0) >> 32 AS segment FROM events")
            for table in ("used", "called", "prompted"):
                self.ask(_GONE.format(table=table), [first["segment"]])
        return True

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query, by the names of their columns."""
        return self._reader.query(query, [*values])

    def timeline(self, agent: str, session_id: str) -> list[Event]:
        """The rows of a session, in its order; those of metrics are left out."""
        return [*queries.timeline(self._reader, agent, session_id)]

    def since(self, position: int, limit: int) -> Sequence[Event]:
        """Rows after a position, in order of receipt."""
        return queries.since(self._reader, position, limit=limit)

    def recent(self, limit: int) -> Sequence[Event]:
        """The latest rows, the newest first; those of metrics are left out."""
        last = self.position()
        # Lines of a segment have neighbouring positions: a few of the last ones, else all since the segment before it.
        for first in (last - 8 * limit, ((last >> 32) - 1) << 32, 0):
            query = "SELECT * FROM events WHERE position >= ? AND signal <> 'metric' ORDER BY position DESC LIMIT ?"
            found = self.ask(query, [max(0, first), limit])
            if len(found) == limit:
                break
        return found

    def position(self) -> int:
        """That of the latest row; 0 if there is none."""
        return queries.position(self._reader)

    def close(self) -> None:
        self._reader.close()
