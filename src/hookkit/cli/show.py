"""`hookkit show`: one recorded session."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookkit.cli import complete, pager
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.views.clock import Times
    from hookkit.views.filters import Predicate

_EPILOG = """\b
Examples:
  hookkit show last
  hookkit show last --errors
  hookkit show last --turn 3 --tool Bash
  hookkit show last --times delta        how long after the row before
  hookkit show last~2 --json | jq .metrics
  hookkit show 5e0c51f4
  hookkit show 5e0c51f4:12               the turn of step 12, as `hookkit search` names it
  hookkit show last -i                   on the whole terminal
  hookkit show last --tree               its turns, or phases, with cost, tokens and context
  hookkit show --tree .belay/traces/     the newest tree that a pipeline wrote there
"""


@click.command(epilog=_EPILOG)
@click.argument("ref", default="last", shell_complete=complete.traces)
@click.option("--tool", help="Only calls of this tool.", shell_complete=complete.tools)
@click.option("--errors", is_flag=True, help="Only what failed.")
@click.option("--turn", type=click.IntRange(min=1), help="Only this turn.")
@click.option(
    "--times",
    type=click.Choice(["absolute", "relative", "delta"]),
    help="Tell the time of every row: by the clock, since the session began, or since the row before.",
)
@click.option("-i", "--interactive", is_flag=True, help="Look through it on the whole terminal; `?` tells the keys.")
@click.option("--tree", is_flag=True, help="As a tree of phases; REF may be a node file, or a folder of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the TraceRecord; with --tree, the node tree.")
@pager.option
def command(
    ref: str,
    tool: str | None,
    errors: bool,
    turn: int | None,
    times: Times | None,
    interactive: bool,
    tree: bool,
    as_json: bool,
) -> int:
    """Show one session: its turns, its calls with their tree ids, and what changed outside of them.

    REF is the start of a trace id or of a session id, `last`, or `last~2` for the one two before. The `:5` behind a
    call is its step: `hookkit diff last:5` shows what it changed, `hookkit track last:5` what became of that, and
    `hookkit show last:5` its turn. Of what is chosen with --tool, --errors and --turn, the order, the turns and the
    gaps before the calls stay.
    """
    from hookkit.cli import show_tree
    from hookkit.store.refs import split

    is_file = tree and show_tree.is_file(ref)
    step = "" if is_file else split(ref)[1]
    if (as_json or tree) and (tool or errors or turn or step):
        raise UsageError(
            "ALL_OR_TEXT", "--json and --tree print the whole.", "jq chooses: hookkit show REF --json | jq …"
        )
    if is_file:
        return show_tree.show(show_tree.read(ref), as_json)
    if step and turn is None:
        turn = _turn_of(ref, step)
    if interactive:
        return _open(ref, _predicate(tool, errors, turn), as_json)
    content, record = _read(ref, parsed=tree or not as_json)
    if record is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return 0
    if tree:
        from hookkit.exporters.formats.belay import node_tree
        from hookkit.store.summary import summarise
        from hookkit.views import cost

        return show_tree.show(node_tree(record), as_json, cost.marks(summarise(record)))
    from hookkit import config
    from hookkit.views import show

    pager.show(show.render(record, _wanted(record, tool, errors, turn), times or config.get("times") or None))
    return 0


def _read(ref: str, *, parsed: bool) -> tuple[bytes, dict[str, Any] | None]:
    """The file of a trace, and what it holds if that is asked for."""
    path = _path(ref)
    try:
        content = path.read_bytes()
        return content, json.loads(content) if parsed else None
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error


def _turn_of(ref: str, step: str) -> int:
    """The turn that a STEP is in, whether it made a call or not; see ``trails.refs``."""
    import re

    from hookkit.trails.calls import session
    from hookkit.trails.refs import narrow
    from hookkit.views.outline import outline

    _, record = _read(ref, parsed=True)
    assert record is not None
    number = re.fullmatch(r"(?:step_?)?(\d{1,9})", step)
    index = int(number[1]) if number else None
    for item in outline(record) if number else ():
        if item.step == index:
            return item.turn
    chosen = narrow(session(record), step)
    turn = re.fullmatch(r"turn_?(\d{1,9})", step)  # it may have no call
    if turn:
        return int(turn[1])
    return chosen.calls[0].turn.number if chosen.calls[0].turn else 0


def _path(ref: str) -> Path:
    from hookkit.store.files import trace_path
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        return trace_path(resolve(index, ref))


def _open(ref: str, wanted: Predicate | None, as_json: bool) -> int:
    from hookkit.cli import interactive as opened
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    opened.check(as_json)
    with Index().sync() as index:
        trace_id = resolve(index, ref)
        summary = index.summary(trace_id)
    if not summary:
        raise HookkitError(
            "UNREADABLE_TRACE", f"Trace {trace_id[:8]} cannot be read.", "`hookkit ingest --all` writes it again."
        )
    return opened.show(trace_id, summary, wanted)


def _wanted(record: Mapping[str, Any], tool: str | None, errors: bool, turn: int | None) -> Predicate | None:
    """The rows that the options choose; None: all. Says so where there are none."""
    from hookkit.views.outline import outline

    wanted = _predicate(tool, errors, turn)
    if wanted and not any(map(wanted, outline(record))):
        click.echo("No row of this session is like that.", err=True)
    return wanted


def _predicate(tool: str | None, errors: bool, turn: int | None) -> Predicate | None:
    from hookkit.views import filters

    chosen = [filters.of_tool(tool)] if tool else []
    chosen += [filters.is_error] if errors else []
    chosen += [filters.of_turn(turn)] if turn is not None else []
    return filters.every(*chosen) if chosen else None
