"""One server at a time: a second one says where the first one listens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from hookkit import paths
from hookkit.errors import HookkitError


class Instance:
    """The one server of this state folder. The lock goes with its process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, addresses: Mapping[str, Any]) -> None:
        """Leave word where it listens."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(dict(addresses)).encode(), 0)


@contextlib.contextmanager
def only() -> Iterator[Instance]:
    """Be the only one. HookkitError, with the address of the other, if there is one."""
    folder = paths.private_dir(paths.state())
    descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(os.pread(descriptor, 1 << 16, 0)) from None
        os.ftruncate(descriptor, 0)
        yield Instance(descriptor)
    finally:
        os.close(descriptor)


def _taken(said: bytes) -> HookkitError:
    try:
        told = json.loads(said)
        where, process = f" at {told['address']}", f" (kill {told['pid']})"
    except (ValueError, KeyError, TypeError):
        where = process = ""
    return HookkitError("ALREADY_SERVING", f"hookkit serves already{where}.", f"Open that, or stop it first{process}.")
