"""OpenAI Responses (``POST /v1/responses``), streamed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import Any

from ..drivers.base import ToolUse
from ..script import (
    MAIN,
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
# items of the conversation so far -> a call that no script asks for, such as waiting for subagents
Between = Callable[[Sequence[Json]], ToolUse | None]

_COMPACTION = "CONTEXT CHECKPOINT COMPACTION"
# Calls that no script asked for carry it in their ids, so that they are never counted as turns.
_ASIDE = "call_aside_"


class OpenAiResponses:
    """between: asked before every turn; what it returns is called first, and the turn is asked for again afterwards."""

    def __init__(self, say: Say, between: Between = lambda items: None) -> None:
        self._say = say
        self._between = between

    def serves(self, path: str) -> bool:
        return path.endswith("/responses")

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        position = self.position(request)
        items = _items(request)
        if items and _COMPACTION in _text(items[-1]):
            identity = f"summary-{position.answered}"
            return _answer(request, identity, [_message(f"{_thread(request)}/{identity}", summary_text(position))], 90)
        use = self._between(_own(items))
        if use is None:
            return None
        identity = f"{position.conversation}/{position.answered}/aside-{len(items)}"
        mine = f"{_thread(request)}/{identity}"
        return _answer(request, identity, [{**_call(mine, use), "call_id": _id(_ASIDE, mine)}], 7)

    def position(self, request: Json) -> Position:
        own = _own(_items(request))
        conversation = conversation_of(_text(own[0])) if own else MAIN
        before = max((answered_before(_text(item)) for item in own if not _is_answer(item)), default=0)
        spoken = [item for item in own if not str(item.get("call_id")).startswith(_ASIDE)]
        answers = [ours for ours, _ in groupby(spoken, key=_is_answer) if ours]
        return Position(conversation, before + len(answers))

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        offered = frozenset(_offered(request))
        identity = f"{position.conversation}/{position.answered}"
        output: list[Json] = []
        for number, action in enumerate(turn):
            if isinstance(action, ApiError | Delay):
                raise TypeError(f"{action} is no part of an answer")
            mine = f"{_thread(request)}/{identity}/{number}"
            if isinstance(action, Text):
                output.append(_message(mine, action.text))
            else:
                output.append(_call(mine, self._say(action, offered)))
        return _answer(request, identity, output, 40 + len(output))

    def failure(self, status: int, message: str) -> Answer:
        kind = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_exceeded"}
        error = {"message": message, "type": kind.get(status, "server_error"), "param": None, "code": None}
        return Answer(status, "application/json", [json.dumps({"error": error}).encode()])


def _items(request: Json) -> list[Json]:
    given = request.get("input") or []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given


def _own(items: list[Json]) -> list[Json]:
    """The conversation without what it inherited: a subagent may start with a copy of its parent's history."""
    starts = [n for n, item in enumerate(items) if not _is_answer(item) and conversation_of(_text(item)) != MAIN]
    return items[starts[-1] :] if starts else items


def _is_answer(item: Json) -> bool:
    kind = str(item.get("type"))
    return item.get("role") == "assistant" or kind == "reasoning" or kind.endswith("_call")


def _text(item: Json) -> str:
    content = item.get("content") or ""
    if isinstance(content, str):
        return content
    # A message from one agent to another is "encrypted" by its sender; a scripted one is plain text.
    return "\n".join(part.get("text") or part.get("encrypted_content") or "" for part in content)


def _offered(request: Json) -> Iterator[str]:
    """Names of all tools, in the request's own list and in those that the conversation adds; namespaces with a dot."""
    added = [item.get("tools") or [] for item in _items(request) if item.get("type") == "additional_tools"]
    for tools in (request.get("tools") or [], *added):
        for tool in tools:
            if tool.get("type") == "namespace":
                space = "" if tool["name"] == "functions" else f"{tool['name']}."
                yield from (f"{space}{inner['name']}" for inner in tool["tools"])
            else:
                yield tool.get("name") or tool["type"]


def _thread(request: Json) -> str:
    """The conversation's own id; a subagent has one that is not its parent's."""
    metadata = request.get("client_metadata") or {}
    return str(metadata.get("thread_id") or request.get("prompt_cache_key") or "")


def _message(identity: str, text: str) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "type": "message",
        "id": _id("msg_", identity),
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def _call(identity: str, use: ToolUse) -> Json:
    namespace, _, name = use.name.rpartition(".")
    call = {"call_id": _id("call_", identity), "name": name, "status": "completed"}
    if namespace:
        call["namespace"] = namespace
    if isinstance(use.input, str):
        return {"type": "custom_tool_call", "id": _id("ctc_", identity), **call, "input": use.input}
    return {"type": "function_call", "id": _id("fc_", identity), **call, "arguments": json.dumps(use.input)}


def _answer(request: Json, identity: str, output: list[Json], output_tokens: int) -> Answer:
    history = len(_items(request))
    usage = {
        "input_tokens": 100 + 210 * history,
        "input_tokens_details": {"cached_tokens": 200 * history},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 100 + 210 * history + output_tokens,
    }
    identity = f"{_thread(request)}/{identity}"
    response: Json = {"id": _id("resp_", identity), "object": "response", "model": request.get("model"), "output": []}
    headers = {"x-request-id": _id("req_", identity)}
    return Answer(200, "text/event-stream", _stream(response, output, usage), headers)


def _stream(response: Json, output: list[Json], usage: Json) -> Iterator[bytes]:
    yield _event("response.created", response={**response, "status": "in_progress"})
    for index, item in enumerate(output):
        yield _event("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
        yield _event("response.output_item.done", output_index=index, item=item)
    yield _event("response.completed", response={**response, "status": "completed", "output": output, "usage": usage})


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _id(prefix: str, identity: str) -> str:
    """Ids are derived, not drawn: two runs of one script can be compared call by call."""
    return prefix + hashlib.sha256(identity.encode()).hexdigest()[:24]
