"""What calls changed, and what changed in the gaps between them, as the event log tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookkit.git.diff import FileChange, diff_trees
from hookkit.git.worktree import Worktree
from hookkit.store.index import activity

if TYPE_CHECKING:
    from hookkit.trails.events import TrailEvent

Entry = tuple[str, str]  # mode, blob id
# First and last line taken out, first and last line put in; 1-based, a last below its first where there is none.
Span = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """What one call, or nobody, did to one file between two boundaries of a worktree.

    before, after: None where there was no file. spans: the hunks that are meant, where others of the same difference
    are somebody else's; None: all of it.
    """

    root: str
    path: str
    old_path: str
    before: Entry | None
    after: Entry | None
    spans: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """What changed outside of all calls between two boundaries. since, until: as the hooks wrote them."""

    root: str
    since: str
    until: str
    before_tree: str
    after_tree: str
    paths: tuple[str, ...]
    limitations: tuple[str, ...]


_Place = tuple[str, str, str, str]  # root, time before, time after, path


def current(events: Iterable[TrailEvent]) -> list[TrailEvent]:
    """The events without those that later ones took the place of."""
    found = list(events)
    gone = {event_id for event in found for event_id in event.payload.get("supersedes") or ()}
    return [event for event in found if event.event_id not in gone]


def changes(events: Sequence[TrailEvent], call_ids: Collection[str]) -> list[Change]:
    """What these calls changed, in order of time. events: of their trace."""
    alive = current(events)
    patches: dict[_Place, list[TrailEvent]] = defaultdict(list)
    shared = set()
    for event in alive:
        if event.event_type == "trace_patch_created":
            place = _place(event.payload)
            if event.payload.get("tool_call_id") in call_ids:
                patches[place].append(event)
            else:
                shared.add(place)
        elif event.event_type == "filesystem_mutation_observed":
            root, since, until = _interval(event.payload)
            shared |= {(root, since, until, str(each.get("path"))) for each in event.payload.get("paths") or ()}
    found = []
    in_time = sorted(
        patches.items(), key=lambda item: (activity(item[0][1]), activity(item[0][2]), item[1][0].event_sequence)
    )
    for place, group in in_time:
        spans = tuple(span for event in group if (span := span_of(event.payload)))
        partial = place in shared and len(spans) == len(group)
        found.append(change_of(group[0].payload, spans if partial else None))
    return [change for change in found if change.before or change.after]


def limitations(events: Sequence[TrailEvent], call_ids: Collection[str]) -> list[str]:
    """What could not be seen of these calls."""
    found: set[str] = set()
    for event in current(events):
        payload = event.payload
        missing = payload.get("tool_call_ids") if event.event_type == "trace_step_capture_incomplete" else ()
        if payload.get("tool_call_id") in call_ids or not set(call_ids).isdisjoint(missing or ()):
            found.update(payload.get("capture_limitations") or (), payload.get("hook_limitations") or ())
    return sorted(found)


def gaps(events: Sequence[TrailEvent]) -> list[Gap]:
    """The gaps of a trace in which something changed, in order of time."""
    found = []
    for event in current(events):
        payload = event.payload
        if event.event_type != "filesystem_mutation_observed":
            continue
        root, since, until = _interval(payload)
        names = [name for each in payload.get("paths") or () for name in (each.get("path"), each.get("old_path"))]
        found.append(
            Gap(
                root=root,
                since=since,
                until=until,
                before_tree=_hex(payload.get("before_tree_id")),
                after_tree=_hex(payload.get("after_tree_id")),
                paths=() if payload.get("paths_left_out") else tuple(dict.fromkeys(map(str, filter(None, names)))),
                limitations=(*(payload.get("capture_limitations") or ()), *(payload.get("hook_limitations") or ())),
            )
        )
    return sorted(found, key=lambda gap: (activity(gap.since), activity(gap.until)))


def gap_changes(worktree: Worktree, events: Sequence[TrailEvent], gap: Gap) -> list[Change]:
    """What changed in a gap, without the hunks that calls of the same time are known to have written.

    GitError if git no longer has one of the trees.
    """
    taken: dict[str, list[Span | None]] = defaultdict(list)
    for event in current(events):
        if event.event_type == "trace_patch_created" and _interval(event.payload) == (gap.root, gap.since, gap.until):
            taken[str(event.payload["file_path"])].append(span_of(event.payload))
    found = []
    for file in next(iter(diff_trees(worktree, [(gap.before_tree, gap.after_tree)], paths=gap.paths))):
        gone = taken.get(file.path, [])
        if None in gone:
            continue
        spans = tuple(span for span in _spans(file) if span not in gone)
        if spans or not gone:
            found.append(
                Change(
                    gap.root,
                    file.path,
                    file.old_path,
                    (file.old_mode, file.old_blob) if file.old_blob else None,
                    (file.new_mode, file.new_blob) if file.new_blob else None,
                    spans if gone else None,
                )
            )
    return found


def _spans(file: FileChange) -> list[Span]:
    return [
        (h.old_start + 1, h.old_start + h.old_count, h.new_start + 1, h.new_start + h.new_count) for h in file.hunks
    ]


def change_of(payload: Mapping[str, Any], spans: tuple[Span, ...] | None = None) -> Change:
    """The change of the file that a patch event is a part of; of it only ``spans``, if they are given."""
    path = str(payload["file_path"])
    return Change(
        root=str(payload.get("worktree_root") or ""),
        path=path,
        old_path=str(payload.get("old_path") or path),
        before=_entry(payload.get("old_mode"), payload.get("before_blob_id")),
        after=_entry(payload.get("new_mode"), payload.get("after_blob_id")),
        spans=spans,
    )


def span_of(payload: Mapping[str, Any]) -> Span | None:
    """The hunk of a patch event; None if it is of the file as a whole."""
    removed, added = payload.get("removed_range"), payload.get("affected_range")
    numbers = [
        found.get(key) if isinstance(found, Mapping) else None
        for found in (removed, added)
        for key in ("start_line", "end_line")
    ]
    first, last, new_first, new_last = (number if type(number) is int else -1 for number in numbers)
    return None if min(first, last, new_first, new_last) < 0 else (first, last, new_first, new_last)


def _place(payload: Mapping[str, Any]) -> _Place:
    return (*_interval(payload), str(payload["file_path"]))


def _interval(payload: Mapping[str, Any]) -> tuple[str, str, str]:
    """Root and times of the interval in which something changed."""
    until = payload.get("after_time") or payload.get("event_time")
    since = payload.get("before_time") or payload.get("snapshot_before_id")
    return str(payload.get("worktree_root") or ""), str(since or ""), str(until or "")


def _entry(mode: object, blob: object) -> Entry | None:
    digits = _hex(blob)
    if not digits:
        return None
    return (mode if isinstance(mode, str) and mode.strip("0") else "100644", digits)


def _hex(identifier: object) -> str:
    digits = identifier.get("hex") if isinstance(identifier, Mapping) else None
    return digits if isinstance(digits, str) else ""
