"""Requests of real exporters, and of others, over real servers: what is acknowledged is on disk."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import socket
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from .receiver import SESSION, Receiver, log, logs, post, receiving

RESOURCE = Resource({"service.name": "my-agent", "service.version": "1.0"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def exporters(receiver: Receiver, protocol: str) -> tuple[Any, Any, Any]:
    if protocol == "grpc":
        place = {"endpoint": receiver.grpc, "insecure": True, "timeout": 10}
        return GrpcLogs(**place), GrpcSpans(**place), GrpcMetrics(**place)
    packed = Compression.Gzip if protocol == "gzip" else Compression.NoCompression
    return (
        HttpLogs(f"{receiver.http}/v1/logs", compression=packed),
        HttpSpans(f"{receiver.http}/v1/traces", compression=packed),
        HttpMetrics(f"{receiver.http}/v1/metrics", compression=packed),
    )


@pytest.mark.parametrize("protocol", ["grpc", "http", "gzip"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_exporters_of_the_sdk_have_all_signals_kept(receiver: Receiver, protocol: str) -> None:
    of_logs, of_spans, of_metrics = exporters(receiver, protocol)
    logger_provider = LoggerProvider(RESOURCE)
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(of_logs))
    logger = logging.getLogger(f"telemetry.{protocol}")
    logger.setLevel(logging.INFO)
    logger.addHandler(LoggingHandler(logger_provider=logger_provider))
    logger.info("something happened", extra={"session.id": SESSION, "count": 3})
    tracer_provider = TracerProvider(resource=RESOURCE)
    tracer_provider.add_span_processor(SimpleSpanProcessor(of_spans))
    tracer = tracer_provider.get_tracer("tests")
    about = {"gen_ai.operation.name": "chat", "session.id": SESSION}
    with tracer.start_as_current_span("chat", attributes=about):
        tracer.start_span("execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}).end()
    meter_provider = MeterProvider([PeriodicExportingMetricReader(of_metrics, 1e9)], RESOURCE)
    counter = meter_provider.get_meter("tests").create_counter("calls", "1")
    counter.add(2, {"tool": "Bash"})
    counter.add(3, {"tool": "Bash"})
    meter_provider.force_flush()
    for provider in (logger_provider, tracer_provider, meter_provider):
        provider.shutdown()
    rows = receiver.rows()
    told = {(row["signal"], row["name"]): row for row in rows}
    assert set(told) == {("log", "something happened"), ("span", "chat"), ("span", "execute_tool"), ("metric", "calls")}
    assert all(row["agent"] == row["service"] == "my-agent" for row in rows)
    chat, tool = told["span", "chat"], told["span", "execute_tool"]
    assert (chat["kind"], tool["kind"], tool["success"]) == ("request", "tool", True)
    assert tool["trace_id"] == chat["trace_id"]
    assert tool["parent_span_id"] == chat["span_id"]
    assert chat["duration_ms"] > tool["duration_ms"] >= 0
    assert told["log", "something happened"]["session_id"] == chat["session_id"] == SESSION
    assert json.loads(told["log", "something happened"]["attributes"])["count"] == 3
    points = [row for row in rows if row["signal"] == "metric"]
    assert {row["value"] for row in points} == {5.0}
    assert points[0]["temporality"] == "cumulative"


def test_json_in_pieces_of_unknown_length_is_kept(receiver: Receiver) -> None:
    body = json.dumps(logs(log("user_prompt", prompt__id="p1", event__sequence=1, prompt_length=12))).encode()
    connection = http.client.HTTPConnection(urlsplit(receiver.http).netloc, timeout=20)
    connection.request(
        "POST",
        "/v1/logs",
        iter([body[:50], body[50:]]),
        {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {})
    connection.close()
    (row,) = receiver.rows()
    assert (row["name"], row["kind"], row["prompt_id"], row["session_id"]) == (
        "claude_code.user_prompt", "prompt", "p1", SESSION,
    )  # fmt: skip
    assert (row["sequence"], row["prompt_length"], row["agent"]) == (1, 12, "claude-code")
    assert row["time_us"] == 1_795_000_000_000_000


def test_a_request_that_is_sent_again_is_kept_once(receiver: Receiver) -> None:
    body = json.dumps(logs(log("tool_result", tool_use_id="toolu_1", tool_name="Bash", success="true"))).encode()
    assert [post(receiver, body)[0] for _ in range(3)] == [200, 200, 200]
    (row,) = receiver.rows()
    assert row["success"] is True


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status"),
    [
        (b"\xff\xff\xff", "application/x-protobuf", {}, 400),
        (b"{", "application/json", {}, 400),
        (b"[]", "application/json", {}, 400),
        (b'{"resourceLogs": 7}', "application/json", {}, 400),
        (b'{"resourceLogs": [' + b"[" * 5000, "application/json", {}, 400),
        (b"{}", "text/plain", {}, 415),
        (b"{}", "application/x-www-form-urlencoded", {}, 415),
        (b"{}", "application/json", {"Content_Encoding": "br"}, 415),
        (b"not gzip", "application/json", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-9], "application/json", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0) * 2, "application/json", {"Content_Encoding": "gzip"}, 400),
        (b"{}", "application/json", {"Origin": "http://evil.example"}, 403),
        (b"{}", "application/json", {"Origin": "null"}, 403),
        (b"{}", "application/json", {"Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
def test_what_is_no_request_is_refused_and_leaves_nothing(
    receiver: Receiver, body: bytes, kind: str, headers: dict[str, str], status: int
) -> None:
    got, said = post(receiver, body, kind, **headers)
    assert got == status
    assert said.decode().strip()
    assert post(receiver, json.dumps(logs(log("at_mention"))).encode())[0] == 200
    assert [row["name"] for row in receiver.rows()] == ["claude_code.at_mention"]


def test_a_bomb_is_refused_before_it_is_unpacked(receiver: Receiver) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 1 << 20
    status, said = post(receiver, bomb, Content_Encoding="gzip")
    assert (status, said) == (413, b"More than 32 MiB when unpacked.\n")


def test_a_body_that_is_too_large_is_refused(receiver: Receiver) -> None:
    place = urlsplit(receiver.http)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as sending:
        sending.sendall(
            b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n"
        )
        assert sending.recv(64).startswith(b"HTTP/1.1 413 ")


def test_huge_attributes_are_cut_and_too_many_are_counted(receiver: Receiver) -> None:
    record = log("tool_result", tool_input="x" * 200_000)
    record["attributes"] += [{"key": f"a{number}", "value": {"intValue": number}} for number in range(500)]
    assert post(receiver, json.dumps(logs(record)).encode())[0] == 200
    (row,) = receiver.rows()
    kept = json.loads(row["attributes"])
    assert kept["tool_input"] == "x" * 65_536 + "… (200000 characters)"
    assert kept["hookkit.attributes_left_out"] == 375
    assert len(kept) == 129


def test_when_too_much_waits_the_sender_is_told_to_come_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver.intake, "_bytes", 1 << 30)
    request = urllib.request.Request(
        f"{receiver.http}/v1/logs", b"{}", {"Content-Type": "application/json"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    with refused.value:
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "1")
    assert receiver.rows() == []


def test_when_the_disk_is_full_nobody_is_told_that_it_was_kept(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_rows: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(receiver.intake._journal, "append", full)
        assert post(receiver, json.dumps(logs(log("at_mention"))).encode())[0] == 503
    assert post(receiver, json.dumps(logs(log("at_mention"))).encode())[0] == 200
    assert len(receiver.rows()) == 1


def test_what_was_kept_is_told_to_listeners_and_counted_for_doctor(receiver: Receiver) -> None:
    from hookkit.telemetry.arrived import arrivals

    told: list[int] = []
    receiver.intake.listeners.append(told.append)
    assert post(receiver, json.dumps(logs(log("at_mention"), log("compaction"))).encode())[0] == 200
    (first, last) = receiver.rows()
    assert told == [last["position"]]
    assert last["position"] == first["position"] + 1
    assert arrivals()["claude-code"]["log"]["count"] == 2


def test_names_of_persons_and_accounts_do_not_reach_the_disk(receiver: Receiver) -> None:
    record = log(
        "user_prompt", user__email="ann@example.org", user__account_uuid="4711-0815", organization__id="org-1",
        user__id="abcdef", user__account_id="77-11",
    )  # fmt: skip
    assert post(receiver, json.dumps(logs(record, **{"user.email": "ann@example.org"})).encode())[0] == 200
    (row,) = receiver.rows()
    said = json.dumps(row)
    for secret in ("ann@", "4711-0815", "org-1", "abcdef", "77-11"):
        assert secret not in said
    assert json.loads(row["attributes"])["user.id"].startswith("hashed:")
