"""What was read of a session so far, and how a prompt, a message, a call or a result adds to it.

Every agent's parser folds its transcript into this. The state is plain JSON, so that the next ingest goes on where this
one stopped. What comes out depends on the lines alone, not on how many ingests it took to read them: whatever could
depend on the order in which files were read raises ``OutOfOrderError``, and the session is read again from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from hookkit.capture.cells import Cells
from hookkit.capture.files import OutOfOrderError
from hookkit.capture.fold.ledger import NANO, Ledger
from hookkit.capture.fold.streams import Call, Stream
from hookkit.capture.record import new_step, observation
from hookkit.capture.values import dollars, micros, widen

_MOST_ERROR = 300  # characters of an error that go into Observation.error; the whole is in its content
_MOST_TYPES = 50
_MOST_CWDS = 64
BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class Fold:
    """The session as far as it was read.

    durations: tool call id -> milliseconds as the hook lines give them; they win over the transcript's own.
    messages: the agent's id of a message -> [stream, cell]. calls: tool call id -> Call.
    early: "stream call id" -> result that came before its call. spawned: agent id -> id of the call that started it.
    facts: version, branch, cwd and what else the agent's lines repeat. cwds: every folder that is named.
    copying: what is read was copied from another session. copied: cells of the steps that were. Tokens, turns and time
    of these are the other session's, and count there.
    usage: input, output, cache read, cache write. ledger: the same by model. costs: cell of a message -> nano-dollars
    that the agent says it cost. hour_writes: cell -> those of its cache writes that are for an hour.
    span: see ``values.widen``.
    problems: why nothing, or not all, of a session that is no file could be read, a sentence each.
    KEPT: what an agent's own fold must remember besides, by the names of its attributes; plain JSON.
    """

    KEPT: ClassVar[tuple[str, ...]] = ()

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.durations: Mapping[str, int] = {}
        self.cells = Cells()
        self.streams: list[Stream] = []
        self.messages: dict[str, list[int]] = {}
        self.calls: dict[str, Call] = {}
        self.early: dict[str, list[Any]] = {}
        self.spawned: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.cwds: list[str] = []
        self.copying = False
        self.copied: dict[int, None] = {}
        self.usage = [0, 0, 0, 0]
        self.ledger = Ledger()
        self.costs: dict[int, int] = {}
        self.hour_writes: dict[int, int] = {}
        self.span: list[Any] = []
        self.counts: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.problems: list[str] = []
        self._index: dict[tuple[str, str], int] = {}

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line. file: "" for the transcript, else the id of the agent whose file it is."""
        raise NotImplementedError

    # Facts that lines repeat

    def stream(self, file: str = "", agent: str = "") -> int:
        """The number of a stream, made when it is first asked for."""
        number = self._index.get((file, agent))
        if number is None:
            number = self._index[(file, agent)] = len(self.streams)
            self.streams.append(Stream(file, agent))
        return number

    def moment(self, number: int, stamp: object, *, counts: bool = True) -> str | None:
        """Note that something was written at a time (ISO 8601); gives it back if it is one.

        counts: it belongs to the conversation, and not to what the agent does after a turn.
        """
        moment = micros(stamp)
        if moment is None or not isinstance(stamp, str):
            return None
        if not self.copying:
            self.span = widen(self.span, moment, stamp)
        if counts:
            self.streams[number].last_us = max(self.streams[number].last_us, moment)
        return stamp

    def folder(self, cwd: object) -> None:
        """Note a folder that the agent worked in; the first one is where the session was started."""
        if isinstance(cwd, str) and cwd:
            self.facts.setdefault("cwd", cwd)
            if cwd not in self.cwds and len(self.cwds) < _MOST_CWDS:
                self.cwds.append(cwd)

    def fact(self, name: str, value: object) -> None:
        """Note what the agent says of itself (version, branch, …); what it said last counts."""
        if isinstance(value, str) and value:
            self.facts[name] = value

    def no_such_type(self, kind: object) -> None:
        """Count a line of a type that this version of hookkit does not know."""
        name = kind[:64] if isinstance(kind, str) and kind else "?"
        self.unknown[name if name in self.unknown or len(self.unknown) < _MOST_TYPES else "?"] += 1

    def lost(self, owner: int, stream: int) -> None:
        """Count a line that another stream already has; OutOfOrderError if that one ranks behind."""
        if self.streams[stream].file < self.streams[owner].file:
            raise OutOfOrderError
        self.counts["duplicate_lines"] += 1

    # The conversation

    def prompt(self, number: int, text: str, stamp: str | None, source: str = "user_prompt") -> None:
        """Add a step for what the user (or, in a subagent's stream, the calling agent) asked for."""
        stream = self.streams[number]
        step = new_step("user", stamp)
        step["content"] = text
        stream.cells.append(self._append(step))
        stream.turns += not self.copying
        stream.last, stream.last_stop, stream.last_failed = "prompt", None, False
        # A bare command says nothing of the task; a later prompt in words does.
        if stream.first_prompt is None or (stream.prompt_source == "bare_command" and source != "bare_command"):
            stream.first_prompt, stream.prompt_source = text, source

    def message(self, number: int, key: str, stamp: str | None) -> int | None:
        """The cell of a message of the agent, made when its id is first seen; None if another stream has it."""
        owner, cell = self.messages.get(key, (number, -1))
        if owner != number:
            self.lost(owner, number)
            return None
        stream = self.streams[number]
        if cell < 0:
            cell = self._append(new_step("agent", stamp))
            self.messages[key] = [number, cell]
            stream.cells.append(cell)
            stream.last_stop = None
        stream.last = "agent"
        return cell

    def _append(self, step: dict[str, Any]) -> int:
        cell = self.cells.append(step)
        if self.copying:
            self.copied[cell] = None
        return cell

    def model(self, number: int, cell: int, name: str) -> None:
        """Say which model made a message, as provider/model."""
        with self._recount(cell) as step:
            step["model"] = name
        if name not in self.streams[number].models:
            self.streams[number].models.append(name)

    def say(self, cell: int, text: object, key: str = "content") -> None:
        """Add text to a message; key: ``content`` or ``reasoning_content``."""
        if isinstance(text, str) and text:
            step = self.cells.open(cell)
            step[key] = f"{step[key]}\n{text}" if step[key] else text

    def used(self, cell: int, counts: tuple[int, int, int, int], hour_writes: int = 0) -> None:
        """Raise the token counts of a message to ``counts`` (in the order of BUCKETS).

        Agents repeat the usage of a message, and an early fragment may not yet know all of it: each bucket counts once,
        at its highest. hour_writes: how many of the cache writes are for an hour, which costs more.
        """
        if self.copying:
            return
        with self._recount(cell) as step:
            known = step["token_usage"]
            for place, (bucket, value) in enumerate(zip(BUCKETS, counts, strict=True)):
                self.usage[place] += max(0, value - known[bucket])
                known[bucket] = max(known[bucket], value)
            if hour_writes > self.hour_writes.get(cell, 0):
                self.hour_writes[cell] = min(hour_writes, known["cache_write_tokens"])

    def cost(self, cell: int, usd: object) -> None:
        """Raise the cost of a message to what the agent says, in dollars.

        Agents write 0 for a model whose price they do not know, and in a subscription: that tells nothing.
        """
        nano = round(dollars(usd) * NANO)
        if not self.copying and nano > self.costs.get(cell, 0):
            with self._recount(cell):
                self.costs[cell] = nano

    @contextmanager
    def _recount(self, cell: int) -> Iterator[dict[str, Any]]:
        """A message that is about to change, to be counted anew in the ledger."""
        step = self.cells.open(cell)
        for sign in (-1, 1):
            tokens = [step["token_usage"][bucket] for bucket in BUCKETS]
            cost = self.costs.get(cell, 0)
            if cost or any(tokens):
                self.ledger.add(step["model"] or "", (1, *tokens, self.hour_writes.get(cell, 0), cost), sign)
            if sign < 0:
                yield step

    def call(self, number: int, cell: int, call_id: object, name: object, given: object) -> bool:
        """Add a tool call to a message; False if it is malformed or known already."""
        if not isinstance(call_id, str) or not call_id or not isinstance(name, str):
            self.counts["malformed_calls"] += 1
            return False
        known = self.calls.get(call_id)
        if known is not None:
            self.lost(known.stream, number)
            return False
        self.calls[call_id] = Call(number, cell)
        self.cells.open(cell)["tool_calls"].append(
            {
                "tool_call_id": call_id,
                "tool_name": name,
                "input": given if isinstance(given, dict) else {},
                "duration_ms": self.durations.get(call_id),
            }
        )
        early = self.early.pop(f"{number} {call_id}", None)
        if early is not None:
            self._attach(number, call_id, early)
        return True

    def result(
        self, number: int, call_id: object, text: str, failed: bool, stamp: str | None, duration: int | None = None
    ) -> None:
        """Attach the result of a call to the step of the call; keep it for later if the call is still to come.

        duration: milliseconds. Of a failed call, ``text`` is what the agent was told.
        """
        if not isinstance(call_id, str) or not call_id:
            self.counts["malformed_results"] += 1
            return
        call = self.calls.get(call_id)
        found = [text, failed, stamp, duration]
        if call is None:
            self.early.setdefault(f"{number} {call_id}", found)
        elif call.stream == number and call.state == "open":
            self._attach(number, call_id, found)
        else:
            self.counts["orphan_results"] += 1

    def error_text(self, text: str) -> str:
        """The part of a failed call's result that says what was wrong."""
        return text

    def _attach(self, number: int, call_id: str, found: list[Any]) -> None:
        text, failed, stamp, duration = found
        call = self.calls[call_id]
        call.state = "failed" if failed else "ok"
        call.result_us = micros(stamp)
        error = (self.error_text(text) or "error") if failed else None
        step = self.cells.open(call.cell)
        step["observations"].append(observation(call_id, text, error and error[:_MOST_ERROR]))
        stream = self.streams[number]
        stream.last, stream.last_failed = "result", failed
        for tool_call in step["tool_calls"]:
            if tool_call["tool_call_id"] == call_id:
                tool_call["duration_ms"] = self.durations.get(call_id, duration)
                if error is not None and self.is_denial(error):
                    stream.denials.append(
                        {"tool_call_id": call_id, "tool": tool_call["tool_name"], "timestamp": stamp, "message": error}
                    )

    def is_denial(self, _error: str) -> bool:
        """Whether the error of a call says that it was not permitted."""
        return False

    def ended(self, number: int, stop: str = "end_turn") -> None:
        """The agent finished its turn by itself."""
        self.streams[number].last_stop = stop

    def failed(self, number: int, kind: str, message: str, stamp: str | None, line: int, **more: Any) -> None:
        """The turn ended in an error of the model's API (kind ``api_error``) or of the agent."""
        self.streams[number].last = "error"
        self.trouble(number, kind, message, stamp, line, **more)

    def trouble(self, number: int, kind: str, message: str, stamp: str | None, line: int, **more: Any) -> None:
        """Note an error after which the turn went on."""
        entry = {"kind": kind, "message": message, "timestamp": stamp, "line": line, **more}
        self.streams[number].errors.append(entry)

    def compacted(self, number: int, stamp: str | None, line: int, **more: Any) -> None:
        """The conversation was replaced by a summary. more: trigger, pre_tokens, post_tokens, summary."""
        empty = {"trigger": None, "pre_tokens": 0, "post_tokens": 0, "summary": None}
        self.streams[number].compactions.append({"timestamp": stamp, "line": line, **empty, **more})

    def skill(self, number: int, name: str, source: str, stamp: str | None, line: int, **more: Any) -> None:
        """An explicit use of a skill; source: the kind of evidence, such as ``claude_skill_tool``."""
        entry = {"name": name, "source": source, "timestamp": stamp, "lines": [line], **more}
        self.streams[number].skills.append(entry)

    def set_duration(self, call_id: str) -> None:
        """Bring a call's duration up to what the hook lines now say."""
        call = self.calls.get(call_id)
        if call is not None and call_id in self.durations:
            for tool_call in self.cells.open(call.cell)["tool_calls"]:
                if tool_call["tool_call_id"] == call_id:
                    tool_call["duration_ms"] = self.durations[call_id]

    # From ingest to ingest

    def dump(self) -> dict[str, Any]:
        """The state as JSON, without the cells."""
        return {
            "streams": [stream.to_json() for stream in self.streams],
            "messages": self.messages,
            "calls": {key: call.row() for key, call in self.calls.items()},
            "early": self.early,
            "spawned": self.spawned,
            "facts": self.facts,
            "cwds": self.cwds,
            "copied": list(self.copied),
            "usage": self.usage,
            "ledger": self.ledger.rows,
            "costs": [*self.costs.items()],
            "hour_writes": [*self.hour_writes.items()],
            "span": self.span,
            "counts": self.counts,
            "unknown": self.unknown,
            **{name: getattr(self, name) for name in self.KEPT},
        }

    def load(self, state: Mapping[str, Any], cells: list[bytes]) -> None:
        """Go on from what ``dump`` gave."""
        self.cells = Cells(cells)
        self.streams = [Stream(**stream) for stream in state["streams"]]
        self._index = {(stream.file, stream.agent): number for number, stream in enumerate(self.streams)}
        self.messages = state["messages"]
        self.calls = {key: Call(*row) for key, row in state["calls"].items()}
        self.early = state["early"]
        self.spawned = state["spawned"]
        self.facts = state["facts"]
        self.cwds = state["cwds"]
        self.copied = dict.fromkeys(state["copied"])
        self.usage = state["usage"]
        self.ledger = Ledger(state["ledger"])
        self.costs = dict(state["costs"])
        self.hour_writes = dict(state["hour_writes"])
        self.span = state["span"]
        self.counts = Counter(state["counts"])
        self.unknown = Counter(state["unknown"])
        for name in self.KEPT:
            setattr(self, name, state[name])
