"""`hookkit export REF --format FORMAT`: one session in a format of others."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hookkit.errors import HookkitError, UsageError

_EPILOG = """\b
Examples:
  hookkit export last --format belay                       print it
  hookkit export last --format belay -o session.json
  hookkit export last --format belay -o .belay/traces/     as TRACE-ID.json, where belay looks
"""
_FORMATS = ("belay",)


@click.command("session", epilog=_EPILOG)
@click.argument("ref", default="last")
@click.option("--format", "form", type=click.Choice(_FORMATS), required=True, help="What the session becomes.")
@click.option("-o", "--output", metavar="FILE|DIR/", help="Write it there instead; in a folder, as TRACE-ID.json.")
@click.option("--json", "as_json", is_flag=True, help="The output is always JSON; this changes nothing.")
def command(ref: str, form: str, output: str | None, as_json: bool) -> int:
    """Tell one session in a format of others.

    belay: a tree of its phases, or turns, with their tool calls; it names tools and models, and quotes the first words
    of each prompt, without secrets.
    """
    from hookkit.exporters import belay
    from hookkit.store import node
    from hookkit.store.files import trace_path
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        path = trace_path(resolve(index, ref))
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error
    tree = belay.node_tree(record)
    if output is None:
        click.echo(tree.to_json())
        return 0
    try:
        if output.endswith("/") or Path(output).is_dir():
            output = str(node.write(tree, output))
        else:
            Path(output).write_text(tree.to_json(), encoding="utf-8")
    except OSError as error:
        raise UsageError("OUTPUT", f"{output} cannot be written: {error.strerror}.", "Name another with -o.") from error
    click.echo(f"Written to {output}.", err=True)
    return 0
