"""Anthropic Messages (``POST /v1/messages``), streamed or not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ..drivers.base import Say
from ..script import ApiError, Delay, Position, Text, Turn, answered_before, conversation_of, summary_text
from ..wire import Answer, Json

_SESSION = re.compile(r"session\W*(?:id\W*)?([0-9a-f-]{36})")
_COMPACTION = "Your task is to create a detailed summary"
# What Claude Code puts into the model's mouth when it resumes an unanswered conversation.
_STAND_IN = "No response requested."


class AnthropicMessages:
    def __init__(self, say: Say) -> None:
        self._say = say

    def serves(self, path: str) -> bool:
        return path.endswith(("/messages", "/messages/count_tokens"))

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        if path.endswith("/count_tokens"):
            return _json({"input_tokens": 100})
        messages = request.get("messages") or [{"content": ""}]
        position = self.position(request)
        if _COMPACTION in _text(messages[-1]):
            return self._message(request, f"summary-{position.answered}", [_text_block(summary_text(position))], 90)
        if not request.get("tools"):
            return self._message(request, "aside", [_text_block("A short title")], 5)
        return None

    def position(self, request: Json) -> Position:
        messages = request.get("messages") or []
        own = [message for message in messages if _text(message) != _STAND_IN]
        roles = [role for role, _ in groupby(own, key=lambda message: message["role"])]
        before = max((answered_before(_text(message)) for message in messages), default=0)
        return Position(conversation_of(_text(messages[0]) if messages else ""), before + roles.count("assistant"))

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        offered = {tool.get("name", "") for tool in request.get("tools") or []}
        blocks: list[Json] = []
        for number, action in enumerate(turn):
            if isinstance(action, Text):
                blocks.append(_text_block(action.text))
                continue
            if isinstance(action, ApiError | Delay):
                raise TypeError(f"{action} is no part of a message")
            use = self._say(action, offered)
            call = _id("toolu_", f"{_session(request)}/{position.conversation}/{position.answered}/{number}")
            blocks.append({"type": "tool_use", "id": call, "name": use.name, "input": use.input})
        return self._message(request, f"{position.conversation}/{position.answered}", blocks, 42)

    def failure(self, status: int, message: str) -> Answer:
        kind = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
        if status in (400, 404, 413):
            kind = "invalid_request_error"
        return _json({"type": "error", "error": {"type": kind, "message": message}}, status)

    def _message(self, request: Json, identity: str, blocks: list[Json], output_tokens: int) -> Answer:
        history = len(request.get("messages") or [])
        usage = {
            "input_tokens": 100 + 10 * history,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 200 * history,
            "output_tokens": 1,
            "service_tier": "standard",
        }
        message: Json = {
            "id": _id("msg_", f"{_session(request)}/{identity}"),
            "type": "message",
            "role": "assistant",
            "model": request.get("model", "scripted"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        headers = {"request-id": _id("req_", f"{_session(request)}/{identity}")}
        if request.get("stream"):
            return Answer(200, "text/event-stream", _stream(message, blocks, stop, output_tokens), headers)
        whole = {**message, "content": blocks, "stop_reason": stop, "usage": {**usage, "output_tokens": output_tokens}}
        return Answer(200, "application/json", [json.dumps(whole).encode()], headers)


def _stream(message: Json, blocks: list[Json], stop: str, output_tokens: int) -> Iterator[bytes]:
    yield _event("message_start", message=message)
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            opening, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            opening = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield _event("content_block_start", index=index, content_block=opening)
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": output_tokens}
    )
    yield _event("message_stop")


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _json(body: Json, status: int = 200) -> Answer:
    return Answer(status, "application/json", [json.dumps(body).encode()])


def _text_block(text: str) -> Json:
    return {"type": "text", "text": text}


def _text(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content if block.get("type") == "text")


def _session(request: Json) -> str:
    """The session that the request belongs to; the agent puts its id into the metadata."""
    found = _SESSION.search(str(request.get("metadata")))
    return found.group(1) if found else ""


def _id(prefix: str, identity: str) -> str:
    """Ids are derived, not drawn: two runs of one script can be compared call by call."""
    return prefix + hashlib.sha256(identity.encode()).hexdigest()[:24]
