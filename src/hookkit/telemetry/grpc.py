"""OTLP over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hookkit.telemetry import otlp
from hookkit.telemetry.http import MOST_HELD
from hookkit.telemetry.intake import BusyError, Intake, NotKeptError
from hookkit.telemetry.otlp import Signal

_SERVICES: dict[str, Signal] = {
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
}
_OPTIONS = [
    ("grpc.max_receive_message_length", MOST_HELD),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.so_reuseport", 0),  # another server on the port is an error, and not a colleague
]


async def serve_grpc(host: str, port: int, intake: Intake) -> tuple[grpc.aio.Server, int]:
    """A started server, and its port. Bytes are handed over as they are: the intake decodes them in its own thread.

    OSError if the port is taken.
    """
    server = grpc.aio.server(options=_OPTIONS)
    for service, signal in _SERVICES.items():
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            _receiver(intake, signal)
        )  # no codecs: bytes in, bytes out
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(place)
    except RuntimeError as error:
        raise OSError(f"{place} cannot be used: {error}") from None
    await server.start()
    return server, bound


def _receiver(intake: Intake, signal: Signal) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def receive(body: bytes, context: Any) -> bytes:
        try:
            accepted = await intake.accept(signal, body)
        except otlp.MalformedError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except BusyError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Too much waits to be written: try again.")
        except NotKeptError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"It could not be written: {error}")
        answer: bytes = otlp.response(signal, accepted.rejected, accepted.message).SerializeToString()
        return answer

    return receive
