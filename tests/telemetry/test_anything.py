"""Whatever an exporter says, it can be written, read, closed into Parquet and summed up, and none of it is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.telemetry import otlp, privacy, queries
from hookkit.telemetry.journal import Journal
from hookkit.telemetry.otlp import SIGNALS, Signal
from hookkit.telemetry.programs import _COMMON, _SERVICES
from hookkit.telemetry.reader import Reader
from hookkit.telemetry.rows import OF_SIGNAL, count_records
from hookkit.telemetry.segments import Store, close_segment


def _pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


_TEXTS = st.text(max_size=12) | st.sampled_from(
    ["true", "nan", "-1", "9" * 30, "1e999", "\x00", "'", '"', "\\", "\u2028"]
)
_INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
_FLOATS = st.floats() | st.sampled_from(["NaN", "Infinity", "-Infinity"])
_PLAIN = st.one_of(
    st.builds(lambda value: {"stringValue": value}, _TEXTS),
    st.builds(lambda value: {"intValue": str(value)}, _INTEGERS),
    st.builds(lambda value: {"doubleValue": str(value).replace("inf", "Infinity").replace("nan", "NaN")}, _FLOATS),
    st.builds(lambda value: {"boolValue": value}, st.booleans()),
    st.just({"bytesValue": "AAEC"}),
    st.just({}),
)
_NAMES = st.sampled_from(sorted({name for names in _COMMON.values() for name in names})) | st.sampled_from(
    ["event.name", "gen_ai.operation.name", "cost_usd", "cost_usd_micros", "user.id", "prompt", ""]
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda values: {"arrayValue": {"values": values}}, st.lists(inner, max_size=3)),
        st.builds(
            lambda values: {"kvlistValue": {"values": values}}, st.lists(st.builds(_pair, _NAMES, inner), max_size=3)
        ),
    ),
    max_leaves=5,
)
_TIMES = st.integers(0, (1 << 64) - 1).map(str)


_ATTRIBUTES = st.lists(st.builds(_pair, _NAMES, _VALUES), max_size=6)
_KINDS = sorted({name for program in _SERVICES.values() for name in program.kinds})
_LOG = st.fixed_dictionaries(
    {"attributes": _ATTRIBUTES},
    optional={
        "timeUnixNano": _TIMES, "body": _VALUES | st.sampled_from(_KINDS).map(lambda name: {"stringValue": name}),
        "traceId": st.sampled_from(["", "00" * 16, "0a" * 16, "ff"]), "eventName": _TEXTS,
    },
)  # fmt: skip
_SPAN = st.fixed_dictionaries(
    {"attributes": _ATTRIBUTES, "name": _TEXTS},
    optional={
        "startTimeUnixNano": _TIMES, "endTimeUnixNano": _TIMES, "spanId": st.just("0b" * 8),
        "parentSpanId": st.sampled_from(["", "0c" * 8]), "status": st.sampled_from([{"code": 2, "message": "x"}, {}]),
        "events": st.lists(st.fixed_dictionaries({"attributes": _ATTRIBUTES, "name": _TEXTS}), max_size=2),
    },
)  # fmt: skip
_POINT = st.fixed_dictionaries(
    {"attributes": _ATTRIBUTES}, optional={"timeUnixNano": _TIMES, "startTimeUnixNano": _TIMES}
)
_SUM = st.builds(
    lambda points, values, kind: {
        "name": "m",
        "sum": {
            "aggregationTemporality": kind,
            "dataPoints": [point | {"asDouble": str(value)} for point, value in zip(points, values, strict=False)],
        },
    },
    st.lists(_POINT, max_size=3),
    st.lists(st.sampled_from(["NaN", "Infinity", "1.5", "-1e308"]), min_size=3, max_size=3),
    st.integers(0, 3),
)
_HISTOGRAM = st.builds(
    lambda points: {
        "name": "h",
        "histogram": {"dataPoints": [point | {"sum": "NaN", "explicitBounds": ["Infinity"]} for point in points]},
    },
    st.lists(_POINT, max_size=2),
)
_RECORDS = {"logs": _LOG, "traces": _SPAN, "metrics": _SUM | _HISTOGRAM}
_GROUPS = {
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
_SERVICE = st.sampled_from([*_SERVICES, "", "somebody"]).map(lambda name: _pair("service.name", {"stringValue": name}))


@pytest.mark.long
@given(data=st.data())
def test_whatever_is_said_can_be_written_read_closed_and_summed_up(data: st.DataObject) -> None:
    rows = []
    for signal in data.draw(st.lists(st.sampled_from(SIGNALS), min_size=1, max_size=4)):
        rows += _drawn(data, signal)
    with tempfile.TemporaryDirectory() as folder:
        place = Store(Path(folder))
        journal = Journal(place)
        if rows:
            journal.append(rows)
        journal.close()
        before = _told(place)
        assert len(before) == len(rows)
        with duckdb.connect() as connection:
            for number in place.open_segments():
                close_segment(connection, place, number)
        assert repr(_told(place)) == repr(before)  # no number is equal to itself if it is NaN


def _drawn(data: st.DataObject, signal: Signal) -> list[dict[str, Any]]:
    resources, scopes, records = _GROUPS[signal]
    said = {records: data.draw(st.lists(_RECORDS[signal], max_size=5))}
    resource = {"attributes": [data.draw(_SERVICE), *data.draw(_ATTRIBUTES)]}
    request = otlp.from_json(signal, json.dumps({resources: [{"resource": resource, scopes: [said]}]}).encode())
    again = otlp.from_protobuf(signal, request.SerializeToString())
    rows = list(OF_SIGNAL[signal](request, privacy.keeper("drop"), 1))
    assert repr(rows) == repr(list(OF_SIGNAL[signal](again, privacy.keeper("drop"), 1)))
    assert len(rows) == count_records(signal, request)
    return rows


def _told(place: Store) -> list[dict[str, Any]]:
    reader = Reader(place)
    try:
        reader.refresh()
        for session in reader.query("SELECT * FROM session_rollup"):
            queries.timeline(reader, session["agent"], session["session_id"])
        for by in ("model", "day"):
            queries.cost(reader, by)
        queries.tools(reader)
        queries.metric_sums(reader)
        return reader.query("SELECT * FROM events ORDER BY position")
    finally:
        reader.close()
