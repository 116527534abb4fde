"""The trees before and after a call, a turn or a session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookkit.errors import HookkitError, UsageError
from hookkit.store.index import activity
from hookkit.trails import refs
from hookkit.trails.refs import Selection

if TYPE_CHECKING:
    from hookkit.trails.events import TrailEvent

_OF_CALLS = ("trace_step_window_opened", "trace_step_window_closed")
_OF_SESSIONS = (*_OF_CALLS, "trace_snapshot_created", "trace_session_closed")


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment at which the tree of a worktree was taken. tree: hex. time: as the hook wrote it. commit: HEAD then."""

    tree: str
    time: str
    root: str
    commit: str | None
    call_id: str | None
    limitations: tuple[str, ...]


def of_events(events: Sequence[TrailEvent], selection: Selection, *, before: bool) -> Boundary:
    """The first boundary of what is selected, or the last one."""
    whole = selection.part == "session"
    found = [
        each
        for event in events
        if event.event_type in (_OF_SESSIONS if whole else _OF_CALLS)
        and (whole or _of_calls(event.payload, selection.call_ids, before))
        and (each := _boundary(event.payload))
    ]
    if not found:
        name = f"{selection.session.trace_id[:8]}"
        raise HookkitError(
            "NOT_CAPTURED",
            f"No tree was recorded {'before' if before else 'after'} that part of trace {name}.",
            f"`hookkit show {name}` shows which calls have trees.",
        )
    return (min if before else max)(found, key=lambda each: activity(each.time))


def _of_calls(payload: Any, call_ids: Collection[str], before: bool) -> bool:
    return payload.get("tool_call_id") in call_ids and payload.get("boundary") == ("opened" if before else "closed")


def _boundary(payload: Any) -> Boundary | None:
    tree, head = payload.get("tree_id"), payload.get("git_head")
    if not tree or not payload.get("worktree_root"):
        return None
    return Boundary(
        tree=str(tree["hex"]),
        time=str(payload.get("event_time") or ""),
        root=str(payload["worktree_root"]),
        commit=str(head["hex"]) if head else None,
        call_id=payload.get("tool_call_id"),
        limitations=(*(payload.get("capture_limitations") or ()), *(payload.get("hook_limitations") or ())),
    )


def of_snapshot(event: TrailEvent) -> Boundary:
    """The boundary that a snapshot event is of."""
    found = _boundary(event.payload)
    if found is None:
        raise UsageError(
            "NO_TREE", f"{refs.short('snapshot', str(event.payload.get('snapshot_id')))} has no tree.", "Take another."
        )
    return found
