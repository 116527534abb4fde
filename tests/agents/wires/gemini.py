"""Google's Gemini API: ``:streamGenerateContent``, ``:generateContent`` and ``:countTokens`` of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ..drivers.base import Say
from ..script import (
    ApiError,
    Delay,
    Position,
    Text,
    Turn,
    answered_before,
    conversation_of,
    summary_text,
)
from ..wire import Answer, Json

_COMPRESSION = "<state_snapshot>"
# A subagent that is offered this tool ends with a call of it; one that just stops calling tools is told off.
_LAST_CALL = "complete_task"
# What Gemini CLI puts into the model's mouth: after a compression, after an interrupted turn, before binary content.
_STAND_INS = frozenset(
    {
        "Got it. Thanks for the additional context!",
        "[The previous response was interrupted before it completed.]",
        "Binary content received. Proceeding with analysis.",
    }
)
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
           429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}  # fmt: skip


class GeminiGenerateContent:
    """Only the path tells whether an answer is streamed; every request that offers tools, so every turn, is."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def serves(self, path: str) -> bool:
        return path.endswith((":streamGenerateContent", ":generateContent", ":countTokens"))

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        if path.endswith(":countTokens"):
            return _json({"totalTokens": 100})
        if request.get("tools"):
            return None
        position = self.position(request)
        schema = (request.get("generationConfig") or {}).get("responseJsonSchema")
        if schema:
            identity, text = "aside", json.dumps(_smallest(schema))
        elif _COMPRESSION in _instructions(request) + _text((request.get("contents") or [{}])[-1]):
            identity, text = f"summary-{position.answered}", summary_text(position)
        else:
            identity, text = "aside", "A short title"
        whole = _chunk(identity, [{"text": text}], _usage(request, 5, 0), finish="STOP")
        if path.endswith(":streamGenerateContent"):
            return Answer(200, "text/event-stream", [_data(whole)])
        return _json(whole)

    def position(self, request: Json) -> Position:
        contents = [content for content in request.get("contents") or [] if not _is_stand_in(content)]
        roles = [role for role, _ in groupby(contents, key=_role)]
        first = next((n for n, content in enumerate(contents) if _role(content) == "model"), len(contents))
        opening = "\n".join(_text(content) for content in contents[:first])
        before = max((answered_before(_text(content)) for content in contents if _role(content) == "user"), default=0)
        return Position(conversation_of(opening), before + roles.count("model"))

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        offered = _offered(request)
        parts: list[Json] = []
        calls = 0
        for number, action in enumerate(turn):
            if isinstance(action, Text):
                parts.append({"text": action.text})
                continue
            if isinstance(action, ApiError | Delay):
                raise TypeError(f"{action} is no part of a message")
            use = self._say(action, offered)
            if not isinstance(use.input, dict):
                raise TypeError(f"{use.name}: this API has no free-form tools")
            parts.append(_call(position, number, use.name, use.input))
            calls += 1
        if _LAST_CALL in offered and not calls:
            said = "".join(part["text"] for part in parts) or "Done."
            parts.append(_call(position, len(turn), _LAST_CALL, _smallest(offered[_LAST_CALL], said)))
        identity = f"{position.conversation}/{position.answered}"
        return Answer(200, "text/event-stream", _stream(request, identity, parts, position.answered))

    def failure(self, status: int, message: str) -> Answer:
        error = {"code": status, "message": message, "status": _STATUS.get(status, "INTERNAL")}
        return _json({"error": error}, status)


def _stream(request: Json, identity: str, parts: list[Json], answered: int) -> Iterator[bytes]:
    """A thought, then a chunk for each part. Every chunk carries the usage so far: only the last one's counts."""
    thought = {"text": f"**Step {answered + 1}** I know what to do.", "thought": True}
    yield _data(_chunk(identity, [thought], _usage(request, 0, 7)))
    for number, part in enumerate(parts, start=1):
        finish = "STOP" if number == len(parts) else None
        yield _data(_chunk(identity, [part], _usage(request, 42 * number // len(parts), 7), finish=finish))
    if not parts:
        yield _data(_chunk(identity, [], _usage(request, 0, 7), finish="STOP"))


def _chunk(identity: str, parts: list[Json], usage: Json, *, finish: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "responseId": _id(identity)}


def _usage(request: Json, output: int, thoughts: int) -> Json:
    """Cached tokens are part of the prompt's; thoughts are not part of the candidates'."""
    history = len(request.get("contents") or [])
    prompt = 100 + 30 * history
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": 20 * history,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + output + thoughts,
    }


def _offered(request: Json) -> dict[str, Json]:
    """Names and schemas of the tools."""
    return {
        str(function.get("name", "")): function.get("parametersJsonSchema") or function.get("parameters") or {}
        for tool in request.get("tools") or []
        for function in tool.get("functionDeclarations") or []
    }


def _call(position: Position, number: int, name: str, arguments: Json) -> Json:
    call = _id(f"{position.conversation}/{position.answered}/{number}")
    return {"functionCall": {"id": call, "name": name, "args": arguments}}


def _smallest(schema: Json, text: str = "none") -> Any:
    """The least that a JSON schema asks for, with ``text`` for every string."""
    if "enum" in schema:
        return schema["enum"][0]
    match str(schema.get("type", "string")).lower():
        case "object":
            wanted = schema.get("required") or []
            return {name: _smallest(schema.get("properties", {}).get(name, {}), text) for name in wanted}
        case "array":
            return []
        case "number" | "integer":
            return 0
        case "boolean":
            return False
        case _:
            return text


def _data(body: Json) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def _json(body: Json, status: int = 200) -> Answer:
    return Answer(status, "application/json", [json.dumps(body).encode()])


def _is_stand_in(content: Json) -> bool:
    """A summary in the model's own mouth is shown to it again to be checked; it is no turn of the conversation."""
    text = _text(content)
    return _role(content) == "model" and (text in _STAND_INS or answered_before(text) > 0)


def _role(content: Json) -> str:
    return str(content.get("role", "user"))


def _instructions(request: Json) -> str:
    return _text(request.get("systemInstruction") or {})


def _text(content: Json) -> str:
    return "\n".join(part.get("text") or "" for part in content.get("parts") or [] if not part.get("thought"))


def _id(identity: str) -> str:
    """Ids are derived, not drawn: two runs of one script can be compared call by call. No request names its session."""
    return hashlib.sha256(identity.encode()).hexdigest()[:24]
