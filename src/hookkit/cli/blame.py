"""`hookkit blame`: which tool call wrote each line of a file, and what calls wrote of a commit."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete, pager, where
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hookkit.trails.calls import Session
    from hookkit.trails.lines.model import BlamedLine

_RANGE = re.compile(r"(?P<path>.+):(?P<first>\d{1,9})(?:[-,](?P<last>\d{1,9}))?", re.DOTALL)
_SNIFF = 8000  # bytes that git looks at to tell a binary file
_EPILOG = """\b
The mark before the name says where a line is from:
  *  a tool call: tree ids prove it
  ~  a tool call: likely, not proven; `hookkit blame PATH:LINE` says why
  -  outside of all tool calls, while sessions were recorded
  ?  unknown: nothing was recorded of it
\b
Examples:
  hookkit blame src/app.py
  hookkit blame src/app.py:40-60 --rev main~3
  hookkit blame src/app.py:42            the whole story of that line
  hookkit blame commit HEAD              how much of a commit calls wrote, and which
  hookkit blame src/app.py --json | jq -r 'select(.origin.kind == "tool_call") | .origin.tool_call_id' | sort | uniq -c
"""


@click.command(epilog=_EPILOG)
@click.argument(
    "target",
    metavar="PATH[:LINE|:A-B]|commit [REV]",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    shell_complete=complete.files,
)
@click.option("--rev", help="The file as it is in this commit; default: as it is in the worktree.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; of a commit, one object.")
@pager.option
def command(target: tuple[str, ...], rev: str | None, as_json: bool) -> int:
    """Show for each line which tool call wrote it: agent, turn, tool.

    With one LINE: its whole story. `commit REV`: the share of a commit's lines that tool calls wrote, by call.
    A file that is named `commit` is ./commit. References `c:SHA` and `ot://…` are taken as well.
    """
    commit = _commit(target)
    if commit is not None:
        if rev:
            raise UsageError("TOO_MANY_REVISIONS", "--rev is for a file.", f"hookkit blame commit {rev}")
        return _blame_commit(commit, as_json)
    if len(target) > 1:
        raise UsageError(
            "TOO_MANY_PATHS",
            f"One file at a time; {len(target)} were given.",
            "A revision comes with --rev: hookkit blame PATH --rev REV",
        )
    return _blame_file(target[0], rev, as_json)


def _commit(target: tuple[str, ...]) -> str | None:
    """The revision of the commit form; None if ``target`` is about a file."""
    if target[0] == "commit" and (len(target) == 2 or (len(target) == 1 and not os.path.lexists("commit"))):
        return target[1] if len(target) == 2 else "HEAD"
    if len(target) == 1 and target[0].startswith(("ot://repo/", "c:")) and not os.path.lexists(target[0]):
        from hookkit.trails import refs

        return refs.parse(target[0]).id
    return None


def _blame_file(argument: str, rev: str | None, as_json: bool) -> int:
    from hookkit.views import blame as view

    place, ranges, lines = lines_of(argument, rev)
    if as_json:
        pager.show(view.dump(place.path, lines))
        return 0
    if not lines:
        click.echo(f"{argument} is empty.", err=True)
    elif ranges and len(lines) == 1 and ranges[0][0] == ranges[0][1]:
        from hookkit.views import blame_line

        pager.show(blame_line.render(place.path, lines[0], _session(lines[0])))
    else:
        pager.show(view.render(place.path, lines))
    return 0


def lines_of(argument: str, rev: str | None = None) -> tuple[where.Place, list[tuple[int, int]], Sequence[BlamedLine]]:
    """The file that PATH[:LINE|:A-B] means, which lines are meant if not all, and who wrote them."""
    from hookkit.exporters.git_ai_claims import overlay
    from hookkit.trails.graph import commit_id
    from hookkit.trails.lines.blame import blame

    path, ranges = _split(argument)
    place = where.place(path)
    if rev is None:
        _check(place, path)
    at = commit_id(place.root, rev) if rev else None
    try:
        lines = overlay(place.root, blame(place.root, place.path, rev=at, ranges=ranges))
    except HookkitError as error:
        raise (_wrong_with(place, path, rev, ranges) or error) from error
    if (ranges and not lines) or (rev is None and not any(map(_is_known, lines))):
        problem = _wrong_with(place, path, rev, ranges)
        if problem:
            raise problem
    if any(b"\0" in line.text for line in lines):
        raise _binary(path)
    return place, ranges, lines


def _split(argument: str) -> tuple[str, list[tuple[int, int]]]:
    """The path, and the lines if some are named. A file whose name looks like both is meant as a whole."""
    if argument.startswith("ot://"):
        from hookkit.trails import refs

        ref = refs.parse(argument)
        if ref.kind != "line":
            raise UsageError(
                "NO_FILE",
                f"{argument!r} is no line of a file.",
                "ot://file/PATH/line/N/origin is; a commit is as well.",
            )
        root = where.here().root
        return os.path.join(root, ref.id), [_range(int(ref.part), int(ref.part))]
    found = _RANGE.fullmatch(argument)
    if found is None or os.path.lexists(argument):
        return argument, []
    first = int(found["first"])
    return found["path"], [_range(first, int(found["last"] or first))]


def _range(first: int, last: int) -> tuple[int, int]:
    if not 1 <= first <= last:
        raise UsageError(
            "BAD_RANGE", f"There are no lines {first} to {last}.", "Lines count from 1: PATH:12 or PATH:12-20."
        )
    return first, last


def _check(place: where.Place, path: str) -> None:
    """Refuse what cannot be blamed as it is in the worktree, before git is asked."""
    if place.file.is_dir() and not place.file.is_symlink():
        raise _folder(path)
    if not os.path.lexists(place.file):
        raise UsageError(
            "NO_SUCH_FILE",
            f"{path} does not exist.",
            f"If it was deleted, blame it where it was: hookkit blame {path} --rev HEAD",
        )
    if place.file.is_symlink():
        return
    try:
        with place.file.open("rb") as file:
            start = file.read(_SNIFF)
    except OSError as error:
        raise HookkitError(
            "UNREADABLE_FILE", f"{path} cannot be read: {error.strerror}.", "Make it readable for you."
        ) from error
    if b"\0" in start:
        raise _binary(path)


def _is_known(line: BlamedLine) -> bool:
    """Whether git or the recording knows anything of a line."""
    return bool(line.commit.strip("0")) or line.origin.kind != "unknown"


def _wrong_with(place: where.Place, path: str, rev: str | None, ranges: list[tuple[int, int]]) -> UsageError | None:
    """What is wrong with the question, where git only says that it fails; None if nothing is."""
    from hookkit.git.run import GitError, run

    def ask(*arguments: str) -> bytes:
        try:
            return run(place.root, "--literal-pathspecs", *arguments)
        except GitError:
            return b""

    listed = ask("ls-tree", "-z", "--full-tree", rev or "HEAD", "--", place.path)
    if rev is None:
        staged = ask("ls-files", "-z", "--", place.path)
        if not staged:
            return UsageError(
                "UNTRACKED_FILE",
                f"{path} is not tracked by git.",
                f"No session recorded it either. After `git add {path}` and a commit, git knows it.",
            )
        count = place.file.read_bytes() if place.file.is_file() else b""
    elif not listed:
        return UsageError(
            "NO_SUCH_FILE", f"{path} does not exist in {rev}.", f"`git log --all -- {path}` shows where it does."
        )
    else:
        kind = listed.split(b" ")[1]
        if kind == b"tree":
            return _folder(path)
        if kind == b"commit":
            return UsageError("SUBMODULE", f"{path} is a submodule.", "Blame its files from inside of it.")
        count = ask("cat-file", "blob", listed.split(b"\t")[0].split(b" ")[2].decode())
    total = count.count(b"\n") + (not count.endswith(b"\n") and bool(count))
    if ranges and ranges[0][0] > total:
        return UsageError("BAD_RANGE", f"{path} has {total} lines, and no line {ranges[0][0]}.", "Lines count from 1.")
    return None


def _folder(path: str) -> UsageError:
    return UsageError(
        "IS_A_FOLDER", f"{path} is a folder.", "Name one file in it; `hookkit graph` shows what calls wrote by commit."
    )


def _binary(path: str) -> UsageError:
    return UsageError(
        "BINARY_FILE",
        f"{path} is binary: it has no lines.",
        "`hookkit graph` shows the calls of each commit, `hookkit diff TRACE:STEP` what a call did to it.",
    )


def _session(line: BlamedLine) -> Session | None:
    """The session of the call that wrote a line; None if its trace is gone."""
    from hookkit.trails.calls import load

    try:
        return load(line.origin.trace_id) if line.origin.trace_id else None
    except HookkitError:
        return None


def _blame_commit(rev: str, as_json: bool) -> int:
    from hookkit.trails.graph import share_of
    from hookkit.views import blame_commit as view

    share = share_of(where.here(), rev)
    if as_json:
        click.echo(view.dump(share))
    else:
        pager.show(view.render(share))
    return 0
