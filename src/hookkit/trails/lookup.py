"""Looks up what a reference names: calls of a session, or an event of the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hookkit.errors import HookkitError, UsageError
from hookkit.git.worktree import Worktree, find
from hookkit.trails import refs
from hookkit.trails.calls import load
from hookkit.trails.refs import Ref, Selection

if TYPE_CHECKING:
    from hookkit.trails.events import TrailEvent

_CREATED = {
    "patch": "trace_patch_created",
    "anchor": "git_anchor_created",
    "snapshot": "trace_snapshot_created",
}
_LIKE_A_CALL = 8  # characters; shorter ones are taken for traces only


def selection(text: str) -> Selection:
    """The calls that a reference means: a trace, a step, a turn, a call; or the call that a patch, an anchor or a
    snapshot is of.

    UsageError if it means none. A patch, an anchor, a snapshot and a bare tool call id are looked for in the
    repository of the current folder.
    """
    ref = refs.parse(text)
    if ref.kind == "trace":
        try:
            return refs.select(ref)
        except UsageError as error:
            found = _call(ref.id) if error.code == "UNKNOWN_TRACE" and not ref.part else None
            if found is None:
                raise
            return refs.only(load(found[0]), found[1])
    if ref.kind in ("commit", "line"):
        form = f"commit {ref.id}" if ref.kind == "commit" else f"{ref.id}:{ref.part}"
        raise UsageError("NOT_A_CALL", f"{text!r} is no call.", f"hookkit blame {form}")
    event = event_of(here(), ref)
    call, trace = event.payload.get("tool_call_id"), event.trace_id
    if trace is None or not isinstance(call, str):
        raise UsageError("NOT_A_CALL", f"{text!r} is no call's.", f"hookkit trail show {text}")
    return refs.only(load(trace), call)


def here() -> Worktree:
    """The worktree of the current folder."""
    worktree = find(Path.cwd())
    if worktree is None:
        raise UsageError(
            "NOT_A_REPOSITORY", f"{Path.cwd()} is not inside a git worktree.", "Change into the repository it is of."
        )
    return worktree


def event_of(worktree: Worktree, ref: Ref) -> TrailEvent:
    """The event that made a patch, an anchor or a snapshot. UsageError if there is none, or more than one."""
    from hookkit.trails.log import read_events

    key, kind = refs.id_key(ref.kind), _CREATED[ref.kind]
    events = [event for event in read_events(worktree) if event.event_type == kind]
    found = {digits(event.payload.get(key)): event for event in events}
    matching = {name: event for name, event in found.items() if name.startswith(ref.id)}
    if len(matching) == 1:
        return next(iter(matching.values()))
    said = refs.short(ref.kind, ref.id)
    if not matching:
        raise UsageError(
            "UNKNOWN_REFERENCE",
            f"There is no {ref.kind} {said} in the event log of {worktree.root}.",
            "`hookkit trail show TRACE` lists those of a trace.",
        )
    raise UsageError("AMBIGUOUS_REF", f"{said} is the start of {len(matching)} ids.", "Give more digits of it.")


def digits(identifier: object) -> str:
    """The hex digits of an id, whatever stands before them."""
    return str(identifier or "").rpartition(":")[2].lower()


def _call(start: str) -> tuple[str, str] | None:
    """(trace, call) of the only recorded call of this repository whose id begins so."""
    worktree = find(Path.cwd()) if len(start) >= _LIKE_A_CALL else None
    if worktree is None:
        return None
    from hookkit.trails.lines.index import LinesIndex

    try:
        with LinesIndex(worktree) as index:
            query = "SELECT trace, call FROM windows WHERE substr(call, 1, ?) = ? LIMIT 2"
            rows = index.sync().db.execute(query, (len(start), start)).fetchall()
    except HookkitError:
        return None
    return (str(rows[0][0]), str(rows[0][1])) if len(rows) == 1 else None
