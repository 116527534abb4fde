"""The servers of one process: started together, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

_GRACE = 2  # seconds for answers that are under way
_CONNECTIONS = 4096
_HEAD = 32 << 10  # bytes of the head of a request


class Server(uvicorn.Server):
    """One of several: signals are for whoever runs them all."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: ASGIApp) -> Server:
    """A server of an application."""
    return Server(
        uvicorn.Config(
            app,
            access_log=False,
            h11_max_incomplete_event_size=_HEAD,
            http="h11",
            limit_concurrency=_CONNECTIONS,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            ws="none",
        )
    )


async def run(
    servers: Sequence[tuple[Server, socket.socket]], started: Callable[[], None], stopping: Callable[[], None]
) -> None:
    """Run servers on sockets that are bound until SIGINT or SIGTERM; a second signal ends what still goes on.

    started: called once all of them answer. stopping: called before they are asked to end.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def signalled() -> None:
        for each, _ in servers:
            each.force_exit = each.force_exit or stop.is_set()
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, signalled)
    running = [asyncio.create_task(each.serve(sockets=[place])) for each, place in servers]
    try:
        while not all(each.started for each, _ in servers):
            if any(task.done() for task in running):
                break
            await asyncio.sleep(0.01)
        else:
            started()
            ended = asyncio.create_task(stop.wait())
            await asyncio.wait([ended, *running], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
    finally:
        stopping()
        for each, _ in servers:
            each.should_exit = True
        await asyncio.gather(*running)
