"""From a request of OTLP to rows: one pass, a row for each log record, span and point of a metric."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hookkit.telemetry.columns import Row
from hookkit.telemetry.privacy import Filter
from hookkit.telemetry.programs import OPERATIONS, Program, program

MOST_ATTRIBUTES = 128
LONGEST_TEXT = 64 << 10  # characters of an attribute; what is longer is cut, and says so
_LONGEST_NAME = 200
HISTOGRAM = "hookkit.histogram"  # among the attributes of a histogram's point: its count and its buckets
_DEEPEST = 16
_ALL = 1 << 63
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# No request takes more. A sum of some that say so would be more than a column holds, for everybody who asks.
_MOST_TOKENS, _MOST_MICROS = 10**12, 10**15
_TEMPORALITIES = {1: "delta", 2: "cumulative"}


def of_logs(request: Any, keep: Filter, received_us: int) -> Iterator[Row]:
    """The rows of an ExportLogsServiceRequest."""
    for group in request.resource_logs:
        head = _Head(group.resource, keep, received_us)
        for scope in group.scope_logs:
            for record in scope.log_records:
                attributes = _attributes(record.attributes, keep)
                body = keep("body", _value(record.body))
                name = _event_name(record, attributes, body)[:_LONGEST_NAME]
                about, row = head.of("log", scope.scope.name, name)
                _times(row, record.time_unix_nano or record.observed_time_unix_nano)
                _ids(row, record.trace_id, record.span_id)
                _fill(row, about, attributes)
                row["kind"] = _kind_of_event(about, name, attributes)
                if body is not None and body != name:
                    attributes.setdefault("body", body)
                yield _done(row, attributes)


def of_spans(request: Any, keep: Filter, received_us: int) -> Iterator[Row]:
    """The rows of an ExportTraceServiceRequest: one a span, what happened inside of it among its attributes."""
    for group in request.resource_spans:
        head = _Head(group.resource, keep, received_us)
        for scope in group.scope_spans:
            for span in scope.spans:
                attributes = _attributes(span.attributes, keep)
                about, row = head.of("span", scope.scope.name, span.name[:_LONGEST_NAME])
                _times(row, span.end_time_unix_nano or span.start_time_unix_nano)
                row["start_us"] = _us(span.start_time_unix_nano)
                _ids(row, span.trace_id, span.span_id, span.parent_span_id)
                if span.events:
                    attributes["span.events"] = [
                        {"name": event.name, "time_us": _us(event.time_unix_nano)} | _attributes(event.attributes, keep)
                        for event in span.events
                    ]
                _fill(row, about, attributes)
                if "duration_ms" not in row and span.end_time_unix_nano >= span.start_time_unix_nano > 0:
                    row["duration_ms"] = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
                failed = span.status.code == 2
                if failed:
                    row["success"] = False
                    row.setdefault("error", span.status.message[:LONGEST_TEXT] or "error")
                row["kind"] = _kind_of_span(about, attributes, failed, bool(span.parent_span_id))
                if row["kind"] == "tool":
                    row.setdefault("success", True)
                yield _done(row, attributes)


def of_metrics(request: Any, keep: Filter, received_us: int) -> Iterator[Row]:
    """The rows of an ExportMetricsServiceRequest, one a point. A histogram's value is its sum."""
    for group in request.resource_metrics:
        head = _Head(group.resource, keep, received_us)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                for point, value, temporality, more in _points(metric):
                    attributes = _attributes(point.attributes, keep)
                    about, row = head.of("metric", scope.scope.name, metric.name[:_LONGEST_NAME])
                    _times(row, point.time_unix_nano)
                    row["start_us"] = _us(point.start_time_unix_nano)
                    row["kind"] = "metric"
                    row["value"], row["temporality"] = float(value), temporality
                    if metric.unit:
                        row["unit"] = metric.unit[:_LONGEST_NAME]
                    _fill(row, about, attributes)
                    row["stream"] = _stream(metric.name, attributes, head.text)
                    yield _done(row, attributes | ({HISTOGRAM: more} if more else {}))


OF_SIGNAL: Mapping[str, Callable[[Any, Filter, int], Iterator[Row]]] = {
    "logs": of_logs,
    "traces": of_spans,
    "metrics": of_metrics,
}


