"""A collector on loopback that keeps every export it is sent, as OTLP/JSON, whatever the protocol was.

with OtlpReceiver() as receiver:
    ... run an agent that exports to receiver.endpoint("grpc") or receiver.endpoint("http/json") ...
    receiver.exports     # what arrived, in order
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Json = dict[str, Any]

# Signal -> the messages of an export and of its answer, and the service that takes it over gRPC.
SIGNALS: dict[str, tuple[type[Message], type[Message], str]] = {
    "logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, "logs.v1.LogsService"),
    "metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse, "metrics.v1.MetricsService"),
    "traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, "trace.v1.TraceService"),
}
# The parts of an export, from the outside in, by signal.
_PARTS = {
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "traces": ("resourceSpans", "scopeSpans", "spans"),
}
_SINGULAR = {"logs": "log", "metrics": "metric", "traces": "span"}
_SESSION = ("session.id", "conversation.id", "gen_ai.conversation.id", "thread_id")
IDS = frozenset({"traceId", "spanId", "parentSpanId"})


@dataclass(frozen=True, slots=True)
class Export:
    """One export request. signal: logs, metrics or traces; protocol: as OTEL_EXPORTER_OTLP_PROTOCOL names it."""

    signal: str
    protocol: str
    body: Json

    def records(self) -> Iterator[tuple[Json, Json]]:
        """(attributes of the resource, log record or metric or span)."""
        outer, middle, inner = _PARTS[self.signal]
        for resource in self.body.get(outer, ()):
            about = attributes(resource.get("resource", {}))
            for scope in resource.get(middle, ()):
                for record in scope.get(inner, ()):
                    yield about, record


def attributes(holder: Json) -> Json:
    """The attributes of a record, plain: integers as int, whatever the protocol wrote."""
    return {item["key"]: _plain(item.get("value", {})) for item in holder.get("attributes", ())}


def _plain(value: Json) -> Any:
    for kind, held in value.items():
        match kind:
            case "intValue":
                return int(held)
            case "arrayValue":
                return [_plain(item) for item in held.get("values", ())]
            case "kvlistValue":
                return attributes({"attributes": held.get("values", ())})
            case _:
                return held
    return None


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was told. signal: log, metric or span; attributes: its own, and those of its resource."""

    signal: str
    name: str
    attributes: Json

    @property
    def session(self) -> str | None:
        """The session that it is about, under whichever name the agent gives it."""
        return next((self.attributes[name] for name in _SESSION if name in self.attributes), None)


class OtlpReceiver:
    """Takes exports on two ports of the system's choice, over gRPC and over HTTP (protobuf and JSON)."""

    def __init__(self) -> None:
        self.exports: list[Export] = []
        self.failures: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        self._grpc.add_generic_rpc_handlers(tuple(self._service(signal) for signal in SIGNALS))
        self._grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()

    def endpoint(self, protocol: str) -> str:
        """The base URL for a protocol."""
        return f"http://127.0.0.1:{self._grpc_port if protocol == 'grpc' else self._http.server_address[1]}"

    def seen(self) -> list[Seen]:
        """Every log record, span and point of a metric so far."""
        return [
            Seen(_SINGULAR[export.signal], _name(export.signal, record), about | attributes(holder))
            for export in [*self.exports]
            for about, record in export.records()
            for holder in _holders(record)
        ]

    def wait_for(self, what: Callable[[Seen], bool], seconds: float) -> bool:
        """Whether such a thing arrives within that time."""
        end = time.monotonic() + seconds
        while not any(map(what, self.seen())):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._grpc.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def take(self, signal: str, protocol: str, data: bytes) -> None:
        if protocol == "http/json":
            body = json.loads(data)
        else:
            message = SIGNALS[signal][0]()
            message.ParseFromString(data)
            body = _hexadecimal(MessageToDict(message))
        self.exports.append(Export(signal, protocol, body))

    def _service(self, signal: str) -> grpc.GenericRpcHandler:
        _, answer, service = SIGNALS[signal]

        def export(request: bytes, _context: grpc.ServicerContext) -> Message:
            self.take(signal, "grpc", request)
            return answer()

        method = grpc.unary_unary_rpc_method_handler(export, None, lambda message: message.SerializeToString())
        return grpc.method_handlers_generic_handler(f"opentelemetry.proto.collector.{service}", {"Export": method})


def _holders(record: Json) -> Iterator[Json]:
    """What holds the attributes: of a metric, each of its points."""
    kinds = ("sum", "gauge", "histogram", "exponentialHistogram", "summary")
    found = [record[kind] for kind in kinds if kind in record]
    yield from (point for kind in found for point in kind.get("dataPoints", ())) if found else (record,)


def _name(signal: str, record: Json) -> str:
    if signal != "logs":
        return str(record["name"])
    told = attributes(record).get("event.name") or record.get("eventName") or record.get("body", {}).get("stringValue")
    return str(told)


def _hexadecimal(value: Any) -> Any:
    """Ids as OTLP/JSON writes them: in hexadecimal, where JSON of protobuf is in base 64."""
    match value:
        case list():
            return [_hexadecimal(item) for item in value]
        case dict():
            return {
                key: base64.b64decode(item).hex() if key in IDS else _hexadecimal(item) for key, item in value.items()
            }
        case _:
            return value


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            data = b"".join(self._chunks())
            if self.headers.get("content-encoding") == "gzip":
                data = gzip.decompress(data)
            kind = self.headers.get("content-type", "").partition(";")[0]
            signal = self.path.rpartition("/v1/")[2]
            protocol = "http/json" if kind == "application/json" else "http/protobuf"
            try:
                receiver.take(signal, protocol, data)
            except Exception as error:
                receiver.failures.append(f"{self.path} {kind}: {error!r}")
                self.send_error(400)
                return
            body = b"{}" if protocol == "http/json" else b""
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _chunks(self) -> Iterator[bytes]:
            """The body; some agents send it in chunks, without saying how long it is."""
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                yield self.rfile.read(int(self.headers.get("content-length") or 0))
                return
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass

    return Handler
