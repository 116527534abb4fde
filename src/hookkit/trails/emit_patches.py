"""The events of what changed: a patch for each hunk that is a call's, and one observation for what is nobody's.

Each interval between two neighbouring boundaries is looked at once, and each hunk in it has one owner, by the rule that
the line origins go by, too: so nothing is counted twice, however windows overlap.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hookkit.git.diff import FileChange, Hunk
from hookkit.git.worktree import Worktree
from hookkit.trails.emit_windows import Emission, declared, method, ranges, snapshot_event, window_event
from hookkit.trails.events import TrailEventDraft, object_id
from hookkit.trails.lines.intervals import PARTIAL, Open, Owner, differences, owner_of
from hookkit.trails.lines.intervals import Window as Span
from hookkit.trails.snapshots import clean_hash, patch_id, snapshot_id, text_hash
from hookkit.trails.timeline import Interval, Moment, Window

_MOST_HUNKS = 2000  # of one interval; past it a file has one patch: nobody reads that many, and the trees tell all
_MOST_FILES = 5000
_MOST_PATHS = 1000  # that an observation names


def change_events(emission: Emission, worktree: Worktree) -> Iterator[TrailEventDraft]:
    """Patches and observations of the intervals that are new, in order of time for each worktree."""
    for root in emission.roots:
        changed = [
            each
            for each in emission.times.intervals(root, emission.since)
            if each.before.tree != each.after.tree and each.after.us > emission.since
        ]
        pairs = [(each.before.tree or "", each.after.tree or "") for each in changed]
        for number, files in differences(worktree, pairs):
            interval = changed[number]
            yield from _Interval(emission, interval).events(files)


class _Interval:
    """One interval while its events are made.

    It begins at the nearest boundary before its end, whoever's that is: where calls overlap, a patch may so begin at
    another call's post boundary, which leaves less time for the change than its own call's pre boundary would.
    """

    def __init__(self, emission: Emission, interval: Interval) -> None:
        self.emission = emission
        self.before, self.after = interval.before, interval.after
        self.root = interval.after.root
        self.within = [self._span(window) for window in interval.within]
        self.beside = [self._stranger(window) for window in interval.beside]
        self.windows = {window.call_id: window for window in (*interval.within, *interval.beside)}
        self.background = emission.background <= interval.before.us
        limits = [set(moment.limitations) & PARTIAL for moment in (interval.before, interval.after)]
        self.partial = limits[0] != limits[1]

    def events(self, files: Sequence[FileChange]) -> Iterator[TrailEventDraft]:
        """The events of the interval's changes."""
        whole = sum(max(1, len(file.hunks)) for file in files) > _MOST_HUNKS
        left_out = len(files) - _MOST_FILES
        patches, strangers, outside = [], dict[str, None](), dict[str, tuple[FileChange, Owner]]()
        for file in files[:_MOST_FILES]:
            hunks: tuple[Hunk | None, ...] = file.hunks or (None,)
            for hunk in (None,) if whole else hunks:
                owner = self._owner(file, hunk)
                if owner.kind != "tool_call" or owner.call is None:
                    outside[file.path] = (file, owner)
                    continue
                patches.append(self._patch(file, hunk, owner))
                if all(span.call != owner.call for span in self.within):
                    strangers[owner.call] = None
        if patches and left_out > 0:
            patches[-1].payload["files_left_out"] = left_out  # type: ignore[index]
        for call in strangers:
            if self.windows[call].root in self.emission.roots:
                continue  # its window is in the log, with another worktree of this repository
            for moment, opened in ((self.before, True), (self.after, False)):
                yield window_event(self.emission, self.windows[call], moment, opened=opened)
        for moment in (self.before, self.after) if patches else ():
            if not moment.call or moment.inferred:
                yield snapshot_event(self.emission, moment)
        yield from patches
        if outside:
            yield self._observation(list(outside.values()))

    def _span(self, window: Window) -> Span:
        """A window as the rule of ownership takes it."""
        times = self.emission.times
        paths = declared(self.root, times.writes(window))
        closed = window.closed
        seen = None if closed is None else ranges(closed.entry)
        return Span(
            trace=self.emission.facts.trace_id,
            call=window.call_id,
            opened=window.start,
            closed=window.end,
            step=None,
            inferred=closed is None or window.inferred,
            declared=None if paths is None else frozenset(map(os.fsencode, paths)),
            container=times.is_container(window),
            background=times.is_background(window),
            ranges=None if seen is None else tuple((first, last) for first, last in seen),
            brings_back=times.brings_back(window),
        )

    def _stranger(self, window: Window) -> Span:
        """A call that was not seen in this worktree from end to end, as if it had been open all the time."""
        span = self._span(window)
        return Span(
            span.trace, span.call, self.before.us, self.after.us, None, True, span.declared, span.container,
            span.background, None, span.brings_back,
        )  # fmt: skip

    def _owner(self, file: FileChange, hunk: Hunk | None) -> Owner:
        place = (0, 0) if hunk is None else (hunk.new_start, hunk.new_count)
        paths = (os.fsencode(file.old_path), os.fsencode(file.path))
        owner = owner_of(paths, Open(self.within, self.background), self.after.us, place)
        if owner.kind != "tool_call" and self.beside:
            other = owner_of(paths, Open(self.beside, self.background), self.after.us, place)
            owner = other if other.kind == "tool_call" or not other.firm else owner
        return owner.doubt("incomplete_step_window_capture") if self.partial else owner

    def _patch(self, file: FileChange, hunk: Hunk | None, owner: Owner) -> TrailEventDraft:
        call, facts = str(owner.call), self.emission.facts
        closed = self.windows[call].closed
        limits = set(owner.limits)
        if closed is not None and closed.entry.get("capture_status") == "hook_only":
            limits.add("hook_only")
        added = hunk.added if hunk else b""
        payload: dict[str, Any] = {
            "snapshot_before_id": snapshot_id(facts.trace_id, self.before),
            "snapshot_after_id": snapshot_id(facts.trace_id, self.after),
            "tool_call_id": call,
            "worktree_root": self.root,
            "before_time": self.before.time,
            "event_time": self.after.time,
            "file_path": file.path,
            "old_path": file.old_path,
            "status": file.status,
            "old_mode": file.old_mode,
            "new_mode": file.new_mode,
            "binary": file.binary,
            "affected_range": _range(hunk.new_start, hunk.new_count) if hunk else None,
            "removed_range": _range(hunk.old_start, hunk.old_count) if hunk else None,
            "before_blob_id": object_id(file.old_blob) if file.old_blob else None,
            "after_blob_id": object_id(file.new_blob) if file.new_blob else None,
            "raw_authored_hash": text_hash(added),
            "git_clean_hash": clean_hash(added),
            "capture_limitations": sorted(limits),
        }
        payload["trace_patch_id"] = patch_id(facts.trace_id, payload)
        methods = dict.fromkeys((method(self.before), method(self.after)))
        return self.emission.draft("trace_patch_created", self.after, payload, *methods, call=call)

    def _observation(self, files: Sequence[tuple[FileChange, Owner]]) -> TrailEventDraft:
        place, start = self.emission.place(self.after), self.emission.place(self.before)
        payload = {
            "worktree_root": self.root,
            "before_tree_id": start["tree_id"],
            "after_tree_id": place["tree_id"],
            "before_time": self.before.time,
            "after_time": self.after.time,
            "before_git_head": start["git_head"],
            "git_head": place["git_head"],
            "session_id": place["session_id"],
            "agent": place["agent"],
            "paths": [
                {"path": file.path, "old_path": file.old_path, "status": file.status} for file, _ in files[:_MOST_PATHS]
            ],
            "capture_limitations": sorted({name for _, owner in files for name in owner.limits}),
            "before_hook_limitations": sorted(_partial(self.before)),
            "after_hook_limitations": sorted(_partial(self.after)),
        }
        if len(files) > _MOST_PATHS:
            payload["paths_left_out"] = len(files) - _MOST_PATHS
        methods = dict.fromkeys((method(self.before), method(self.after)))
        return self.emission.draft("filesystem_mutation_observed", self.after, payload, *methods)


