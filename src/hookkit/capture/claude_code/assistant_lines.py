"""Assistant lines: the fragments of API messages, one step a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import prompts, usage, user_lines
from hookkit.capture.claude_code.fold_state import FoldState


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
    message_id = next((key for key in (message.get("id"), entry.get("uuid")) if isinstance(key, str) and key), None)
    # A line without any id is a message of its own.
    message_id = message_id or f"line {fold.streams[number].file} {line}"
    owner = fold.messages.get(message_id, [number])[0]
    if owner != number:
        fold.lost(owner, number)
        return
    stamp = fold.note(number, entry)
    user_lines.settle_command(fold, number, own=True)
    cell = fold.message(number, message_id, stamp)
    if cell is None:
        return
    model = message.get("model")
    if isinstance(model, str) and model:
        fold.model(number, cell, model if "/" in model else f"anthropic/{model}")
    if isinstance(message.get("stop_reason"), str):
        fold.ended(number, message["stop_reason"])
    used = message.get("usage")
    fold.used(cell, usage.buckets(used), usage.hour_writes(used))
    fold.cost(cell, entry.get("costUSD"))  # before 1.0.9
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        _read_block(fold, number, cell, block, stamp, line)


def _read_block(fold: FoldState, number: int, cell: int, block: object, stamp: str | None, line: int) -> None:
    if isinstance(block, str):
        fold.say(cell, block)
    elif isinstance(block, Mapping):
        name = block.get("type")
        if name == "thinking":
            fold.say(cell, block.get("thinking"), "reasoning_content")
        elif isinstance(name, str) and name.endswith("tool_use"):
            _read_call(fold, number, cell, block, stamp, line)
        elif isinstance(name, str) and name.endswith("tool_result"):
            user_lines.take_result(fold, number, block, None, stamp)
        else:
            fold.say(cell, prompts.block_text(block))


def _read_call(fold: FoldState, number: int, cell: int, block: Mapping[str, Any], stamp: str | None, line: int) -> None:
    call_id, name, given = block.get("id"), block.get("name"), block.get("input")
    if fold.call(number, cell, call_id, name, given) and name == "Skill" and isinstance(given, dict):
        _note_skill(fold, number, str(call_id), given, stamp, line)


def _note_skill(
    fold: FoldState, number: int, call_id: str, given: Mapping[str, Any], stamp: str | None, line: int
) -> None:
    skill = given.get("skill", given.get("command"))
    if isinstance(skill, str) and skill:
        args = given.get("args") if isinstance(given.get("args"), str) else None
        name = skill.removeprefix("/")
        fold.skill(number, name, "claude_skill_tool", stamp, line, args=args, tool_call_id=call_id)


def _read_error(fold: FoldState, number: int, entry: Mapping[str, Any], message: Mapping[str, Any], line: int) -> None:
    stamp = fold.note(number, entry)
    user_lines.settle_command(fold, number, own=True)
    status = entry.get("apiErrorStatus")
    fold.failed(
        number,
        "api_error",
        "\n".join(prompts.texts(message.get("content"))),
        stamp,
        line,
        error=entry.get("error") if isinstance(entry.get("error"), str) else None,
        status=status if type(status) is int else None,
    )
