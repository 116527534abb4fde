"""The servers of one process: started together, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

from hookkit.errors import HookkitError

_GRACE = 2  # seconds for answers that are under way
_CONNECTIONS = 4096
_FILES = 3 * _CONNECTIONS  # open at a time: both servers' connections, and what is read for them
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


def allow_many_connections() -> None:
    """Raise how many files this process may have open, as far as it may: often 256 or 1,024, fewer than may listen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system may have another limit, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Stop:
    """SIGINT and SIGTERM, from when this is made, in the event loop, on. again: there was a second one."""

    def __init__(self) -> None:
        self.asked, self.again = asyncio.Event(), asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._signalled)

    def _signalled(self) -> None:
        (self.again if self.asked.is_set() else self.asked).set()


async def run(
    servers: Sequence[tuple[Server, socket.socket]],
    stop: Stop,
    started: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Run servers on sockets that are bound until they are to stop; a second signal ends what still goes on.

    started: called once all of them answer. stopping: called before they are asked to end. HookkitError if one of them
    cannot start.
    """
    running = [asyncio.create_task(each.serve(sockets=[place])) for each, place in servers]
    while not all(each.started for each, _ in servers) and not any(task.done() for task in running):
        await asyncio.sleep(0.01)
    try:
        if not all(each.started for each, _ in servers):
            raise HookkitError(
                "NOT_STARTED", "The server could not start.", "What it printed says why; please report it."
            )
        started()
        await _first(stop.asked, running)
    finally:
        stopping()
        for each, _ in servers:
            each.should_exit = True
        ended = asyncio.gather(*running)
        await _first(stop.again, [ended])
        for each, _ in servers:
            each.force_exit = True
        await ended


async def _first(
    event: asyncio.Event, others: Sequence[asyncio.Future[None]] | Sequence[asyncio.Future[list[None]]]
) -> None:
    """Wait for an event, or until one of the others is done."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait([waiting, *others], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
