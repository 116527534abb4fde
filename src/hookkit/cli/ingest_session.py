"""`hookkit _ingest-session`: what a hook starts at the end of a turn. Nobody reads its output, so it has none."""

from __future__ import annotations

from pathlib import Path

import click

from hookkit.store.log import log


@click.command(hidden=True)
@click.argument("transcript", required=False, type=click.Path(path_type=Path))
@click.option("--session", help="The session's id, where the hook knows no transcript.")
@click.option("--project", type=click.Path(path_type=Path))
@click.option("--agent", default="claude-code")
def command(transcript: Path | None, session: str | None, project: Path | None, agent: str) -> int:
    """Bring the trace of a session up to date. Exit code 1 after a failure, which is in ingest.log."""
    try:
        from hookkit.capture.ingest import ingest_abandoned, ingest_session

        ingest_session(transcript or session or "", project, agent=agent, wait=True)
        for result in ingest_abandoned(project, agent=agent) if project else ():
            if result.error:
                log(f"{result.transcript}\n{result.error}")
    except Exception:
        import traceback

        log(f"{transcript or session}\n{traceback.format_exc()}")
        return 1
    return 0
