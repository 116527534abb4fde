"""The text of ``hookkit trail``: what the event log holds of a session, of an object, and whether it is whole."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hookkit.store.index import activity
from hookkit.store.plain import plain
from hookkit.trails import refs
from hookkit.trails.changed import current
from hookkit.views import origins, text
from hookkit.views.patch import patch_json, told

if TYPE_CHECKING:
    from hookkit.trails.boundaries import Boundary
    from hookkit.trails.calls import Call, Session
    from hookkit.trails.events import TrailEvent
    from hookkit.trails.patch import Patch
    from hookkit.trails.refs import Selection
    from hookkit.trails.verify import VerifyResult

_CLOCK = "%H:%M:%S"
_STATUS = {"added": "A", "deleted": "D", "modified": "M", "renamed": "R"}


def chosen(selection: Selection, events: Sequence[TrailEvent]) -> list[TrailEvent]:
    """The events that are about the selected calls; of a session, all."""
    if selection.part == "session":
        return list(events)
    calls = set(selection.call_ids)
    return [event for event in events if event.payload.get("tool_call_id") in calls]


def session(selection: Selection, events: Sequence[TrailEvent]) -> Iterator[str]:
    """A session's windows with their snapshots, patches and anchors, and the gaps, in order of time."""
    about = selection.session
    yield text.styled(f"Trail of {plain(about.trace_id[:8])}", "bold") + (
        f"  {plain(about.agent)}  {text.one_line(about.title, 60)}  {text.counted(len(events), 'event')}"
    )
    alive = current(events)
    by_call: dict[object, list[TrailEvent]] = defaultdict(list)
    for event in alive:
        by_call[event.payload.get("tool_call_id")].append(event)
    blocks: list[tuple[int, list[str]]] = []
    for call in selection.calls:
        own = by_call[call.call_id]
        if own:
            blocks.append((min(activity(event.event_time) for event in own), list(_call(about, call, own))))
    if selection.part == "session":
        blocks += [(activity(event.event_time), [line]) for event in alive if (line := _moment(event))]
    for _, lines in sorted(blocks, key=lambda block: block[0]):
        yield from lines


def _call(about: Session, call: Call, events: Sequence[TrailEvent]) -> Iterator[str]:
    of = {kind: [event for event in events if event.event_type == kind] for kind in {e.event_type for e in events}}
    opened, closed = of.get("trace_step_window_opened", []), of.get("trace_step_window_closed", [])
    times = [_clock(event.payload.get("event_time")) for event in (*opened[:1], *closed[-1:])]
    inferred = any(event.payload.get("boundary_firmness") == "inferred" for event in (*opened, *closed))
    words = [
        text.styled(origins.address(about.trace_id, call.step_index), "cyan"),
        told(call, about.project),
        "..".join(dict.fromkeys(times)),
        "inferred" if inferred else "",
        _limits(event.payload for event in closed),
    ]
    yield "  ".join(word for word in words if word)
    snapshots = of.get("trace_snapshot_created", [])
    if snapshots:
        named = [f"{plain(str(event.payload.get('snapshot_role')))} {_snapshot(event)}" for event in snapshots]
        yield f"    {', '.join(named)}"
    for event in of.get("trace_patch_created", []):
        yield f"    {_patch(event.payload)}"
    for event in of.get("git_anchor_created", []):
        yield f"    {_anchor(event.payload)}"


def _moment(event: TrailEvent) -> str:
    """An event that is no call's; "" for one that a call's line tells."""
    payload, clock = event.payload, _clock(event.event_time)
    if event.event_type == "filesystem_mutation_observed":
        paths = ", ".join(origins.shown_path(str(each.get("path"))) for each in payload.get("paths") or ())
        span = f"{_clock(payload.get('before_time'))}..{_clock(payload.get('after_time'))}"
        return text.styled(f"gap  {span}  {text.one_line(paths, 80)}", "yellow")
    if event.event_type == "trace_session_closed":
        return f"stop  {clock}  tree {_tree(payload.get('tree_id'))}"
    if event.event_type == "trace_snapshot_created" and payload.get("snapshot_role") == "origin":
        return f"origin  {clock}  {_snapshot(event)}"
    if event.event_type == "trace_step_capture_incomplete":
        reasons = ", ".join(f"{plain(str(name))} {count}" for name, count in (payload.get("reasons") or {}).items())
        return text.styled(
            f"incomplete  {payload.get('skipped_tool_calls')} calls without a window: {reasons}", "yellow"
        )
    if event.event_type == "git_anchor_superseded":
        return f"superseded  {clock}  {_anchor(payload)}"
    return ""


