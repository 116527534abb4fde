"""Folds the events of a run log into the steps of a trace.

A run is a turn: what the user said, and what the agents did about it. The agent that the run began with speaks in the
main conversation; every other one, each time it is started, in a stream of its own, which follows the call that handed
over to it, or else the prompt. So does a run that a tool started, and one that goes on beside another of the same log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hookkit.capture.fold.fold import Fold
from hookkit.capture.values import count, text_of

_STOPS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens"}
_MAKERS = {"gemini": "google", "gemma": "google", "claude": "anthropic", "gpt": "openai"}


class AdkFold(Fold):
    """The log as far as it was read.

    runs: invocation -> what is known of it. ``agent``: the stream of its first agent. ``open``: "branch/agent" -> the
    stream of each agent at work. ``prompt``: cell of the prompt, or -1. ``pending``: agent -> the call that hands over
    to it. ``started``: how many agents were.
    origins: stream -> [agent's name, call that started it or "", cell that it follows, where no call did].
    requests: request -> [model, tools] until it is answered. calls_of: "invocation call" -> the call's id in the trace.
    phases: id -> phase. cell_phases: cell -> id of the phase it is in. latest: the newest run; busy: the run that is in
    the main conversation. began: the line where the newest run began.
    """

    KEPT = (
        "runs", "origins", "requests", "calls_of", "phases", "cell_phases", "transfers", "states", "latest", "busy",
        "began",
    )  # fmt: skip

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.runs: dict[str, dict[str, Any]] = {}
        self.origins: dict[str, list[Any]] = {}
        self.requests: dict[str, list[Any]] = {}
        self.calls_of: dict[str, str] = {}
        self.phases: dict[str, dict[str, Any]] = {}
        self.cell_phases: dict[str, str] = {}
        self.transfers: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.latest: str | None = None
        self.busy: str | None = None
        self.began = 0

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one event, as a log has it or as a notification (JSON-RPC 2.0)."""
        params = entry.get("params")
        if "jsonrpc" in entry and isinstance(params, Mapping):
            entry = params
        read = _READ.get(text_of(entry.get("type")) or "")
        if read is None:
            self.no_such_type(entry.get("type"))
            return
        before = len(self.cells)
        read(self, entry, _stamp(entry.get("timestamp")), line)
        phase = text_of(entry.get("phase_id"))
        if phase is not None:
            if phase not in self.phases:  # its beginning is in no log of ours
                self.phases[phase] = _phase(phase, entry.get("phase"))
            for cell in range(before, len(self.cells)):
                self.cell_phases[str(cell)] = phase

    # Runs

    def _run_start(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        name = text_of(entry.get("invocation_id")) or f"line {line}"
        self.latest = name
        if name in self.runs:  # taken up again
            self.runs[name]["status"] = None
            return
        parent, busy = text_of(entry.get("parent_invocation_id")), self.runs.get(self.busy or "")
        session = text_of(entry.get("session_id"))
        nested = parent in self.runs
        aside = busy is not None and busy["status"] is None and busy["session_id"] != session
        run: dict[str, Any] = {
            "agent": name if nested or aside else "", "agent_name": text_of(entry.get("agent_name")) or "agent",
            "app_name": text_of(entry.get("app_name")), "session_id": session, "status": None, "open": {},
            "prompt": -1, "pending": {}, "started": 0, "began": False,
        }  # fmt: skip
        self.runs[name] = run
        if run["agent"]:
            call = text_of(entry.get("parent_tool_call_id")) if nested else None
            run["parent_tool_call_id"] = self.calls_of.get(f"{parent} {call}", call)
            follows = self.runs[parent]["prompt"] if nested and parent else -1
            self.origins[name] = [run["agent_name"], run["parent_tool_call_id"] or "", follows]
        else:
            self.busy = name
        self.folder(entry.get("cwd"))
        self.fact("version", entry.get("adk_version"))
        self.began = line
        number = self._stream(run["agent"])
        self.moment(number, stamp)
        said = text_of(entry.get("user_message"))
        if said is not None:
            run["prompt"] = len(self.cells)
            self.prompt(number, said, stamp)

    def _run_end(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        run = self._run(entry, line)
        number = self._stream(run["agent"])
        self.moment(number, stamp)
        stream, status = self.streams[number], text_of(entry.get("status")) or "ok"
        run |= {"status": status, "duration_ms": _milliseconds(entry.get("duration_ms"))}
        if status == "error":
            kind, message = text_of(entry.get("error_type")) or "error", text_of(entry.get("error_message")) or ""
            run["error"] = f"{kind}: {message}"
            self._error(number, "run_error", run["error"], stamp, line)
            stream.last = "error"
        elif status == "cancelled" or (status == "ok" and self._has_open_calls(number)):  # nobody asked for the rest
            stream.last = "interrupted"
        elif status == "ok" and stream.last in ("prompt", "result", "agent", "interrupted"):
            stream.last, stream.last_stop = "agent", stream.last_stop or "end_turn"

    def _error(self, number: int, kind: str, message: str, stamp: str | None, line: int) -> None:
        """The same error comes up from the model to its agent to the run; it is told once, where it began."""
        told = self.streams[number].errors[-1:]
        if not told or told[0]["message"] != message or told[0]["line"] <= self.began:
            self.trouble(number, kind, message, stamp, line)

    def _has_open_calls(self, number: int) -> bool:
        cells = self.streams[number].cells
        calls = self.cells.open(cells[-1])["tool_calls"] if cells else []
        return any(self.calls[call["tool_call_id"]].state == "open" for call in calls)

    # Agents

    def _agent_start(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        del stamp
        run, name = self._run(entry, line), text_of(entry.get("agent_name")) or ""
        first = not run["began"] and name == run["agent_name"]
        run["began"] = True
        run["open"][_key(entry)] = run["agent"] if first else self._own_stream(entry, run, name, line)

    def _agent_end(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        del stamp
        self._run(entry, line)["open"].pop(_key(entry), None)

    def _agent_error(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        message = f"{text_of(entry.get('error_type')) or 'error'}: {text_of(entry.get('error_message')) or ''}"
        self._error(self._number(entry, line), "agent_error", message, stamp, line)

    def _agent_message(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        number = self._number(entry, line)
        cell = self.message(number, f"line {line}", self.moment(number, stamp))
        if cell is not None:
            self.say(cell, entry.get("text"))

    def _agent_transfer(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        run, to = self._run(entry, line), text_of(entry.get("to_agent"))
        call = self._known_call(entry)
        if to is not None and call is not None:
            run["pending"][to] = call
        told = {"from_agent": text_of(entry.get("from_agent")), "to_agent": to, "reason": text_of(entry.get("reason"))}
        self.transfers.append({**told, "tool_call_id": call, "timestamp": stamp})

    # The model

    def _llm_request(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        number, tools = self._number(entry, line), entry.get("tools_available")
        self.moment(number, stamp)
        request = text_of(entry.get("request_id"))
        if request is not None:
            names = [name for name in tools if isinstance(name, str)] if isinstance(tools, list) else []
            self.requests[request] = [text_of(entry.get("model")), names]

    def _llm_response(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        number = self._number(entry, line)
        self.moment(number, stamp)
        request = text_of(entry.get("request_id"))
        model, tools = self.requests.pop(request or "", [None, []])
        if entry.get("incomplete") is True:
            return
        code = text_of(entry.get("error_code"))
        given = entry.get("tool_calls")
        calls = given if isinstance(given, list) else []
        if code is None or text_of(entry.get("text")) or calls or count(entry.get("total_tokens")):
            cell = self.message(number, request or f"line {line}", stamp)
            if cell is None:
                return
            model = text_of(entry.get("model")) or model
            if model is not None:
                self.model(number, cell, _named(model))
            self.cells.open(cell)["tools_available"] = tools
            self.used(cell, _buckets(entry))
            self.say(cell, entry.get("thought"), "reasoning_content")
            self.say(cell, entry.get("text"))
            for call in calls:
                self._announced(number, cell, entry, call)
            stop = _STOPS.get(text_of(entry.get("finish_reason")) or "")
            if stop is not None and not calls and entry.get("has_tool_calls") is not True:
                self.ended(number, stop)
        if code is not None:
            self.failed(number, "api_error", f"{code}: {text_of(entry.get('error_message')) or ''}", stamp, line)

    # Tools

    def _announced(self, number: int, cell: int, entry: Mapping[str, Any], call: object) -> None:
        """A call that the model asked for: it may be that nobody makes it."""
        own = text_of(call.get("tool_call_id")) if isinstance(call, Mapping) else None
        if isinstance(call, Mapping) and own is not None:
            self._new_call(number, cell, f"{self._invocation(entry)} {own}", own, call)

    def _tool_start(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        number, call = self._number(entry, line), self._known_call(entry)
        self.moment(number, stamp)
        if call is not None and self.calls[call].state == "open":
            return
        cells = self.streams[number].cells
        asked = bool(cells) and self.cells.open(cells[-1])["role"] == "agent"
        cell = cells[-1] if asked else self.message(number, f"line {line}", stamp)
        own = text_of(entry.get("tool_call_id")) or f"line {line}"
        if cell is not None:
            self._new_call(number, cell, f"{self._invocation(entry)} {own}", own, entry)

    def _tool_end(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        if self._known_call(entry) is None:
            self._tool_start(entry, stamp, line)
        call = self._known_call(entry)
        if call is None:
            self.counts["malformed_results"] += 1
            return
        number, failed = self.calls[call].stream, entry.get("success") is False
        self.moment(number, stamp)
        if self.calls[call].state == "failed" and entry.get("recovered") is True:
            self._take_back(call)
        text = entry.get("response_preview")
        duration = _milliseconds(entry.get("duration_ms"))
        self.result(number, call, text if isinstance(text, str) else "", failed, stamp, duration)

    def _tool_error(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        kind, message = text_of(entry.get("error_type")) or "error", text_of(entry.get("error_message"))
        text = f"{kind}: {message}" if message else kind
        self._tool_end({**entry, "success": False, "response_preview": text}, stamp, line)

    def _new_call(self, number: int, cell: int, key: str, own: str, entry: Mapping[str, Any]) -> None:
        """Some models count their calls anew in every answer; the trace needs ids that are each one call's."""
        unique, again = own, 1
        while unique in self.calls:
            again += 1
            unique = f"{own}~{again}"
        if self.call(number, cell, unique, entry.get("tool_name"), entry.get("tool_args")):
            self.calls_of[key] = unique

    def _take_back(self, call: str) -> None:
        """The call failed, and somebody gave an answer in its place."""
        known = self.calls[call]
        step = self.cells.open(known.cell)
        step["observations"] = [seen for seen in step["observations"] if seen["source_call_id"] != call]
        known.state = "open"

    # State and phases

    def _state_change(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        del line
        delta = entry.get("state_delta")
        if isinstance(delta, dict):
            self.states.append({"author": text_of(entry.get("author")), "state_delta": delta, "timestamp": stamp})

    def _phase_start(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        name = text_of(entry.get("phase_id")) or f"line {line}"
        phase = self.phases.setdefault(name, _phase(name, entry.get("name")))
        if phase["started_at"] is None:
            phase |= {"started_at": stamp, "parent": text_of(entry.get("parent_id"))}
        self.moment(self._stream(""), stamp)

    def _phase_end(self, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        del line
        phase = self.phases.get(text_of(entry.get("phase_id")) or "")
        if phase is not None:
            phase["ended_at"] = stamp
        self.moment(self._stream(""), stamp)

    # Whose it is

    def _invocation(self, entry: Mapping[str, Any]) -> str:
        """Early logs name a run only where it begins."""
        return text_of(entry.get("invocation_id")) or self.latest or ""

    def _run(self, entry: Mapping[str, Any], line: int) -> dict[str, Any]:
        """The run that an event is of; one whose beginning is lost begins with it."""
        name = self._invocation(entry)
        if name not in self.runs:
            self._run_start({"invocation_id": name, "agent_name": entry.get("agent_name")}, None, line)
            name = self.latest or name
        return self.runs[name]

    def _number(self, entry: Mapping[str, Any], line: int) -> int:
        """The stream of the agent that an event is of."""
        run, name = self._run(entry, line), text_of(entry.get("agent_name"))
        if name is None:
            return self._stream(run["agent"])
        agent = run["open"].get(_key(entry))
        if agent is None:
            first = name == run["agent_name"] and not run["began"]
            run["began"] |= first
            agent = run["open"][_key(entry)] = run["agent"] if first else self._own_stream(entry, run, name, line)
        return self._stream(agent)

    def _own_stream(self, entry: Mapping[str, Any], run: dict[str, Any], name: str, line: int) -> str:
        run["started"] += 1
        agent = f"{self._invocation(entry) or line}.{run['started']}"
        self.origins[agent] = [name, run["pending"].pop(name, ""), run["prompt"]]
        return agent

    def _stream(self, agent: str) -> int:
        return self.stream("", agent)

    def _known_call(self, entry: Mapping[str, Any]) -> str | None:
        own = text_of(entry.get("tool_call_id"))
        return None if own is None else self.calls_of.get(f"{self._invocation(entry)} {own}")


_READ = {
    "run.start": AdkFold._run_start,
    "run.end": AdkFold._run_end,
    "agent.start": AdkFold._agent_start,
    "agent.end": AdkFold._agent_end,
    "agent.error": AdkFold._agent_error,
    "agent.message": AdkFold._agent_message,
    "agent.transfer": AdkFold._agent_transfer,
    "llm.request": AdkFold._llm_request,
    "llm.response": AdkFold._llm_response,
    "tool.start": AdkFold._tool_start,
    "tool.end": AdkFold._tool_end,
    "tool.error": AdkFold._tool_error,
    "state.change": AdkFold._state_change,
    "phase.start": AdkFold._phase_start,
    "phase.end": AdkFold._phase_end,
}


def _phase(phase_id: str, name: object) -> dict[str, Any]:
    return {"id": phase_id, "name": text_of(name) or phase_id, "started_at": None, "ended_at": None, "parent": None}


def _key(entry: Mapping[str, Any]) -> str:
    return f"{text_of(entry.get('branch')) or ''}/{text_of(entry.get('agent_name')) or ''}"


def _stamp(seconds: object) -> str | None:
    """Seconds since 1970 as ISO 8601; None for what is no time."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _milliseconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1 << 53:
        return None
    return round(value)


def _named(model: str) -> str:
    """provider/model, where the provider is known."""
    maker = next((maker for start, maker in _MAKERS.items() if model.startswith(f"{start}-")), None)
    return model if "/" in model or maker is None else f"{maker}/{model}"


def _buckets(entry: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Input without what came from the cache, output with thoughts, cache read, cache write."""
    given, made = count(entry.get("input_tokens")), count(entry.get("output_tokens"))
    cached = min(count(entry.get("cached_tokens")), given)
    return given - cached, made, cached, 0
