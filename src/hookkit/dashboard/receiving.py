"""Receives telemetry beside the dashboard, and has the dashboard hear of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette

from hookkit.dashboard.guard import NoBrowsers
from hookkit.dashboard.ports import Port, place
from hookkit.errors import HookkitError
from hookkit.telemetry.forward import Forward
from hookkit.telemetry.grpc import serve_grpc
from hookkit.telemetry.http import routes
from hookkit.telemetry.intake import Intake


class Receiving:
    """The intake with what leads into it. app: to be served at the port for OTLP over HTTP."""

    def __init__(self, intake: Intake, forward: Forward | None) -> None:
        self.app = NoBrowsers(Starlette(routes=routes(intake)))
        self._intake, self._forward = intake, forward
        self._grpc: Any = None

    async def listen(self, port: Port) -> str:
        """Receive over gRPC; the address. HookkitError if the port is taken."""
        try:
            self._grpc, number = await serve_grpc(port.host, port.number, self._intake)
        except OSError as error:
            raise HookkitError(
                "PORT_TAKEN", f"Port {port.number} ({port.title}) cannot be had.", f"hookkit serve {port.option} 0"
            ) from error
        return place(port.host, number)

    async def close(self) -> None:
        """Answer what is under way, write what waits, and end."""
        if self._grpc is not None:
            await self._grpc.stop(2)
        await self._intake.close()
        if self._forward is not None:
            self._forward.close()


def receive(came: Callable[[], None], forward_to: str | None = None) -> Receiving:
    """Begin to receive; in the event loop. came: called when something was written. UsageError for a bad address."""
    forward = Forward(forward_to) if forward_to else None
    intake = Intake(forward=forward)
    intake.listeners.append(lambda _: came())
    return Receiving(intake, forward)


def address(taken: socket.socket, host: str) -> str:
    """Of a socket that is bound, as a URL."""
    return f"http://{place(host, taken.getsockname()[1])}"