def _patch(payload: Mapping[str, Any]) -> str:
    path, old = (origins.shown_path(str(payload.get(key) or "")) for key in ("file_path", "old_path"))
    added, removed = (_count(payload.get(key)) for key in ("affected_range", "removed_range"))
    words = [
        refs.short("patch", str(payload.get("trace_patch_id"))),
        _STATUS.get(str(payload.get("status")), "M"),
        (f"{old} => {path}" if old and old != path else path) + _span(payload.get("affected_range")),
        "binary" if payload.get("binary") else f"+{added} -{removed}" if added is not None else "",
        _limits([payload]),
    ]
    return "  ".join(word for word in words if word)


def _anchor(payload: Mapping[str, Any]) -> str:
    commit = payload.get("commit_id") or payload.get("old_commit_id") or {}
    path = origins.shown_path(str(payload.get("path") or ""))
    words = [
        refs.short("anchor", str(payload["git_anchor_id"])) if payload.get("git_anchor_id") else "",
        f"c:{plain(str(commit.get('hex', '')))[:8]}",
        path + _span(payload.get("range")),
        plain(str(payload.get("evidence_firmness") or "")),
    ]
    return "  ".join(word for word in words if word)


def _snapshot(event: TrailEvent) -> str:
    name = refs.short("snapshot", str(event.payload.get("snapshot_id")))
    return f"{name} tree {_tree(event.payload.get('tree_id'))}"


def _tree(identifier: object) -> str:
    return plain(str(identifier.get("hex"))[:8]) if isinstance(identifier, Mapping) else "none"


def _clock(stamp: object) -> str:
    return text.local(str(stamp or ""), _CLOCK)


def _count(span: object) -> int | None:
    if not isinstance(span, Mapping):
        return None
    return int(span["end_line"]) - int(span["start_line"]) + 1


def _span(span: object) -> str:
    if not isinstance(span, Mapping):
        return ""
    first, last = span.get("start_line"), span.get("end_line")
    return f":{first}" if first == last else f":{first}-{last}" if _count(span) else f":{first}"


def _limits(payloads: Any) -> str:
    found = {
        str(name)
        for payload in payloads
        for key in ("capture_limitations", "hook_limitations")
        for name in payload.get(key) or ()
    }
    return text.styled(f"({', '.join(plain(name) for name in sorted(found))})", "dim") if found else ""


def listed(events: Sequence[TrailEvent]) -> Iterator[str]:
    """Events one by one, with all that they say."""
    for event in events:
        yield text.styled(f"{event.event_sequence}  {plain(event.event_type)}", "bold") + (
            f"  {text.local(event.event_time, '%Y-%m-%d %H:%M:%S')}  {plain(event.event_id[-64:][:8])}"
        )
        trace = {} if event.trace_id is None else {"trace": origins.address(event.trace_id, event.step_index)}
        for key, value in {**trace, **event.payload}.items():
            if value not in (None, [], {}):
                yield f"  {plain(key):<22} {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping) and set(value) == {"algo", "hex"}:
        return plain(str(value["hex"]))
    return text.one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 100)


def verified(result: VerifyResult, full: bool) -> Iterator[str]:
    """Whether the log is whole, and what is wrong with the first event that is not."""
    batches = "1 batch" if result.batches == 1 else f"{result.batches} batches"
    numbers = f"{text.counted(result.events, 'event')} in {batches}"
    if result.ok and not result.events:
        yield "There is no event log in this repository yet."
    elif result.ok:
        what = "every hash, and every object that it names" if full else "what was new; --full checks all of it"
        yield f"The log is whole: {numbers} ({what})."
    else:
        yield text.styled(f"Event {result.first_bad} is wrong: {plain(str(result.problem))}", "red")
        yield f"{numbers} before it are right."
        yield "`hookkit trail rebuild` makes the log anew from the traces."


def boundary_json(boundary: Boundary) -> Mapping[str, Any]:
    """A boundary; schemas/trail-snapshot.schema.json."""
    return {
        "tree": boundary.tree,
        "time": boundary.time,
        "worktree_root": boundary.root,
        "commit": boundary.commit,
        "tool_call_id": boundary.call_id,
        "limitations": list(boundary.limitations),
    }


def compared_json(one: Boundary, other: Boundary, patch: Patch) -> str:
    """Two boundaries and what is different; schemas/trail-snapshot.schema.json."""
    return json.dumps({"from": boundary_json(one), "to": boundary_json(other), **patch_json(patch)})
