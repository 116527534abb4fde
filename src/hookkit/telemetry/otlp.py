"""Requests of OTLP, from bytes: protobuf, and JSON as the protocol has it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Signal = Literal["logs", "metrics", "traces"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)

_REQUESTS: Mapping[Signal, type[Any]] = {
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_BYTES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_DEEPEST = 64


class MalformedError(ValueError):
    """It is no request of OTLP."""


def from_protobuf(signal: Signal, body: bytes) -> Any:
    """The request in a body of ``application/x-protobuf``. MalformedError if it is none.

    Programs in JavaScript cut texts anywhere, also in the middle of a character outside of the basic plane. Half of
    one is no UTF-8, and is read as U+FFFD, which is as long: one text must not cost all the others of a request.
    """
    try:
        return _REQUESTS[signal].FromString(body)
    except (DecodeError, RecursionError) as error:
        mended = _SURROGATE_BYTES.sub("\ufffd".encode(), body)
        if mended != body:
            return from_protobuf(signal, mended)
        raise MalformedError(f"The body is no protobuf message of {signal}: {error}") from None


def from_json(signal: Signal, body: bytes) -> Any:
    """The request in a body of ``application/json``. MalformedError if it is none; unknown fields are left out.

    OTLP writes ids in hexadecimal, where protobuf's own JSON has base64. Halves of characters are read as above.
    """
    try:
        found = json.loads(body)
        if not isinstance(found, dict):
            raise MalformedError(f"The body is no JSON object of {signal}.")
        return json_format.ParseDict(_with_base64(found, 0), _REQUESTS[signal](), ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.ParseError) as error:
        raise MalformedError(f"The body is no JSON of {signal}: {error}"[:500]) from None


def response(signal: Signal, rejected: int, message: str) -> Message:
    """The answer to a request: how many records were not kept, and why; nothing of that where all were."""
    if signal == "logs":
        if not message:
            return ExportLogsServiceResponse()
        return ExportLogsServiceResponse(
            partial_success=ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
        )
    if signal == "metrics":
        if not message:
            return ExportMetricsServiceResponse()
        return ExportMetricsServiceResponse(
            partial_success=ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=message)
        )
    if not message:
        return ExportTraceServiceResponse()
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    )


def to_json(message: Message) -> bytes:
    """An answer as JSON."""
    return str(json_format.MessageToJson(message, indent=None)).encode()


def _with_base64(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise MalformedError("The body is nested too deeply.")
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_with_base64(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(each)).decode()
        if key in _ID_KEYS and isinstance(each, str) and _HEX.fullmatch(each)
        else _with_base64(each, depth + 1)
        for key, each in value.items()
    }
