"""Hands what an ingest read to the trail. Nothing that goes wrong there may harm the trace."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.record import Pieces, Record, canonical
from hookkit.capture.values import micros
from hookkit.store.log import log
from hookkit.trails.emit_session import SessionFacts, unseen_calls
from hookkit.trails.timeline import Moment, Window

_CALL_ID = re.compile(rb'"tool_call_id": ("(?:[^"\\]|\\.)*")')
_STOP = frozenset({"Stop", "StopFailure"})


def follow(hooks: HookIndex, record: Record, project: Path | None) -> bool:
    """Bring the trails of all repositories that a session worked in up to date with its trace.

    False if something failed, which ingest.log then tells; the next ingest of the session does it again.
    """
    if not hooks.first:
        return True  # no tree, no trail
    try:
        from hookkit.trails.emit import emit_session

        worktrees = emit_session(facts_of(hooks, record), project)
    except Exception:
        log(f"trail of {record.head['trace_id']}\n{traceback.format_exc()}")
        return False
    done = True
    for worktree, _ in worktrees:
        try:
            from hookkit.trails import anchors
            from hookkit.trails.lines import index

            index.sync(worktree)
            anchors.update(worktree)
        except Exception:
            log(f"trail in {worktree.root}\n{traceback.format_exc()}")
            done = False
    return done


def facts_of(hooks: HookIndex, record: Record) -> SessionFacts:
    """What the trail needs, without decoding what nobody asks for."""
    moments = [Moment(row.us, "pre", call, row.root, row.text) for call, row in hooks.pre.items()]
    post = record.metadata["hook_post_tool_use"]
    for call, text in post.members.items() if isinstance(post, Pieces) and isinstance(post.members, Mapping) else ():
        row = hooks.post.get(call)
        moments.append(_inferred(call, text) if row is None else Moment(row.us, "post", call, row.root, row.text))
    for event, row in hooks.events():
        moments.append(Moment(row.us, "stop" if event in _STOP else "event", "", row.root, row.text))
    started = micros(record.head["timestamp_start"]) if not moments else min(moment.us for moment in moments)
    wanted = [call for call, end in record.unseen.items() if end is None or end >= (started or 0)]
    return SessionFacts(
        trace_id=record.head["trace_id"],
        session_id=record.head["session_id"],
        agent=record.head["agent"]["name"],
        generation=record.head["generation_index"],
        moments=moments,
        steps=lambda calls: places(record, calls),
        unseen=_unseen(record, wanted),
    )


def places(record: Record, calls: Collection[str]) -> Mapping[str, int]:
    """Call id -> index of its step. Looks from the end, where what is new is."""
    left = {canonical(call): call for call in calls}
    found: dict[str, int] = {}
    for index in range(len(record.steps) - 1, -1, -1):
        if not left:
            break
        named = left.keys() & set(_CALL_ID.findall(record.steps[index]))
        if named:
            there = {call["tool_call_id"] for call in json.loads(record.steps[index])["tool_calls"]}
            for text in named:
                if left[text] in there:  # and not just somewhere in an input
                    found[left.pop(text)] = index
    return found


def _inferred(call: str, text: bytes) -> Moment:
    entry: dict[str, Any] = json.loads(text)
    trail = entry.get("trail") or {}
    return Moment(micros(entry["timestamp"]) or 0, "post", call, trail.get("worktree_root", ""), text)


def _unseen(record: Record, wanted: Collection[str]) -> list[Window]:
    found = []
    names = set(wanted)
    for first in sorted(set(places(record, wanted).values())):
        steps = []
        for text in record.steps[first:]:
            steps.append(json.loads(text))
            if len(steps) > 1 and steps[-1]["timestamp"] is not None:
                break
        calls = {call["tool_call_id"] for call in steps[0]["tool_calls"]} & names
        found += [window for window in unseen_calls(steps, ()) if window.call_id in calls]
    return found
