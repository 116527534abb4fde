"""A server that is killed while many send, and while it closes segments, loses nothing that it acknowledged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable

import grpc
import pytest

from hookkit.telemetry import otlp, segments

from .receiver import log, logs, post, receiving, stored

_SERVER = """
import asyncio, functools, sys
import uvicorn
from starlette.applications import Starlette
from hookkit.telemetry import intake
from hookkit.telemetry.grpc import serve_grpc
from hookkit.telemetry.http import routes
intake.Journal = functools.partial(intake.Journal, most_bytes=30_000)  # so that there are always some to close
intake._ROLL_EVERY = 0.02
async def main():
    taking = intake.Intake()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes(taking)), port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    _, port = await serve_grpc("127.0.0.1", 0, taking)
    print(server.servers[0].sockets[0].getsockname()[1], port, flush=True)
    await serving
asyncio.run(main())
"""
_RECORDS = 7  # in each request


def over_http(port: int) -> Callable[[bytes], bool]:
    def send(body: bytes) -> bool:
        kind = {"Content-Type": "application/x-protobuf"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/logs", body, kind)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return send


def over_grpc(port: int) -> Callable[[bytes], bool]:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    export = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")

    def send(body: bytes) -> bool:
        try:
            export(body, timeout=10)
        except grpc.RpcError:
            return False
        return True

    return send


@pytest.mark.long
@pytest.mark.parametrize("after", [20, 150, 500])
def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(after: int) -> None:
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    http_port, grpc_port = map(int, server.stdout.readline().split())
    acknowledged: list[str] = []
    sent: list[str] = []
    enough = threading.Event()

    def send(sender: int, export: Callable[[bytes], bool]) -> None:
        for number in range(100_000):
            name = f"{sender}.{number}"
            records = [log("at_mention", tool_use_id=f"{name}.{each}", text="x" * 200) for each in range(_RECORDS)]
            body = otlp.from_json("logs", json.dumps(logs(*records)).encode()).SerializeToString()
            sent.append(name)
            if not export(body):
                return
            acknowledged.append(name)
            if len(acknowledged) >= after:
                enough.set()

    ways = [over_http(http_port), over_http(http_port), over_grpc(grpc_port), over_grpc(grpc_port)]
    threads = [threading.Thread(target=send, args=each) for each in enumerate(ways)]
    for thread in threads:
        thread.start()
    try:
        assert enough.wait(60)
    finally:
        server.kill()
        for thread in threads:
            thread.join()
        server.stdout.close()
    assert server.wait() == -signal.SIGKILL
    check(acknowledged, sent)
    with receiving() as receiver:  # the next one closes what the killed one left, and goes on
        receiver.intake.roll()
        assert post(receiver, json.dumps(logs(log("at_mention", tool_use_id="new.0.0"))).encode())[0] == 200
    check(acknowledged, sent, 1)
    place = segments.store()
    assert not set(place.open_segments()) & set(place.closed_segments())
    assert len(place.open_segments()) == 1
    if after > 100:
        assert len(place.closed_segments()) > 3


def check(acknowledged: list[str], sent: list[str], more: int = 0) -> None:
    rows = [row for row in stored() if row["tool_use_id"] != "new.0.0"]
    assert len({row["position"] for row in rows}) == len(rows)
    found = Counter(row["tool_use_id"].rpartition(".")[0] for row in rows)
    assert {found[name] for name in acknowledged} == {_RECORDS}
    assert set(found) <= set(sent)
    assert len(stored()) == len(rows) + more
    assert max(Counter(row["tool_use_id"] for row in rows).values()) == 1
