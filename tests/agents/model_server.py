"""A scripted model server on loopback: real coding agents run against it, and no request leaves the machine.

with ModelServer([ClaudeCode().wire()]) as server:
    server.play(Script([[Write("/repo/a.txt", "x\\n")], [Text("Done.")]]))
    ... run the agent with server.url as its base URL ...
    server.requests     # what the agent sent, turn by turn
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from .script import ApiError, Delay, Position, Script, Turn
from .wire import Answer, Json, Wire


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answered request of a conversation. answer: the body, once it was sent."""

    position: Position
    request: Json
    answer: bytearray = field(default_factory=bytearray)


class ModelServer:
    """Serves one script at a time on 127.0.0.1, at a port of the system's choice."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._wires = wires
        self._script = Script([])
        self._closing = threading.Event()
        self.requests: list[Recorded] = []
        self.failures: list[str] = []
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def play(self, script: Script) -> None:
        """Answer from ``script`` from now on, and forget the requests seen so far."""
        self._script = script
        self.requests = []

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def answer(self, path: str, body: bytes) -> Answer:
        wire = next((wire for wire in self._wires if wire.serves(path)), None)
        if wire is None:
            return Answer(404, "application/json", [b"{}"])
        request: Json = json.loads(body or b"{}")
        aside = wire.housekeeping(path, request)
        if aside is not None:
            return aside
        position = wire.position(request)
        recorded = Recorded(position, request)
        self.requests.append(recorded)
        answer = self._turn(wire, position, request)
        chunks = list(answer.chunks)
        recorded.answer.extend(b"".join(chunks))
        return replace(answer, chunks=chunks)

    def _turn(self, wire: Wire, position: Position, request: Json) -> Answer:
        said: list[Any] = []
        turn: Turn = self._script.turn(position.conversation, position.answered)
        for action in turn:
            match action:
                case Delay(seconds):
                    self._closing.wait(seconds)
                case ApiError(status, message):
                    return wire.failure(status, message)
                case _:
                    said.append(action)
        return wire.render(request, position, said)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed agent drops its connections; that is no news."""


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._send(Answer(200, "application/json", []))

        def do_GET(self) -> None:
            self._send(Answer(200, "application/json", [b'{"data":[],"models":[]}']))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                answer = server.answer(self.path.partition("?")[0], body)
            except Exception as error:
                server.failures.append(f"{self.path}: {error!r}")
                answer = Answer(500, "text/plain", [repr(error).encode()])
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            chunks = list(answer.chunks)
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(sum(map(len, chunks))))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                for chunk in chunks:
                    self.wfile.write(chunk)

    return Handler