class _Head:
    """What is the same for all rows of a resource."""

    def __init__(self, resource: Any, keep: Filter, received_us: int) -> None:
        self._attributes = _attributes(resource.attributes, keep)
        self.text = _dumps(self._attributes)
        self._service = str(self._attributes.get("service.name") or "unknown")[:_LONGEST_NAME]
        self._received_us = received_us
        self._known: dict[str, tuple[Program, Row]] = {}

    def of(self, signal: str, scope: str, name: str) -> tuple[Program, Row]:
        """Whose it is, and the beginning of a row. name: of the event, the span or the metric."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._begin(name)
        about, row = known
        return about, {**row, "signal": signal, "name": name, "scope": scope[:_LONGEST_NAME]}

    def _begin(self, name: str) -> tuple[Program, Row]:
        about = program(self._service, name)
        row = {"received_us": self._received_us, "service": self._service, "agent": about.agent or self._service}
        version = self._attributes.get("service.version")
        if version is not None:
            row["service_version"] = str(version)[:_LONGEST_NAME]
        said = _said(about, self._attributes)
        row |= {column: said[column] for column in ("session_id", "terminal", "agent_name") if column in said}
        return about, row | {"resource": self.text}


def _fill(row: Row, about: Program, attributes: Mapping[str, Any]) -> None:
    """Put what attributes say into columns; what the resource said is there where they say nothing."""
    row.update(_said(about, attributes))
    dollars = _number(attributes.get("cost_usd"))  # the whole of it: fractions of many requests add up
    micros = _number(attributes.get("cost_usd_micros")) if dollars is None else dollars * 1e6
    if micros is not None and abs(micros) < _MOST_MICROS:
        row["cost_micros"] = micros
    if about.thoughts and "output_tokens" in row:
        row["output_tokens"] += int(_number(attributes.get(about.thoughts)) or 0)
    if about.inclusive and row.get("cache_read_tokens") and "input_tokens" in row:
        row["input_tokens"] = max(0, row["input_tokens"] - row["cache_read_tokens"])


def _said(about: Program, attributes: Mapping[str, Any]) -> Row:
    """Columns that attributes fill: each by the first of its names that says something."""
    found: Row = {}
    ranks: dict[str, int] = {}
    places = _places(about)
    for name, value in attributes.items():
        for column, rank in places.get(name, ()):
            if value != "" and rank < ranks.get(column, rank + 1):
                ranks[column] = rank
                found[column] = value
    converted = ((column, _CONVERT[column](value)) for column, value in found.items())
    return {column: value for column, value in converted if value is not None}


@functools.cache
def _places(about: Program) -> Mapping[str, Sequence[tuple[str, int]]]:
    """Attribute -> the columns that it fills, and its rank among those that do."""
    found: dict[str, list[tuple[str, int]]] = {}
    for column, names in about.columns.items():
        for rank, name in enumerate(names):
            found.setdefault(name, []).append((column, rank))
    return found


def _kind_of_event(about: Program, name: str, attributes: Mapping[str, Any]) -> str:
    if name == "codex.sse_event" and "input_token_count" not in attributes:
        return "other"  # it tells of every piece of a stream; only one says what was used
    if name == "codex.api_request" and "error.message" in attributes:
        return "request_error"
    if not about.kinds and "gen_ai.operation.name" in attributes and not about.spans_count:
        return OPERATIONS.get(str(attributes["gen_ai.operation.name"]), "other")
    return about.kinds.get(name, "other")


def _kind_of_span(about: Program, attributes: Mapping[str, Any], failed: bool, is_inside: bool) -> str:
    if not about.spans_count:  # its events tell of the same
        return "other"
    kind = OPERATIONS.get(str(attributes.get("gen_ai.operation.name")), "other")
    if kind == "request" and failed:
        return "request_error"
    return "other" if kind == "subagent" and not is_inside else kind  # the outermost agent is nobody's


def _event_name(record: Any, attributes: Mapping[str, Any], body: object) -> str:
    """What the event is called: Claude Code's bodies are the whole names of what ``event.name`` says in short."""
    short = str(attributes.get("event.name") or record.event_name or "")
    if isinstance(body, str) and (body.endswith(f".{short}") if short else len(body) <= 200 and "\n" not in body):
        return body
    return short


