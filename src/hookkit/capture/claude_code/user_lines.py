"""User lines: prompts, slash commands, results of tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.claude_code import prompts
from hookkit.capture.claude_code.fold_state import FoldState
from hookkit.capture.values import count


def read(fold: FoldState, number: int, entry: Mapping[str, Any], line: int) -> None:
    """Take in one line of type ``user``."""
    if not fold.is_new(number, entry):
        return
    stamp = fold.note(number, entry)
    message = entry.get("message")
    if not isinstance(message, Mapping):
        fold.counts["malformed_lines"] += 1
        return
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
    for block in results:
        take_result(fold, number, block, entry.get("toolUseResult"), stamp)
    texts = prompts.texts(content)
    stream = fold.streams[number]
    if any(prompts.kind(text) == "interrupted" for text in texts):
        stream.last = "interrupted"
    elif entry.get("isCompactSummary") is True:
        if stream.compactions:
            stream.compactions[-1]["summary"] = "\n".join(texts)
    elif not results:
        _read_texts(fold, number, entry, texts, stamp, line)


def _read_texts(
    fold: FoldState, number: int, entry: Mapping[str, Any], texts: list[str], stamp: str | None, line: int
) -> None:
    stream = fold.streams[number]
    kinds = [prompts.kind(text) for text in texts]
    if "command" in kinds:
        start_command(fold, number, entry, texts[kinds.index("command")], stamp, line)
    elif "local_output" in kinds:
        settle_command(fold, number, own=False)
    elif entry.get("isMeta") is True:
        if "caveat" in kinds:
            stream.pending = {"caveat": entry.get("uuid")}
        elif stream.pending and "name" in stream.pending:
            _read_body(fold, number, entry, "\n".join(texts), line)
    elif entry.get("isVisibleInTranscriptOnly") is not True:
        own = [text for text, kind in zip(texts, kinds, strict=True) if kind == "prompt" and text.strip()]
        if own:
            settle_command(fold, number, own=False)
            fold.prompt(number, "\n".join(own), stamp, "user_prompt")


def start_command(
    fold: FoldState, number: int, entry: Mapping[str, Any], text: str, stamp: str | None, line: int
) -> None:
    """Keep a command wrapper until the next lines show whether a prompt came out of it."""
    stream = fold.streams[number]
    caveat = (stream.pending or {}).get("caveat")
    settle_command(fold, number, own=False)
    command = prompts.command(text)
    found = {
        "name": command.name,
        "message": command.message,
        "args": command.args,
        "timestamp": stamp,
        "uuid": entry.get("uuid") if isinstance(entry.get("uuid"), str) else None,
        "line": line,
    }
    stream.commands.append(found)
    # Commands that Claude Code answers itself follow a caveat; they never reach the model.
    if caveat is None or caveat != entry.get("parentUuid"):
        stream.pending = dict(found)


def settle_command(fold: FoldState, number: int, *, own: bool) -> None:
    """Decide about the waiting command: ``own`` makes its arguments a prompt."""
    stream = fold.streams[number]
    pending, stream.pending = stream.pending, None
    if own and pending and "name" in pending:
        args = str(pending["args"])
        text = args or f"/{pending['name']}"
        fold.prompt(number, text, pending["timestamp"], "slash_command" if args else "bare_command")


def _read_body(fold: FoldState, number: int, entry: Mapping[str, Any], text: str, line: int) -> None:
    stream = fold.streams[number]
    pending = dict(stream.pending or {})
    folder = prompts.skill_folder(text)
    settle_command(fold, number, own=True)
    name = str(pending["name"])
    linked = entry.get("parentUuid") is not None and entry.get("parentUuid") == pending["uuid"]
    if folder is None or not (linked or folder.rstrip("/").rpartition("/")[2] == name.rpartition(":")[2]):
        return
    fold.skill(
        number,
        name,
        "claude_slash_command",
        pending["timestamp"],
        line,
        lines=[pending["line"], line],
        command_name=f"/{name}",
        command_message=pending["message"],
        args=pending["args"],
        uuids=[uuid for uuid in (pending["uuid"], entry.get("uuid")) if isinstance(uuid, str)],
        skill_folder=folder,
    )


def take_result(fold: FoldState, number: int, block: Mapping[str, Any], detail: object, stamp: str | None) -> None:
    """Attach the result of a tool call to the step of the call."""
    call_id = block.get("tool_use_id")
    fields = detail if isinstance(detail, Mapping) else {}
    if isinstance(call_id, str) and call_id and isinstance(fields.get("agentId"), str):
        fold.spawned.setdefault(str(fields["agentId"]), call_id)
    text = "\n".join(prompts.texts(block.get("content")))
    fold.result(number, call_id, text, block.get("is_error") is True, stamp, _duration(fields))


def _duration(fields: Mapping[str, Any]) -> int | None:
    for key in ("durationMs", "totalDurationMs", "duration_ms"):
        if isinstance(fields.get(key), (int, float)):
            return count(int(fields[key])) or None
    return None
