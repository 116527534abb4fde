"""What people ask of telemetry. Each gives dictionaries by the names of ``columns``; values are bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hookkit.telemetry.reader import Reader
from hookkit.telemetry.rows import HISTOGRAM

Rows = list[dict[str, Any]]
By = Literal["model", "agent_name", "day", "session_id", "agent"]

_BY: Mapping[By, str] = {
    "model": "coalesce(model, 'unknown')",
    "agent_name": "coalesce(agent_name, 'main')",
    "day": "strftime(make_timestamp(time_us), '%Y-%m-%d')",
    "session_id": "session_id",
    "agent": "agent",
}
# Which closed segments there is a need to look into, see ``Reader.query``.
_OF_SESSION = "segment IN (SELECT segment FROM parts WHERE session_id = ?)"
_AFTER = "last > ?"
_NEWEST = (
    "segment IN (SELECT segment FROM (SELECT segment, sum(row_count) OVER (ORDER BY segment DESC) - row_count AS newer "
    "FROM files) WHERE newer < ?)"
)
_NO_METRICS = "AND signal <> 'metric'"
_ACCEPTED = "(starts_with(lower(decision), 'a') OR starts_with(lower(decision), 'proceed'))"


def timeline(
    reader: Reader, agent: str, session_id: str, *, after: int = 0, limit: int = 50_000, metrics: bool = False
) -> Rows:
    """The rows of a session in its order, ``after`` of them left out. metrics: those of metrics too."""
    rows = reader.query(
        f"SELECT * FROM events WHERE session_id = ? AND agent = ? {'' if metrics else _NO_METRICS}",
        [session_id, agent],
        only=_OF_SESSION,
        given=[session_id],
    )
    return in_order(rows)[after : after + limit]


def in_order(rows: Rows) -> Rows:
    """Rows of a session in the order in which their program numbered them.

    Whoever resumes a session numbers from one again: a number that was there already begins another run, in order of
    receipt. Within a run the numbers count, whatever the clock said; a row without a number has its place by time.
    """
    runs: list[dict[int, dict[str, Any]]] = []
    for row in sorted(rows, key=lambda row: row["position"]):
        if row["sequence"] is not None:
            if not runs or row["sequence"] in runs[-1]:
                runs.append({})
            runs[-1][row["sequence"]] = row
    times = {row["position"]: row["time_us"] for row in rows}
    for run in runs:
        in_time = sorted(row["time_us"] for row in run.values())
        numbered = (row for _, row in sorted(run.items()))
        times |= {row["position"]: time_us for row, time_us in zip(numbered, in_time, strict=True)}
    number = {row["position"]: row["sequence"] or 0 for row in rows}
    return sorted(rows, key=lambda row: (times[row["position"]], number[row["position"]], row["position"]))


def tools(reader: Reader, agent: str | None = None, session_id: str | None = None, since_us: int = 0) -> Rows:
    """A row a tool: call_count, success_count, failure_count, accept_count, reject_count, and durations in milliseconds
    (avg, p50, p95, total). A call is counted once, by its id."""
    where, given = _where(agent, session_id, since_us)
    return reader.query(
        f"""
        WITH chosen AS (SELECT * FROM events WHERE {where} AND kind IN ('tool', 'decision') AND tool_name IS NOT NULL),
        calls AS (
            SELECT any_value(tool_name) AS tool_name, bool_and(coalesce(success, true)) AS ok,
                max(duration_ms) AS duration_ms
            FROM chosen WHERE kind = 'tool' GROUP BY session_id, coalesce(tool_use_id, position::VARCHAR)
        ),
        decided AS (
            SELECT any_value(tool_name) AS tool_name, max(decision) AS decision
            FROM chosen WHERE decision IS NOT NULL GROUP BY session_id, coalesce(tool_use_id, position::VARCHAR)
        ),
        counted AS (
            SELECT tool_name, count(*) AS call_count, count(*) FILTER (WHERE ok) AS success_count,
                count(*) FILTER (WHERE NOT ok) AS failure_count, avg(duration_ms) AS avg_duration_ms,
                quantile_cont(duration_ms, 0.5) AS p50_duration_ms, quantile_cont(duration_ms, 0.95) AS p95_duration_ms,
                sum(duration_ms) AS total_duration_ms
            FROM calls GROUP BY tool_name
        ),
        answers AS (
            SELECT tool_name, count(*) FILTER (WHERE {_ACCEPTED}) AS accept_count,
                count(*) FILTER (WHERE NOT {_ACCEPTED}) AS reject_count
            FROM decided GROUP BY tool_name
        )
        SELECT tool_name, coalesce(call_count, 0) AS call_count, coalesce(success_count, 0) AS success_count,
            coalesce(failure_count, 0) AS failure_count, coalesce(accept_count, 0) AS accept_count,
            coalesce(reject_count, 0) AS reject_count, avg_duration_ms, p50_duration_ms, p95_duration_ms,
            total_duration_ms
        FROM counted FULL JOIN answers USING (tool_name) ORDER BY call_count DESC, tool_name
        """,
        given,
        **_within(session_id),
    )


def cost(
    reader: Reader, by: By = "model", agent: str | None = None, session_id: str | None = None, since_us: int = 0
) -> Rows:
    """A row a value of ``by``, as ``name``: api_calls, sessions, cost_micros (None: no request says it) and tokens."""
    where, given = _where(agent, session_id, since_us)
    return reader.query(
        f"""
        SELECT {_BY[by]} AS name, count(*) AS api_calls, count(DISTINCT (agent, session_id)) AS sessions,
            round(sum(cost_micros))::BIGINT AS cost_micros,
            coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
            coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
            coalesce(sum(cache_read_tokens), 0)::BIGINT AS cache_read_tokens,
            coalesce(sum(cache_creation_tokens), 0)::BIGINT AS cache_creation_tokens
        FROM events WHERE {where} AND kind = 'request'
        GROUP BY 1 ORDER BY cost_micros DESC NULLS LAST, api_calls DESC, 1
        """,
        given,
        **_within(session_id),
    )


def metric_sums(reader: Reader, agent: str | None = None, session_id: str | None = None, since_us: int = 0) -> Rows:
    """A row a metric and set of attributes: name, attributes, unit, value.

    Deltas are added up. A cumulative series tells the sum since its start, which is the largest of its points, and
    begins again with another start. Of a gauge, the last value.
    """
    where, given = _where(agent, session_id, since_us)
    return reader.query(
        f"""
        WITH points AS (
            SELECT * REPLACE (CASE WHEN contains(attributes, '"{HISTOGRAM}"')
                THEN json_merge_patch(attributes, '{{"{HISTOGRAM}": null}}')::VARCHAR ELSE attributes END AS attributes)
            FROM events WHERE {where} AND signal = 'metric'
        ),
        series AS (
            SELECT name, attributes, any_value(unit) AS unit,
                CASE temporality WHEN 'delta' THEN sum(value) WHEN 'cumulative' THEN max(value)
                    ELSE arg_max(value, time_us) END AS value
            FROM points
            GROUP BY name, attributes, stream, temporality, CASE temporality WHEN 'cumulative' THEN start_us END
        )
        SELECT name, attributes, any_value(unit) AS unit, sum(value) AS value
        FROM series GROUP BY name, attributes ORDER BY name, attributes
        """,
        given,
        **_within(session_id),
    )


def since(reader: Reader, position: int, session_id: str | None = None, limit: int = 1000) -> Rows:
    """Rows that came in after a position, in the order of their receipt."""
    mine = "AND session_id = ?" if session_id is not None else ""
    given: list[object] = [position, *([session_id] if session_id is not None else []), limit]
    return reader.query(
        f"SELECT * FROM events WHERE position > ? {mine} ORDER BY position LIMIT ?",
        given,
        only=_AFTER,
        given=[position],
    )


def recent(reader: Reader, limit: int = 100) -> Rows:
    """The rows that came in last, the newest first."""
    return reader.query("SELECT * FROM events ORDER BY position DESC LIMIT ?", [limit], only=_NEWEST, given=[limit])


def position(reader: Reader) -> int:
    """Of the row that came in last; 0 if there is none."""
    (row,) = reader.query(
        "SELECT coalesce(greatest((SELECT max(last) FROM files), (SELECT max(position) FROM recent)), 0) AS position"
    )
    return int(row["position"])


def _where(agent: str | None, session_id: str | None, since_us: int) -> tuple[str, list[object]]:
    given = {"agent = ?": agent, "session_id = ?": session_id, "time_us >= ?": since_us or None}
    chosen = {text: value for text, value in given.items() if value is not None}
    return " AND ".join(chosen) or "true", list(chosen.values())


def _within(session_id: str | None) -> dict[str, Any]:
    return {} if session_id is None else {"only": _OF_SESSION, "given": [session_id]}
