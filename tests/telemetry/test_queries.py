"""What people ask of telemetry: each thing counted once, in the session's own order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hookkit.telemetry import otlp, privacy, queries
from hookkit.telemetry.journal import Journal
from hookkit.telemetry.otlp import SIGNALS, Signal
from hookkit.telemetry.reader import Reader
from hookkit.telemetry.rows import OF_SIGNAL, count_records
from hookkit.telemetry.segments import Store

from .receiver import SESSION, attributes, log, logs


def read(signal: Signal, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    keep = privacy.keeper("drop")
    return [
        row
        for request in requests
        for row in OF_SIGNAL[signal](otlp.from_json(signal, json.dumps(request).encode()), keep, 1_795_000_000_000_000)
    ]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(Store(tmp_path))


def keep(reader: Reader, *rows: dict[str, Any]) -> Reader:
    journal = Journal(reader._place)
    journal.append(list(rows))
    journal.close()
    reader.refresh()
    return reader


def request(second: float, sequence: int, **values: Any) -> dict[str, Any]:
    usage = {"input_tokens": "10", "output_tokens": 20, "cache_read_tokens": 300, "cache_creation_tokens": 4}
    return log("api_request", second, event__sequence=sequence, model="m1", **usage, **values)


def test_a_call_that_its_decision_its_result_and_its_span_tell_of_is_one_call(reader: Reader) -> None:
    events = logs(
        log("tool_decision", 1, tool_use_id="t1", tool_name="Bash", decision="accept", source="config"),
        log("tool_result", 2, tool_use_id="t1", tool_name="Bash", success="true", duration_ms="12"),
        log("tool_decision", 3, tool_use_id="t2", tool_name="Bash", decision="reject", source="user_reject"),
        log("tool_decision", 4, tool_use_id="t3", tool_name="Edit", decision="accept", source="config"),
        log("tool_result", 5, tool_use_id="t3", tool_name="Edit", success="false", duration_ms=30, error_type="Error"),
    )
    span = {
        "name": "claude_code.tool",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "startTimeUnixNano": "1795000001000000000",
        "endTimeUnixNano": "1795000002000000000",
        "attributes": [
            {"key": "session.id", "value": {"stringValue": SESSION}},
            {"key": "tool_use_id", "value": {"stringValue": "t1"}},
            {"key": "tool_name", "value": {"stringValue": "Bash"}},
        ],
    }
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    spans = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}
    keep(reader, *read("logs", events), *read("traces", spans))
    (row,) = reader.query("SELECT * FROM session_rollup")
    assert (row["tools"], row["errors"], row["requests"]) == (2, 1, 0)
    bash, edit = queries.tools(reader, "claude-code", SESSION)
    assert (bash["tool_name"], bash["call_count"], bash["success_count"], bash["failure_count"]) == ("Bash", 1, 1, 0)
    assert (bash["accept_count"], bash["reject_count"], bash["avg_duration_ms"]) == (1, 1, 12.0)
    assert (edit["call_count"], edit["failure_count"], edit["p95_duration_ms"]) == (1, 1, 30.0)
    (told,) = reader.query("SELECT * FROM events WHERE signal = 'span'")
    assert (told["trace_id"], told["duration_ms"]) == ("0af7651916cd43dd8448eb211c80319c", 1000.0)


def test_costs_and_tokens_are_those_of_requests_alone(reader: Reader) -> None:
    rows = read(
        "logs",
        logs(
            request(1, 1, cost_usd="0.2500006", cost_usd_micros=250_001, query_source="main"),
            request(2, 2, cost_usd=0.5, query_source="subagent"),
            log("tool_result", 3, tool_use_id="t1", tool_name="Task", model="m1", cost_usd=99.0),
            log("api_error", 4, model="m1", error="overloaded", status_code="529"),
        ),
    )
    keep(reader, *rows)
    (row,) = reader.query("SELECT * FROM session_rollup")
    assert (row["cost_micros"], row["requests"], row["errors"]) == (750_001, 2, 1)
    assert (row["input_tokens"], row["output_tokens"]) == (20, 40)
    assert (row["cache_read_tokens"], row["cache_creation_tokens"], row["models"]) == (600, 8, ["m1"])
    (model,) = queries.cost(reader)
    assert (model["name"], model["api_calls"], model["cost_micros"]) == ("m1", 2, 750_001)
    assert [(each["name"], each["cost_micros"]) for each in queries.cost(reader, "agent_name")] == [
        ("subagent", 500_000), ("main", 250_001),
    ]  # fmt: skip
    assert [each["name"] for each in queries.cost(reader, "day")] == ["2026-11-18"]


def test_numbers_that_no_request_has_break_no_sum(reader: Reader) -> None:
    odd = {
        "input_tokens": str((1 << 63) - 1), "output_tokens": 1 << 62, "cache_read_tokens": "1e18", "cost_usd": "9e17",
        "duration_ms": "nan", "event.sequence": (1 << 63) - 1,
    }  # fmt: skip
    records = [log("api_request", 1, model="m1", **odd) for _ in range(3)]
    records += [log("tool_result", 2, tool_name="Bash", duration_ms="-1e400", tool_use_id=7)]
    for record in records:
        record["timeUnixNano"] = str((1 << 64) - 1)
    keep(reader, *read("logs", logs(*records, request(3, 1, cost_usd=1))))
    (row,) = reader.query("SELECT * FROM session_rollup")
    assert (row["requests"], row["input_tokens"], row["cost_micros"], row["tools"]) == (4, 10, 1_000_000, 1)
    assert len(queries.timeline(reader, "claude-code", SESSION)) == 5
    assert queries.cost(reader, "day")[0]["cost_micros"] == 1_000_000
    assert queries.tools(reader)[0]["avg_duration_ms"] is None


def test_the_input_of_a_program_that_counts_the_cache_into_it_is_told_without(reader: Reader) -> None:
    record = {
        "timeUnixNano": "1795000001000000000",
        "attributes": [
            {"key": key, "value": {"stringValue": str(value)}}
            for key, value in {
                "event.name": "codex.sse_event", "event.kind": "response.completed", "conversation.id": SESSION,
                "input_token_count": 1000, "cached_token_count": 900, "output_token_count": 7, "model": "gpt",
            }.items()
        ],
    }  # fmt: skip
    (row,) = read("logs", logs(record, service="codex_exec"))
    assert (row["agent"], row["session_id"], row["kind"]) == ("codex-cli", SESSION, "request")
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (100, 900, 7)


def test_of_spans_that_count_those_that_failed_and_the_outermost_agent_are_told_apart(reader: Reader) -> None:
    def span(number: int, operation: str, failed: bool = False, **more: Any) -> dict[str, Any]:
        return {
            "name": operation, "spanId": f"{number:016x}", "traceId": "0af7651916cd43dd8448eb211c80319c",
            "parentSpanId": f"{1:016x}" if number > 1 else "", "startTimeUnixNano": f"179500000{number}000000000",
            "endTimeUnixNano": f"179500000{number}500000000", "status": {"code": 2, "message": "no"} if failed else {},
            "attributes": attributes({"gen_ai.operation.name": operation, "gen_ai.conversation.id": SESSION} | more),
        }  # fmt: skip

    spans = [
        span(1, "invoke_agent"),
        span(2, "chat", **{"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 40}),
        span(3, "chat", failed=True),
        span(4, "execute_tool", **{"gen_ai.tool.name": "bash", "gen_ai.tool.call.id": "c1"}),
        span(5, "execute_tool", failed=True, **{"gen_ai.tool.name": "bash", "gen_ai.tool.call.id": "c2"}),
        span(6, "invoke_agent", **{"gen_ai.agent.name": "helper"}),
    ]
    service = {"attributes": attributes({"service.name": "github-copilot"})}
    rows = read("traces", {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]})
    assert [row["kind"] for row in rows] == ["other", "request", "request_error", "tool", "tool", "subagent"]
    assert [row.get("success") for row in rows] == [None, None, False, True, False, None]
    keep(reader, *rows)
    (told,) = reader.query("SELECT * FROM session_rollup")
    assert (told["requests"], told["errors"], told["tools"]) == (1, 2, 2)
    assert (told["agent"], told["input_tokens"], told["cache_read_tokens"]) == ("copilot-cli", 60, 40)


def test_a_timeline_is_in_the_order_of_the_session_whatever_the_order_of_times(reader: Reader) -> None:
    first = [log(f"event_{number}", 5 - number, event__sequence=number) for number in range(1, 5)]
    resumed = [log(f"again_{number}", 20 - number, event__sequence=number) for number in range(1, 4)]
    without = log("unnumbered", 10)
    keep(reader, *read("logs", logs(*resumed, without, *first)))
    names = [row["name"].partition(".")[2] for row in queries.timeline(reader, "claude-code", SESSION)]
    assert names == ["event_1", "event_2", "event_3", "event_4", "unnumbered", "again_1", "again_2", "again_3"]
    assert queries.timeline(reader, "claude-code", "nobody") == []


def metrics(temporality: int, *points: tuple[float, float, float]) -> dict[str, Any]:
    """Points of (since, at, value), in seconds."""
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    made = [
        {"startTimeUnixNano": str(int(since * 1e9)), "timeUnixNano": str(int(at * 1e9)), "asDouble": value}
        for since, at, value in points
    ]
    metric = {
        "name": "claude_code.cost.usage",
        "unit": "USD",
        "sum": {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": made},
    }
    return {"resourceMetrics": [{"resource": service, "scopeMetrics": [{"metrics": [metric]}]}]}


@pytest.mark.parametrize(
    ("temporality", "points", "total"),
    [
        (1, [(1, 2, 0.5), (2, 3, 0.25), (3, 4, 0.25)], 1.0),
        (2, [(1, 2, 0.5), (1, 3, 0.75), (1, 4, 1.0)], 1.0),
        (2, [(1, 2, 0.5), (1, 3, 0.75), (9, 10, 0.1), (9, 11, 0.25)], 1.0),  # it was started again
    ],
)
def test_deltas_are_added_and_cumulative_series_are_not(
    reader: Reader, temporality: int, points: list[tuple[float, float, float]], total: float
) -> None:
    keep(reader, *read("metrics", metrics(temporality, *points)))
    (told,) = queries.metric_sums(reader)
    assert (told["name"], told["unit"], told["value"]) == ("claude_code.cost.usage", "USD", total)


def test_histograms_add_up_whatever_buckets_their_values_fell_into(reader: Reader) -> None:
    points = [
        {"attributes": attributes({"token_type": "input"}), "timeUnixNano": str(at), "count": "1", "sum": value,
         "bucketCounts": buckets, "explicitBounds": [100.0]}
        for at, value, buckets in ((1, 50.0, ["1", "0"]), (2, 200.0, ["0", "1"]))
    ]  # fmt: skip
    metric = {"name": "codex.turn.token_usage", "histogram": {"aggregationTemporality": 1, "dataPoints": points}}
    service = {"attributes": attributes({"service.name": "codex_exec"})}
    body = {"resourceMetrics": [{"resource": service, "scopeMetrics": [{"metrics": [metric]}]}]}
    keep(reader, *read("metrics", body))
    (told,) = queries.metric_sums(reader)
    assert told["value"] == 250.0
    assert json.loads(told["attributes"]) == {"token_type": "input"}
    (first, _) = reader.query("SELECT * FROM events ORDER BY position")
    assert json.loads(first["attributes"])["hookkit.histogram"]["bucket_counts"] == [1, 0]


def test_what_nobody_knows_is_kept_with_all_that_it_says() -> None:
    record = log("brand_new_event", 1, some__thing="x", flag=True, number=7)
    (row,) = read("logs", logs(record, service="somebody", team="blue"))
    assert (row["agent"], row["kind"], row["name"]) == ("claude-code", "other", "claude_code.brand_new_event")
    assert json.loads(row["attributes"]) == {
        "event.name": "brand_new_event", "session.id": SESSION, "some.thing": "x", "flag": True, "number": 7,
    }  # fmt: skip
    assert json.loads(row["resource"])["team"] == "blue"


_MESSAGES = {
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
}


@given(data=st.data(), signal=st.sampled_from(SIGNALS))
def test_whatever_comes_is_kept_whole_or_refused_and_raises_nothing_else(data: st.DataObject, signal: Signal) -> None:
    kept = logs(log("tool_result", 1, tool_use_id="t", duration_ms=data.draw(st.text(max_size=5))))
    whole = otlp.from_json("logs", json.dumps(kept).encode()).SerializeToString()
    body = bytearray(whole if data.draw(st.booleans()) else data.draw(st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + 1] = data.draw(st.binary(max_size=3))
    try:
        found = otlp.from_protobuf(signal, bytes(body))
    except otlp.MalformedError:
        return
    rows = list(OF_SIGNAL[signal](found, privacy.keeper("drop"), 1))
    assert len(rows) == count_records(signal, found)
    for row in rows:
        assert isinstance(json.loads(row["attributes"]), dict)
        json.dumps(row, allow_nan=False)


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceLogs", "scopeLogs", "logRecords", "attributes", "key", "value", "stringValue",
                         "intValue", "body", "resource", "traceId", "timeUnixNano", "arrayValue", "values", "x"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(odd=_ODD)
def test_json_of_any_shape_is_a_request_or_is_refused(odd: object) -> None:
    try:
        found = otlp.from_json("logs", json.dumps(odd).encode())
    except otlp.MalformedError:
        return
    assert len(list(OF_SIGNAL["logs"](found, privacy.keeper("drop"), 1))) == count_records("logs", found)
