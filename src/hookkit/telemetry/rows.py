"""From a request of OTLP to rows: one pass, a row for each log record, span and point of a metric."""

from __future__ import annotations

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
_DEEPEST = 16
_ALL = 1 << 63
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_TEXTS = (
    "session_id", "prompt_id", "tool_use_id", "tool_name", "model", "agent_name", "decision", "decision_source",
    "error", "terminal",
)  # fmt: skip
_COUNTS = (
    "sequence", "input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens", "prompt_length",
)  # fmt: skip
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
                row = head.row("log", scope.scope.name, name)
                _times(row, record.time_unix_nano or record.observed_time_unix_nano)
                _ids(row, record.trace_id, record.span_id)
                about = head.program(name)
                _fill(row, about, attributes, head.attributes)
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
                row = head.row("span", scope.scope.name, span.name[:_LONGEST_NAME])
                _times(row, span.end_time_unix_nano or span.start_time_unix_nano)
                row["start_us"] = _us(span.start_time_unix_nano)
                _ids(row, span.trace_id, span.span_id, span.parent_span_id)
                about = head.program(span.name)
                if span.events:
                    attributes["span.events"] = [
                        {"name": event.name, "time_us": _us(event.time_unix_nano)} | _attributes(event.attributes, keep)
                        for event in span.events
                    ]
                _fill(row, about, attributes, head.attributes)
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
                    row = head.row("metric", scope.scope.name, metric.name[:_LONGEST_NAME])
                    _times(row, point.time_unix_nano)
                    row["start_us"] = _us(point.start_time_unix_nano)
                    row["kind"] = "metric"
                    row["value"], row["temporality"] = float(value), temporality
                    if metric.unit:
                        row["unit"] = metric.unit[:_LONGEST_NAME]
                    _fill(row, head.program(metric.name), attributes, head.attributes)
                    row["stream"] = _stream(metric.name, attributes, head.text)
                    yield _done(row, attributes | more)


OF_SIGNAL: Mapping[str, Callable[[Any, Filter, int], Iterator[Row]]] = {
    "logs": of_logs,
    "traces": of_spans,
    "metrics": of_metrics,
}


class _Head:
    """What is the same for all rows of a resource."""

    def __init__(self, resource: Any, keep: Filter, received_us: int) -> None:
        self.attributes = _attributes(resource.attributes, keep)
        self.text = _dumps(self.attributes)
        self.service = str(self.attributes.get("service.name") or "unknown")[:_LONGEST_NAME]
        self._programs: dict[str, Program] = {}
        self._row: Row = {"received_us": received_us, "service": self.service}
        version = self.attributes.get("service.version")
        if version is not None:
            self._row["service_version"] = str(version)[:_LONGEST_NAME]

    def program(self, name: str) -> Program:
        found = self._programs.get(name)
        if found is None:
            found = self._programs[name] = program(self.service, name)
        return found

    def row(self, signal: str, scope: str, name: str) -> Row:
        agent = self.program(name).agent or self.service
        own = {"signal": signal, "agent": agent, "name": name, "scope": scope[:_LONGEST_NAME]}
        return {**self._row, **own, "resource": self.text}


def _fill(row: Row, about: Program, attributes: Mapping[str, Any], resource: Mapping[str, Any]) -> None:
    """Put what attributes say into columns; what the resource says counts where the record itself says nothing."""
    for column, names in about.columns.items():
        for name in names:
            value = attributes.get(name)
            if value is None:
                value = resource.get(name) if column in ("session_id", "terminal", "agent_name") else None
            if value is not None and value != "":
                break
        else:
            continue
        if column in _TEXTS:
            text = value if isinstance(value, str) else _dumps(value)
            row[column] = text if column == "error" else text[:_LONGEST_NAME]
        elif column in _COUNTS:
            _put(row, column, _number(value, int))
        elif column == "success":
            _put(row, column, _truth(value))
        else:
            _put(row, column, _number(value, float))
    dollars = _number(attributes.get("cost_usd"), float)  # the whole of it: fractions of many requests add up
    micros = _number(attributes.get("cost_usd_micros"), float) if dollars is None else dollars * 1e6
    _put(row, "cost_micros", micros)
    if about.inclusive and row.get("cache_read_tokens") and "input_tokens" in row:
        row["input_tokens"] = max(0, row["input_tokens"] - row["cache_read_tokens"])


def _kind_of_event(about: Program, name: str, attributes: Mapping[str, Any]) -> str:
    if name == "codex.sse_event" and "input_token_count" not in attributes:
        return "other"  # it tells of every piece of a stream; only one says what was used
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
        value = keep(pair.key, _value(pair.value))
        if value is None:
            continue
        if len(found) >= MOST_ATTRIBUTES:
            found["hookkit.attributes_left_out"] = found.get("hookkit.attributes_left_out", 0) + 1
            continue
        found[pair.key[:256]] = value
    return found


def _value(value: Any, depth: int = 0) -> Any:
    """An AnyValue as JSON has it."""
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEEPEST:
        return None
    found = getattr(value, kind)
    if kind == "string_value":
        return found if len(found) <= LONGEST_TEXT else f"{found[:LONGEST_TEXT]}… ({len(found)} characters)"
    if kind == "array_value":
        return [_value(each, depth + 1) for each in found.values]
    if kind == "kvlist_value":
        return {each.key: _value(each.value, depth + 1) for each in found.values}
    if kind == "bytes_value":
        return found[: LONGEST_TEXT // 2].hex()
    return _finite(found) if kind == "double_value" else found


def _finite(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)  # JSON has no such numbers


def _put(row: Row, column: str, value: object) -> None:
    if value is not None:
        row[column] = value


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    """A number, or the text of one; None for anything else, and for what no column can hold."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = kind(float(value)) if isinstance(value, str) else kind(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if -_ALL < found < _ALL else None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


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
