"""`hookkit graph`: the commit graph with the calls that wrote each commit."""

from __future__ import annotations

import click

from hookkit.cli import pager, where

_DEFAULT = 20
_EPILOG = """\b
Examples:
  hookkit graph
  hookkit graph main..HEAD --limit 0
  hookkit graph --all
  hookkit graph --json | jq -r '"\\(.tool_call_ratio) \\(.commit.summary)"'
"""


@click.command(epilog=_EPILOG)
@click.argument("revs", metavar="[REV|A..B]...", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(min=0), default=_DEFAULT, help="At most N commits; 0: all.", show_default=True
)
@click.option("--all", "everything", is_flag=True, help="All branches and tags, not only HEAD.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a commit.")
@pager.option
def command(revs: tuple[str, ...], limit: int, everything: bool, as_json: bool) -> int:
    """Draw the commit graph, and below each commit the tool calls that wrote its lines.

    `*` a call's lines, `~` provisional ones, `-` lines from outside of all calls, `?` unknown ones. TRACE:STEP in a
    call's line is what `hookkit diff` and `hookkit track` take.
    """
    from hookkit.trails import graph
    from hookkit.views import graph as view

    worktree = where.here()
    # One more than is shown tells whether there are more.
    rows = graph.graph(worktree, revs, limit=limit + 1 if limit else 0, everything=everything)
    commits = [row.commit for row in rows if row.commit]
    more = bool(limit) and len(commits) > limit
    if more:
        last = next(at for at, row in enumerate(rows) if row.commit is commits[limit])
        rows, commits = rows[:last], commits[:limit]
    shares = graph.shares(worktree, commits)
    lines = view.dump(shares) if as_json else view.render(rows, {share.commit.id: share for share in shares})
    pager.show(lines)
    if more:
        click.echo(f"The newest {limit}; `--limit 0` shows all.", err=True)
    return 0
