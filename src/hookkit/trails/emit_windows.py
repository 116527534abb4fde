"""The events of a session's boundaries: windows, snapshots, ends of turns, and calls that could not be captured."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookkit.trails.emit_session import SessionFacts
from hookkit.trails.events import TrailEventDraft, is_object_id
from hookkit.trails.snapshots import role, snapshot_id
from hookkit.trails.timeline import FOREVER, Moment, Timeline, Window
from hookkit.trails.vocabulary import CAPTURE_LIMITATIONS, ORIGIN_STEP

_METHODS = {"pre": "hook_pretooluse", "post": "hook_posttooluse", "stop": "hook_stop"}
_EVENTS = {"PreToolUse": "hook_pretooluse", "PostToolUseFailure": "hook_posttooluse", "StopFailure": "hook_stop"}
_MOST_IDS = 100  # calls that one event names


@dataclass(slots=True)
class Emission:
    """What is being emitted of one session into the log of one repository.

    roots: the session's worktrees that belong to it. elsewhere: those that are emitted into the logs of others. since:
    boundaries up to this time (microseconds) were emitted before. background: when the first call began that goes on
    after its end. steps: call id -> index of its step. trees: hex ids that the log is to keep.
    """

    facts: SessionFacts
    times: Timeline
    roots: Collection[str]
    since: int
    elsewhere: Collection[str] = ()
    background: int = FOREVER
    steps: Mapping[str, int] = field(default_factory=dict)
    trees: dict[str, None] = field(default_factory=dict)

    def draft(
        self,
        kind: str,
        moment: Moment,
        payload: Mapping[str, Any],
        *methods: str,
        call: str | None = None,
        step: int | None = None,
    ) -> TrailEventDraft:
        """An event that happened at a boundary. step: where it is not that of the call."""
        return TrailEventDraft(
            event_type=kind,
            payload=payload,
            capture_method=methods or (method(moment),),
            trace_id=self.facts.trace_id,
            generation_index=self.facts.generation,
            step_index=self.steps.get(call) if call else step,
            event_time=moment.time,
        )

    def place(self, moment: Moment) -> dict[str, Any]:
        """Where and when a boundary was, and in which state the worktree was then."""
        tree, head = None, None
        trail = moment.entry.get("trail")
        if moment.root and isinstance(trail, Mapping):
            tree, head = trail.get("tree_id"), trail.get("git_head")
            self.trees[str(moment.tree)] = None
        return {
            "worktree_root": moment.root or None,
            "tree_id": tree if is_object_id(tree) else None,
            "git_head": head if is_object_id(head) else None,
            "event_time": moment.time,
            "session_id": self.facts.session_id,
            "agent": self.facts.agent,
        }


def method(moment: Moment) -> str:
    """The capture method of a boundary; of an end that was inferred, that of the boundary it was taken from."""
    event = str(moment.entry.get("event") or "")
    if moment.slot in _METHODS and not moment.inferred:
        return _METHODS[moment.slot]
    return _EVENTS.get(event) or f"hook_{event.lower() or 'event'}"


def boundary_events(emission: Emission) -> Iterator[TrailEventDraft]:
    """Windows, snapshots and ends of turns at the boundaries that are new."""
    for root in emission.roots:
        line = emission.times.roots[root]
        if line[0].us > emission.since:
            yield snapshot_event(emission, line[0], "origin")
        for moment in line[bisect_right(line, emission.since, key=lambda each: each.us) :]:
            if moment.slot == "stop":
                yield _closed(emission, moment)
            elif moment.call:
                if not moment.inferred:
                    yield snapshot_event(emission, moment)
                window = emission.times.windows[moment.call]
                if window.root == root:
                    yield window_event(emission, window, moment)
    yield from _lost_windows(emission)
    if emission.times.moments and next(iter(emission.times.roots), "") in emission.roots:
        for moment in emission.times.moments:
            if moment.slot == "stop" and not moment.root and moment.us > emission.since:
                yield _closed(emission, moment)


def _lost_windows(emission: Emission) -> Iterator[TrailEventDraft]:
    """Calls with a boundary that has no tree, after which the session was not heard of: they may have written anything.

    Where it was heard of later, what changed until then tells the rest; see ``emit_patches``.
    """
    for window in emission.times.windows.values():
        if window.root or window.end <= emission.since:
            continue
        seen = next((each.root for each in (window.opened, window.closed) if each and each.root), "")
        root = seen or next(iter(emission.times.roots), "")
        line = emission.times.roots.get(root, ())
        if root in emission.roots and line and line[-1].us <= window.end:
            before = [moment for moment in line if moment.us <= window.start]
            yield window_event(emission, window, before[-1] if before else line[0], opened=True)


def _closed(emission: Emission, moment: Moment) -> TrailEventDraft:
    """The end of a turn. Without a tree it counts as one in the worktree that the session began in."""
    place = emission.place(moment)
    place["worktree_root"] = moment.root or next(iter(emission.times.roots))
    return emission.draft("trace_session_closed", moment, {**place, "hook_limitations": list(moment.limitations)})


def window_event(emission: Emission, window: Window, at: Moment, *, opened: bool | None = None) -> TrailEventDraft:
    """A window's beginning or end at a boundary.

    opened: given for a call that was not seen in this worktree from end to end, and of which is only known that it ran
    in a time in which the worktree changed.
    """
    foreign = opened is not None
    opens = at is window.opened if opened is None else opened
    inferred = foreign or at.inferred or window.turned
    said = () if foreign else at.limitations
    paths = declared(at.root, emission.times.writes(window))
    payload = {
        **emission.place(at),
        "boundary": "opened" if opens else "closed",
        "boundary_firmness": "inferred" if inferred else "firm",
        "tool_call_id": window.call_id,
        "tool_name": window.tool,
        "agent_step_id": _step_id(emission, window.call_id),
        "declared_write_paths": None if paths is None else list(paths),
        "container": emission.times.is_container(window),
        "background": emission.times.is_background(window),
        "brings_back": emission.times.brings_back(window),
        "capture_limitations": capture_limitations(said, inferred=inferred),
        "hook_limitations": [name for name in said if name not in CAPTURE_LIMITATIONS],
    }
    if not opens:
        entry = {} if foreign else at.entry
        files = declared(at.root, [str(entry["file_path"])]) if isinstance(entry.get("file_path"), str) else None
        payload["file_path"] = files[0] if files else None
        payload["ranges"] = ranges(entry)
        payload["failed"] = entry.get("event") == "PostToolUseFailure"
    kind = "trace_step_window_opened" if opens else "trace_step_window_closed"
    return emission.draft(kind, at, payload, call=window.call_id)


def snapshot_event(emission: Emission, moment: Moment, as_role: str | None = None) -> TrailEventDraft:
    """A boundary's tree, to be kept."""
    call = None if as_role else moment.call or None
    payload = {
        **emission.place(moment),
        "snapshot_id": snapshot_id(emission.facts.trace_id, moment, as_role),
        "snapshot_role": as_role or role(moment),
        "tool_call_id": call,
        "hook_limitations": [name for name in moment.limitations if name not in CAPTURE_LIMITATIONS],
    }
    step = ORIGIN_STEP if as_role == "origin" else None
    return emission.draft("trace_snapshot_created", moment, payload, call=call, step=step)


