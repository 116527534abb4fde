"""Folds the lines of a Qwen Code session into the steps of a trace.

In the session's own file one line is one answer of the model. A subagent's file splits an answer: its text and its
tokens first, then a line for each call. What the program measured is in lines between them (``ui_telemetry``), those
about subagents in the caller's file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hookkit.capture.fold.fold import BUCKETS, Fold
from hookkit.capture.values import count, text_of

# Seen, or named in the program (0.24.4), and nothing of the conversation.
_QUIET = frozenset(
    {
        "agent_bootstrap", "agent_launch_prompt", "agent_retry", "agent_session_ready", "at_command",
        "attribution_snapshot", "background_task_completed", "branch_checkpoint", "custom_title",
        "file_history_snapshot", "notification", "parent_session", "rewind", "session_model", "session_source",
        "session_sources_snapshot", "slash_command", "turn_result", "user_text_elements",
    }
)  # fmt: skip
_INJECTED = frozenset({"cron", "notification"})
# Who answers, by the way the user signed in.
_PROVIDERS = {"qwen-oauth": "qwen", "gemini": "google", "vertex-ai": "google"}
_MAIN = "########"  # in the ids of the prompts of the main conversation
_COMPRESS = "compress-"
_EXIT = re.compile(r"^(Exit Code|Signal): (?!\(none\)$)(.+)$", re.MULTILINE)
_DENIED = re.compile(r'Qwen Code requires permission to use "|This "[^"]*" invocation was denied by permission rules')


class QwenFold(Fold):
    """The session as far as it was read.

    done: call id -> milliseconds, as the telemetry before the result says.
    rounds: file of a subagent -> key of the answer that its next calls belong to.
    """

    KEPT = ("done", "rounds")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.done: dict[str, int] = {}
        self.rounds: dict[str, str] = {}

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line. file: "" for the session's own file, else the id of the subagent."""
        number, kind, source = self.stream(file, file), entry.get("type"), entry.get("forkedFrom")
        self.copying = isinstance(source, Mapping)
        stamp = self.moment(number, entry.get("timestamp"), counts=kind != "system")
        if not file:
            self.fact("version", entry.get("version"))
            self.fact("branch", entry.get("gitBranch"))
            if isinstance(source, Mapping):
                self.fact("forked_from", source.get("sessionId"))
        self.folder(entry.get("cwd"))
        if kind == "user":
            self._read_user(file, number, entry, stamp)
        elif kind == "assistant":
            self._read_answer(file, number, entry, stamp, line)
        elif kind == "tool_result":
            self._read_result(file, number, entry, stamp)
        elif kind == "system":
            self._read_system(number, entry, stamp, line)
        else:
            self.no_such_type(kind)

    def provided(self, model: str) -> str:
        """A model's name with its provider before it."""
        auth = self.facts.get("auth_type", "qwen")
        return model if "/" in model else f"{_PROVIDERS.get(auth, auth)}/{model}"

    def error_text(self, text: str) -> str:
        """Of a command, how it ended; its output is in the observation."""
        found = _EXIT.findall(text) if text.startswith("Command: ") else []
        return ": ".join(found[-1]) if found else text

    def is_denial(self, error: str) -> bool:
        return _DENIED.match(error) is not None

    def _read_user(self, file: str, number: int, entry: Mapping[str, Any], stamp: str | None) -> None:
        self.rounds.pop(file, None)
        if entry.get("provenance", "real_user") != "real_user" or text_of(entry.get("subtype")) in _INJECTED:
            # Such as the news that a subagent in the background has ended: the model goes on, nobody asked for it.
            self.streams[number].last, self.streams[number].last_stop = "prompt", None
            return
        text = _text(_parts(entry))
        if text.strip():
            self.prompt(number, text, stamp)

    def _read_answer(self, file: str, number: int, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        usage = entry.get("usageMetadata")
        key = self.rounds.get(file)
        if not file or key is None or isinstance(usage, Mapping):
            key = self.rounds[file] = f"{file} {line}"
        cell = self.message(number, key, stamp)
        assert cell is not None  # the key is this file's alone
        model = text_of(entry.get("model"))
        if model:
            self.model(number, cell, self.provided(model))
        self.used(cell, _buckets(usage))
        for part in _parts(entry):
            call = part.get("functionCall")
            if isinstance(call, Mapping):
                if self.call(number, cell, call.get("id"), call.get("name"), call.get("args")):
                    self._note_skill(number, call, stamp, line)
            else:
                self.say(cell, part.get("text"), "reasoning_content" if part.get("thought") is True else "content")
        step = self.cells.open(cell)
        more = bool(step["tool_calls"]) or bool(file and not step["content"])
        self.ended(number, "tool_use" if more else "end_turn")

    def _note_skill(self, number: int, call: Mapping[str, Any], stamp: str | None, line: int) -> None:
        given = call.get("args")
        name = given.get("skill") if call.get("name") == "skill" and isinstance(given, Mapping) else None
        if isinstance(name, str) and name:
            self.skill(number, name, "qwen_skill_tool", stamp, line, tool_call_id=str(call.get("id")))

    def _read_result(self, file: str, number: int, entry: Mapping[str, Any], stamp: str | None) -> None:
        self.rounds.pop(file, None)
        told = entry.get("toolCallResult")
        result: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
        answers = [part["functionResponse"] for part in _parts(entry) if _is_response(part)]
        for answer in answers or [{}]:
            call_id = answer.get("id", result.get("callId"))
            response = answer.get("response")
            fields: Mapping[str, Any] = response if isinstance(response, Mapping) else {}
            failed = "error" in fields or result.get("status") in ("error", "cancelled")
            said = fields.get("error", fields.get("output"))
            duration = self.done.pop(call_id, None) if isinstance(call_id, str) and not file else None
            if duration is None and isinstance(result.get("durationMs"), (int, float)):
                duration = _milliseconds(result["durationMs"])
            self.result(number, call_id, _words(said), failed, stamp, duration)
        if result.get("status") == "cancelled":
            self.streams[number].last = "interrupted"

    def _read_system(self, number: int, entry: Mapping[str, Any], stamp: str | None, line: int) -> None:
        kind, payload = text_of(entry.get("subtype")), entry.get("systemPayload")
        fields: Mapping[str, Any] = payload if isinstance(payload, Mapping) else {}
        if kind == "ui_telemetry":
            event = fields.get("uiEvent")
            if isinstance(event, Mapping):
                self._read_telemetry(number, event, stamp, line)
        elif kind == "chat_compression":
            self._read_compression(number, fields, stamp, line)
        elif kind not in _QUIET:
            self.no_such_type(f"system.{kind}" if kind else "system")

    def _read_compression(self, number: int, fields: Mapping[str, Any], stamp: str | None, line: int) -> None:
        info, history = fields.get("info"), fields.get("compressedHistory")
        sizes: Mapping[str, Any] = info if isinstance(info, Mapping) else {}
        first = history[0] if isinstance(history, list) and history else None
        self.compacted(
            number,
            stamp,
            line,
            trigger=text_of(sizes.get("triggerReason")),
            pre_tokens=count(sizes.get("originalTokenCount")),
            post_tokens=count(sizes.get("newTokenCount")),
            summary=_text(_parts({"message": first})) or None,
        )

    def _read_telemetry(self, number: int, event: Mapping[str, Any], stamp: str | None, line: int) -> None:
        name, prompt = event.get("event.name"), text_of(event.get("prompt_id")) or ""
        own = _MAIN in prompt and event.get("subagent_id") is None
        if name == "qwen-code.api_response":
            if own:
                self.fact("auth_type", event.get("auth_type"))
            elif prompt.startswith(_COMPRESS):
                self._use_summary(number, event)
        elif name == "qwen-code.tool_call":
            if own and isinstance(event.get("call_id"), str):
                self.done[event["call_id"]] = _milliseconds(event.get("duration_ms"))
        elif name == "qwen-code.api_error":
            tell = self.failed if own else self.trouble
            tell(number, "api_error", text_of(event.get("error_message")) or "", stamp, line)

    def _use_summary(self, number: int, event: Mapping[str, Any]) -> None:
        """The request for a summary has no answer of its own: its tokens are counted with the answer before it."""
        if not self.streams[number].cells:
            return
        names = ("input", "output", "cached_content", "thoughts", "total")
        prompt, said, cached, thoughts, total = (event.get(f"{name}_token_count") for name in names)
        usage = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": said,
            "cachedContentTokenCount": cached,
            "thoughtsTokenCount": thoughts,
            "totalTokenCount": total,
        }
        cell = self.streams[number].cells[-1]
        known = self.cells.open(cell)["token_usage"]
        self.used(cell, tuple(known[bucket] + more for bucket, more in zip(BUCKETS, _buckets(usage), strict=True)))


def _parts(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    message = entry.get("message")
    parts = message.get("parts") if isinstance(message, Mapping) else None
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def _is_response(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("functionResponse"), Mapping)


def _text(parts: list[Mapping[str, Any]]) -> str:
    return "\n".join(part["text"] if isinstance(part.get("text"), str) else "[file]" for part in parts)


def _words(said: object) -> str:
    if said is None or isinstance(said, str):
        return said or ""
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def _milliseconds(value: object) -> int:
    return count(int(value)) if isinstance(value, (int, float)) else 0


def _buckets(usage: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write. The prompt holds the cached tokens; the candidates hold the thoughts
    where prompt and candidates make up the total, as with every provider that speaks OpenAI's protocol."""
    if not isinstance(usage, Mapping):
        return (0, 0, 0, 0)
    prompt, said, cached, thoughts, total = (
        count(usage.get(f"{name}TokenCount")) for name in ("prompt", "candidates", "cachedContent", "thoughts", "total")
    )
    return (max(0, prompt - cached), said if total <= prompt + said else said + thoughts, cached, 0)
