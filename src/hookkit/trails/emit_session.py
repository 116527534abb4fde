"""What the emission needs to know of a session, whether it comes from a whole record or from an ingest's pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookkit.trails.timeline import FOREVER, Moment, Timeline, Window, micros, moments

# Call id -> index of its step, of those calls that are in the transcript.
Steps = Callable[[Collection[str]], Mapping[str, int]]


@dataclass(slots=True)
class SessionFacts:
    """One session. unseen: its calls that no hook saw; those that the agent refused, so that they never ran, have an
    end before their start."""

    trace_id: str
    session_id: str
    agent: str
    generation: int
    moments: list[Moment]
    steps: Steps
    unseen: list[Window] = field(default_factory=list)

    def timeline(self) -> Timeline:
        """The session in order of time, without calls that never ran."""
        return Timeline(self.moments, self.agent, [window for window in self.unseen if window.end >= window.start])

    def digest(self, until: int) -> str:
        """A hash of everything that was recorded up to a time (microseconds): other lines, another hash."""
        known = [moment for moment in self.moments if moment.us <= until]
        total = hashlib.blake2b(digest_size=16)
        for moment in sorted(known, key=lambda moment: (moment.us, moment.slot, moment.call)):
            text = moment.stamp()
            about = f"{moment.us} {moment.slot} {moment.call} {len(text)}\n"
            total.update(about.encode(errors="surrogatepass"))
            total.update(text)
        for window in self.unseen:
            if window.start <= until:
                total.update(f"{window.call_id} {window.start}\n".encode(errors="surrogatepass"))
        return total.hexdigest()


def facts_of(record: Any) -> SessionFacts:
    """The facts of a TraceRecord, or of its JSON."""
    whole = record if isinstance(record, Mapping) else record.model_dump(mode="json")
    agent = whole.get("agent") or {}
    found = moments(whole.get("metadata") or {})
    steps = list(whole.get("steps") or ())
    copied = set((whole.get("metadata") or {}).get("copied_steps") or ())  # their calls are another session's
    seen = {moment.call for moment in found if moment.call}
    seen.update(call["tool_call_id"] for step in steps if step["step_index"] in copied for call in step["tool_calls"])
    index = {call["tool_call_id"]: step["step_index"] for step in steps for call in step.get("tool_calls") or ()}
    return SessionFacts(
        trace_id=whole["trace_id"],
        session_id=whole["session_id"],
        agent=str(agent.get("name") or ""),
        generation=int(whole.get("generation_index") or 0),
        moments=found,
        steps=lambda _wanted: index,
        unseen=list(unseen_calls(steps, seen)),
    )


def unseen_calls(steps: Collection[Mapping[str, Any]], seen: Collection[str]) -> Iterator[Window]:
    """The calls in steps (as JSON) that no hook saw. When they ran, the steps around them tell."""
    times = [micros(step.get("timestamp")) for step in steps]
    ends: list[int] = []  # time of the next step that has one
    for time in reversed(times):
        ends.append(ends[-1] if ends and time is None else time if time is not None else FOREVER)
    following = [*ends[::-1][1:], FOREVER][: len(times)]
    for step, time, end in zip(steps, times, following, strict=True):
        refused = {item.get("source_call_id") for item in step.get("observations") or () if item.get("error")}
        for call in step.get("tool_calls") or ():
            call_id = call["tool_call_id"]
            if call_id not in seen:
                start = time if time is not None else 0
                said = {"tool": call.get("tool_name"), "tool_input": call.get("input")}
                # Of a call that the agent itself turned down there is an error, and no event at all.
                yield Window(call_id, start, start - 1 if call_id in refused else max(start, end), "", said=said)
