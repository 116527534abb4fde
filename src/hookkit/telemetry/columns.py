"""The columns of a row of telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

# Column -> its type in DuckDB, so in Parquet. A row leaves out what it does not know.
COLUMNS: Mapping[str, str] = {
    "position": "BIGINT",               # order of receipt over all rows: number of the segment << 32 | line in it
    "received_us": "BIGINT",            # microseconds since 1970, here and below
    "time_us": "BIGINT",
    "signal": "VARCHAR",                # log, span or metric
    "service": "VARCHAR",
    "service_version": "VARCHAR",
    "agent": "VARCHAR",                 # as hookkit names it; other programs: their service name
    "session_id": "VARCHAR",
    "prompt_id": "VARCHAR",
    "sequence": "BIGINT",               # order within a session, where the program counts its events
    "name": "VARCHAR",                  # as the program has it
    "kind": "VARCHAR",                  # what it is to us: see ``programs.Kind``
    "tool_use_id": "VARCHAR",
    "tool_name": "VARCHAR",
    "model": "VARCHAR",
    "agent_name": "VARCHAR",            # the subagent, or what the request was for
    "cost_micros": "DOUBLE",            # millionths of a US dollar, with what is left of them
    "duration_ms": "DOUBLE",
    "input_tokens": "BIGINT",           # the four never overlap
    "output_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_creation_tokens": "BIGINT",
    "success": "BOOLEAN",
    "decision": "VARCHAR",
    "decision_source": "VARCHAR",
    "error": "VARCHAR",
    "prompt_length": "BIGINT",
    "terminal": "VARCHAR",
    "trace_id": "VARCHAR",              # hexadecimal
    "span_id": "VARCHAR",
    "parent_span_id": "VARCHAR",
    "start_us": "BIGINT",               # of a span; of a metric, since when its value counts
    "value": "DOUBLE",                  # of a metric; of a histogram, its sum
    "unit": "VARCHAR",
    "temporality": "VARCHAR",           # of a metric: delta, cumulative or gauge
    "stream": "VARCHAR",                # of a metric: the same for points of one series
    "attributes": "VARCHAR",            # all of them, as a JSON object with the program's own names
    "resource": "VARCHAR",
    "scope": "VARCHAR",
}  # fmt: skip
