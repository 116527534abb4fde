"""From the hook lines of a session to the events of the log.

The cost is that of what is new: how far a session was emitted is kept in the repository's private folder, with a hash
of all lines up to there. If the lines are other ones by now, or the log is, everything is emitted again, and the log
takes what it does not know.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from hookkit.git.worktree import Worktree
from hookkit.trails.emit_patches import CHANGES, change_events, superseded
from hookkit.trails.emit_roots import existing, locate, repositories
from hookkit.trails.emit_session import SessionFacts, facts_of
from hookkit.trails.emit_windows import Emission, boundary_events, incomplete_events, skipped
from hookkit.trails.events import TrailEvent, TrailEventDraft, is_object_id
from hookkit.trails.log import append_events, has_fact, read_events_for_trace
from hookkit.trails.timeline import FOREVER, Moment, micros

_VERSION = 1  # of what is emitted: another one, and every session is emitted again when it is next read


@dataclass(frozen=True, slots=True)
class StepTrailEmissionResult:
    """emitted_events: what was appended now. skipped_tool_calls: calls of the session without a window in this
    repository. projection_events: all events of the trace's generation that the log has; read when first looked at."""

    emitted_events: list[TrailEvent]
    skipped_tool_calls: int = 0
    projection_events: Sequence[TrailEvent] = field(default_factory=list)


class _Known(Sequence[TrailEvent]):
    def __init__(self, worktree: Worktree, facts: SessionFacts) -> None:
        self._worktree, self._facts = worktree, facts

    @cached_property
    def _events(self) -> list[TrailEvent]:
        found = read_events_for_trace(self._worktree, self._facts.trace_id)
        return [event for event in found if event.generation_index == self._facts.generation]

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, place: int) -> TrailEvent: ...

    @overload
    def __getitem__(self, place: slice) -> list[TrailEvent]: ...

    def __getitem__(self, place: int | slice) -> TrailEvent | list[TrailEvent]:
        return self._events[place]


def emit_step_window_events_from_record(
    repo: Path, record: Any, *, writer: str | None = None
) -> StepTrailEmissionResult:
    """Emit what a trace says about the repository at ``repo`` into its event log; facts that it has are not repeated.

    record: a TraceRecord, or its JSON as a dict. writer: who emits; by default the agent's capture. Calls in worktrees
    of other repositories are skipped. Outside of a worktree nothing is emitted. TrailError if nothing can be written.
    """
    worktree = locate(str(repo))
    if worktree is None:
        return StepTrailEmissionResult([])
    facts = facts_of(record)
    groups = repositories(_roots(facts), [worktree])
    mine = next((roots for other, roots in groups if other.common_dir == worktree.common_dir), [])
    emitted, missing = emit(worktree, facts, mine, writer=writer)
    return StepTrailEmissionResult(emitted, missing, _Known(worktree, facts))


def emit_session(
    facts: SessionFacts, project: Path | None = None, *, only: Worktree | None = None
) -> list[tuple[Worktree, list[TrailEvent]]]:
    """Emit a session into the logs of all repositories that it worked in; gives of each a worktree, and what was new.

    project: where to look for the worktrees that are gone. only: leave the logs of other repositories alone.
    """
    groups = repositories(_roots(facts), [locate(str(project)) if project else None, only])
    done = []
    for worktree, mine in groups:
        if only is None or worktree.common_dir == only.common_dir:
            others = {root for _, roots_there in groups for root in roots_there} - set(mine)
            done.append((worktree, emit(worktree, facts, mine, elsewhere=others)[0]))
    return done


