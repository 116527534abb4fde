"""Indexes the hook lines of one session, wherever they were written, under the keys of the capture contract.

Lines come from the transcript and from sidecars, in any order, and a hook that is registered twice writes a call
twice. What is kept depends on the lines alone: of two lines about the same moment of the same call the one with a
trail wins, then the earlier one.

Two kinds of lines can only be judged once all are there, and wait in ``HookIndex.whole`` until then: those of calls
whose id the transcript does not know, and those that another agent's hooks wrote because the agent runs these too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from hookkit.capture.calls import Keyed, Loose, assign
from hookkit.capture.record import canonical
from hookkit.capture.values import count, micros, widen

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CALL_ID = re.compile(r"[!-~]{1,256}")
_POST_KEYS = ("file_path", "start_line", "end_line", "content_hash", "confidence", "capture_status")
_OURS = ("ranges", "duration_ms", "error", "is_interrupt")
_POST = ("PostToolUse", "PostToolUseFailure")
_SAME_EVENT = 2_000_000  # microseconds; hooks of one event run at the same time
# Whether an event belongs to the beginning of a turn; else to its end.
_HALVES = {"SessionStart": True, "UserPromptSubmit": True, "Stop": False, "StopFailure": False, "SessionEnd": False}
_FOREIGN = "foreign_caller"
_OF_THE_MOMENT = frozenset({"timestamp", "trail", "git", "limitations"})


@dataclass(slots=True)
class Row:
    """Where an entry stands: its time, the worktree its tree id is of ("" without a tree id), its canonical text, and
    its limitations, joined by spaces."""

    us: int
    root: str
    text: bytes
    limitations: str = ""

    def better(self, other: Row) -> bool:
        return (not self.root, self.us, self.text) < (not other.root, other.us, other.text)


class HookIndex:
    """The hook lines of one session.

    pre, post: tool call id -> entry.
    durations: tool call id -> milliseconds.
    roots: the worktrees that tree ids are of.
    """

    def __init__(self, agent: str, session_id: str, *, named: bool = True) -> None:
        """named: the hooks' call ids are those of the transcript."""
        self.agent = agent
        self.session_id = session_id
        self.named = named
        self.pre: dict[str, Row] = {}
        self.post: dict[str, Row] = {}
        self._events: list[tuple[str, Row]] = []  # all other boundaries, doubles included
        self._once: list[tuple[str, Row]] | None = None  # events(), until a line comes in
        self.durations: dict[str, int] = {}
        self.cut: dict[str, None] = {}  # calls whose tool_input still has cut strings
        self.agents: dict[str, str] = {}  # tool call id -> agent id
        self.inside: set[str] = set()  # subagents, whose ids some agents give for the session's
        self.first: list[Any] = []  # [us, worktree root, head or None] of the earliest line with a trail
        self.span: list[Any] = []
        self.roots: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._known: set[bytes] = set()
        self._later: dict[bytes, None] = {}  # lines that only ``whole`` can place

    def add(self, line: Mapping[str, Any], *, owned: bool) -> str | None:
        """Take in one line; gives the id of the call whose entry or duration changed.

        owned: the line stands in a file that is this session's alone, so it may leave out the session id.
        """
        data, event, stamp = line.get("data"), line.get("event"), line.get("timestamp")
        moment = micros(stamp)
        if not isinstance(data, Mapping) or not isinstance(event, str) or not isinstance(stamp, str) or moment is None:
            self.counts["malformed_hook_lines"] += 1
            return None
        session = data.get("session_id")
        ours = isinstance(session, str) and (session == self.session_id or session in self.inside)
        if not ours and not (session is None and owned):
            self.counts["hook_lines_of_other_sessions"] += 1
            return None
        if data.get("agent", self.agent) != self.agent:
            self.counts["hook_lines_of_foreign_callers"] += 1
            return None
        of_call = event == "PreToolUse" or event in _POST
        if session in self.inside and "agent_id" not in data:  # to its hooks, a subagent is a session of its own
            if not of_call:
                return None
            data = {**data, "agent_id": session, "call_key": f"{session} {data.get('call_key', '')}"}
        if _FOREIGN in _names(data.get("limitations")) or (of_call and self._is_loose(data)):
            self._later[canonical([moment, event, stamp, data])] = None
            self._trail(data, moment)
            self.span = widen(self.span, moment, stamp)
            return None
        if of_call:
            return self._add_call(event, data, stamp, moment)
        if event == "SubagentStart" and isinstance(data.get("agent_id"), str):
            self.inside.add(data["agent_id"])
        self._add_event(event, data, stamp, moment)
        return None

    def _is_loose(self, data: Mapping[str, Any]) -> bool:
        return isinstance(data.get("call_key"), str) or not (self.named or data.get("tool_call_id") is None)

    def whole(self, calls: Callable[[], Iterable[Keyed]]) -> HookIndex:
        """The index with every line in its place. calls: those of the transcript, asked for only where it matters."""
        if not self._later:
            return self
        found = copy(self)
        found.pre, found.post, found._events = dict(self.pre), dict(self.post), list(self._events)
        found.durations, found.cut, found.agents = dict(self.durations), dict(self.cut), dict(self.agents)
        found.counts, found._known, found._once = Counter(self.counts), set(self._known), None
        lines = sorted(map(json.loads, sorted(self._later)), key=lambda line: line[:3])
        own = [moment for moment, *_, data in lines if _FOREIGN not in _names(data.get("limitations"))]
        own += [row.us for row in (*self.pre.values(), *self.post.values(), *(row for _, row in self._events))]
        since = min(own) - _SAME_EVENT if own else None
        kept = []
        for line in lines:
            if since is not None and line[0] >= since and _FOREIGN in _names(line[3].get("limitations")):
                found.counts["double_loaded_hook_lines"] += 1  # the agent's own hooks tell the same
            else:
                kept.append(line)
        found._place(kept, calls())
        return found

    def _place(self, lines: list[tuple[int, str, str, dict[str, Any]]], calls: Iterable[Keyed]) -> None:
        loose: list[tuple[Loose, tuple[str, str, dict[str, Any]] | None]] = [
            (Loose(row.us, event, "", ""), None) for event, row in self._events
        ]
        for moment, event, stamp, data in lines:
            if event != "PreToolUse" and event not in _POST:
                self._add_event(event, data, stamp, moment)
                loose.append((Loose(moment, event, "", ""), None))
            elif not self._is_loose(data):
                self._add_call(event, data, stamp, moment)
            else:
                key, hook_id = str(data.get("call_key", "")), str(data.get("tool_call_id", ""))
                agent, sent = data.get("agent_id"), micros(data.get("sent_at"))
                agent = agent if isinstance(agent, str) else ""
                mark = str(data.get("result_id", ""))
                loose.append((Loose(moment, event, key, hook_id, agent, sent, mark), (event, stamp, data)))
        loose.sort(key=lambda one: one[0].us)
        for (line, rest), call_id in zip(loose, assign([line for line, _ in loose], calls), strict=True):
            if rest is not None:
                event, stamp, data = rest
                self._add_call(event, {**data, "tool_call_id": call_id}, stamp, line.us)

    def _add_call(self, event: str, data: Mapping[str, Any], stamp: str, moment: int) -> str | None:
        call_id = data.get("tool_call_id", data.get("tool_use_id"))
        tool = data.get("tool")
        if not isinstance(call_id, str) or not _CALL_ID.fullmatch(call_id) or not isinstance(tool, str):
            self.counts["malformed_hook_lines"] += 1
            return None
        trail = self._trail(data, moment)
        self.span = widen(self.span, moment, stamp)
        entry: dict[str, Any] = {"timestamp": stamp, "tool": tool, "trail": trail}
        entry |= {key: data[key] for key in ("turn_id", "agent_id") if isinstance(data.get(key), str)}
        if isinstance(data.get("agent_id"), str):
            self.agents[call_id] = str(data["agent_id"])
        limitations = _names(data.get("limitations"))
        if event == "PreToolUse":
            given = data.get("tool_input")
            entry["tool_input"] = given if isinstance(given, Mapping) else {}
            entry["event"] = event
            slots = self.pre
            entry |= {"limitations": limitations} if limitations else {}
            if has_cut(entry["tool_input"]):
                self.cut[call_id] = None
        else:
            entry |= {key: data.get(key) for key in _POST_KEYS} | {key: data[key] for key in _OURS if key in data}
            entry["limitations"] = limitations
            if entry["capture_status"] is None and entry["content_hash"] is not None:
                entry["capture_status"] = "captured"  # opentraces 0.4.13 leaves it out where all is well
            entry["event"] = event
            slots = self.post
            if count(data.get("duration_ms")):
                self.durations[call_id] = max(self.durations.get(call_id, 0), count(data["duration_ms"]))
        row = Row(moment, trail["worktree_root"] if trail else "", canonical(entry), " ".join(limitations))
        old = slots.get(call_id)
        if old is not None:
            self.counts["duplicate_hook_lines"] += 1
        if old is None or row.better(old):
            slots[call_id] = row
        return call_id

    def _add_event(self, event: str, data: Mapping[str, Any], stamp: str, moment: int) -> None:
        entry = {key: value for key, value in data.items() if key not in ("agent", "trail")}
        trail = self._trail(data, moment)
        self.span = widen(self.span, moment, stamp)
        entry |= {"timestamp": stamp, "event": event[:64], "trail": trail, "session_id": self.session_id}
        limitations = " ".join(_names(data.get("limitations")))
        row = Row(moment, trail["worktree_root"] if trail else "", canonical(entry), limitations)
        if row.text in self._known:
            self.counts["duplicate_hook_lines"] += 1
            return
        self._known.add(row.text)
        self._events.append((event[:64], row))
        self._once = None

    def _trail(self, data: Mapping[str, Any], moment: int) -> dict[str, Any] | None:
        trail = data.get("trail")
        if not isinstance(trail, Mapping) or not trail:
            return None
        root, tree, head = trail.get("worktree_root"), _oid(trail.get("tree_id")), _oid(trail.get("git_head"))
        if not isinstance(root, str) or not root or tree is None:
            self.counts["malformed_trails"] += 1
            return None
        self.roots.add(root)
        first = [moment, root, head["hex"] if head else None]
        if not self.first or (first[0], first[1]) < (self.first[0], self.first[1]):
            self.first = first
        return {"worktree_root": root, "tree_id": tree, "git_head": head}

    def events(self) -> list[tuple[str, Row]]:
        """All boundaries that are not a call's, as (event, Row), in order of time.

        An event has no id: of lines that say the same within two seconds, one is the event and the others were written
        by a hook that is registered twice; unless a turn began or ended between them: turns can be shorter than that.
        """
        if self._once is not None:
            return self._once
        alike: dict[tuple[int, bytes], list[tuple[str, Row]]] = {}
        halves, began = 0, True
        for event, row in sorted(self._events, key=_by_time):
            if event in _HALVES and _HALVES[event] != began:
                halves, began = halves + 1, _HALVES[event]
            said = json.loads(row.text)
            kept = alike.setdefault((halves, canonical({key: said[key] for key in said.keys() - _OF_THE_MOMENT})), [])
            if kept and row.us - kept[-1][1].us <= _SAME_EVENT:
                if row.better(kept[-1][1]):
                    kept[-1] = (event, row)
            else:
                kept.append((event, row))
        self._once = sorted((one for kept in alike.values() for one in kept), key=_by_time)
        return self._once

    def limitations(self) -> Mapping[str, int]:
        """Limitation -> how many of the lines that were kept carry it."""
        rows = (*self.pre.values(), *self.post.values(), *(row for _, row in self.events()))
        return Counter(name for row in rows for name in row.limitations.split())

    def dump(self) -> tuple[dict[str, Any], list[bytes]]:
        """The state as JSON, and the texts it refers to by their order."""
        rows = [*self.pre.values(), *self.post.values(), *(row for _, row in self._events)]
        state = {
            "pre": {key: [row.us, row.root, row.limitations] for key, row in self.pre.items()},
            "post": {key: [row.us, row.root, row.limitations] for key, row in self.post.items()},
            "events": [[event, row.us, row.root, row.limitations] for event, row in self._events],
            "durations": self.durations,
            "cut": list(self.cut),
            "agents": self.agents,
            "inside": sorted(self.inside),
            "first": self.first,
            "span": self.span,
            "roots": sorted(self.roots),
            "counts": self.counts,
            "later": len(self._later),
        }
        return state, [*(row.text for row in rows), *self._later]

    def load(self, state: Mapping[str, Any], texts: list[bytes]) -> None:
        """Go on from what ``dump`` gave."""
        source = iter(texts)
        self.pre = {key: Row(us, root, next(source), why) for key, (us, root, why) in state["pre"].items()}
        self.post = {key: Row(us, root, next(source), why) for key, (us, root, why) in state["post"].items()}
        self._events = [(event, Row(us, root, next(source), why)) for event, us, root, why in state["events"]]
        self._once = None
        self._known = {row.text for _, row in self._events}
        self.durations = state["durations"]
        self.cut = dict.fromkeys(state["cut"])
        self.agents = state["agents"]
        self.inside = set(state["inside"])
        self.first = state["first"]
        self.span = state["span"]
        self.roots = set(state["roots"])
        self.counts = Counter(state["counts"])
        self._later = {next(source): None for _ in range(state["later"])}


def _by_time(event: tuple[str, Row]) -> tuple[int, bytes]:
    return event[1].us, event[1].text


def has_cut(value: object) -> bool:
    """Whether a tool input holds a string that the hook cut."""
    if isinstance(value, Mapping):
        return is_cut(value) or any(has_cut(item) for item in value.values())
    return isinstance(value, list) and any(has_cut(item) for item in value)


def is_cut(value: object) -> bool:
    """Whether ``value`` stands for a long string: its start, its length in characters, the hash of its UTF-8."""
    return isinstance(value, Mapping) and value.keys() == {"cut", "length", "sha256"}


def _names(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _oid(value: object) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        return None
    algo, digits = value.get("algo"), value.get("hex")
    if algo not in ("sha1", "sha256") or not isinstance(digits, str) or not _HEX.fullmatch(digits):
        return None
    return {"algo": str(algo), "hex": digits}
