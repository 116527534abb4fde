"""`hookkit _ingest-session`: what a hook starts at the end of a turn. Nobody reads its output, so it has none."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import click

from hookkit import paths

_MOST_LOG = 256 << 10  # bytes; then the log starts anew and the old one is kept once


@click.command(hidden=True)
@click.argument("transcript", type=click.Path(path_type=Path))
@click.option("--project", type=click.Path(path_type=Path))
@click.option("--agent", default="claude-code")
def command(transcript: Path, project: Path | None, agent: str) -> int:
    """Bring the trace of the session in TRANSCRIPT up to date. Exit code 1 after a failure, which is in ingest.log."""
    try:
        from hookkit.capture.ingest import ingest_abandoned, ingest_session

        ingest_session(transcript, project, agent=agent, wait=True)
        for result in ingest_abandoned(project, agent=agent) if project else ():
            if result.error:
                _log(f"{result.transcript}\n{result.error}")
    except Exception:
        import traceback

        _log(f"{transcript}\n{traceback.format_exc()}")
        return 1
    return 0


def _log(message: str) -> None:
    with contextlib.suppress(OSError):
        path = paths.private_dir(paths.state()) / "ingest.log"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > _MOST_LOG:
                path.replace(path.with_name("ingest.log.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {message}\n")
