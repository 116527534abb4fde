"""Tool calls, their results and thoughts as models write them into text: in XML-like tags.

``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, or in it ``<function=name><parameter=key>value</parameter>…``;
``<tool_response>…</tool_response>``; ``<think>…</think>``. Every scan is linear in the text, whatever it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

_FUNCTION = re.compile(r"\s*<function=([^<>\s]{1,200})>")
_PARAMETER = re.compile(r"<parameter=([^<>\s]{1,200})>")


@dataclass(frozen=True, slots=True)
class TagCall:
    """A call as the model wrote it. call_id: "" where it gave none."""

    name: str
    given: dict[str, Any]
    call_id: str


@dataclass(frozen=True, slots=True)
class TagResult:
    """A result as the model was shown it. failed: it says so itself. call_id, name: "" where it does not say."""

    text: str
    failed: bool
    call_id: str
    name: str


def split(text: str, tag: str) -> tuple[str, list[str]]:
    """(the text outside of a tag, what stands in each of its elements). An element that is not closed stays text."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    outside, inside, at = [], [], 0
    while (start := text.find(opening, at)) >= 0:
        end = text.find(closing, start)
        if end < 0:
            break
        outside.append(text[at:start])
        inside.append(text[start + len(opening) : end])
        at = end + len(closing)
    outside.append(text[at:])
    return "".join(outside), inside


def read_call(body: str) -> TagCall | None:
    """The call in a ``<tool_call>``; None if it is none."""
    function = _FUNCTION.match(body)
    if function:
        return TagCall(function[1], _parameters(body), "")
    value = _json(body)
    if not isinstance(value, dict):
        return None
    inner = value.get("function")
    named = inner if isinstance(inner, dict) else value
    name, given = named.get("name"), named.get("arguments", named.get("parameters", {}))
    if isinstance(given, str):
        given = _json(given)
    if not isinstance(name, str) or not name or not isinstance(given, dict):
        return None
    return TagCall(name, given, _first_text(value, "tool_call_id", "id"))


def read_result(body: str) -> TagResult:
    """The result in a ``<tool_response>``: an object that names its call, or any text."""
    value = _json(body)
    if isinstance(value, dict) and "content" in value:
        content = value["content"]
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        inner = _json(content) if isinstance(content, str) else content
        failed = _says_failure(inner) or _says_failure({key: value[key] for key in value.keys() - {"content"}})
        return TagResult(text, failed, _first_text(value, "tool_call_id", "id"), _first_text(value, "name"))
    return TagResult(body.strip(), _says_failure(value), "", "")


def _parameters(body: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    marks = list(_PARAMETER.finditer(body))
    for mark, following in zip_longest(marks, marks[1:]):
        text = body[mark.end() : following.start() if following else len(body)]
        closing = text.rfind("</parameter>")
        text = (text[:closing] if closing >= 0 else text).strip("\n")
        value = _json(text)
        found[mark[1]] = text if value is None else value
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first_text(value: Mapping[str, Any], *keys: str) -> str:
    return next((found for key in keys if isinstance(found := value.get(key), str) and found), "")


def _says_failure(value: object) -> bool:
    """Whether an object says of itself that it is a failure: an error, an exit code, or success that is false."""
    if not isinstance(value, Mapping):
        return False
    code = value.get("exit_code", value.get("returncode"))
    return bool(value.get("error")) or value.get("success") is False or (type(code) is int and code != 0)
