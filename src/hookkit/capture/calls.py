"""Tells calls apart whose hooks carry no id that the transcript knows: by tool, input and order.

Some agents give a call no id, or one that only its own hooks share. Their hook lines are kept aside until the
transcript was read. Then, in order of time: a line after a call belongs to the earliest line before a call of the same
tool with the same input that is still open; no call stays open beyond its turn; and the calls that were paired so are,
in their order, those of the transcript with that tool and that input that had not ended by then.

Where the transcript says when the agent ran the hooks of a call, and the lines when they were run, nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PREPARED = 2_000_000  # microseconds that may be between a payload's time and the run of its hook
_TURN_EVENTS = frozenset({"SessionStart", "UserPromptSubmit", "Stop", "StopFailure", "SessionEnd"})


@dataclass(frozen=True, slots=True)
class Keyed:
    """A call of the transcript: its id, its key, when its result was written (microseconds since 1970).

    agent: the subagent that made it, "" for the main agent. before_us, after_us: when its hooks were run; None where
    the transcript does not tell. The payloads of an answer's calls are made together, shortly before that; the one
    after a call says the very time. begin_us: before it no hook of the call was run. mark: what its result says of it,
    and no other result; "" where it says nothing.
    """

    call_id: str
    key: str
    end_us: int | None
    agent: str = ""
    before_us: int | None = None
    after_us: int | None = None
    begin_us: int | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Loose:
    """A hook line of a call or of a turn, of which only the time is sure.

    hook_id: what the agent's hooks of the call share; "" where they share nothing. agent: see Keyed. sent_us: when the
    payload says that it was sent. mark: see Keyed.
    """

    us: int
    event: str
    key: str
    hook_id: str
    agent: str = ""
    sent_us: int | None = None
    mark: str = ""


def call_key(tool: object, given: object) -> str:
    """The key of a call, as its hook line carries it (see hookkit_payload.call_key)."""
    text = json.dumps([tool, given], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def assign(lines: Sequence[Loose], calls: Iterable[Keyed]) -> list[str]:
    """The call id of each line, "" for those of turns. lines: in order of time.

    A call that the transcript does not have gets an id that is made of its key and its number.
    """
    calls = list(calls)
    told = _told(lines, calls)
    groups = _pair(lines, told)
    known = {told[place] for group in groups for place in group if place in told}
    waiting: Mapping[str, deque[Keyed]] = defaultdict(deque)
    for call in calls:
        if call.call_id not in known:
            waiting[call.key].append(call)
    made: defaultdict[str, int] = defaultdict(int)
    ids = [""] * len(lines)
    for group in groups:
        first = lines[group[0]]
        left = waiting[first.key]
        call_id = next((told[place] for place in group if place in told), None)
        if call_id is None:
            while left and (end := left[0].end_us) is not None and end < first.us:
                left.popleft()  # it had ended before: its hooks were not heard
        fitting = None
        if call_id is None:  # a call of a later turn was not yet made
            fitting = next((call for call in left if call.begin_us is None or call.begin_us <= first.us), None)
        if fitting is not None:
            left.remove(fitting)
            call_id = fitting.call_id
        elif call_id is None:
            made[first.key] += 1
            call_id = f"{first.key[:16]}-{made[first.key]}"
        for place in group:
            ids[place] = call_id
    return ids


def _told(lines: Sequence[Loose], calls: Sequence[Keyed]) -> dict[int, str]:
    """Place of a line -> call id, where the times of both, or what the result says, leave no doubt.

    Each hook that is registered runs for all calls of an answer in their order, so the second time round the lines
    begin with the first of the calls again.
    """
    rounds: dict[str, list[int]] = {}  # agent -> when the hooks of its answers were run
    before: dict[tuple[str, str, int], list[str]] = {}
    after: dict[tuple[str, str, int], list[str]] = {}
    for call in calls:
        if call.before_us is not None:
            rounds.setdefault(call.agent, []).append(call.before_us)
            before.setdefault((call.agent, call.key, call.before_us), []).append(call.call_id)
        if call.after_us is not None:
            after.setdefault((call.agent, call.key, call.after_us), []).append(call.call_id)
    for moments in rounds.values():
        moments.sort()
    found: dict[int, str] = {}
    marked = {(call.key, call.mark): call.call_id for call in calls if call.mark}
    heard: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)
    for place, line in enumerate(lines):
        if line.mark and (line.key, line.mark) in marked:
            found[place] = marked[line.key, line.mark]
            continue
        if line.sent_us is None:
            continue
        at, ids = line.sent_us, after
        if line.event == "PreToolUse":
            moments = rounds.get(line.agent, [])
            number = bisect_left(moments, at)
            if number == len(moments) or moments[number] - at > _PREPARED:
                continue
            at, ids = moments[number], before
        same = ids.get((line.agent, line.key, at))
        if same:
            turn = (line.event, line.agent, line.key, at)
            found[place] = same[heard[turn] % len(same)]
            heard[turn] += 1
    return found


def _pair(lines: Sequence[Loose], told: Mapping[int, str]) -> list[list[int]]:
    """The places of the lines of each call, in order of their first line. told: place -> call id, where it is sure."""
    groups: list[list[int]] = []
    waiting: dict[Any, deque[list[int]]] = {}
    sure: dict[str, list[int]] = {}
    ended = {call_id for place, call_id in told.items() if lines[place].event != "PreToolUse"}
    for place, line in enumerate(lines):
        if line.event in _TURN_EVENTS:
            waiting.clear()
            continue
        same = line.hook_id or (line.key, line.agent)
        call_id = told.get(place)
        if call_id is not None and call_id in sure:
            sure[call_id].append(place)
        elif call_id is not None and line.mark and waiting.get(same):
            sure[call_id] = waiting[same].popleft()  # which of them is all the same: they stand for the same state
            sure[call_id].append(place)
        elif line.event == "PreToolUse" or call_id is not None or not waiting.get(same):
            groups.append([place])
            if call_id is not None:
                sure[call_id] = groups[-1]
            if line.event == "PreToolUse" and call_id not in ended:
                waiting.setdefault(same, deque()).append(groups[-1])
        else:
            waiting[same].popleft().append(place)
    return groups
