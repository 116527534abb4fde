"""A recorded session on its way out: redacted, and with the diffs of its calls where git still has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookkit import agents
from hookkit.capture.record import canonical
from hookkit.errors import HookkitError, UsageError
from hookkit.redaction import redact_counted
from hookkit.trails.timeline import micros, timeline
from hookkit.views.outline import Item, Outline

if TYPE_CHECKING:
    from hookkit.git.worktree import Worktree
    from hookkit.trails.events import TrailEvent

_NOT_HASHED = ("content_hash", "trace_id")


class Source:
    """A session to be exported.

    record: the TraceRecord as JSON; redacted, it says so itself (``security``, ``content_hash``). redactions: how many
    secrets were replaced so far, those in diffs included; None if nothing is to be redacted. diffs: of its calls; left
    out where they are not needed.
    """

    def __init__(self, record: Mapping[str, Any], *, redacted: bool = True, diffs: Diffs | None = None) -> None:
        self.redactions: int | None = None
        self.record = record
        self.diffs = diffs or Diffs("Diffs were not asked for.")
        if redacted:
            self.record, self.redactions = _redacted(record)

    def diff(self, call_id: str) -> tuple[str, str]:
        """What a call changed as a patch, "" for nothing; and why it cannot be had, "" if it can."""
        patch, why = self.diffs.of(call_id)
        if self.redactions is not None:
            patch, found = redact_counted(patch)
            self.redactions += found
        return patch, why


class Diffs:
    """The diffs of a session's calls, made one by one from the trees of their boundaries.

    missing: why there are none at all, "" if there are. events: of the session, as its worktree's log has them.
    """

    def __init__(self, missing: str = "", worktree: Worktree | None = None, events: Sequence[TrailEvent] = ()) -> None:
        self.missing = missing
        self._worktree, self._events = worktree, events
        self._changing = {event.payload.get("tool_call_id") for event in events}

    def of(self, call_id: str) -> tuple[str, str]:
        """See ``Source.diff``; not redacted."""
        from hookkit.trails.changed import changes
        from hookkit.trails.patch import combined

        if self._worktree is None or call_id not in self._changing:
            return "", ""
        try:
            found = changes(self._events, {call_id})
            return (combined(self._worktree, found).text.decode("utf-8", "replace") if found else ""), ""
        except HookkitError as error:
            return "", error.message


def diffs_in(worktree: Worktree, trace_id: str) -> Diffs:
    """The diffs of a trace that the log of a worktree knows."""
    from hookkit.trails.log import read_events_for_trace

    try:
        events = read_events_for_trace(worktree, trace_id)
    except HookkitError as error:
        return Diffs(error.message)
    if not events:
        return Diffs(f"The event log of {worktree.root} holds nothing of this session.")
    return Diffs("", worktree, events)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the outline with all that the session says of it: call and its result, {} for rows of another kind."""

    item: Item
    call: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def state(self) -> str:
        """Of a call: ok, failed or no_result."""
        return self.item.state or "ok"

    @property
    def ended(self) -> str | None:
        """When a call's window closed; None if no hook saw it."""
        window = self.item.window
        return window.closed.time if window and window.closed else None

    @property
    def duration_ms(self) -> float | None:
        """As the agent says it, else the time between the hooks."""
        begun, ended = micros(self.item.time), micros(self.ended)
        if self.item.duration_ms is not None or begun is None or ended is None or not self.item.window:
            return self.item.duration_ms
        return max(0, ended - begun) / 1000 if self.item.window.opened else None

    @property
    def trees(self) -> tuple[str | None, str | None]:
        """Hex ids of the trees before and after a call or a gap."""
        if self.item.gap:
            return self.item.gap.before, self.item.gap.after
        return (self.item.window.before, self.item.window.after) if self.item.window else (None, None)

    @property
    def limitations(self) -> list[str]:
        window = self.item.window
        ends = (window.opened, window.closed) if window else ()
        return sorted({name for end in ends if end for name in end.limitations})

    @property
    def text(self) -> str:
        """What a call gave back, or said went wrong."""
        error = self.item.error if self.item.state == "failed" else ""
        return str(self.result.get("content") or self.result.get("output_summary") or error)


@dataclass(frozen=True, slots=True)
class Part:
    """A step with its rows; a last part without a step ({}) has what comes after. depth: as ``Item`` has it."""

    step: Mapping[str, Any]
    turn: int
    depth: int
    rows: tuple[Row, ...]


def parts(record: Mapping[str, Any]) -> Iterator[Part]:
    """A session step by step."""
    metadata = record.get("metadata") or {}
    outline = Outline(timeline(record), metadata.get("project"))
    for step in record["steps"]:
        items = tuple(outline.add(step))
        calls = iter(step.get("tool_calls") or ())  # the outline has a row for each, in this order
        results = {one["source_call_id"]: one for one in step.get("observations") or ()}
        rows = tuple(
            Row(item, next(calls), results.get(item.call_id) or {}) if item.kind == "call" else Row(item, {}, {})
            for item in items
        )
        depth = next((item.depth for item in items if item.step is not None), 0)
        yield Part(step, outline.turn, depth, rows)
    rest = outline.end(metadata.get("session_errors") or ())
    yield Part({}, outline.turn, 0, tuple(Row(item, {}, {}) for item in rest))


def tokens(step: Mapping[str, Any]) -> dict[str, int] | None:
    """The four buckets of a step: input (without cache), output, cache_read, cache_write; None if it used none."""
    usage = step.get("token_usage") or {}
    found = {name: int(usage.get(f"{name}_tokens") or 0) for name in ("input", "output", "cache_read", "cache_write")}
    return found if any(found.values()) else None


def containers(record: Mapping[str, Any]) -> frozenset[str]:
    """The tools of a session's agent that begin subagents."""
    try:
        return agents.get(str((record.get("agent") or {}).get("name") or "")).containers
    except UsageError:
        return frozenset()


def _redacted(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    told, found = redact_counted(record)
    security = told.get("security") or {}
    applied = (security.get("redactions_applied") or 0) + found
    told["security"] = security | {"scanned": True, "redactions_applied": applied}
    content = {key: value for key, value in told.items() if key not in _NOT_HASHED}
    told["content_hash"] = hashlib.sha256(canonical(content)).hexdigest()
    return told, found
