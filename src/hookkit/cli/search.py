"""`hookkit search`: text in what sessions said and did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from hookkit.cli import pager
from hookkit.cli.options import which_sessions
from hookkit.errors import UsageError

if TYPE_CHECKING:
    from hookkit.store.search import Hit, Query

_DEFAULT = 50
_EPILOG = """\b
Examples:
  hookkit search 'connection refused'
  hookkit search todo --ignore-case --since 7d --project .
  hookkit search 'def \\w+_handler' --regex --tool Edit
  hookkit search 'rm -rf' --tool Bash --json | jq -r .text
"""


@click.command(epilog=_EPILOG)
@click.argument("text")
@click.option("--regex", is_flag=True, help="TEXT is a regular expression of Python; ^ and $ mean a line's ends.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case are the same.")
@which_sessions
@click.option("--limit", type=click.IntRange(min=0), help=f"At most N hits; 0: all. [default: {_DEFAULT} as text]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a hit, all of them.")
@pager.option
def command(text: str, regex: bool, ignore_case: bool, which: dict[str, Any], limit: int | None, as_json: bool) -> int:
    """Search all sessions: prompts, answers, what calls were given, and what they gave back.

    A line begins with TRACE:STEP, which `hookkit diff` and `hookkit track` take. The newest session comes first, and of
    each its newest step. With --tool, only the calls of that tool are looked at. Exit code 1 if nothing is found, as
    with grep.
    """
    from hookkit.store.index import Index
    from hookkit.store.search import search
    from hookkit.views import found

    most = limit if limit is not None else 0 if as_json else _DEFAULT
    with Index().sync() as index:
        rows = list(index.rows(**which))
    hits = _Counted(search(rows, _query(text, regex, ignore_case), which.get("tool")), most)
    pager.show(found.dump(hits) if as_json else found.render(hits))
    if hits.more:
        click.echo(f"The first {most}; `--limit 0` shows all.", err=True)
    if not hits.number:
        click.echo("Nothing is found.", err=True)
    return 0 if hits.number else 1


def _query(text: str, regex: bool, ignore_case: bool) -> Query:
    import re

    from hookkit.store.search import query

    if not text:
        raise UsageError("NO_TEXT", "There is nothing to look for.", "hookkit search TEXT")
    try:
        return query(text, regex=regex, ignore_case=ignore_case)
    except re.error as error:
        raise UsageError(
            "BAD_PATTERN", f"{text!r} is no regular expression: {error}.", "Without --regex it is looked for as it is."
        ) from error


class _Counted:
    """Hits up to a limit (0: all). number: how many were given. more: whether there would have been another."""

    def __init__(self, hits: Iterator[Hit], most: int) -> None:
        self._hits, self._most = hits, most
        self.number, self.more = 0, False

    def __iter__(self) -> Iterator[Hit]:
        for hit in self._hits:
            if self._most and self.number == self._most:
                self.more = True
                return
            self.number += 1
            yield hit
