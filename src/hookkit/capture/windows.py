"""Closes the windows that no hook closed.

Every agent has calls that start and never report an end: denied, interrupted, killed. The tree id of the next
boundary bounds what such a call can have done.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hookkit.capture.hook_lines import HookIndex, Row, is_cut
from hookkit.capture.record import canonical

# A call whose result the transcript does not have may still be running at other calls' boundaries.
_TURN_EVENTS = frozenset({"SessionStart", "UserPromptSubmit", "Stop", "StopFailure", "SessionEnd"})


@dataclass(frozen=True, slots=True)
class CallEnd:
    """What the transcript says of a call's end: whether there is a result, and when (microseconds since 1970)."""

    known: bool
    us: int | None


@dataclass(frozen=True, slots=True)
class Pairing:
    """inferred: call id -> canonical post entry. The counts say which calls have no window at all, and why.

    unseen: the calls that no hook saw -> when they ended, if that is known (microseconds since 1970).
    """

    inferred: Mapping[str, bytes]
    no_post: int
    no_pre: int
    unseen: Mapping[str, int | None]

    @property
    def no_hook(self) -> int:
        return len(self.unseen)

    @property
    def missing(self) -> int:
        return self.no_post + self.no_pre + self.no_hook


def pair(hooks: HookIndex, ends: Mapping[str, CallEnd]) -> Pairing:
    """Close what can be closed. ends: the calls of the transcript."""
    unpaired = [call_id for call_id in hooks.pre if call_id not in hooks.post]
    inferred = {}
    if unpaired:
        boundaries = _boundaries(hooks)
        for call_id in unpaired:
            entry = _close(hooks.pre[call_id], ends.get(call_id, CallEnd(False, None)), boundaries)
            if entry is not None:
                inferred[call_id] = entry
    return Pairing(
        inferred=inferred,
        no_post=len(unpaired) - len(inferred),
        no_pre=sum(call_id not in hooks.pre for call_id in hooks.post),
        unseen={
            call_id: end.us for call_id, end in ends.items() if call_id not in hooks.pre and call_id not in hooks.post
        },
    )


def _boundaries(hooks: HookIndex) -> Mapping[tuple[str, bool], list[Row]]:
    """(worktree root, turn events only) -> its boundaries in order of time."""
    found: dict[tuple[str, bool], list[Row]] = {}
    rows = [("", row) for row in (*hooks.pre.values(), *hooks.post.values())]
    for event, row in [*rows, *hooks.events()]:
        if row.root:
            found.setdefault((row.root, False), []).append(row)
            if event in _TURN_EVENTS:
                found.setdefault((row.root, True), []).append(row)
    for boundaries in found.values():
        boundaries.sort(key=lambda row: (row.us, row.text))
    return found


def _close(pre: Row, end: CallEnd, boundaries: Mapping[tuple[str, bool], list[Row]]) -> bytes | None:
    candidates = boundaries.get((pre.root, not end.known), []) if pre.root else []
    after = max(pre.us, end.us or 0)
    at = bisect_right(candidates, after, key=lambda row: row.us)
    if at == len(candidates):
        return None
    boundary, start = json.loads(candidates[at].text), json.loads(pre.text)
    entry: dict[str, Any] = {
        "timestamp": boundary["timestamp"],
        "tool": start["tool"],
        "file_path": None,
        "start_line": None,
        "end_line": None,
        "content_hash": None,
        "confidence": None,
        "capture_status": "post_inferred",
        "limitations": ["post_inferred"],
        "trail": boundary["trail"],
        "event": boundary["event"],
    }
    return canonical(entry | {key: start[key] for key in ("turn_id", "agent_id") if key in start})


def restore_cuts(hooks: HookIndex, tool_input: Callable[[str], Mapping[str, Any] | None]) -> int:
    """Put back the strings that the hook cut, from the transcript; gives how many calls still have cut ones.

    tool_input: call id -> the whole input as the transcript has it, or None.
    """
    for call_id in list(hooks.cut):
        row, whole = hooks.pre.get(call_id), tool_input(call_id)
        if row is None or whole is None:
            continue
        entry = json.loads(row.text)
        entry["tool_input"], left = _restored(entry["tool_input"], whole)
        row.text = canonical(entry)
        if not left:
            del hooks.cut[call_id]
    return len(hooks.cut)


def _restored(value: Any, whole: Any) -> tuple[Any, bool]:
    """The value with its cut strings replaced, and whether some are left."""
    if is_cut(value):
        same = (
            isinstance(whole, str)
            and len(whole) == value["length"]
            and hashlib.sha256(whole.encode()).hexdigest() == value["sha256"]
        )
        return (whole, False) if same else (value, True)
    if isinstance(value, dict):
        parts = {
            key: _restored(item, whole.get(key) if isinstance(whole, dict) else None) for key, item in value.items()
        }
        return {key: item for key, (item, _) in parts.items()}, any(left for _, left in parts.values())
    if isinstance(value, list):
        pairs = whole if isinstance(whole, list) and len(whole) == len(value) else [None] * len(value)
        items = [_restored(item, pair) for item, pair in zip(value, pairs, strict=True)]
        return [item for item, _ in items], any(left for _, left in items)
    return value, False
