"""`hookkit track`: what became of the lines that tool calls wrote."""

from __future__ import annotations

import click

from hookkit.cli import complete, pager, where

_EPILOG = """\b
States:
  alive            where it was written, line numbers aside
  moved            in another file now
  changed          replaced by other lines
  reverted         what was there before the call is back
  lost             taken out
  never committed  gone before any commit held it
\b
Examples:
  hookkit track last
  hookkit track last:12                  each line of the call of step 12
  hookkit track 8aa45309:turn_3 --rev main
  hookkit track last --json | jq '{step_index, states}'
"""


@click.command(epilog=_EPILOG)
@click.argument("ref", metavar="TRACE[:STEP]", default="last", shell_complete=complete.traces)
@click.option("--rev", help="Look at this commit; default: HEAD.")
@click.option("--lines", is_flag=True, help="Show each line's fate, not only the numbers by call.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a call.")
@pager.option
def command(ref: str, rev: str | None, lines: bool, as_json: bool) -> int:
    """Show what became of the lines that a session, a turn or a call wrote.

    STEP is a step's number (that of a prompt: its whole turn), turn_3, or the start of a tool call id.
    """
    from hookkit.trails.graph import commit_id
    from hookkit.trails.lines.fate import fates
    from hookkit.trails.lookup import selection
    from hookkit.views import track as view

    chosen = selection(ref)
    worktree = where.of(chosen.session)
    at = commit_id(worktree.root, rev) if rev else None
    found = fates(worktree, chosen.session.trace_id, chosen.call_ids, rev=at)
    if as_json:
        shown = view.dump(chosen.session, chosen.calls, found)
    else:
        shown = view.render(chosen.session, chosen.calls, found, lines=lines or chosen.part in ("step", "call"))
    pager.show(shown)
    return 0
