"""Folds the lines of a Cursor transcript into the steps of a trace.

A line is ``{"role": "user" or "assistant", "message": {"content": text or blocks}}`` or ``{"type": "turn_ended", …}``.
It has no id and no time, its calls have no id and no result: what is missing here, the hooks tell, or nobody does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hookkit.capture.fold.fold import Fold
from hookkit.capture.tag_calls import split
from hookkit.capture.values import micros, text_of

_STAMP = re.compile(r"\s*<timestamp>([^<>]{1,100})</timestamp>\s*")
_MOMENT = re.compile(
    r"(?:[A-Z][a-z]+, )?([A-Z][a-z]{2})[a-z]* (\d{1,2}), (\d{4}), (\d{1,2}):(\d{2})\s?([AP]M) "
    r"\((?:UTC|GMT)(?:([+-])(\d{1,2})(?::(\d{2}))?)?\)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_QUERY = "user_query"
# What Cursor itself puts into the user's message where that has no query of the user's.
_INJECTED = re.compile(
    r"\s*<(system_reminder|system_notification|system-reminder|attached_files|open_and_recently_viewed_files|"
    r"user_info|git_status|rules|agent_skills|agent_transcripts|task_notification|additional_data|cursor_commands|"
    r"manually_attached_skills|hook_feedback)\b"
)
_MINUTE = 60_000_000  # microseconds
_INTERRUPTED = ("aborted", "cancelled", "canceled", "interrupted")


class CursorFold(Fold):
    """The session as far as it was read.

    prompts: stream -> when its turns began (microseconds since 1970; None where that is not told).
    turns: call id -> the number of its turn. tasks: call id of a delegation -> [what was asked for, kind of subagent].
    """

    KEPT = ("prompts", "turns", "tasks")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.prompts: dict[str, list[int | None]] = {}
        self.turns: dict[str, int] = {}
        self.tasks: dict[str, list[str]] = {}

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line of the transcript, or of the subagent ``file``."""
        number = self.stream(file, file)
        role, message = entry.get("role"), entry.get("message")
        if entry.get("type") == "turn_ended":
            self._end(number, entry, line)
        elif role == "user" and isinstance(message, Mapping):
            self._read_user(number, message.get("content"), line)
        elif role == "assistant" and isinstance(message, Mapping):
            self._read_answer(number, message, line)
        else:
            self.no_such_type(entry.get("type") or role)

    def turn_over(self, call_id: str) -> int | None:
        """The latest time that a call can have ended: when the next turn of its stream began, to the minute."""
        begun = self.prompts.get(str(self.calls[call_id].stream), [])
        later = [moment for moment in begun[self.turns.get(call_id, 0) :] if moment is not None]
        return later[0] + _MINUTE if later else None

    def _read_user(self, number: int, content: object, line: int) -> None:
        texts = [content] if isinstance(content, str) else []
        for block in self._blocks(content):
            if block.get("type") == "text" and isinstance(block.get("text"), str):
                texts.append(block["text"])
            elif block.get("type") == "tool_result":
                told = block.get("content")
                parts = [told] if isinstance(told, str) else [part.get("text") for part in self._blocks(told)]
                text = "\n".join(part for part in parts if isinstance(part, str))
                self.result(number, block.get("tool_use_id"), text, block.get("is_error") is True, None)
            elif block.get("type") not in ("image", "document", "file"):
                self._unknown_block(block)
        whole = "\n".join(texts)
        stamped = _STAMP.match(whole)
        moment = _moment(stamped[1]) if stamped else None
        query = _query(whole[stamped.end() :] if stamped else whole)
        if query:
            stamp = self.moment(number, moment)
            self.prompts.setdefault(str(number), []).append(micros(stamp))
            self.prompt(number, query, stamp)

    def _read_answer(self, number: int, message: Mapping[str, Any], line: int) -> None:
        content = message.get("content")
        file = self.streams[number].file
        blocks = list(self._blocks(content))
        said = [block for block in blocks if block.get("type") != "turn_ended"]
        if said or isinstance(content, str):
            cell = self.message(number, f"{file} {line}", None)
            if cell is None:
                return
            model = text_of(message.get("model"))
            if model:
                self.model(number, cell, named_model(model) or model)
            self.say(cell, content)
            for place, block in enumerate(said):
                self._read_block(number, cell, block, f"{file or 'main'}.{line}.{place}")
        for block in blocks:
            if block.get("type") == "turn_ended":
                self._end(number, block, line)

    def _read_block(self, number: int, cell: int, block: Mapping[str, Any], place: str) -> None:
        kind = block.get("type")
        if kind == "text":
            self.say(cell, block.get("text"))
        elif kind in ("thinking", "reasoning"):
            self.say(cell, block.get("thinking") or block.get("text"), "reasoning_content")
        elif kind == "tool_use":
            given = block.get("input")
            given = {"input": given} if isinstance(given, str) else given if isinstance(given, dict) else {}
            call_id = text_of(block.get("id")) or place
            if self.call(number, cell, call_id, block.get("name"), given):
                self.turns[call_id] = len(self.prompts.get(str(number), []))
                asked = given.get("prompt")
                if block["name"] in ("Task", "Subagent") and isinstance(asked, str):
                    self.tasks[call_id] = [asked.strip(), text_of(given.get("subagent_type")) or ""]
        elif kind != "redacted_thinking":
            self._unknown_block(block)

    def _end(self, number: int, entry: Mapping[str, Any], line: int) -> None:
        status, error = text_of(entry.get("status")) or "", text_of(entry.get("error")) or ""
        if status in _INTERRUPTED or error.startswith("User aborted"):
            self.streams[number].last = "interrupted"
        elif status == "error":
            self.failed(number, "agent_error", error, None, line)
        else:
            self.ended(number)

    def _blocks(self, content: object) -> Iterator[Mapping[str, Any]]:
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping):
                yield block
            else:
                self.counts["malformed_blocks"] += 1

    def _unknown_block(self, block: Mapping[str, Any]) -> None:
        kind = block.get("type")
        self.no_such_type(f"block {kind}" if isinstance(kind, str) else None)


def named_model(model: object) -> str | None:
    """provider/model, where Cursor serves all models; None for the names under which it chooses one itself."""
    if not isinstance(model, str) or model in ("", "auto", "default", "inherit"):
        return None
    return model if "/" in model else f"cursor/{model}"


def _query(text: str) -> str:
    """What the user asked for; "" where the message holds nothing but what Cursor put there."""
    if f"<{_QUERY}>" not in text:
        return "" if _INJECTED.match(text) else text.strip()
    outside, inside = split(text, _QUERY)
    if not inside:
        inside = [outside.partition(f"<{_QUERY}>")[2]]
    return "\n".join(part.strip() for part in inside).strip()


def _moment(text: str) -> str | None:
    """The time that Cursor writes before a prompt, such as ``Wednesday, Sep 16, 2026, 3:37 PM (UTC-4)``, in UTC."""
    found = _MOMENT.fullmatch(text.strip())
    if not found or found[1] not in _MONTHS:
        return None
    hour = int(found[4]) % 12 + (12 if found[6] == "PM" else 0)
    away = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0)) * (-1 if found[7] == "-" else 1)
    try:
        local = datetime(int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]), hour, int(found[5]))
        return local.replace(tzinfo=timezone(away)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None
