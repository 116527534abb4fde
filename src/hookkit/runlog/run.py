"""One run of an agent: what is under way in it, and the events that say so. Knows nothing of the framework."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hookkit.redaction import redact
from hookkit.runlog.log import RunLog
from hookkit.runlog.plain import plain, text

Status = Literal["ok", "error", "cancelled", "incomplete"]
_SLACK = 2000  # characters that are looked at beyond what is kept: a secret must not be cut in two


@dataclass(slots=True)
class Reply:
    """A model's answer. calls: of tools, ``{"tool_call_id": str | None, "tool_name": str, "tool_args": {...}}``.

    tokens: input_tokens (cached ones included), output_tokens (thoughts included), total_tokens, cached_tokens,
    thought_tokens.
    """

    text: str = ""
    thought: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(slots=True)
class _Request:
    id: str
    started: float
    agent: str
    branch: str | None
    model: str | None
    chunks: int = 0
    reply: tuple[Reply, float, float] | None = None  # waits for the ids of its calls; when it came, how long it took
    answered: bool = False
    failed: bool = False


@dataclass(slots=True)
class _Tool:
    started: float
    failed: bool = False


class Run:
    """A run while it lasts. Not safe for several threads at once; the caller sees to that.

    parent: the run, and the id of its call, that this one was started by. clean: whether secrets are replaced.
    preview: characters of a result that are kept.
    """

    def __init__(
        self, log: RunLog, run: str, agent: str, *, parent: tuple[Run, str] | None, clean: bool, preview: int
    ) -> None:
        self.log, self.id, self.agent, self.parent = log, run, agent, parent
        self.clean: Callable[[Any], Any] = redact if clean else lambda value: value
        self.preview = preview
        self.started = time.perf_counter()
        self.counts = {"llm_calls": 0, "tool_calls": 0, "total_tokens": 0, "errors": 0}
        self.tools_used: dict[str, None] = {}
        self.status: Status | None = None
        self.left: float | None = None  # when no agent was at work any more, or a tool was cancelled
        self._requests: dict[tuple[str | None, str], _Request] = {}
        self._tools: dict[str, _Tool] = {}
        self._agents: dict[tuple[str | None, str], float] = {}
        self._numbers = 0
        self._error: BaseException | None = None

    def start(self, **fields: Any) -> None:
        """The run begins. fields: user_message, app_name, session_id, cwd, and versions."""
        parent, call = self.parent or (None, None)
        more = {"parent_invocation_id": parent.id if parent else None, "parent_tool_call_id": call}
        self._say("run.start", agent_name=self.agent, **more, **self.clean(fields))

    def end(self, status: Status, error: BaseException | None = None) -> None:
        """The run is over. A later end corrects an earlier one."""
        until = self.left if status == "cancelled" else None
        for request in self._requests.values():
            self._settle(request)
            if not request.answered and not request.failed:
                self._respond(request, Reply(), time.time(), _since(request.started, until), incomplete=True)
        self._requests.clear()
        if error is not None and error is not self._error:
            self.counts["errors"] += 1
        self.status = status
        summary = {**self.counts, "tools_used": list(self.tools_used)}
        self._say(
            "run.end", duration_ms=_since(self.started, until), status=status, summary=summary, **self._told(error)
        )

    # Agents

    def agent_started(self, agent: str, branch: str | None) -> None:
        self._agents[branch, agent], self.left = time.perf_counter(), None
        self._say("agent.start", agent_name=agent, branch=branch)

    def agent_ended(self, agent: str, branch: str | None) -> None:
        started = self._agents.pop((branch, agent), None)
        took = None if started is None else _since(started)
        self._say("agent.end", agent_name=agent, branch=branch, duration_ms=took)
        if not self._agents:  # of a run that is cancelled now, nobody tells the end
            self.left = time.perf_counter()

    def agent_failed(self, agent: str, branch: str | None, error: BaseException) -> None:
        self._say("agent.error", agent_name=agent, branch=branch, **self._told(error))

    # The model

    def asked(self, agent: str, branch: str | None, *, model: str | None, messages: int, tools: Sequence[str]) -> None:
        """A request goes to the model."""
        known = self._requests.pop((branch, agent), None)
        if known is not None:
            self._settle(known)
        request = self._request(agent, branch, model)
        self._say(
            "llm.request",
            request_id=request.id,
            model=model,
            message_count=messages,
            tools_available=list(tools),
            agent_name=agent,
            branch=branch,
        )

    def chunk(self, agent: str, branch: str | None) -> None:
        """A part of an answer came; the whole comes later."""
        request = self._requests.get((branch, agent)) or self._request(agent, branch, None)
        request.chunks += 1

    def answered(self, agent: str, branch: str | None, reply: Reply) -> None:
        """The answer to the request that is open. If its calls have no ids yet, it is said once they have."""
        request = self._requests.get((branch, agent)) or self._request(agent, branch, None)
        self._settle(request)
        now, took = time.time(), _since(request.started)
        request.answered = True
        if any(call["tool_call_id"] is None for call in reply.calls):
            request.reply = (reply, now, took)
        else:
            self._respond(request, reply, now, took)

    def failed(self, agent: str, branch: str | None, error: BaseException) -> None:
        """The request failed. It stays open: somebody else may answer it."""
        request = self._requests.get((branch, agent)) or self._request(agent, branch, None)
        self._error = error
        reply = Reply(error_code=type(error).__name__, error_message=str(error))
        self._respond(request, reply, time.time(), _since(request.started))
        request.failed = True

    def said(self, agent: str, branch: str | None, told: Callable[[], Reply]) -> None:
        """What the framework made of an answer, or what an agent says without having asked a model."""
        request = self._requests.get((branch, agent))
        if request is not None and request.answered and request.reply is None:
            del self._requests[branch, agent]  # it was said when the answer came
            return
        reply = told()
        if not (reply.text or reply.thought or reply.calls or reply.error_code):
            return
        self._requests.pop((branch, agent), None)
        if request is not None and request.reply is not None:
            for call, named in zip(request.reply[0].calls, reply.calls, strict=False):
                call["tool_call_id"] = named["tool_call_id"]
            self._settle(request)
        elif request is not None and not (request.failed and reply.error_code):  # somebody else answered
            request.answered = True
            self._respond(request, reply, time.time(), _since(request.started))
        elif request is None and reply.text:
            message = self.clean(text(reply.text))
            self._say("agent.message", agent_name=agent, branch=branch, text=message)

    # Tools

    def tool_started(self, call: str, name: str, given: Mapping[str, Any], agent: str, branch: str | None) -> None:
        self._tools[call] = _Tool(time.perf_counter())
        self.counts["tool_calls"] += 1
        self.tools_used[name] = None
        told = self.clean({"tool_args": plain(given)})
        self._say("tool.start", tool_call_id=call, tool_name=name, **told, agent_name=agent, branch=branch)

    def tool_ended(
        self, call: str, name: str, given: Mapping[str, Any], agent: str, branch: str | None, result: object
    ) -> None:
        """A call gave a result, its own or somebody else's: then it may never have begun, or have failed before."""
        if call not in self._tools:
            self.tool_started(call, name, given, agent, branch)
        tool = self._tools.pop(call)
        self._say(
            "tool.end",
            tool_call_id=call,
            tool_name=name,
            duration_ms=_since(tool.started),
            response_preview=self._preview(result),
            success=not (isinstance(result, Mapping) and bool(result.get("error"))),
            recovered=True if tool.failed else None,
            agent_name=agent,
            branch=branch,
        )

    def tool_failed(
        self, call: str, name: str, given: Mapping[str, Any], agent: str, branch: str | None, error: BaseException
    ) -> None:
        if call not in self._tools:
            self.tool_started(call, name, given, agent, branch)
        tool = self._tools[call]
        tool.failed = True
        self.counts["errors"] += 1
        self._error = error
        duration = _since(tool.started)
        where = {"agent_name": agent, "branch": branch}
        self._say("tool.error", tool_call_id=call, tool_name=name, duration_ms=duration, **self._told(error), **where)

    # What else events tell

    def state_changed(self, author: str, delta: Mapping[str, Any]) -> None:
        self._say("state.change", author=author, **self.clean({"state_delta": plain(delta)}))

    def transferred(self, origin: str, to: str, reason: str | None, call: str | None) -> None:
        # ADK does not tell the end of an agent that hands over.
        self._agents = {key: started for key, started in self._agents.items() if key[1] != origin}
        self._say("agent.transfer", from_agent=origin, to_agent=to, reason=self.clean(reason), tool_call_id=call)

    # How it is said

    def _request(self, agent: str, branch: str | None, model: str | None) -> _Request:
        self._numbers += 1
        self.counts["llm_calls"] += 1
        request = _Request(f"{self.id}/{self._numbers}", time.perf_counter(), agent, branch, model)
        self._requests[branch, agent] = request
        return request

    def _settle(self, request: _Request) -> None:
        """Say an answer that still waits, as far as it is known."""
        if request.reply is not None:
            reply, request.reply = request.reply, None
            self._respond(request, *reply)

    def _respond(self, request: _Request, reply: Reply, at: float, took: float, incomplete: bool = False) -> None:
        self.counts["total_tokens"] += reply.tokens.get("total_tokens", 0)
        self.counts["errors"] += reply.error_code is not None
        tokens = {name: reply.tokens.get(name, 0) for name in ("input_tokens", "output_tokens", "total_tokens")}
        calls = [{**call, "tool_args": plain(call["tool_args"])} for call in reply.calls]
        message = text(reply.error_message) if reply.error_message else None
        told = {"text": text(reply.text), "thought": text(reply.thought), "tool_calls": calls, "error_message": message}
        self._say(
            "llm.response",
            timestamp=at,
            request_id=request.id,
            duration_ms=took,
            **tokens,
            cached_tokens=reply.tokens.get("cached_tokens"),
            thought_tokens=reply.tokens.get("thought_tokens"),
            has_tool_calls=bool(reply.calls),
            finish_reason=reply.finish_reason,
            model=reply.model or request.model,
            chunks=request.chunks or None,
            error_code=reply.error_code,
            incomplete=incomplete or None,
            **self.clean({name: value for name, value in told.items() if value}),
            agent_name=request.agent,
            branch=request.branch,
        )

    def _told(self, error: BaseException | None) -> dict[str, Any]:
        if error is None:
            return {}
        return {"error_type": type(error).__name__, "error_message": self.clean(text(str(error)))}

    def _preview(self, result: object) -> str:
        if isinstance(result, str):
            whole = self.clean(text(result, self.preview + _SLACK))
        else:
            whole = json.dumps(self.clean(plain(result, self.preview + _SLACK)), ensure_ascii=False)
        return text(whole, self.preview)

    def _say(self, kind: str, **fields: Any) -> None:
        self.log.write(kind, timestamp=fields.pop("timestamp", None), invocation_id=self.id, **fields)


def _since(started: float, until: float | None = None) -> float:
    """Milliseconds, until now if it is not said until when."""
    return round(((until or time.perf_counter()) - started) * 1000, 3)