def _range(start: int, count: int) -> dict[str, int]:
    """1-based; where there is no line the start is the line before which it happened, and the end one less."""
    return {"start_line": start + 1, "end_line": start + count}


def _partial(moment: Moment) -> set[str]:
    return set(moment.limitations) & PARTIAL


def superseded(old: Sequence[Any], drafts: Collection[TrailEventDraft]) -> list[TrailEventDraft]:
    """Have new changes name the events that they take the place of; gives the drafts again.

    old: the changes of the session that are in the log. A line that came late cuts an interval in two, or tells of a
    call that ran: what was said of that time is no longer so. Nothing is taken out of the log, but a reader can tell.
    """
    facts = Counter(draft.fact() for draft in drafts)
    gone = [event for event in old if event.fact() not in facts]
    known = {event.fact() for event in old}
    for draft in drafts:
        if draft.event_type in CHANGES and draft.fact() not in known:
            start, end = _times(draft.payload)
            over = [
                event
                for event in gone
                if event.payload.get("worktree_root") == draft.payload["worktree_root"]
                and _times(event.payload)[0] < end
                and start < _times(event.payload)[1]
            ]
            if over:
                draft.payload["supersedes"] = [event.event_id for event in over]  # type: ignore[index]
                gone = [event for event in gone if event not in over]
    return list(drafts)


CHANGES = frozenset({"trace_patch_created", "filesystem_mutation_observed"})


def _times(payload: Any) -> tuple[str, str]:
    return str(payload.get("before_time") or ""), str(payload.get("event_time") or payload.get("after_time") or "")