def capture_limitations(said: Sequence[str], *, inferred: bool) -> list[str]:
    """What of a hook's limitations is in the log's own vocabulary."""
    known = [name for name in said if name in CAPTURE_LIMITATIONS]
    return known + ["unbounded_mutation_window"] * inferred


def declared(root: str, paths: Sequence[str] | None) -> tuple[str, ...] | None:
    """Paths as an agent gave them, relative to a worktree; those outside of it are left out.

    None for anything, also where a path is relative to a folder that nobody knows. A link that leads to another file
    of the worktree stands for both, if it is still there to be asked.
    """
    if paths is None or not all(map(os.path.isabs, paths)):
        return None
    found: dict[str, None] = {}
    for path in paths:
        for name in (os.path.normpath(path), _real(path)):
            if name.startswith(f"{root.rstrip('/')}/"):
                found[name[len(root.rstrip("/")) + 1 :]] = None
    return tuple(found)


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return ""


def ranges(entry: Mapping[str, Any]) -> list[list[int]] | None:
    """The lines that the hook saw the call write, [first, last] each, from 1; None where it saw no file."""
    given = entry.get("ranges")
    if isinstance(given, list):
        alive = [each for each in given if isinstance(each, Mapping) and each.get("change_type") != "deletion"]
        return [pair for pair in (_pair(each) for each in alive) if pair]
    pair = _pair(entry)
    return [pair] if pair else None


def _pair(entry: Mapping[str, Any]) -> list[int] | None:
    first, last = entry.get("start_line"), entry.get("end_line")
    if type(first) is not int or type(last) is not int or not 0 < first <= last:
        return None
    return [first, last]


def _step_id(emission: Emission, call: str) -> str | None:
    index = emission.steps.get(call)
    return None if index is None else f"step_{index}"


def skipped(emission: Emission) -> dict[str, str]:
    """Call id -> why there is no window of it, of all calls of the session. The reasons are the closed vocabulary's."""
    found = {}
    for window in emission.times.windows.values():
        reason = _reason(emission, window)
        if reason:
            found[window.call_id] = reason
    for window in emission.facts.unseen:
        found[window.call_id] = "missing_pre_or_post_hook"
    return found


def _reason(emission: Emission, window: Window) -> str | None:
    opened, closed = window.opened, window.closed
    if opened is None or closed is None:
        return "missing_pre_or_post_hook"
    if opened.root == closed.root and opened.root in emission.elsewhere:
        return None
    if any(moment.root and moment.root not in emission.roots for moment in (opened, closed)):
        return "worktree_root_mismatch"
    if not opened.root or not closed.root:
        return "missing_valid_tree_id"
    return "worktree_root_mismatch" if opened.root != closed.root else None


def incomplete_events(emission: Emission, reasons: Mapping[str, str]) -> Iterator[TrailEventDraft]:
    """One event for each turn with calls that have no window.

    A turn is the time up to a Stop: the same wherever the ingests of the session were.
    """
    line = emission.times.moments
    if not line or not reasons:
        return
    stops = [moment for moment in line if moment.slot == "stop"]
    starts = [line[0], *stops]
    calls: dict[int, list[str]] = {}
    for window in [*emission.times.windows.values(), *emission.facts.unseen]:
        turn = bisect_right(stops, window.start, key=lambda moment: moment.us)
        calls.setdefault(turn, []).append(window.call_id)
    for turn, members in sorted(calls.items()):
        missing = [call for call in dict.fromkeys(members) if call in reasons]
        end = stops[turn].us if turn < len(stops) else FOREVER
        if not missing or end <= emission.since:
            continue
        payload = {
            "session_id": emission.facts.session_id,
            "agent": emission.facts.agent,
            "event_time": starts[turn].time,
            "total_tool_calls": len(set(members)),
            "skipped_tool_calls": len(missing),
            "reasons": dict(Counter(reasons[call] for call in missing)),
            "tool_call_ids": missing[:_MOST_IDS],
            "capture_limitations": ["incomplete_step_window_capture"],
        }
        methods = "hook_stop" if stops else "hook_pretooluse"
        yield emission.draft("trace_step_capture_incomplete", starts[turn], payload, methods)
