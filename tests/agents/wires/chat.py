"""OpenAI Chat Completions (``POST /v1/chat/completions``), streamed or not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from typing import Any

from ..drivers.base import ToolUse
from ..script import (
    ApiError,
    Delay,
    Position,
    Text,
    ToolAction,
    Turn,
    answered_before,
    conversation_of,
    summary_text,
)
from ..wire import Answer, Json

# (action, names of the tools that the request offers) -> the call
Say = Callable[[ToolAction, Collection[str]], ToolUse]

# What agents put into the model's mouth: no answer of the model, so no turn of the script.
_STAND_INS = frozenset(
    {"Got it. Thanks for the context!", "Got it. Thanks for the additional context!", "No response requested."}
)
# A compaction may show the conversation as a text within one user message instead of as messages.
_WRITTEN_DOWN = "<conversation>"
_WRITTEN_ANSWER = re.compile(r"^\[Assistant(?: thinking| tool calls)?\]: ", re.MULTILINE)
_WRITTEN_OTHER = re.compile(r"^\[(?:User|Tool result)\]: ", re.MULTILINE)
# A summary may be two: of the turns before, and of the beginning of the turn that it cuts in half.
_SECOND_SUMMARY = "**Turn Context (split turn):**"


class ChatCompletions:
    def __init__(self, say: Say) -> None:
        self._say = say

    def serves(self, path: str) -> bool:
        return path.endswith("/chat/completions")

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        if request.get("tools"):
            return None
        position = self.position(request)
        written = "\n".join(_text(message) for message in _messages(request))
        written_down = _WRITTEN_DOWN in written
        if written_down:
            position = Position(position.conversation, _summed_up(written) + _written_answers(written))
        if written_down or position.answered:
            return self._message(request, f"summary-{position.answered}", [summary_text(position)], [], 90)
        return self._message(request, "aside", ["A short title"], [], 5)

    def position(self, request: Json) -> Position:
        own = [message for message in _messages(request) if not _is_stand_in(message)]
        roles = [role for role, _ in groupby(own, key=lambda message: message["role"])]
        first = next((n for n, message in enumerate(own) if message["role"] == "assistant"), len(own))
        opening = "\n".join(_text(message) for message in own[:first])
        before = max((_summed_up(_text(message)) for message in own), default=0)
        return Position(conversation_of(opening), before + roles.count("assistant"))

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        custom = {_name(tool) for tool in request.get("tools") or [] if tool.get("type") == "custom"}
        offered = {_name(tool) for tool in request.get("tools") or []}
        texts: list[str] = []
        calls: list[Json] = []
        for number, action in enumerate(turn):
            if isinstance(action, Text):
                texts.append(action.text)
                continue
            if isinstance(action, ApiError | Delay):
                raise TypeError(f"{action} is no part of a message")
            use = self._say(action, offered)
            identity = f"{_session(request)}/{position.conversation}/{position.answered}/{number}"
            calls.append(_call(_id("call_", identity), use, free_form=use.name in custom))
        return self._message(request, f"{position.conversation}/{position.answered}", texts, calls, 42)

    def failure(self, status: int, message: str) -> Answer:
        kind = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_exceeded"}
        error = {"message": message, "type": kind.get(status, "server_error"), "param": None, "code": None}
        return _json({"error": error}, status)

    def _message(self, request: Json, identity: str, texts: list[str], calls: list[Json], output_tokens: int) -> Answer:
        history = len(request.get("messages") or [])
        usage: Json = {
            "prompt_tokens": 100 + 30 * history,
            "completion_tokens": output_tokens,
            "total_tokens": 100 + 30 * history + output_tokens,
            "prompt_tokens_details": {"cached_tokens": 20 * history},
            "completion_tokens_details": {"reasoning_tokens": 3},
        }
        head: Json = {
            "id": _id("chatcmpl-", f"{_session(request)}/{identity}"),
            "object": "chat.completion",
            "created": 1,
            "model": request.get("model", "scripted"),
        }
        finish = "tool_calls" if calls else "stop"
        if request.get("stream"):
            told = usage if (request.get("stream_options") or {}).get("include_usage") else None
            head["object"] = "chat.completion.chunk"
            return Answer(200, "text/event-stream", _stream(head, texts, calls, finish, told))
        message: Json = {"role": "assistant", "content": "".join(texts) or None}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return _json({**head, "choices": [choice], "usage": usage})


def _stream(head: Json, texts: list[str], calls: list[Json], finish: str, usage: Json | None) -> Iterator[bytes]:
    yield _delta(head, {"role": "assistant", "content": ""})
    for text in texts:
        yield _delta(head, {"content": text})
    for index, call in enumerate(calls):
        kind, payload = call["type"], "arguments" if call["type"] == "function" else "input"
        opening = {**call, kind: {**call[kind], payload: ""}}
        yield _delta(head, {"tool_calls": [{"index": index, **opening}]})
        yield _delta(head, {"tool_calls": [{"index": index, kind: {payload: call[kind][payload]}}]})
    yield _delta(head, {}, finish)
    if usage is not None:
        yield _data({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _delta(head: Json, delta: Json, finish: str | None = None) -> bytes:
    return _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _data(body: Json) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def _json(body: Json, status: int = 200) -> Answer:
    return Answer(status, "application/json", [json.dumps(body).encode()])


def _call(call: str, use: ToolUse, *, free_form: bool) -> Json:
    """A text for a tool that takes objects is sent as it is: arguments that may not even be JSON."""
    text = use.input if isinstance(use.input, str) else json.dumps(use.input)
    if free_form:
        return {"id": call, "type": "custom", "custom": {"name": use.name, "input": text}}
    return {"id": call, "type": "function", "function": {"name": use.name, "arguments": text}}


def _name(tool: Json) -> str:
    return str((tool.get(tool.get("type", "function")) or {}).get("name", ""))


def _messages(request: Json) -> list[Json]:
    """The conversation without the instructions, whatever role they have."""
    return [
        message for message in request.get("messages") or [] if message.get("role") in ("user", "assistant", "tool")
    ]


def _is_stand_in(message: Json) -> bool:
    return message["role"] == "assistant" and _text(message) in _STAND_INS


def _text(message: Json) -> str:
    content: Any = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or "" for part in content)


def _summed_up(text: str) -> int:
    return sum(answered_before(part) for part in text.split(_SECOND_SUMMARY))


def _written_answers(text: str) -> int:
    """The answers in a conversation that is written down: text and calls in a row are one."""
    marks = sorted(
        [(found.start(), True) for found in _WRITTEN_ANSWER.finditer(text)]
        + [(found.start(), False) for found in _WRITTEN_OTHER.finditer(text)]
    )
    return sum(ours for ours, _ in groupby(marks, key=lambda mark: mark[1]))


def _session(request: Json) -> str:
    """The session that the request belongs to, where the agent tells it."""
    metadata = request.get("metadata") or {}
    return str(request.get("prompt_cache_key") or metadata.get("sessionId") or request.get("user") or "")


def _id(prefix: str, identity: str) -> str:
    """Ids are derived, not drawn: two runs of one script can be compared call by call."""
    return prefix + hashlib.sha256(identity.encode()).hexdigest()[:24]
