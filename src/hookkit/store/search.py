"""Finds text in what sessions said and did: prompts, answers, what calls were given, and what came back.

There is no index of words. A trace file is one line of ASCII JSON, so whether a text can be in it is told by looking
for the escaped text in its bytes; that reads a gigabyte in half a second. Only steps around what was found are decoded.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hookkit.store.files import trace_path
from hookkit.store.index import Row

Place = Literal["prompt", "answer", "reasoning", "input", "result", "error"]

_STEPS = b'"steps": [{"agent_role": '
_STEP = b'{"agent_role": '  # how each step begins, as ``capture.record`` writes them
_CHUNK = 8 << 20  # bytes that are looked at at once where upper and lower case are the same
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. matches: tells where in a text. needle: bytes that a trace file must have to hold it.

    folded: the needle is in lower case, and stands for either.
    """

    matches: re.Pattern[str]
    needle: bytes
    folded: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A text of a session that was looked for. start, end: of the first match in ``text``. count: of all matches.

    tool, call_id: of the call that the text was given to, or came from; "" if it is no call's.
    """

    trace_id: str
    step: int
    time: str | None
    place: Place
    text: str
    start: int
    end: int
    count: int
    tool: str = ""
    call_id: str = ""


def query(text: str, *, regex: bool = False, ignore_case: bool = False) -> Query:
    """Read what is looked for: the text itself, or a regular expression of Python. re.error if it is none."""
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    matches = re.compile(text if regex else re.escape(text), flags)
    if not regex and not ignore_case:
        return Query(matches, json.dumps(text)[1:-1].encode(), False)
    # The longest piece of it that any match has, and that JSON writes as it is.
    pieces = re.findall(r"[ !#-\[\]-~]+", text) if not regex else _certain(text, matches.flags)
    needle = max(pieces, key=len, default="")
    return Query(matches, (needle.lower() if ignore_case else needle).encode(), ignore_case)


def _certain(pattern: str, flags: int) -> list[str]:
    """Pieces of a regular expression that each of its matches has; none where that is hard to tell."""
    if re.search(r"[|(\[{]|\\[xuUN\d]", pattern) or flags & re.VERBOSE:
        return []
    unescaped = re.sub(r"\\.|[A-Za-z0-9_][*?]", ".", pattern)
    return re.findall(r"[A-Za-z0-9_]+", unescaped)


def search(rows: Iterable[Row], wanted: Query, tool: str | None = None) -> Iterator[Hit]:
    """What is found in these traces: trace by trace in their order, in each the newest step first.

    tool: only what calls of this tool were given and gave back, in upper or lower case. A trace whose file has gone or
    cannot be read holds nothing.
    """
    named = tool.casefold() if tool else None
    for row in rows:
        if not row.summary:
            continue
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            for step in _steps(row.trace_id, wanted):
                for hit in _hits(row.trace_id, step, wanted.matches):
                    if named is None or hit.tool.casefold() == named:
                        yield hit


def _steps(trace_id: str, wanted: Query) -> Iterator[Mapping[str, Any]]:
    """The steps that may hold it, newest first."""
    with trace_path(trace_id).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _find(data, wanted, 0, len(data)) < 0:
            return
        first = data.find(_STEPS)
        if first < 0:  # written by somebody else, or without a step
            yield from reversed(json.loads(data[:])["steps"])
            return
        first += len(_STEPS) - len(_STEP)
        before = len(data)
        while (at := _rfind(data, wanted, first, before)) >= 0:
            start, step, end = _step_around(data, at, first)
            if at < end:
                yield step
            before = start if at < end else end  # it was behind the step


def _step_around(data: mmap.mmap, at: int, first: int) -> tuple[int, Mapping[str, Any], int]:
    """The step that holds the byte ``at``, or the last one before it: where it begins, what it is, where it ends.

    What begins like a step may be inside of one, in what a call was given. Such a thing has no index, and is taken for
    a part of the step around it.
    """
    start = at + len(_STEP)
    while (start := data.rfind(_STEP, first, start)) >= 0:
        step, length = _decoded(data, start, at)
        if "step_index" in step:
            return start, step, start + length
        start += len(_STEP) - 1
    raise ValueError("no step is there")


def _decoded(data: mmap.mmap, start: int, at: int) -> tuple[Mapping[str, Any], int]:
    """The object that begins at ``start``, and its length; only as much of the file is taken as it needs."""
    end = max(start, at)
    while (end := data.find(b", " + _STEP, end)) >= 0:
        with contextlib.suppress(ValueError):
            return _decode(data[start:end].decode("ascii"))
        end += 1
    return _decode(data[start:].decode("ascii"))


def _find(data: mmap.mmap, wanted: Query, low: int, high: int) -> int:
    """The first place of the needle between two others, or -1."""
    needle = wanted.needle
    if not wanted.folded:
        return data.find(needle, low, high)
    for start in range(low, high, _CHUNK):
        found = data[start : min(high, start + _CHUNK + len(needle) - 1)].lower().find(needle)
        if found >= 0:
            return start + found
    return -1


def _rfind(data: mmap.mmap, wanted: Query, low: int, high: int) -> int:
    """The last place of the needle that begins between two others, or -1."""
    needle, end = wanted.needle, high + len(wanted.needle) - 1
    if not wanted.folded:
        return data.rfind(needle, low, end)
    while high > low:
        start = max(low, high - _CHUNK)
        found = data[start : min(len(data), high + len(needle) - 1)].lower().rfind(needle)
        if found >= 0:
            return start + found
        high = start
    return -1


def _hits(trace_id: str, step: Mapping[str, Any], matches: re.Pattern[str]) -> Iterator[Hit]:
    tools = {call["tool_call_id"]: str(call["tool_name"]) for call in step.get("tool_calls") or ()}
    for place, call_id, text in _texts(step):
        found = list(matches.finditer(text))
        if found:
            yield Hit(
                trace_id,
                step["step_index"],
                step.get("timestamp"),
                place,
                text,
                found[0].start(),
                found[0].end(),
                len(found),
                tools.get(call_id, ""),
                call_id,
            )


def _texts(step: Mapping[str, Any]) -> Iterator[tuple[Place, str, str]]:
    """The texts of a step: what each is, its call's id, itself; what came last is first."""
    for result in reversed(step.get("observations") or ()):
        for key in ("error", "content"):
            if isinstance(result.get(key), str):
                yield "error" if key == "error" else "result", result["source_call_id"], result[key]
    for call in reversed(step.get("tool_calls") or ()):
        for text in _leaves(call.get("input")):
            yield "input", call["tool_call_id"], text
    if isinstance(step.get("content"), str):
        yield "prompt" if step["role"] == "user" else "answer", "", step["content"]
    if isinstance(step.get("reasoning_content"), str):
        yield "reasoning", "", step["reasoning_content"]


def _leaves(value: object) -> Iterator[str]:
    """The texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
