"""Makes the event log of a repository anew, from the traces of the sessions that worked in it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hookkit.errors import HookkitError
from hookkit.git.run import run
from hookkit.git.worktree import Worktree
from hookkit.store.files import trace_path
from hookkit.trails import anchors
from hookkit.trails.emit import emit_session
from hookkit.trails.emit_session import facts_of
from hookkit.trails.events import TrailEvent, TrailEventDraft
from hookkit.trails.log import REF, append_events, log_head, read_events

_OLD = "refs/opentraces/local/rebuild/v1"  # the old log, and with it all its trees, until the new one is whole
_TREES = ("tree_id", "before_tree_id", "after_tree_id")
_ANCHORS = frozenset({"git_anchor_created", "git_anchor_superseded"})


def rebuild(worktree: Worktree, traces: Iterable[Mapping[str, Any] | str]) -> list[TrailEvent]:
    """Put a new log in the place of the old one; gives its events.

    traces: TraceRecords as JSON, or ids of those in the store; oldest first. What they tell is in the new log with the
    same facts. What they cannot tell is taken over: events of other traces, what somebody stated outright, and anchors
    in commits that are gone. A log that was killed while it was rebuilt is rebuilt by the next run. HookkitError if a
    trace cannot be read or the log not be written; then the old log is back.
    """
    started = _head(worktree, _OLD)
    old = started or log_head(worktree)
    if old:
        _point(worktree, _OLD, old)
        _point(worktree, REF, old)
    try:
        kept = _read(worktree) if old else []
        run(worktree.root, "update-ref", "-d", REF)
        _forget(worktree)
        ids = set()
        for trace in traces:
            record = _load(trace) if isinstance(trace, str) else trace
            ids.add(str(record["trace_id"]))
            project = (record.get("metadata") or {}).get("project")
            emit_session(facts_of(record), Path(project) if isinstance(project, str) else None, only=worktree)
        # Best without: the log is whole also where commits cannot be looked at.
        with contextlib.suppress(HookkitError):
            anchors.update(worktree)
        _take_over(worktree, [event for event in kept if _is_only_there(event, ids)])
    except BaseException:
        if old:
            _point(worktree, REF, old)
            _forget(worktree)
            run(worktree.root, "update-ref", "-d", _OLD)
        raise
    run(worktree.root, "update-ref", "-d", _OLD)
    return read_events(worktree)


def _is_only_there(event: TrailEvent, traces: set[str]) -> bool:
    told = event.trace_id in traces and "manual_attach" not in event.capture_method
    return not told or event.event_type in _ANCHORS


def _take_over(worktree: Worktree, events: Sequence[TrailEvent]) -> None:
    """Append events of the old log with their facts, writers and trees. Those that are there by now are left out."""
    for writer in dict.fromkeys(event.writer for event in events):
        of_writer = [event for event in events if event.writer == writer]
        drafts = [
            TrailEventDraft(
                event_type=event.event_type,
                payload=event.payload,
                capture_method=event.capture_method,
                trace_id=event.trace_id,
                generation_index=event.generation_index or 0,
                step_index=event.step_index,
                event_time=event.event_time,
            )
            for event in of_writer
        ]
        trees = (
            event.payload.get(key) for event in of_writer for key in ("tree_id", "before_tree_id", "after_tree_id")
        )
        append_events(worktree, drafts, writer=writer, trees=[tree["hex"] for tree in trees if tree])


def _read(worktree: Worktree) -> list[TrailEvent]:
    """What can be taken over; nothing of a log that is damaged."""
    try:
        return read_events(worktree)
    except HookkitError:
        return []


def _load(trace: str) -> Mapping[str, Any]:
    path = trace_path(trace)
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error
    if not isinstance(record, dict):
        raise HookkitError("UNREADABLE_TRACE", f"{path} holds no trace.", "`hookkit ingest --all` writes it again.")
    return record


def _forget(worktree: Worktree) -> None:
    """What was noted of the log that was there."""
    shutil.rmtree(worktree.common_dir / "hookkit" / "emitted", ignore_errors=True)
    anchors.forget(worktree)


def _head(worktree: Worktree, ref: str) -> str:
    return run(worktree.root, "rev-parse", "--verify", "--quiet", ref, check=False).decode().strip()


def _point(worktree: Worktree, ref: str, commit: str) -> None:
    run(worktree.root, "-c", "core.logAllRefUpdates=false", "update-ref", "--no-deref", ref, commit)
