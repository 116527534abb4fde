"""`hookkit prune`: forget old sessions."""

from __future__ import annotations

import json
import time

import click

_EPILOG = """\b
Examples:
  hookkit prune --older-than 30d --dry-run
  hookkit prune --older-than 12w
"""


@click.command(epilog=_EPILOG)
@click.option("--older-than", required=True, help="Sessions without activity for 30d, 12w, ….")
@click.option("--dry-run", is_flag=True, help="Say what would go; delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(older_than: str, dry_run: bool, as_json: bool) -> int:
    """Delete the traces of old sessions, with their ingest state and sidecars.

    The agent's own transcripts stay: reading one again brings its trace back.
    """
    from hookkit.cli.options import seconds
    from hookkit.store.prune import prune

    gone = prune(int((time.time() - seconds(older_than, "--older-than")) * 1e6), dry_run=dry_run)
    size = sum(one.size for one in gone)
    if as_json:
        body = {"dry_run": dry_run, "traces": [one.trace_id for one in gone], "bytes": size}
        click.echo(json.dumps(body))
        return 0
    from hookkit.views import text

    for one in gone:
        click.echo(f"{one.trace_id[:8]}  {text.local(one.last_activity_at)}  {text.one_line(one.title or '', 80)}")
    verb = "would be deleted" if dry_run else "deleted"
    click.echo(f"{len(gone)} sessions {verb}, {size / 1e6:.1f} MB." if gone else "No session is that old.")
    return 0
