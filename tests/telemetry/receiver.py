"""A receiver for tests, with real servers, and what real exporters send to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette

from hookkit.telemetry.grpc import serve_grpc
from hookkit.telemetry.http import routes
from hookkit.telemetry.intake import Intake
from hookkit.telemetry.reader import Reader
from hookkit.telemetry.segments import Store

SESSION = "0e0e0e0e-0000-4000-8000-000000000001"


@dataclass(slots=True)
class Receiver:
    """Addresses without a path; the intake, and its loop."""

    http: str
    grpc: str
    intake: Intake
    loop: asyncio.AbstractEventLoop

    def rows(self) -> list[dict[str, Any]]:
        """Everything that is on disk, in order of receipt."""
        return stored()


def stored(place: Store | None = None) -> list[dict[str, Any]]:
    reader = Reader(place)
    reader.refresh()
    try:
        return reader.query("SELECT * FROM events ORDER BY position")
    finally:
        reader.close()


@contextlib.contextmanager
def receiving(forward: Callable[[Any, bytes], None] | None = None) -> Iterator[Receiver]:
    """A receiver on free ports of loopback, in a thread."""
    ready: Future[Receiver] = Future()
    stop = threading.Event()

    async def serve() -> None:
        intake = Intake(forward=forward)
        config = uvicorn.Config(
            Starlette(routes=routes(intake)), port=0, log_level="error", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        over_grpc, grpc_port = await serve_grpc("127.0.0.1", 0, intake)
        ready.set_result(
            Receiver(f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", intake, asyncio.get_running_loop())
        )
        await asyncio.to_thread(stop.wait)
        await over_grpc.stop(1)
        server.should_exit = True
        await task
        await intake.close()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ready.result(20)
    finally:
        stop.set()
        thread.join(20)


def post(
    receiver: Receiver, body: bytes, kind: str = "application/json", path: str = "/v1/logs", **headers: str
) -> tuple[int, bytes]:
    """Status and body of the answer."""
    request = urllib.request.Request(
        receiver.http + path,
        body,
        {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


# Requests made by hand, as JSON


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    def value(of: Any) -> dict[str, Any]:
        if isinstance(of, bool):
            return {"boolValue": of}
        if isinstance(of, int):
            return {"intValue": str(of)}
        return {"doubleValue": of} if isinstance(of, float) else {"stringValue": str(of)}

    return [{"key": key, "value": value(of)} for key, of in values.items()]


def log(name: str, second: float = 0.0, **values: Any) -> dict[str, Any]:
    """An event as Claude Code sends it. Underscores that stand for dots are two."""
    given = {key.replace("__", "."): value for key, value in values.items()}
    return {
        "timeUnixNano": str(int((1_795_000_000 + second) * 1e9)),
        "body": {"stringValue": f"claude_code.{name}"},
        "attributes": attributes({"event.name": name, "session.id": SESSION} | given),
    }


def logs(*records: dict[str, Any], service: str = "claude-code", **resource: Any) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": attributes({"service.name": service, "service.version": "2.1.197"} | resource)
                },
                "scopeLogs": [{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": list(records)}],
            }
        ]
    }
