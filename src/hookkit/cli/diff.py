"""`hookkit diff`: the patch of a tool call, a turn or a session."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete, pager, where
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hookkit.git.worktree import Worktree
    from hookkit.trails.events import TrailEvent
    from hookkit.trails.patch import Patch
    from hookkit.trails.refs import Selection

_EPILOG = """\b
Examples:
  hookkit diff last                      what the newest session changed, all in all
  hookkit diff last:12                   the call of step 12
  hookkit diff 8aa45309:turn_2 --stat
  hookkit diff last --gaps               what changed between the calls
  hookkit diff last:12 | git apply -R    take a call back
"""


@click.command(epilog=_EPILOG)
@click.argument("ref", metavar="TRACE[:STEP]", default="last", shell_complete=complete.traces)
@click.option("--gaps", "show_gaps", is_flag=True, help="What changed outside of all calls instead, gap by gap.")
@click.option("--stat", is_flag=True, help="A diffstat instead of the patch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the patch and its files.")
@pager.option
def command(ref: str, show_gaps: bool, stat: bool, as_json: bool) -> int:
    """Show what a call, a turn or a session changed, as a patch that `git apply` takes.

    Only what is the calls' own: changes that came from elsewhere in the meantime are left out. STEP is a step's number
    (that of a prompt: its whole turn), turn_3, or the start of a tool call id. A patch reference (tp:…) is one hunk.
    """
    from hookkit.trails import refs
    from hookkit.trails.log import read_events_for_trace
    from hookkit.trails.lookup import selection

    parsed = refs.parse(ref)
    chosen = selection(ref)
    worktree = where.of(chosen.session)
    events = read_events_for_trace(worktree, chosen.session.trace_id)
    if not events:
        raise _no_trail(chosen, worktree)
    if show_gaps:
        return _gaps(worktree, chosen, events, stat, as_json)
    patch = (
        _one_hunk(worktree, parsed)
        if parsed.kind == "patch"
        else _patch(worktree, chosen, events, stat and not as_json)
    )
    from hookkit.trails.changed import limitations
    from hookkit.views import patch as view

    limits = limitations(events, chosen.call_ids)
    if as_json:
        click.echo(view.to_json(chosen, patch, limits))
        return 0
    write([(view.head(chosen, patch.files, limits), patch)])
    return 0


def _patch(worktree: Worktree, chosen: Selection, events: Sequence[TrailEvent], stat: bool) -> Patch:
    from hookkit.trails.changed import changes
    from hookkit.trails.patch import combined

    return combined(worktree, changes(events, chosen.call_ids), stat=stat)


def _one_hunk(worktree: Worktree, ref: object) -> Patch:
    from hookkit.trails.changed import change_of, span_of
    from hookkit.trails.lookup import event_of
    from hookkit.trails.patch import combined
    from hookkit.trails.refs import Ref

    assert isinstance(ref, Ref)
    payload = event_of(worktree, ref).payload
    span = span_of(payload)
    return combined(worktree, [change_of(payload, (span,) if span else None)])


def _gaps(worktree: Worktree, chosen: Selection, events: Sequence[TrailEvent], stat: bool, as_json: bool) -> int:
    from hookkit.trails.changed import gap_changes
    from hookkit.trails.patch import combined, objects_needed
    from hookkit.views import patch_gaps as view

    found = []
    for gap in view.of(chosen, events):
        with objects_needed(worktree):
            changed = gap_changes(worktree, events, gap)
        found.append((gap, combined(worktree, changed, stat=stat and not as_json)))
    if as_json:
        click.echo(view.to_json(chosen, found))
        return 0
    if not found:
        click.echo("Nothing changed outside of its calls.", err=True)
    write((view.head(gap, patch.files), patch) for gap, patch in found)
    return 0


def write(patches: Iterable[tuple[Iterable[str], Patch]]) -> None:
    """Patches, each below its head: to a terminal as text that is safe there; to anything else byte for byte."""
    from itertools import chain

    from hookkit.views.patch import shown

    if sys.stdout.isatty():
        pager.show(line for head, patch in patches for line in chain(head, shown(patch.text)))
        return
    for head, patch in patches:
        for line in head:
            click.echo(line)
        sys.stdout.flush()
        sys.stdout.buffer.write(patch.text)
        sys.stdout.flush()


def _no_trail(chosen: Selection, worktree: Worktree) -> HookkitError:
    name = chosen.session.trace_id[:8]
    if not any(call.closed for call in chosen.session.calls):
        return UsageError(
            "NOT_CAPTURED",
            f"No hook saw the calls of trace {name}, so nothing is known of what they changed.",
            "`hookkit install` wires the agent; sessions from then on have trees.",
        )
    return HookkitError(
        "NO_TRAIL",
        f"The event log of {worktree.root} holds nothing of trace {name}.",
        "`hookkit trail rebuild` makes it again from the traces.",
    )