def _done(row: Row, attributes: Mapping[str, Any]) -> Row:
    row["attributes"] = _dumps(attributes)
    return row


def _times(row: Row, nanoseconds: int) -> None:
    row["time_us"] = _us(nanoseconds) or row["received_us"]


def _ids(row: Row, trace_id: bytes, span_id: bytes, parent: bytes = b"") -> None:
    for column, value in (("trace_id", trace_id), ("span_id", span_id), ("parent_span_id", parent)):
        if value.strip(b"\0"):
            row[column] = value.hex()


def _us(nanoseconds: int) -> int:
    return min(nanoseconds, _ALL - 1) // 1000


def _points(metric: Any) -> Iterator[tuple[Any, float, str, dict[str, Any]]]:
    """(point, value, temporality, what there is besides) of every kind of metric."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    temporality = _TEMPORALITIES.get(getattr(data, "aggregation_temporality", 0), "gauge")
    for point in data.data_points:
        if kind in ("sum", "gauge"):
            yield point, point.as_int if point.WhichOneof("value") == "as_int" else point.as_double, temporality, {}
        else:
            more: dict[str, Any] = {"count": point.count}
            if kind == "histogram":
                bounds = [*map(_finite, point.explicit_bounds)]
                more |= {"bucket_counts": [*point.bucket_counts], "explicit_bounds": bounds}
            yield point, point.sum, temporality if kind != "summary" else "cumulative", more


def _stream(name: str, attributes: Mapping[str, Any], resource: str) -> str:
    said = _dumps([name, sorted(attributes.items(), key=lambda item: item[0]), resource])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _attributes(pairs: Iterable[Any], keep: Filter) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        key = pair.key
        value = keep(key, _value(pair.value))
        if value is None:
            continue
        if len(found) >= MOST_ATTRIBUTES:
            found["hookkit.attributes_left_out"] = found.get("hookkit.attributes_left_out", 0) + 1
            continue
        found[key if len(key) <= 256 else key[:256]] = value
    return found


def _value(value: Any, depth: int = 0) -> Any:
    """An AnyValue as JSON has it."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        text = value.string_value
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
    if kind is None or depth > _DEEPEST:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_value(each, depth + 1) for each in found.values]
    if kind == "kvlist_value":
        return {each.key: _value(each.value, depth + 1) for each in found.values}
    if kind == "bytes_value":
        return found[: LONGEST_TEXT // 2].hex()
    return _finite(found) if kind == "double_value" else found


def _finite(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)  # JSON has no such numbers


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else _dumps(value))[:_LONGEST_NAME]


def _long_text(value: Any) -> str:
    return value if isinstance(value, str) else _dumps(value)


def _number(value: Any) -> float | None:
    """A number, or the text of one; None for anything else, and for what no column can hold."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if -_ALL < found < _ALL else None


def _count(value: Any) -> int | None:
    if type(value) is int:  # as it is: not every one is a float
        return value if -_ALL < value < _ALL else None
    found = _number(value)
    return None if found is None else int(found)


def _tokens(value: Any) -> int | None:
    found = _count(value)
    return found if found is not None and abs(found) < _MOST_TOKENS else None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


# Column -> what makes of an attribute's value what it holds, or None.
_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "session_id": _text, "prompt_id": _text, "tool_use_id": _text, "tool_name": _text, "model": _text,
    "agent_name": _text, "decision": _text, "decision_source": _text, "terminal": _text, "error": _long_text,
    "sequence": _count, "prompt_length": _count, "duration_ms": _number, "success": _truth,
    "input_tokens": _tokens, "output_tokens": _tokens, "cache_read_tokens": _tokens, "cache_creation_tokens": _tokens,
}  # fmt: skip


def count_records(signal: str, request: Any) -> int:
    """How many records a request holds, as its answer counts them."""
    groups: Sequence[Any] = getattr(request, f"resource_{'spans' if signal == 'traces' else signal}")
    if signal == "logs":
        return sum(len(scope.log_records) for group in groups for scope in group.scope_logs)
    if signal == "traces":
        return sum(len(scope.spans) for group in groups for scope in group.scope_spans)
    return sum(
        sum(1 for _ in _points(metric)) for group in groups for scope in group.scope_metrics for metric in scope.metrics
    )
