"""`hookkit show`: one recorded session."""

from __future__ import annotations

import json
import sys

import click

from hookkit.errors import HookkitError

_EPILOG = """\b
Examples:
  hookkit show last
  hookkit show last~2 --json | jq .metrics
  hookkit show 5e0c51f4
  hookkit show last --tree               its turns, or phases, with cost, tokens and context
  hookkit show --tree .belay/traces/     the newest tree that a pipeline wrote there
"""


@click.command(epilog=_EPILOG)
@click.argument("ref", default="last")
@click.option("--tree", is_flag=True, help="As a tree of phases; REF may be a node file, or a folder of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the TraceRecord; with --tree, the node tree.")
def command(ref: str, tree: bool, as_json: bool) -> int:
    """Show one session: its turns, its calls with their tree ids, and what changed outside of them.

    REF is the start of a trace id or of a session id, `last`, or `last~2` for the one two before. The `:5` behind a
    call is its step: `hookkit diff last:5` shows what it changed, `hookkit track last:5` what became of that.
    """
    from hookkit.cli import show_tree
    from hookkit.store.files import trace_path
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    if tree and show_tree.is_file(ref):
        return show_tree.show(show_tree.read(ref), as_json)
    with Index().sync() as index:
        trace_id = resolve(index, ref)
    path = trace_path(trace_id)
    try:
        content = path.read_bytes()
        record = None if as_json and not tree else json.loads(content)
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error
    if record is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return 0
    if tree:
        from hookkit.exporters.belay import node_tree

        return show_tree.show(node_tree(record), as_json)
    from hookkit.views import show

    for line in show.render(record):
        click.echo(line)
    return 0
