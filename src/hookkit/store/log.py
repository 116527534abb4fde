"""What went wrong where nobody looks on: the log of the detached runs."""

from __future__ import annotations

import contextlib
import os
import time

from hookkit import paths

_MOST = 256 << 10  # bytes; then the log starts anew and the old one is kept once


def log(message: str) -> None:
    """Append to ingest.log in the state folder. Never fails: there is nobody to tell."""
    with contextlib.suppress(OSError):
        path = paths.private_dir(paths.state()) / "ingest.log"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > _MOST:
                path.replace(path.with_name("ingest.log.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {message}\n")
