"""The tables of the catalogue, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")

# Table -> its columns.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "traces": {
        "id": "VARCHAR", "session_id": "VARCHAR", "agent": "VARCHAR", "version": "VARCHAR", "project": "VARCHAR",
        "branch": "VARCHAR", "title": "VARCHAR", "started_us": "BIGINT", "last_us": "BIGINT", "turns": "BIGINT",
        "calls": "BIGINT", "failed": "BIGINT", "subagents": "BIGINT", "cost_micros": "BIGINT",
        "cost_source": "VARCHAR", "bound": "BOOLEAN", "models": "VARCHAR[]", "complete": "BOOLEAN",
        **dict.fromkeys(BUCKETS, "BIGINT"),
    },
    "trace_models": {
        "id": "VARCHAR", "model": "VARCHAR", "cost_micros": "BIGINT", **dict.fromkeys(BUCKETS, "BIGINT"),
    },
    "trace_tools": {"id": "VARCHAR", "tool": "VARCHAR", "calls": "BIGINT"},
    "ids": {"agent": "VARCHAR", "session_id": "VARCHAR", "id": "VARCHAR"},
}  # fmt: skip

TRACES = "".join(
    f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())});"
    for table, columns in COLUMNS.items()
)

# Sessions that only telemetry tells of, and that have no id yet.
WITHOUT_ID = """
SELECT agent, session_id FROM session_rollup
ANTI JOIN traces USING (agent, session_id) ANTI JOIN ids USING (agent, session_id) WHERE agent <> ''
"""

# Numbers that both tell are taken from whoever saw more of the session, but money and tokens from the agent itself.
SESSIONS = """
CREATE OR REPLACE TABLE sessions AS
SELECT
    *,
    (last_us - started_us) // 1000 AS duration_ms,
    input_tokens + output_tokens + cache_read_tokens + cache_write_tokens AS tokens,
    lower(concat_ws(chr(10), title, project, branch, session_id, id, agent, array_to_string(models, chr(10))))
        AS haystack
FROM (
    SELECT
        coalesce(t.id, ids.id) AS id,
        coalesce(t.agent, r.agent) AS agent,
        coalesce(t.session_id, r.session_id) AS session_id,
        t.id IS NOT NULL AS has_trace,
        r.agent IS NOT NULL AS has_telemetry,
        coalesce(t.version, r.service_version) AS version,
        r.terminal AS terminal,
        t.project, t.branch, coalesce(t.title, p.title) AS title, t.complete,
        coalesce(least(t.started_us, r.started_us), 0) AS started_us,
        coalesce(greatest(t.last_us, r.last_us), 0) AS last_us,
        greatest(t.turns, r.prompts, 0) AS turns,
        greatest(t.calls, r.tools, 0) AS calls,
        coalesce(r.requests, 0) AS requests,
        greatest(t.failed, r.errors, 0) AS errors,
        coalesce(t.subagents, 0) AS subagents,
        CASE WHEN r.cost_micros > 0 THEN r.cost_micros ELSE t.cost_micros END AS cost_micros,
        CASE WHEN r.cost_micros > 0 THEN 'telemetry' ELSE t.cost_source END AS cost_source,
        coalesce(t.bound AND coalesce(r.cost_micros, 0) = 0, false) AS bound,
        CASE WHEN len(t.models) > 0 THEN t.models ELSE coalesce(r.models, []) END AS models,
        coalesce(CASE WHEN r.requests > 0 THEN r.input_tokens ELSE t.input_tokens END, 0) AS input_tokens,
        coalesce(CASE WHEN r.requests > 0 THEN r.output_tokens ELSE t.output_tokens END, 0) AS output_tokens,
        coalesce(CASE WHEN r.requests > 0 THEN r.cache_read_tokens ELSE t.cache_read_tokens END, 0)
            AS cache_read_tokens,
        coalesce(CASE WHEN r.requests > 0 THEN r.cache_creation_tokens ELSE t.cache_write_tokens END, 0)
            AS cache_write_tokens
    FROM traces t
    FULL OUTER JOIN (SELECT * FROM session_rollup WHERE agent <> '') r
        ON r.agent = t.agent AND r.session_id = t.session_id
    LEFT JOIN ids ON ids.agent = r.agent AND ids.session_id = r.session_id AND t.id IS NULL
    LEFT JOIN (SELECT agent, session_id, arg_min(title, us) AS title FROM prompted GROUP BY ALL) p
        ON p.agent = r.agent AND p.session_id = r.session_id
)
"""

TOTALS = """
SELECT count(*) AS sessions, coalesce(sum(turns), 0)::BIGINT AS turns, coalesce(sum(calls), 0)::BIGINT AS calls,
    coalesce(sum(errors), 0)::BIGINT AS errors, sum(cost_micros)::BIGINT AS cost_micros,
    coalesce(sum(tokens), 0)::BIGINT AS tokens,
    count(*) FILTER (WHERE cost_micros IS NULL AND tokens > 0) AS unpriced,
    bool_or(coalesce(cost_source, 'agent') NOT IN ('agent', 'telemetry')) AS estimated
