"""The ports of a server: all are looked at before any is taken."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from hookkit.errors import HookkitError


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is wanted. title: what listens there. option: that names another one. number: 0 for any."""

    title: str
    option: str
    host: str
    number: int

    @property
    def place(self) -> str:
        return place(self.host, self.number)


def check(ports: Sequence[Port]) -> None:
    """HookkitError if one of them cannot be had, or two are the same. None of them is taken."""
    numbers = [port.number for port in ports if port.number]
    if len(numbers) != len(set(numbers)):
        raise HookkitError("SAME_PORT", "Two of the ports are the same.", "Name another one for one of them.")
    for port in ports:
        try:
            _bound(port).close()
        except OSError as error:
            raise _refusal(port, error) from error


def take(port: Port) -> socket.socket:
    """The socket of a port, bound and not yet listening. HookkitError if it cannot be had."""
    try:
        return _bound(port)
    except OSError as error:
        raise _refusal(port, error) from error


def place(host: str, number: int) -> str:
    """``127.0.0.1:7777``, ``[::1]:7777``."""
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def _bound(port: Port) -> socket.socket:
    found = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _refusal(port: Port, error: OSError) -> HookkitError:
    hint = f"Stop what listens there, or name another one: hookkit serve {port.option} {port.number + 10 or 0}"
    if isinstance(error, socket.gaierror):
        return HookkitError(
            "UNKNOWN_HOST", f"{port.host!r} is no address of this machine.", "hookkit serve --host 127.0.0.1"
        )
    if error.errno == errno.EADDRINUSE:
        return HookkitError("PORT_TAKEN", f"Port {port.number} ({port.title}) is taken.", hint)
    if error.errno == errno.EADDRNOTAVAIL:
        return HookkitError(
            "UNKNOWN_HOST", f"{port.host!r} is no address of this machine.", "hookkit serve --host 127.0.0.1"
        )
    return HookkitError("NO_PORT", f"Port {port.number} ({port.title}) cannot be had: {error.strerror}.", hint)
