"""`hookkit trail`: the event log itself: what it holds, whether it is whole, the trees it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete, pager, where
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.git.worktree import Worktree
    from hookkit.trails.boundaries import Boundary
    from hookkit.trails.events import TrailEvent

_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

_EPILOG = """\b
Examples:
  hookkit trail show last
  hookkit trail verify --full
  hookkit trail snapshot last:12 --before --to /tmp/before
  hookkit trail rebuild

Each of them has --json and --help.
"""


@click.group(epilog=_EPILOG)
def command() -> None:
    """Look into the event log: what was recorded, whether it is whole, the trees that it keeps.

    The log is the ref refs/opentraces/local/events/v1 of the repository. It is never pushed, and never rewritten but by
    `rebuild`.
    """


_SHOW = """\b
Examples:
  hookkit trail show last:12
  hookkit trail show tp:4f2ff654
  hookkit trail show c:9ac24f7a
  hookkit trail show last --json | jq -r .event_type | sort | uniq -c
"""


@command.command(epilog=_SHOW)
@click.argument("ref", metavar="REF", default="last", shell_complete=complete.traces)
@click.option("--json", "as_json", is_flag=True, help="Print the events, one JSON object a line.")
@pager.option
def show(ref: str, as_json: bool) -> int:
    """Show what the log says of a trace, a turn, a call, a patch, a snapshot, an anchor or a commit.

    REF: TRACE[:STEP], tp:ID, snap:ID, ga:ID, c:SHA, or an ot:// reference.
    """
    import json

    from hookkit.trails import refs
    from hookkit.views import trail as view

    parsed = refs.parse(ref)
    if parsed.kind == "line":
        raise UsageError("NOT_AN_EVENT", f"{ref!r} is a line.", f"hookkit blame {parsed.id}:{parsed.part}")
    if parsed.kind == "trace":
        from hookkit.trails.lookup import selection

        chosen = selection(ref)
        events = _of_trace(where.of(chosen.session), chosen.session.trace_id)
        lines = view.session(chosen, events)
        events = view.chosen(chosen, events)
    else:
        worktree = where.here()
        events = _about(worktree, parsed)
        lines = view.listed(events)
    pager.show((json.dumps(event.to_json()) for event in events) if as_json else lines)
    return 0


def _of_trace(worktree: Worktree, trace_id: str) -> list[TrailEvent]:
    from hookkit.trails.log import read_events_for_trace

    events = read_events_for_trace(worktree, trace_id)
    if not events:
        raise HookkitError(
            "NO_TRAIL",
            f"The event log of {worktree.root} holds nothing of trace {trace_id[:8]}.",
            "`hookkit trail rebuild` makes the log again from the traces; sessions without hooks leave nothing in it.",
        )
    return events


def _about(worktree: Worktree, ref: object) -> list[TrailEvent]:
    """The event that made a patch, a snapshot or an anchor, and those that name it; all of a commit's anchors."""
    from hookkit.trails.log import read_events
    from hookkit.trails.lookup import digits, event_of
    from hookkit.trails.refs import Ref, id_key

    assert isinstance(ref, Ref)
    if ref.kind == "commit":
        from hookkit.trails.graph import commit_id

        sha = commit_id(worktree.root, ref.id)
        names = ("commit_id", "old_commit_id", "new_commit_id")
        found = [
            event
            for event in read_events(worktree)
            if any((event.payload.get(name) or {}).get("hex") == sha for name in names)
        ]
        if not found:
            raise UsageError(
                "NO_ANCHOR",
                f"The log names no call of commit {sha[:8]}.",
                f"`hookkit blame commit {sha[:8]}` looks anew.",
            )
        return found
    whole = digits(event_of(worktree, ref).payload.get(id_key(ref.kind)))
    keys = {"patch": ("trace_patch_id",), "anchor": ("git_anchor_id", "superseded_by")}.get(
        ref.kind, ("snapshot_id", "snapshot_before_id", "snapshot_after_id")
    )
    return [event for event in read_events(worktree) if any(digits(event.payload.get(key)) == whole for key in keys)]


_VERIFY = """\b
Examples:
  hookkit trail verify
  hookkit trail verify --full
  hookkit trail verify --json | jq .ok
"""


@command.command(epilog=_VERIFY)
@click.option("--full/--fast", default=False, help="Every hash and every object, or only what is new.  [default: fast]")
@_json
def verify(full: bool, as_json: bool) -> int:
    """Check the log against itself: hashes, order, and that git still has what it names.

    Exit code 1 if it is not whole.
    """
    import json
    from dataclasses import asdict

    from hookkit.trails.verify import verify as check

    worktree = where.here()
    result = check(worktree, full=full)
    if as_json:
        click.echo(json.dumps({**asdict(result), "full": full}))
    else:
        from hookkit.views import trail as view

        for line in view.verified(result, full):
            click.echo(line)
    return 0 if result.ok else 1


