"""A session as rows: its turns, what the agent said, its calls, subagents, and the gaps between calls.

Every view of a session is made of these rows: the text of ``hookkit show``, the interactive views, ``hookkit tail``,
Markdown and HTML. Rows come step by step, so that a session that is still going, or is too long to be read at once,
is shown as far as it is known.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hookkit.store.index import activity
from hookkit.trails.timeline import Gap, Timeline, Window, timeline

Kind = Literal["turn", "subagent", "said", "call", "tokens", "gap", "error"]
State = Literal["", "failed", "no_result"]

_MOST = 2000  # characters of a text that a row keeps; the step has all of it
# What a call's input tells of it, the most telling first.
_TELLING = (
    "file_path", "notebook_path", "command", "pattern", "url", "query", "skill", "description", "prompt", "path",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One row. Texts are as the session has them: whoever shows them escapes them.

    depth: 0 for the main conversation, 1 for its subagents and so on. step: index of the step it is of; None for gaps
    and errors. time: ISO 8601, or None. text: of a turn or subagent its prompt; of a call what it was given, in a few
    words; of an error its message; at most 2,000 characters. turn: 1-based; 0 before the first prompt.
    unseen: no hook saw this call, though hooks saw others of the session.
    name: the tool of a call, the role of a subagent. error: what a failed call's result says.
    prompted, made: of ``tokens`` rows, the tokens that went in (cache included) and came out.
    """

    kind: Kind
    text: str = ""
    depth: int = 0
    step: int | None = None
    time: str | None = None
    turn: int = 0
    name: str = ""
    call_id: str = ""
    state: State = ""
    error: str = ""
    duration_ms: float | None = None
    window: Window | None = None
    unseen: bool = False
    gap: Gap | None = None
    prompted: int = 0
    made: int = 0


def outline(record: Mapping[str, Any]) -> Iterator[Item]:
    """The rows of a TraceRecord (as JSON)."""
    metadata = record.get("metadata") or {}
    rows = Outline(timeline(record), metadata.get("project"))
    for step in record["steps"]:
        yield from rows.add(step)
    yield from rows.end(metadata.get("session_errors") or ())


@dataclass(slots=True)
class Outline:
    """Makes rows of steps, in their order.

    project: the folder that paths are shown relative to. since: gaps that ended by then (microseconds since 1970) are
    not asked for. turn: of the step before the first one that is given. depths: step index -> depth, of those before.
    """

    times: Timeline
    project: str | None = None
    since: int = 0
    turn: int = 0
    depths: dict[int, int] = field(default_factory=dict)
    _call_gaps: dict[str, Gap] = field(default_factory=dict)
    _turn_gaps: list[Gap] = field(default_factory=list)

    def __post_init__(self) -> None:
        for gap in self.times.gaps(self.since):
            if gap.call_id:
                self._call_gaps[gap.call_id] = gap
            else:
                self._turn_gaps.append(gap)

    def leave_out(self, gaps: Container[Gap | None]) -> None:
        """Do not show these gaps: they stand before the first step that is given."""
        self._turn_gaps = [gap for gap in self._turn_gaps if gap not in gaps]

    def add(self, step: Mapping[str, Any]) -> Iterator[Item]:
        """The rows of one step; before a prompt also the gaps that no call of an earlier turn shows."""
        index, parent = step["step_index"], step.get("parent_step")
        depth = self.depths.get(parent, 0) + 1 if parent is not None else int(step.get("call_type") == "subagent")
        self.depths[index] = depth
        content, stamp = (step.get("content") or "")[:_MOST], step.get("timestamp")
        if step["role"] == "user":
            if not depth:
                yield from self._gaps_before(stamp)
                self.turn += 1
            role = "" if not depth else str(step.get("agent_role") or "subagent")
            yield Item("subagent" if depth else "turn", content, depth, index, stamp, self.turn, role)
        elif content.strip():
            yield Item("said", content, depth, index, stamp, self.turn)
        results = {item["source_call_id"]: item for item in step.get("observations") or ()}
        for call in step.get("tool_calls") or ():
            call_id = call["tool_call_id"]
            if call_id in self._call_gaps:
                gap = self._call_gaps[call_id]
                yield Item("gap", "", depth, None, gap.since, self.turn, call_id=call_id, gap=gap)
            yield self._call(step, call, results.get(call_id) or {}, depth)
        usage = step.get("token_usage") or {}
        prompted = sum(usage.get(key) or 0 for key in ("input_tokens", "cache_read_tokens", "cache_write_tokens"))
        made = usage.get("output_tokens") or 0
        if step["role"] == "agent" and (prompted or made):
            yield Item("tokens", "", depth, index, stamp, self.turn, prompted=prompted, made=made)

    def end(self, errors: Iterable[Mapping[str, Any]] = ()) -> Iterator[Item]:
        """The rows after the last step. errors: the session's own, as the record's metadata has them."""
        for gap in self._turn_gaps:
            yield Item("gap", "", 0, None, gap.since, self.turn, gap=gap)
        for error in errors:
            yield Item("error", str(error.get("message"))[:_MOST], 0, None, error.get("timestamp"), self.turn)

    def _gaps_before(self, stamp: object) -> Iterator[Item]:
        while self._turn_gaps and activity(self._turn_gaps[0].since) < activity(stamp):
            gap = self._turn_gaps.pop(0)
            yield Item("gap", "", 0, None, gap.since, self.turn, gap=gap)

    def _call(self, step: Mapping[str, Any], call: Mapping[str, Any], result: Mapping[str, Any], depth: int) -> Item:
        error = str(result.get("error") or "")
        window = self.times.windows.get(call["tool_call_id"])
        return Item(
            "call",
            telling(call.get("input") or {}, self.project),
            depth,
            step["step_index"],
            window.opened.time if window and window.opened else step.get("timestamp"),
            self.turn,
            str(call["tool_name"]),
            call["tool_call_id"],
            "" if not error else "no_result" if error == "no_result" else "failed",
            error[:_MOST],
            call.get("duration_ms"),
            window,
            window is None and bool(self.times.windows),
        )


def telling(given: Mapping[str, Any], project: str | None = None) -> str:
    """What a call was given, in a few words: its file, its command, its pattern; else its first
    text, or all of it as JSON. Paths are relative to the project."""
    said = next((given[key] for key in _TELLING if isinstance(given.get(key), str)), None)
    if said is None:  # a tool that nobody knows, as programs and MCP servers have them
        said = next((value for value in given.values() if isinstance(value, str) and value.strip()), None)
    if said is None:
        said = json.dumps(given, ensure_ascii=False, separators=(",", ":"), default=str) if given else ""
    return str(said).removeprefix(f"{project}/")[:_MOST]
