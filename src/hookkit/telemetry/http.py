"""OTLP over HTTP: ``/v1/logs``, ``/v1/metrics``, ``/v1/traces``, in protobuf and JSON."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hookkit.telemetry import otlp
from hookkit.telemetry.intake import Accepted, BusyError, Intake, NotKeptError
from hookkit.telemetry.otlp import SIGNALS, Signal

MOST_SENT = 8 << 20  # bytes as they come
MOST_HELD = 32 << 20  # bytes once they are unpacked
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def routes(intake: Intake) -> list[Route]:
    """The routes of a receiver.

    Whoever sent a request is told 200 once what it holds is on disk. 400: it is no request; 403: a web page sent it;
    413: it is too large; 415: of another kind; 503, with Retry-After: too much waits, or the disk is full.
    """
    return [Route(f"/v1/{signal}", _receiver(intake, signal), methods=["POST"]) for signal in SIGNALS]


def _receiver(intake: Intake, signal: Signal) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def receive(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = kind == _JSON
        try:
            _check(request, kind)
            body = await _body(request)
            accepted = await intake.accept(signal, body, is_json=is_json)
        except _RefusedError as refused:
            return _answer(refused.status, str(refused))
        except otlp.MalformedError as error:
            return _answer(400, str(error))
        except BusyError as busy:
            return _answer(503, "Too much waits to be written: try again.", {"Retry-After": str(busy.seconds)})
        except NotKeptError as error:
            return _answer(503, f"It could not be written: {error}", {"Retry-After": "10"})
        except ClientDisconnect:
            return Response(status_code=400)
        return _said(signal, accepted, kind, is_json)

    return receive


def _check(request: Request, kind: str) -> None:
    # Exporters are no pages. A page can post text, but neither of these types without being asked for leave, which
    # nobody gives; and what comes from a page says so.
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise _RefusedError(403, "Web pages do not send telemetry.")
    if kind not in (_PROTOBUF, _JSON):
        raise _RefusedError(415, f"Content-Type is {kind or 'missing'}; {_PROTOBUF} and {_JSON} are understood.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MOST_SENT:
        raise _RefusedError(413, f"More than {MOST_SENT >> 20} MiB.")


async def _body(request: Request) -> bytes:
    """The body, unpacked, never more of it in memory than is allowed."""
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "deflate", ""):
        raise _RefusedError(415, f"Content-Encoding {packing!r} is not understood; gzip and deflate are.")
    unpack = zlib.decompressobj(47) if packing in ("gzip", "deflate") else None
    pieces, sent, held = [], 0, 0
    async for piece in request.stream():
        sent += len(piece)
        if sent > MOST_SENT:
            raise _RefusedError(413, f"More than {MOST_SENT >> 20} MiB.")
        try:
            found = unpack.decompress(piece, MOST_HELD - held + 1) if unpack else piece
        except zlib.error as error:
            raise _RefusedError(400, f"It is not packed as its Content-Encoding says: {error}") from None
        held += len(found)
        if held > MOST_HELD:
            raise _RefusedError(413, f"More than {MOST_HELD >> 20} MiB when unpacked.")
        pieces.append(found)
    if unpack is not None and sent and not unpack.eof:
        raise _RefusedError(400, "It ends in the middle.")
    if unpack is not None and unpack.unused_data:  # left out, it would be acknowledged and lost
        raise _RefusedError(400, "Something follows what was packed.")
    return b"".join(pieces)


def _said(signal: Signal, accepted: Accepted, kind: str, is_json: bool) -> Response:
    message = otlp.response(signal, accepted.rejected, accepted.message)
    content = otlp.to_json(message) if is_json else message.SerializeToString()
    return Response(content, media_type=kind)


def _answer(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(message + "\n", status, headers, "text/plain")