def emit(
    worktree: Worktree,
    facts: SessionFacts,
    roots: Collection[str],
    *,
    elsewhere: Collection[str] = (),
    writer: str | None = None,
) -> tuple[list[TrailEvent], int]:
    """Emit what is new of a session's worktrees in one repository: (events, calls that were skipped, of all)."""
    progress = _Progress(worktree, facts, roots)
    since = progress.since()
    _drop_lost_trees(worktree, facts, roots, since)
    times = facts.timeline()
    emission = Emission(facts, times, [root for root in roots if root in times.roots], since, elsewhere)
    new = [window for window in times.windows.values() if window.end > since]
    started = [window.start for window in new if times.is_background(window)]
    emission.background = min([progress.background, *started])
    emission.steps = facts.steps([window.call_id for window in new])
    reasons = skipped(emission)
    drafts = [
        *boundary_events(emission),
        *change_events(emission, worktree),
        *incomplete_events(emission, reasons),
    ]
    drafts.sort(key=lambda draft: micros(draft.event_time) or 0)
    if not since and drafts:
        old = [event for event in read_events_for_trace(worktree, facts.trace_id) if event.event_type in CHANGES]
        drafts = superseded(old, drafts) if old else drafts
    written = writer or f"capture-{facts.agent or 'session'}"
    events = append_events(worktree, drafts, writer=written, trees=emission.trees) if drafts else []
    progress.save(drafts, emission.background)
    return events, len(reasons)


def without_superseded(events: Collection[TrailEvent]) -> list[TrailEvent]:
    """Events without those whose place was taken by later ones, which knew more; see ``emit_patches.superseded``."""
    gone = {name for event in events for name in event.payload.get("supersedes") or ()}
    return [event for event in events if event.event_id not in gone]


def _roots(facts: SessionFacts) -> dict[str, str]:
    """Worktree root -> hex id of a tree of it, in order of time.

    Takes out what is no tree id: a record may come from anywhere. What an ingest read was looked at by then.
    """
    last: dict[str, Moment] = {}
    for moment in sorted(facts.moments, key=lambda moment: moment.us):
        if moment.root and isinstance(moment.raw, Mapping) and not is_object_id(moment.raw["trail"]["tree_id"]):
            moment.root = ""
        elif moment.root:
            last[moment.root] = moment
    return {root: str(moment.tree) for root, moment in last.items()}


def _drop_lost_trees(worktree: Worktree, facts: SessionFacts, roots: Collection[str], since: int) -> None:
    """Boundaries whose tree git no longer has are as good as without one."""
    last: dict[str, int] = {}
    for moment in facts.moments:
        if moment.root in roots and moment.us <= since:
            last[moment.root] = max(moment.us, last.get(moment.root, 0))
    asked = [moment for moment in facts.moments if moment.root in roots and moment.us >= last.get(moment.root, since)]
    kept = existing(worktree, [str(moment.tree) for moment in asked])
    for moment in asked:
        if moment.tree not in kept:
            moment.root = ""


class _Progress:
    """How far a session was emitted into the log of one repository."""

    def __init__(self, worktree: Worktree, facts: SessionFacts, roots: Collection[str]) -> None:
        self.worktree = worktree
        self.facts = facts
        self.roots = sorted(root.encode(errors="backslashreplace").decode() for root in roots)
        name = hashlib.sha256(facts.trace_id.encode(errors="surrogatepass")).hexdigest()[:32]
        self.path = worktree.common_dir / "hookkit" / "emitted" / f"{name}.json"
        self.fact = ""
        self.background = FOREVER

    def since(self) -> int:
        """Up to when everything is in the log (microseconds); 0 if it has to be emitted from the beginning."""
        try:
            found = json.loads(self.path.read_bytes())
            until, self.fact, background = int(found["until"]), str(found["fact"]), int(found["background"])
            same = (found["version"], found["roots"], found["digest"]) == (
                _VERSION,
                self.roots,
                self.facts.digest(until),
            )
        except (OSError, ValueError, LookupError, TypeError):
            return 0
        if not same or (self.fact and not has_fact(self.worktree, self.fact)):
            return 0
        self.background = background
        return until

    def save(self, drafts: Collection[TrailEventDraft], background: int) -> None:
        """Note that everything is in the log by now. What cannot be written is emitted again, and the log knows it."""
        until = max((moment.us for moment in self.facts.moments), default=0)
        state = {
            "version": _VERSION,
            "until": until,
            "roots": self.roots,
            "digest": self.facts.digest(until),
            "background": background,
            "fact": list(drafts)[-1].fact() if drafts else self.fact,
        }
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stage = self.path.with_name(f"{self.path.name}.{os.getpid()}.stage")
            stage.write_text(json.dumps(state))
            stage.replace(self.path)
