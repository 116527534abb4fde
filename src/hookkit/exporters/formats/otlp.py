"""``otlp``: an ExportTraceServiceRequest in OTLP/JSON, by the OpenTelemetry conventions for generative AI.

A span for the session; in it one for each turn (``invoke_agent``); in that one for each answer of the model (``chat``)
and each tool call (``execute_tool``); subagents are agents in the call that began them. Ids are derived from the trace,
so the same session gives the same spans. Contents are JSON in strings, as the conventions allow for spans.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookkit import __version__
from hookkit.exporters.source import Part, Row, Source, containers, parts, tokens
from hookkit.trails.timeline import micros

_INTERNAL, _CLIENT = 1, 3  # SpanKind
_ERROR = 2  # StatusCode
_SHORT = 400  # characters of a status message
# What models.dev calls a provider, where the conventions have another name for it.
_PROVIDERS = {"google": "gcp.gemini", "xai": "x_ai", "x-ai": "x_ai", "mistral": "mistral_ai", "mistralai": "mistral_ai",
              "moonshotai": "moonshot_ai", "azure": "azure.ai.openai", "amazon-bedrock": "aws.bedrock",
              "google-vertex": "gcp.vertex_ai"}  # fmt: skip

Span = dict[str, Any]


def export(source: Source) -> Iterator[str]:
    """One JSON object, span by span."""
    record = source.record
    agent = record.get("agent") or {}
    resource = {"service.name": agent.get("name"), "service.version": agent.get("version")}
    yield (
        f'{{"resourceSpans": [{{"resource": {_json({"attributes": _attributes(resource)})}, "scopeSpans": '
        f'[{{"scope": {_json({"name": "hookkit", "version": __version__})}, "spans": ['
    )
    for number, span in enumerate(_Spans(record, beginners=containers(record)).all()):
        yield (", " if number else "") + _json(span)
    yield "]}]}]}\n"


@dataclass(slots=True)
class _Open:
    """A conversation whose span has not ended: a turn, or a subagent. Times: microseconds since 1970."""

    span_id: str
    parent_id: str
    name: str
    start: int
    last: int  # when the model could go on: the prompt, or the end of the latest call
    end: int
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class _Spans:
    record: Mapping[str, Any]
    turn: _Open | None = None
    subagents: dict[tuple[object, object], _Open] = field(default_factory=dict)
    callers: dict[int, str] = field(default_factory=dict)  # step -> the span that its subagents belong to
    events: list[Mapping[str, Any]] = field(default_factory=list)
    beginners: frozenset[str] = frozenset()
    now: int = 0

    def all(self) -> Iterator[Span]:
        begun = micros(self.record.get("timestamp_start"))
        first = next((us for step in self.record["steps"] if (us := micros(step.get("timestamp"))) is not None), 0)
        begun = self.now = first if begun is None else min(begun, first or begun)
        latest = begun
        for part in parts(self.record):
            for row in part.rows:
                self._event(row)
            for span in self._of(part):
                latest = max(latest, int(span["endTimeUnixNano"]) // 1000)
                yield span
        for span in [*map(self._ended, self.subagents.values())] + ([self._ended(self.turn)] if self.turn else []):
            latest = max(latest, int(span["endTimeUnixNano"]) // 1000)
            yield span
        yield self._session(begun, max(latest, micros(self.record.get("timestamp_end")) or 0))

    def _of(self, part: Part) -> Iterator[Span]:
        """The spans that end with a step."""
        step = part.step
        if not step:
            return
        stamp = micros(step.get("timestamp"))
        stamp = self.now if stamp is None else stamp
        self.now = max(self.now, stamp)
        if step["role"] == "user" and not part.depth:
            if self.turn:
                yield self._ended(self.turn)
            self.turn = self._begun(f"turn {part.turn}", self._id("session"), stamp, part)
            return
        conversation = self._conversation(part, stamp)
        if step["role"] != "agent":
            return
        chat = self._chat(part, conversation, stamp)
        yield chat
        self.callers[step["step_index"]] = chat["spanId"]
        calls = [row for row in part.rows if row.item.kind == "call"]
        for number, row in enumerate(calls):
            span = self._call(row, number, conversation, stamp)
            if row.item.name in self.beginners or len(calls) == 1:
                self.callers[step["step_index"]] = span["spanId"]
            yield span

    def _conversation(self, part: Part, stamp: int) -> _Open:
        step = part.step
        if not part.depth and step.get("parent_step") is None:
            if self.turn is None:  # what comes before the first prompt
                self.turn = self._begun("turn 0", self._id("session"), stamp, part)
            return self.turn
        key = (step.get("parent_step"), step.get("subagent_trajectory_ref"))
        if key not in self.subagents:
            parent = self.callers.get(step.get("parent_step", -1)) or (self.turn.span_id if self.turn else "")
            name = f"subagent {key[0]} {key[1]}"
            self.subagents[key] = self._begun(name, parent or self._id("session"), stamp, part)
        return self.subagents[key]

    def _begun(self, key: str, parent_id: str, stamp: int, part: Part) -> _Open:
        step = part.step
        name = str(step.get("agent_role") or "subagent") if part.depth else self._agent
        prompt = step.get("content") if step["role"] == "user" else None
        said = [{"role": "user", "parts": [{"type": "text", "content": prompt}]}] if prompt else None
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": self._provider(self._model),
            "gen_ai.agent.name": name,
            "gen_ai.agent.id": step.get("subagent_trajectory_ref"),
            "gen_ai.agent.version": (self.record.get("agent") or {}).get("version"),
            "gen_ai.conversation.id": self.record["session_id"],
            "gen_ai.request.model": _bare(self._model),
            "gen_ai.input.messages": _json(said) if said else None,
            "hookkit.turn": part.turn,
            "hookkit.step": step["step_index"],
        }
        return _Open(self._id(key), parent_id, f"invoke_agent {name}".rstrip(), stamp, stamp, stamp, attributes)

    def _chat(self, part: Part, conversation: _Open, stamp: int) -> Span:
        step = part.step
        model = step.get("model") or self._model
        used = tokens(step) or {}
        prompted = sum(used[name] for name in ("input", "cache_read", "cache_write")) if used else None
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._provider(model),
            "gen_ai.request.model": _bare(model),
            "gen_ai.response.model": _bare(step.get("model")),
            "gen_ai.conversation.id": self.record["session_id"],
            "gen_ai.usage.input_tokens": prompted,
            "gen_ai.usage.output_tokens": used.get("output"),
            "gen_ai.usage.cache_read.input_tokens": used.get("cache_read"),
            "gen_ai.usage.cache_creation.input_tokens": used.get("cache_write"),
            "gen_ai.output.messages": _json([_answer(step)]),
            "hookkit.step": step["step_index"],
        }
        start, end = min(conversation.last, stamp), stamp
        conversation.last = conversation.end = max(conversation.end, end)
        name = f"chat {_bare(model) or ''}".rstrip()
        key = f"chat {step['step_index']}"
        return self._span(self._id(key), conversation.span_id, name, _CLIENT, start, end, attributes)

    def _call(self, row: Row, number: int, conversation: _Open, stamp: int) -> Span:
        item = row.item
        before, after = row.trees
        start = micros(item.time)
        start = stamp if start is None else start
        lasted = row.duration_ms or 0
        ended = micros(row.ended)
        end = max(start, ended if ended is not None else start + round(lasted * 1000))
        failed = row.state != "ok"
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": item.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": item.call_id,
            "gen_ai.tool.call.arguments": _json(row.call.get("input") or {}),
            "gen_ai.tool.call.result": row.text or None,
            "gen_ai.conversation.id": self.record["session_id"],
            "error.type": {"failed": "tool_error", "no_result": "no_result"}.get(row.state),
            "hookkit.step": item.step,
            "hookkit.tree.before": before,
            "hookkit.tree.after": after,
            "hookkit.limitations": row.limitations or None,
        }
        conversation.last = conversation.end = max(conversation.end, end)
        key = f"call {item.step} {number}"
        name = f"execute_tool {item.name}"
        span = self._span(self._id(key), conversation.span_id, name, _INTERNAL, start, end, attributes)
        return span | {"status": {"code": _ERROR, "message": item.error[:_SHORT]}} if failed else span

    def _event(self, row: Row) -> None:
        before, after = row.trees
        us = micros(row.item.time)
        if row.item.kind == "gap":
            name, said = "hookkit.gap", {"hookkit.tree.before": before, "hookkit.tree.after": after}
        elif row.item.kind == "error":
            name, said = "hookkit.error", {"hookkit.message": row.item.text}
        else:
            return
        self.events.append(
            {"timeUnixNano": _nanos(self.now if us is None else us), "name": name, "attributes": _attributes(said)}
        )

    def _ended(self, conversation: _Open) -> Span:
        made = conversation
        return self._span(
            made.span_id, made.parent_id, made.name, _INTERNAL, made.start, max(made.start, made.end), made.attributes
        )

    def _session(self, start: int, end: int) -> Span:
        metadata = self.record.get("metadata") or {}
        vcs = (self.record.get("environment") or {}).get("vcs") or {}
        outcome = self.record.get("outcome") or {}
        attributes = {
            "session.id": self.record["session_id"],
            "gen_ai.conversation.id": self.record["session_id"],
            "vcs.ref.head.name": vcs.get("branch"),
            "hookkit.trace.id": self.record["trace_id"],
            "hookkit.project": metadata.get("project"),
        }
        span = self._span(self._id("session"), "", "session", _INTERNAL, start, max(start, end), attributes)
        span |= {"events": self.events} if self.events else {}
        if outcome.get("terminal_state") == "error":
            span["status"] = {"code": _ERROR, "message": str(outcome.get("description") or "")[:_SHORT]}
        return span

    def _span(
        self, span_id: str, parent: str, name: str, kind: int, start: int, end: int, said: Mapping[str, Any]
    ) -> Span:
        found = {"traceId": self._trace_id, "spanId": span_id} | ({"parentSpanId": parent} if parent else {})
        times = {"startTimeUnixNano": _nanos(start), "endTimeUnixNano": _nanos(end)}
        return {**found, "name": name, "kind": kind, **times, "attributes": _attributes(said)}

    @property
    def _trace_id(self) -> str:
        """The digits of the trace's own id, where it is a UUID."""
        digits = str(self.record["trace_id"]).replace("-", "").lower()
        return digits if re.fullmatch("[0-9a-f]{32}", digits) and digits.strip("0") else self._hash("trace", 32)

    def _id(self, key: str) -> str:
        return self._hash(key, 16)

    def _hash(self, key: str, digits: int) -> str:
        said = f"{self.record['trace_id']}\0{key}".encode("utf-8", "replace")
        return hashlib.sha256(said).hexdigest()[:digits]

    @property
    def _agent(self) -> str:
        return str((self.record.get("agent") or {}).get("name") or "")

    @property
    def _model(self) -> str | None:
        model = (self.record.get("agent") or {}).get("model")
        return str(model) if model else None

    def _provider(self, model: str | None) -> str:
        """The conventions want one always; an agent that does not tell its model stands for it itself."""
        maker = model.partition("/")[0] if model and "/" in model else ""
        return _PROVIDERS.get(maker, maker) or self._agent or "unknown"


def _answer(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the model said, as the conventions' schema of output messages has it."""
    said: list[Mapping[str, Any]] = []
    if step.get("reasoning_content"):
        said.append({"type": "reasoning", "content": step["reasoning_content"]})
    if step.get("content"):
        said.append({"type": "text", "content": step["content"]})
    for call in step.get("tool_calls") or ():
        given = call.get("input") or {}
        said.append({"type": "tool_call", "id": call["tool_call_id"], "name": call["tool_name"], "arguments": given})
    return {"role": "assistant", "parts": said, "finish_reason": "tool_call" if step.get("tool_calls") else "stop"}


def _bare(model: str | None) -> str | None:
    """A model as its maker names it."""
    return model.partition("/")[2] or model if model else None


def _attributes(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in said.items() if value is not None]


def _any(value: object) -> Mapping[str, Any]:
    """An AnyValue; proto3 JSON writes 64-bit integers as strings."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any(item) for item in value]}}
    return {"stringValue": str(value)}


def _nanos(us: int) -> str:
    return str(max(0, us) * 1000)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
