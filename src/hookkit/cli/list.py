"""`hookkit list`: the recorded sessions."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hookkit.errors import UsageError

_DEFAULT = 20
_EPILOG = """\b
Examples:
  hookkit list
  hookkit list --project . --since 7d
  hookkit list --json | jq -r 'select(.failed_tool_calls > 0) | .trace_id'
"""


@click.command("list", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a session, all of them.")
@click.option("--limit", type=click.IntRange(min=0), help=f"At most N sessions; 0: all. [default: {_DEFAULT} as text]")
@click.option("--project", type=click.Path(path_type=Path), help="Only sessions of the worktree that holds DIR.")
@click.option("--agent", help="Only sessions of this agent.")
@click.option("--since", help="Only sessions active in the last 30m, 12h, 7d or 4w.")
def command(as_json: bool, limit: int | None, project: Path | None, agent: str | None, since: str | None) -> int:
    """List the recorded sessions, latest activity first.

    A `*` behind the trace id says that the session's last turn had not ended when it was read.
    """
    from hookkit.store.index import Index

    most = limit if limit is not None else 0 if as_json else _DEFAULT
    with Index().sync() as index:
        rows = list(
            index.rows(
                project=_root(project) if project else None,
                agent=agent,
                since_us=_since(since) if since else None,
                limit=most + 1 if most else 0,
            )
        )
    more = bool(most) and len(rows) > most
    shown = rows[:most] if most else rows
    if as_json:
        click.echo("".join(f"{row.summary}\n" for row in shown if row.summary), nl=False)
        return 0
    _print([row.summary for row in shown if row.summary], filtered=bool(project or agent or since))
    unreadable = sum(not row.summary for row in shown)
    if unreadable:
        click.echo(f"{unreadable} trace files cannot be read; `hookkit ingest --all` writes them again.", err=True)
    if more:
        click.echo(f"The latest {most}; `--limit 0` shows all.", err=True)
    return 0


def _print(summaries: list[str], filtered: bool) -> None:
    import json

    from hookkit.views import listing

    if summaries:
        click.echo(listing.render([json.loads(summary) for summary in summaries]))
    else:
        click.echo("No session matches." if filtered else listing.EMPTY)


def _root(folder: Path) -> str:
    from hookkit.git.worktree import worktree_root

    resolved = folder.resolve()
    return str(worktree_root(resolved) or resolved)


def _since(text: str) -> int:
    import time

    return int((time.time() - seconds(text, "--since")) * 1e6)


def seconds(text: str, option: str) -> int:
    """The length of a time span like ``7d`` in seconds; UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6})\s*([mhdw])", text.strip())
    if not found:
        raise UsageError("BAD_TIME_SPAN", f"{text!r} is no time span.", f"Write {option} 30m, 12h, 7d or 4w.")
    return int(found[1]) * {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[found[2]]
