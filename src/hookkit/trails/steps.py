"""How a worktree stood when a step of a recorded session had ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from hookkit.errors import HookkitError, UsageError
from hookkit.store.index import activity
from hookkit.trails.boundaries import Boundary


def at_step(record: Mapping[str, Any], index: int) -> Boundary:
    """The boundary after a step of a TraceRecord (as JSON): that after its last call; else the last one before it.

    A call that no hook saw end (killed, interrupted) had done what it did by the next boundary of its worktree. A step
    without calls changed nothing, so what was there at the boundary before it, or else at the next one, is how things
    stood. UsageError if there is no such step, HookkitError if no tree was recorded around it.
    """
    steps = record["steps"]
    if not 0 <= index < len(steps):
        raise UsageError(
            "UNKNOWN_STEP",
            f"There is no step {index} in trace {record['trace_id'][:8]}.",
            f"Its steps are 0 to {len(steps) - 1}; `hookkit show {record['trace_id'][:8]}` lists them.",
        )
    calls = {call["tool_call_id"] for call in steps[index]["tool_calls"]}
    found = sorted(_boundaries(record), key=lambda each: activity(each.time))
    own = [each for each in found if each.call_id in calls]
    own += [_next(found, begun) for begun in _begun(record, calls - {each.call_id for each in own})]
    if own:
        return max(own, key=lambda each: activity(each.time))
    if not steps[index]["timestamp"] and found:  # some agents do not tell: then what the calls before it left
        earlier = {call["tool_call_id"] for step in steps[:index] for call in step["tool_calls"]}
        return next((each for each in reversed(found) if each.call_id in earlier), found[0])
    moment = activity(steps[index]["timestamp"] or "")
    before = [each for each in found if activity(each.time) <= moment]
    if not before and not found:
        raise HookkitError(
            "NOT_CAPTURED",
            f"No tree was recorded in trace {record['trace_id'][:8]}.",
            "The session was not recorded by hooks, or not in a git worktree.",
        )
    return before[-1] if before else found[0]


def _begun(record: Mapping[str, Any], calls: Collection[str]) -> Iterator[Boundary]:
    for call_id, entry in (record["metadata"].get("hook_pre_tool_use") or {}).items():
        if call_id in calls:
            yield from _boundary(entry, None)


def _next(found: Iterable[Boundary], begun: Boundary) -> Boundary:
    """The first boundary after the one at which a call began; that one itself if it was the last."""
    moment = activity(begun.time)
    return next((each for each in found if each.root == begun.root and activity(each.time) > moment), begun)


def _boundaries(record: Mapping[str, Any]) -> Iterator[Boundary]:
    """Every recorded boundary; those after a call with the call's id, those before it without one."""
    metadata = record["metadata"]
    for key in ("hook_events", "hook_stop"):
        for entry in metadata.get(key) or ():
            yield from _boundary(entry, None)
    for entry in (metadata.get("hook_pre_tool_use") or {}).values():
        yield from _boundary(entry, None)
    for call_id, entry in (metadata.get("hook_post_tool_use") or {}).items():
        yield from _boundary(entry, call_id)


def _boundary(entry: Mapping[str, Any], call_id: str | None) -> Iterator[Boundary]:
    trail = entry.get("trail")
    if trail:
        head = trail["git_head"]
        yield Boundary(
            tree=trail["tree_id"]["hex"],
            time=entry["timestamp"],
            root=trail["worktree_root"],
            commit=head["hex"] if head else None,
            call_id=call_id,
            limitations=tuple(entry.get("limitations") or ()),
        )
