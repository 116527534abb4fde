"""Joins what a trace and what telemetry say of one session.

A call is the same call by its id. What only telemetry tells (requests, decisions, hooks) is put in by its time, below
the prompt that it names. Nothing is shown twice, and nothing that telemetry brings is left out.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from hookkit.dashboard.entries import Entry
from hookkit.dashboard.prices import Money
from hookkit.dashboard.told import Event
from hookkit.trails.timeline import micros

# Kinds of telemetry -> kind of the entry. A response that was told in the trace is there already.
_KINDS: Mapping[str, str] = {
    "prompt": "turn",
    "request": "request",
    "request_error": "request_error",
    "tool": "call",
    "decision": "decision",
    "compaction": "compaction",
}
_COMPACTED = ("pre_tokens", "post_tokens")
_SLACK = 5_000_000  # microseconds by which the clocks of transcript and telemetry may differ at a prompt


def merged(entries: list[Entry], events: Sequence[Event], metadata: Mapping[str, Any]) -> list[Entry]:
    """One row of entries, in turns. entries: of the trace, in order. events: logs and spans, in order."""
    entries = _with_compactions(entries, metadata)
    events = [event for event in events if event.get("signal") != "metric"]
    if not entries:
        entries = list(_alone(events))
        _mark_parallel(entries)
        return entries
    _mark_parallel(entries)
    return _joined(entries, events) if events else entries


def _with_compactions(entries: list[Entry], metadata: Mapping[str, Any]) -> list[Entry]:
    """The entries with those of the trace's compactions at their times."""
    for event in metadata.get("compaction_events") or ():
        us = micros(event.get("timestamp"))
        before, after = event.get("pre_tokens") or 0, event.get("post_tokens") or 0
        said = {"pre_tokens": before, "post_tokens": after, "trigger": event.get("trigger")}
        _put(entries, [Entry("compaction", us=us, event=said)])
    return entries


def _alone(events: Sequence[Event]) -> Iterator[Entry]:
    """The entries of a session that only telemetry tells of."""
    turns: dict[str, int] = {}
    turn = 0
    seen: dict[str, Entry] = {}
    for event in events:
        prompt = event.get("prompt_id")
        is_prompt = event.get("kind") == "prompt"
        if (is_prompt and not prompt) or (prompt and prompt not in turns):
            turn = len(turns) + 1
            turns[prompt or f"#{turn}"] = turn
            if not is_prompt:  # the prompt itself was not seen
                yield Entry("turn", turn, us=event.get("time_us"))
        entry = _entry(event, turns.get(prompt or "", turn))
        if not _is_known(entry, seen):
            yield entry


def _is_known(entry: Entry, seen: dict[str, Entry]) -> bool:
    """Whether an entry only says more of a call that was seen; that one then has it."""
    key = entry.call_id
    if entry.kind not in ("call", "decision") or not key:
        return False
    known = seen.get(key)
    if known is None:
        seen[key] = entry
        return False
    if entry.kind == "decision":
        known.decision = known.decision or entry.event
    elif known.kind == "decision":  # it came first, as it has to: the call takes its place
        known.kind, known.decision, known.event, known.us = "call", known.event, entry.event, entry.us
    elif not known.event or known.event.get("signal") == "span":
        known.event = entry.event
    return True


def _joined(entries: list[Entry], events: Sequence[Event]) -> list[Entry]:
    calls = {entry.call_id: entry for entry in entries if entry.kind == "call"}
    known = {entry.turn for entry in entries}
    prompts = _prompts(entries, events, calls)
    rest = []
    for event in events:
        entry = _entry(event, prompts.get(event.get("prompt_id") or "", -1))
        if entry.kind == "turn" and entry.turn in known:
            continue
        if entry.kind == "turn" and entry.turn < 0:
            entry.kind = "event"
        if entry.kind == "compaction" and any(each.kind == "compaction" for each in entries):
            continue
        if event.get("kind") == "response" and any(each.kind == "said" for each in entries):
            continue
        if not _is_known(entry, calls):
            rest.append(entry)
        entry.echo = entry.kind == "event" and entry.call_id in calls
    _put(entries, rest)
    # Where telemetry tells of a turn's requests, they say more than the tokens of the transcript; of a subagent's too.
    told = {(entry.turn, entry.depth > 0) for entry in entries if entry.kind == "request"}
    return [entry for entry in entries if entry.kind != "tokens" or (entry.turn, entry.depth > 0) not in told]


