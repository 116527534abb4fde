"""All that a trace says of one row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hookkit.views import text
from hookkit.views.tui.line import Line, safe, wrapped

if TYPE_CHECKING:
    from hookkit.views.outline import Item

_MOST = 100_000  # characters of one text
_MOST_LINES = 2_000


class TextRows:
    """Lines of any length; those that are wider than the terminal go on in the next one."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self._lines = list(lines)
        self._width = 0
        self._wrapped: list[Line] = []
        self.fit(80)

    def __len__(self) -> int:
        return len(self._wrapped)

    def fit(self, width: int) -> None:
        """Make them ``width`` cells wide at most."""
        if width == self._width or width < 1:
            return
        self._width = width
        self._wrapped = [part for line in self._lines for part in _wrap(line, width)]

    def line(self, index: int, width: int) -> Line:
        return self._wrapped[index]


def _wrap(line: Line, width: int) -> Iterator[Line]:
    if len(line) != 1:
        yield line
        return
    ((said, how),) = line
    for part in wrapped(said, width):
        yield [(part, how)]


def lines(item: Item, step: Mapping[str, Any] | None) -> Iterator[Line]:
    """What to show of a row. step: the one it is of, if there is one."""
    for name, value in _facts(item, step):
        yield [(f"{name:<8} ", "dim"), (safe(value), "")]
    for heading, said in parts(item, step) if step else ():
        yield [("", "")]
        yield [(heading, "bold")]
        yield from _text(said)


def parts(item: Item, step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of a row, each with what it is."""
    if item.kind == "call":
        call: Mapping[str, Any] = next(
            (each for each in step.get("tool_calls") or () if each["tool_call_id"] == item.call_id), {}
        )
        yield "Input", _given(call.get("input"))
        for result in step.get("observations") or ():
            if result.get("source_call_id") == item.call_id:
                if result.get("error") and result["error"] != result.get("content"):
                    yield "Error", str(result["error"])
                if result.get("content"):
                    yield "Result", str(result["content"])
        return
    if item.kind == "tokens":
        usage = step.get("token_usage") or {}
        yield "Tokens", "\n".join(f"{name.removesuffix('_tokens')}: {count:,}" for name, count in usage.items())
        return
    if step.get("reasoning_content"):
        yield "Thinking", str(step["reasoning_content"])
    yield "Prompt" if step.get("role") == "user" else "Text", str(step.get("content") or "")


def files(item: Item, step: Mapping[str, Any]) -> list[str]:
    """The files that a call was given by name."""
    calls = (each for each in step.get("tool_calls") or () if each["tool_call_id"] == item.call_id)
    given = [call.get("input") for call in calls]
    named = [one.get(key) for one in given if isinstance(one, Mapping) for key in ("file_path", "notebook_path")]
    return [name for name in named if isinstance(name, str)]


def _facts(item: Item, step: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    told = {"turn": f"turn {item.turn}", "call": f"call of {item.name}", "said": "text", "tokens": "tokens"}
    yield (
        "row",
        told.get(item.kind, f"{item.kind} {item.name}".rstrip())
        + (f", step {item.step}" if item.step is not None else ""),
    )
    if item.call_id:
        yield "id", item.call_id
    if item.state:
        yield "state", "failed" if item.state == "failed" else "no result"
    yield "time", text.local(item.time, "%Y-%m-%d %H:%M:%S") or "unknown"
    if item.duration_ms is not None:
        yield "took", text.duration(item.duration_ms)
    if step and step.get("model"):
        yield "model", str(step["model"])
    between = item.window or item.gap
    if between:
        yield "trees", f"{between.before or 'unknown'} before, {between.after or 'unknown'} after"
    if item.kind == "error":
        yield "error", item.text


def _given(given: object) -> str:
    """A call's input: a line a member, longer texts below their names."""
    if not isinstance(given, Mapping):
        return "" if given is None else json.dumps(given, indent=2, ensure_ascii=False)
    said = []
    for key, value in given.items():
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        said.append(f"{key}:\n{told}" if "\n" in told.rstrip("\n") else f"{key}: {told}")
    return "\n".join(said)


def _text(said: str) -> Iterator[Line]:
    found = said[:_MOST].splitlines()
    for line in found[:_MOST_LINES]:
        yield [(safe(line.expandtabs(4)), "")]
    if len(said) > _MOST or len(found) > _MOST_LINES:
        yield [(f"(cut here, of {len(said):,} characters; `hookkit show --json` prints all)", "dim")]
