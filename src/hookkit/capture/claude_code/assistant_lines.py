"""Assistant lines: the fragments of API messages, one step a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import prompts, usage, user_lines
from hookkit.capture.claude_code.fold_state import FoldState
from hookkit.capture.claude_code.streams import Call
from hookkit.capture.record import new_step


def read(fold: FoldState, number: int, entry: Mapping[str, Any], line: int) -> None:
    """Take in one line of type ``assistant``."""
    if not fold.is_new(number, entry):
        return
    message = entry.get("message")
    if not isinstance(message, Mapping):
        fold.counts["malformed_lines"] += 1
        return
    model = message.get("model")
    if entry.get("isApiErrorMessage") is True:
        _read_error(fold, number, entry, message, line)
    elif model == "<synthetic>":
        fold.note(number, entry)  # written by Claude Code itself to keep the turns alternating
    else:
        _read_message(fold, number, entry, message, line)


def _read_message(
    fold: FoldState, number: int, entry: Mapping[str, Any], message: Mapping[str, Any], line: int
) -> None:
    stream = fold.streams[number]
    message_id = next((key for key in (message.get("id"), entry.get("uuid")) if isinstance(key, str) and key), None)
    # A line without any id is a message of its own.
    message_id = message_id or f"line {stream.file} {line}"
    owner, cell = fold.messages.get(message_id, (number, -1))
    if owner != number:
        fold.lost(owner, number)
        return
    stamp = fold.note(number, entry)
    user_lines.settle_command(fold, number, own=True)
    if cell < 0:
        cell = fold.cells.append(new_step("agent", stamp))
        fold.messages[message_id] = [number, cell]
        stream.cells.append(cell)
        stream.last_stop = None
    step = fold.cells.open(cell)
    model = message.get("model")
    if isinstance(model, str) and model:
        step["model"] = model if "/" in model else f"anthropic/{model}"
        if step["model"] not in stream.models:
            stream.models.append(step["model"])
    stream.last = "agent"
    if isinstance(message.get("stop_reason"), str):
        stream.last_stop = message["stop_reason"]
    growth = usage.merge(step["token_usage"], message.get("usage"))
    fold.usage = [total + more for total, more in zip(fold.usage, growth, strict=True)]
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        _read_block(fold, number, cell, block, stamp, line)


def _read_block(fold: FoldState, number: int, cell: int, block: object, stamp: str | None, line: int) -> None:
    step = fold.cells.open(cell)
    if isinstance(block, str):
        _append(step, "content", block)
    elif isinstance(block, Mapping):
        name = block.get("type")
        if name == "thinking":
            _append(step, "reasoning_content", block.get("thinking"))
        elif isinstance(name, str) and name.endswith("tool_use"):
            _read_call(fold, number, cell, block, stamp, line)
        elif isinstance(name, str) and name.endswith("tool_result"):
            user_lines.take_result(fold, number, block, None, stamp)
        else:
            _append(step, "content", prompts.block_text(block))


def _append(step: dict[str, Any], key: str, text: object) -> None:
    if isinstance(text, str) and text:
        step[key] = f"{step[key]}\n{text}" if step[key] else text


def _read_call(fold: FoldState, number: int, cell: int, block: Mapping[str, Any], stamp: str | None, line: int) -> None:
    call_id, name, given = block.get("id"), block.get("name"), block.get("input")
    if not isinstance(call_id, str) or not call_id or not isinstance(name, str):
        fold.counts["malformed_calls"] += 1
        return
    known = fold.calls.get(call_id)
    if known is not None:
        fold.lost(known.stream, number)
        return
    fold.calls[call_id] = Call(number, cell)
    given = given if isinstance(given, dict) else {}
    fold.cells.open(cell)["tool_calls"].append(
        {
            "tool_call_id": call_id,
            "tool_name": name,
            "input": given,
            "duration_ms": fold.durations.get(call_id),
        }
    )
    if name == "Skill":
        _note_skill(fold, number, call_id, given, stamp, line)
    early = fold.early.pop(f"{number} {call_id}", None)
    if early is not None:
        user_lines.attach(fold, number, call_id, early)


def _note_skill(
    fold: FoldState, number: int, call_id: str, given: Mapping[str, Any], stamp: str | None, line: int
) -> None:
    skill = given.get("skill", given.get("command"))
    if isinstance(skill, str) and skill:
        fold.streams[number].skills.append(
            {
                "name": skill.removeprefix("/"),
                "source": "claude_skill_tool",
                "args": given.get("args") if isinstance(given.get("args"), str) else None,
                "timestamp": stamp,
                "tool_call_id": call_id,
                "lines": [line],
            }
        )


def _read_error(fold: FoldState, number: int, entry: Mapping[str, Any], message: Mapping[str, Any], line: int) -> None:
    stamp = fold.note(number, entry)
    stream = fold.streams[number]
    user_lines.settle_command(fold, number, own=True)
    stream.last = "error"
    status = entry.get("apiErrorStatus")
    stream.errors.append(
        {
            "kind": "api_error",
            "message": "\n".join(prompts.texts(message.get("content"))),
            "error": entry.get("error") if isinstance(entry.get("error"), str) else None,
            "status": status if type(status) is int else None,
            "timestamp": stamp,
            "line": line,
        }
    )