def _prompts(entries: Iterable[Entry], events: Iterable[Event], calls: Mapping[str, Entry]) -> dict[str, int]:
    """Id of a prompt -> its turn: by a call of both, else by its time. What came after the trace was made is new."""
    heads = [(entry.us, entry.turn) for entry in entries if entry.kind == "turn" and entry.us is not None]
    times = [us for us, _ in heads]
    found: dict[str, int] = {}
    new: list[str] = []
    for event in events:
        prompt, call = event.get("prompt_id"), calls.get(event.get("tool_use_id") or "")
        if prompt and call is not None:
            found[prompt] = call.turn
        elif prompt and event.get("kind") == "prompt" and prompt not in found and event.get("time_us"):
            at = bisect.bisect_right(times, event["time_us"] + _SLACK)
            if at and abs(times[at - 1] - event["time_us"]) <= _SLACK:
                found[prompt] = heads[at - 1][1]
            elif at == len(times):
                new.append(prompt)
    last = max((turn for _, turn in heads), default=0)
    left = [prompt for prompt in dict.fromkeys(new) if prompt not in found]
    return found | {prompt: last + number for number, prompt in enumerate(left, 1)}


def _put(entries: list[Entry], more: Sequence[Entry]) -> None:
    """Put entries in by their times, each into its turn if it names one (not -1)."""
    if not more:
        return
    ranges: dict[int, tuple[int, int]] = {}
    for turn, part in groupby(range(len(entries)), key=lambda at: entries[at].turn):
        places = list(part)
        ranges.setdefault(turn, (places[0], places[-1] + 1))
    latest, times = 0, []
    for entry in entries:
        latest = max(latest, entry.us or 0)
        times.append(latest)
    chosen: dict[int, list[Entry]] = {}
    for entry in more:
        if entry.turn > 0 and entry.turn not in ranges:  # of a prompt that came later
            chosen.setdefault(len(entries), []).append(entry)
            continue
        first, last = ranges[entry.turn] if entry.turn > 0 else (0, len(entries))
        at = bisect.bisect_right(times, entry.us or 0, first, last)
        if entry.turn > 0:
            at = max(at, first + 1)  # not before its own prompt
        else:
            entry.turn = entries[at - 1].turn if at else 0
        while 0 < at < len(entries) and 0 < entries[at].parallel == entries[at - 1].parallel:
            at += 1  # calls that ran side by side stay together
        if 0 < at < len(entries) and entries[at].turn == entries[at - 1].turn:  # in the middle of what a subagent did
            inside = _subagent(entries, at) == entry.event.get("agent_name")
            entry.depth = entries[at - 1].depth if inside else min(entries[at - 1].depth, entries[at].depth)
        chosen.setdefault(at, []).append(entry)
    made: list[Entry] = []
    for at in range(len(entries) + 1):
        made += chosen.get(at, ())
        made += entries[at : at + 1]
    entries[:] = made


def _subagent(entries: Sequence[Entry], at: int) -> str:
    """The role of the subagent that was at work before a place; "" if none was."""
    depth = entries[at - 1].depth
    heads = (each.name for each in reversed(entries[:at]) if each.kind == "subagent" and each.depth == depth)
    return next(heads, "") if depth else ""


def _entry(event: Event, turn: int) -> Entry:
    kind = _KINDS.get(str(event.get("kind")), "event")
    entry = Entry(kind, turn, us=event.get("time_us"), event=event, model=str(event.get("model") or ""))
    if kind == "request" and event.get("cost_micros") is not None:
        entry.money = Money(event["cost_micros"])
    if kind == "turn":
        said = _attributes(event).get("prompt")
        entry.text = said if isinstance(said, str) and said != "<REDACTED>" else ""
    elif kind == "compaction":
        entry.event = {**{name: _number(_attributes(event).get(name)) for name in _COMPACTED}, **event}
    return entry


def _attributes(event: Event) -> Mapping[str, Any]:
    """All that a row says, by the names of its program; a prompt only where the program was told to send it."""
    try:
        found = json.loads(event.get("attributes") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()) else 0


def _mark_parallel(entries: Sequence[Entry]) -> None:
    """Number the calls that ran side by side: of one answer, or at the same time."""
    group, before, until = 0, None, 0
    for entry in entries:
        if entry.kind != "call":
            if entry.kind not in ("event", "decision"):
                before = None
            continue
        span = entry.span
        beside = before is not None and before.depth == entry.depth and before.turn == entry.turn
        together = before is not None and before.place == entry.place and entry.place >= 0
        overlap = span is not None and span[0] < until
        if beside and (together or overlap) and before is not None:
            if not before.parallel:
                group += 1
                before.parallel = group
            entry.parallel = before.parallel
        else:
            until = 0
        before, until = entry, max(until, span[1] if span else 0)