_SNAPSHOT = """\b
Examples:
  hookkit trail snapshot last:12 --before --to /tmp/before     the files as they were before that call
  hookkit trail snapshot last --to /tmp/after                  as they were when the session ended
  hookkit trail snapshot last:4 last:12                        what changed from the one to the other
  git ls-tree -r "$(hookkit trail snapshot last:12)"           without --to: the tree's id
"""


@command.command(epilog=_SNAPSHOT)
@click.argument("refs", metavar="REF [REF]", nargs=-1, required=True, shell_complete=complete.traces)
@click.option("--before", "side", flag_value="before", help="The tree before it.")
@click.option("--after", "side", flag_value="after", help="The tree after it.  [default]")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write the files into this new folder."
)
@click.option("--stat", is_flag=True, help="Of two boundaries: a diffstat instead of the patch.")
@_json
def snapshot(refs: tuple[str, ...], side: str | None, folder: Path | None, stat: bool, as_json: bool) -> int:
    """Bring back the worktree as it was at a boundary, or compare two boundaries.

    REF: TRACE[:STEP] or snap:ID. Of a session or a turn, `before` is where it began and `after` where it ended.
    """
    before = side == "before"
    if len(refs) > 2 or (len(refs) == 2 and folder):
        raise UsageError(
            "TOO_MANY_REFERENCES", "Give one reference with --to, or two to compare.", "hookkit trail snapshot --help"
        )
    places = [_boundary(ref, before) for ref in refs]
    if len(places) == 2:
        return _compare(places[0], places[1], stat, as_json)
    worktree, found = places[0]
    files = None
    if folder is not None:
        from hookkit.trails.checkout import write_tree

        files = write_tree(worktree, found.tree, folder)
    if as_json:
        import json

        from hookkit.views import trail as view

        where_to = str(folder.absolute()) if folder else None
        click.echo(json.dumps({**view.boundary_json(found), "folder": where_to, "files": files}))
    elif folder is None:
        click.echo(found.tree)
    else:
        from hookkit.views.text import counted

        click.echo(f"{counted(files or 0, 'file')} of tree {found.tree[:8]} written to {folder}")
    return 0


def _boundary(ref: str, before: bool) -> tuple[Worktree, Boundary]:
    from hookkit.trails import boundaries
    from hookkit.trails.lookup import event_of, selection
    from hookkit.trails.refs import parse

    parsed = parse(ref)
    if parsed.kind == "snapshot":
        worktree = where.here()
        return worktree, boundaries.of_snapshot(event_of(worktree, parsed))
    chosen = selection(ref)
    worktree = where.of(chosen.session)
    return worktree, boundaries.of_events(_of_trace(worktree, chosen.session.trace_id), chosen, before=before)


def _compare(one: tuple[Worktree, Boundary], other: tuple[Worktree, Boundary], stat: bool, as_json: bool) -> int:
    from hookkit.cli.diff import write
    from hookkit.trails.patch import between
    from hookkit.views import trail as view

    worktree = other[0]
    if worktree.common_dir != one[0].common_dir:
        raise UsageError("TWO_REPOSITORIES", "The two are of different repositories.", "Compare boundaries of one.")
    patch = between(worktree, one[1].tree, other[1].tree, stat=stat and not as_json)
    if as_json:
        click.echo(view.compared_json(one[1], other[1], patch))
    else:
        write([((), patch)])
    return 0


_REBUILD = """\b
Examples:
  hookkit trail rebuild
  hookkit trail rebuild --json
"""


@command.command(epilog=_REBUILD)
@_json
def rebuild(as_json: bool) -> int:
    """Make the log of this repository anew from the traces.

    It states the same facts; trees that git has lost are left out.
    """
    import json

    from hookkit.trails.rebuild import rebuild as make
    from hookkit.views.text import counted

    worktree = where.here()
    traces = _traces(worktree)
    events = len(make(worktree, traces))
    if as_json:
        click.echo(json.dumps({"worktree_root": str(worktree.root), "traces": len(traces), "events": events}))
    else:
        click.echo(f"{counted(events, 'event')} of {counted(len(traces), 'trace')}.")
    return 0


def _traces(worktree: Worktree) -> list[str]:
    """The traces of this repository, its linked worktrees' included, oldest first."""
    import os

    from hookkit.git.run import run
    from hookkit.store.index import Index

    listed = run(worktree.root, "worktree", "list", "--porcelain", "-z", check=False).split(b"\0")
    roots = {str(worktree.root)} | {os.fsdecode(row[9:]) for row in listed if row.startswith(b"worktree ")}
    with Index().sync() as index:
        rows = {row.trace_id for root in roots for row in index.rows(project=root)}
        return [row.trace_id for row in index.rows() if row.trace_id in rows][::-1]