FROM sessions WHERE {where}
"""


# What requests used. A trace knows the models of a session, but neither days nor subagents.
USAGE = """
chosen AS (SELECT * FROM sessions WHERE {where}),
usage AS (
    SELECT s.id, s.agent, s.project, u.model, u.agent_name, u.day, u.requests, u.cost_micros, false AS estimate,
        u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens
    FROM chosen s JOIN used u USING (agent, session_id) WHERE s.requests > 0
    UNION ALL
    SELECT s.id, s.agent, s.project, u.model, 'not known' AS agent_name,
        strftime(make_timestamp(s.started_us), '%Y-%m-%d') AS day,
        0 AS requests, u.cost_micros, coalesce(s.cost_source, '') <> 'agent' AS estimate,
        u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens
    FROM chosen s JOIN trace_models u USING (id) WHERE s.requests = 0
)
"""

COSTS = (
    "WITH "
    + USAGE
    + """
SELECT {by} AS name, count(DISTINCT id) AS sessions, sum(requests)::BIGINT AS api_calls,
    round(sum(cost_micros))::BIGINT AS total_cost_micros, bool_or(estimate AND cost_micros IS NOT NULL) AS estimate,
    bool_or(cost_micros IS NULL) AS bound,
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens, sum(cache_write_tokens)::BIGINT AS cache_creation_tokens
FROM usage GROUP BY 1 ORDER BY {order} LIMIT ?
"""
)

TOOLS = """
WITH chosen AS (SELECT id, agent, session_id FROM sessions WHERE {where}),
told AS (
    SELECT id, tool, sum(calls) AS calls, sum(failed) AS failed, sum(accepted) AS accepted, sum(rejected) AS rejected,
        flatten(list(durations)) AS durations
    FROM chosen JOIN called USING (agent, session_id) GROUP BY id, tool
),
traced AS (SELECT id, tool, calls FROM chosen JOIN trace_tools USING (id)),
joined AS (
    SELECT id, tool, greatest(traced.calls, told.calls) AS calls, told.calls AS told, failed, accepted, rejected,
        durations
    FROM traced FULL JOIN told USING (id, tool)
)
SELECT tool AS tool_name, sum(calls)::BIGINT AS call_count, count(DISTINCT id) AS sessions,
    (sum(told) - sum(failed))::BIGINT AS success_count, sum(failed)::BIGINT AS failure_count,
    sum(accepted)::BIGINT AS accept_count, sum(rejected)::BIGINT AS reject_count,
    list_avg(flatten(list(durations))) AS avg_duration_ms,
    list_aggregate(flatten(list(durations)), 'quantile_cont', 0.5) AS p50_duration_ms,
    list_aggregate(flatten(list(durations)), 'quantile_cont', 0.95) AS p95_duration_ms,
    list_sum(flatten(list(durations))) AS total_duration_ms
FROM joined GROUP BY tool ORDER BY call_count DESC, tool LIMIT ?
"""


def fill(db: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, column by column: a statement for each row would take a hundred times as long."""
    if rows:
        columns = COLUMNS[table]
        chosen = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
        db.execute(f"INSERT INTO {table} SELECT {chosen}", [[row[name] for row in rows] for name in columns])
