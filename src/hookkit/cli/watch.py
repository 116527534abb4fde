"""`hookkit watch`: the backstop for sessions that no Stop hook reported."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hookkit.capture.ingest import Ingested
    from hookkit.capture.watch import Tick

EXAMPLES = """\b
Examples:
  hookkit watch --once                 look once; for cron and service managers
  hookkit watch --interval 10m         look every ten minutes, until Ctrl-C
  hookkit install watcher              let the service manager of this user look every five minutes
"""


@click.command(epilog=EXAMPLES)
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--interval", default="5m", show_default=True, help="Look again after 5m, 1h, ….")
@click.option(
    "--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Only the worktree at DIR."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a look.")
def command(once: bool, interval: str, project: Path | None, as_json: bool) -> int:
    """Find the sessions that no hook reported at the end of a turn, and read them into traces.

    Agents are killed, and machines go down. This looks at every worktree in which an agent was recorded, for
    transcripts and sidecars that are newer than their trace and have been quiet for a minute. Where nothing waits it
    says nothing. Exit code 1 if a session, or a worktree, could not be read (with --once).
    """
    from hookkit.capture import watch
    from hookkit.cli.options import seconds

    pause = seconds(interval, "--interval")
    while True:
        ticks = [watch.run_once(_root(project))] if project else list(watch.run_all())
        if as_json:
            click.echo(json.dumps(_body(ticks)))
        else:
            _show(ticks)
        if once:
            return 1 if any(tick.error or _failed(tick) for tick in ticks) else 0
        time.sleep(pause)


def _root(project: Path) -> Path:
    from hookkit.git import worktree_root

    return worktree_root(project) or project.resolve()


def _body(ticks: Sequence[Tick]) -> dict[str, object]:
    return {"worktrees": len(ticks), "active": [tick.to_dict() for tick in ticks if not tick.is_quiet]}


def _show(ticks: Sequence[Tick]) -> None:
    from hookkit.store.plain import plain

    for tick in ticks:
        for one in tick.ingested:
            told = one.error or (one.summary or {}).get("title") or one.session_id
            click.echo(f"{one.status:<9} {one.trace_id[:8]}  {plain(str(told))}")
        if tick.error:
            click.echo(f"failed    {plain(str(tick.project))}: {plain(tick.error)}", err=True)


def _failed(tick: Tick) -> list[Ingested]:
    return [one for one in tick.ingested if one.status == "failed"]
