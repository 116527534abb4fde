"""Trace files: the truth. Written by replace, so that a reader sees the old one or the new one."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable
from pathlib import Path

from hookkit import paths


def trace_path(trace_id: str) -> Path:
    """The file of a trace, whether it exists or not."""
    return paths.traces() / f"{trace_id}.json"


def replace_file(path: Path, pieces: Iterable[bytes], *, durable: bool = True) -> os.stat_result:
    """Write a file of the user's alone (0600) by way of a temporary one beside it; gives the new file's stat.

    durable: make sure that it survives a power cut; not worth its time for what can be made again. The caller is the
    only writer of ``path``. What a killed one left behind goes with the next success.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb", buffering=1 << 20) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            if durable:
                os.fsync(descriptor)
            found = os.fstat(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
    return found


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
