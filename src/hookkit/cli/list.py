"""`hookkit list`: the recorded sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hookkit.cli import complete, pager
from hookkit.cli.options import which_sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hookkit.store.index import Index, Row

_EPILOG = """\b
Examples:
  hookkit list
  hookkit list --project . --since 7d
  hookkit list --errors --tool Bash
  hookkit list --model opus --long
  hookkit list -i                        choose one, and look through it
  hookkit list --json | jq -r 'select(.failed_tool_calls > 0) | .trace_id'
"""


@click.command("list", epilog=_EPILOG)
@click.option("--limit", type=click.IntRange(min=0), help="At most N sessions; 0: all. [default: 20 as text]")
@click.option("--errors", is_flag=True, help="Only sessions with failed calls or errors of their own.")
@which_sessions
@click.option("--model", help="Only sessions of models with this in their name.", shell_complete=complete.models)
@click.option("--long", is_flag=True, help="Times by the clock, and the models.")
@click.option("-i", "--interactive", is_flag=True, help="Choose one on the whole terminal, and look through it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a session, all of them.")
@pager.option
def command(
    limit: int | None,
    errors: bool,
    which: dict[str, Any],
    model: str | None,
    long: bool,
    interactive: bool,
    as_json: bool,
) -> int:
    """List the recorded sessions, latest activity first.

    A `*` behind the trace id says that the session's last turn had not ended when it was read. On a narrow terminal the
    columns that matter least are left out. --limit counts the sessions that the other options leave.
    """
    from hookkit import config
    from hookkit.store.index import Index

    def chosen(index: Index, most: int) -> Iterator[Row]:
        return index.rows(**which, errors=errors, model=model, limit=most)

    if interactive:
        from hookkit.cli import interactive as opened

        opened.check(as_json)
        return opened.sessions(lambda index: chosen(index, limit or 0))
    most = limit if limit is not None else 0 if as_json else config.get("list.limit")
    with Index().sync() as index:
        rows = list(chosen(index, most + 1 if most else 0))
    more = bool(most) and len(rows) > most
    shown = rows[:most] if most else rows
    if as_json:
        click.echo("".join(f"{row.summary}\n" for row in shown if row.summary), nl=False)
        return 0
    long = long or config.get("times") == "absolute"
    _print([row.summary for row in shown if row.summary], long, filtered=bool(which or errors or model))
    unreadable = sum(not row.summary for row in shown)
    if unreadable:
        click.echo(f"{unreadable} trace files cannot be read; `hookkit ingest --all` writes them again.", err=True)
    if more:
        click.echo(f"The latest {most}; `--limit 0` shows all.", err=True)
    return 0


def _print(summaries: list[str], long: bool, filtered: bool) -> None:
    import json

    from hookkit.views import listing

    if summaries:
        pager.show(listing.render([json.loads(summary) for summary in summaries], long=long).split("\n"))
    else:
        click.echo("No session matches." if filtered else listing.EMPTY)
