"""Telemetry goes on to another collector, whatever state that is in, and nobody waits for it."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from hookkit.errors import UsageError
from hookkit.telemetry import otlp
from hookkit.telemetry.forward import MOST_WAITING, Forward
from tests.waiting import wait_for

from .receiver import log, logs, receiving, stored


class Collector(http.server.ThreadingHTTPServer):
    answers: list[int]
    got: list[tuple[str, bytes]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = server.answers.pop(0) if server.answers else 200
            if status == 200:
                server.got.append((self.path, body))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            server.got.append((self.path, b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = Collector(("127.0.0.1", 0), Handler)
    server.answers, server.got = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(collector: Collector) -> str:
    return f"http://127.0.0.1:{collector.server_address[1]}/"


def test_what_comes_as_json_goes_on_as_protobuf_with_all_that_it_said(collector: Collector) -> None:
    forward = Forward(address(collector))
    with receiving(forward) as receiver:
        body = json.dumps(logs(log("at_mention", user__email="ann@example.org"))).encode()
        sent = urllib.request.Request(f"{receiver.http}/v1/logs", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(sent, timeout=20).close()
        wait_for(lambda: collector.got)
    forward.close()
    ((path, got),) = collector.got
    assert path == "/v1/logs"
    (group,) = otlp.from_protobuf("logs", got).resource_logs
    assert "ann@example.org" in str(group)
    assert "ann@" not in str(stored())


def test_a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not(collector: Collector) -> None:
    collector.answers += [503, 429, 200, 400, 200, 302]
    forward = Forward(address(collector), pause=0.01)
    forward("logs", b"first")
    forward("traces", b"second")
    forward("metrics", b"third")
    forward("logs", b"fourth")
    forward.close()
    assert collector.got == [("/v1/logs", b"first"), ("/v1/metrics", b"third")]
    assert (forward.sent, forward.lost) == (2, 2)


def test_a_collector_that_is_away_costs_nobody_time(free_port: int) -> None:
    forward = Forward(f"http://127.0.0.1:{free_port}", pause=10)
    for _ in range(80):
        forward("logs", bytes(1 << 20))
    assert forward.lost == 80 - (MOST_WAITING >> 20)
    forward.close(0.1)


def test_an_answer_that_is_no_http_ends_nothing(collector: Collector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer() -> None:
            for _ in range(2):
                connection, _address = odd.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"SSH-2.0-odd\r\n")
            odd.close()

        thread = threading.Thread(target=answer)
        thread.start()
        forward = Forward(f"http://127.0.0.1:{odd.getsockname()[1]}", pause=0.01)
        forward("logs", b"first")
        forward("logs", b"second")
        forward.close()
        thread.join()
    assert (forward.sent, forward.lost) == (0, 2)


@pytest.mark.parametrize(
    "url", ["collector:4318", "", "ftp://x", "http://", "http://x:port", "http://x:70000", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a collector"):
        Forward(url)
