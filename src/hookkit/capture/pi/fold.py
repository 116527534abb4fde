"""Folds the entries of a Pi session into the steps of a trace.

A session is a tree: every entry names the one before it, and going back and on from there makes a branch. The file only
grows, so its last entry is the tip of the active branch. What was done on the other branches was done all the same:
steps stand in the order of the file, and those that are not on the active branch are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hookkit.capture.fold.fold import Fold
from hookkit.capture.values import count, micros, text_of

_QUIET = frozenset({"custom", "custom_message", "label", "model_change", "session_info", "thinking_level_change"})
_QUIET_ROLES = frozenset({"branchSummary", "compactionSummary", "custom", "hookMessage"})  # of older versions, too
_STOPS = {"stop": "end_turn", "length": "max_tokens"}
_SKILL = re.compile(r'<skill name="([^"\n]+)" location="([^"\n]*)">\n.*?\n</skill>(?:\n\n|\Z)', re.DOTALL)
_SKILL_FILE = re.compile(r"(?:.*/)?skills/(?:[^/]+/)*([^/]+)/SKILL\.md")
_LAST_WORD = re.compile(r"Command (?:exited with code -?\d+|timed out after .*|aborted)")


class PiFold(Fold):
    """The session as far as it was read.

    parents: entry -> the one before it. owned: entry -> cell of its step. tip: the newest entry. forked: when the
    session was made of another one's entries, which keep their own times (microseconds since 1970); 0 if it was not.
    """

    KEPT = ("parents", "owned", "tip", "forked")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.parents: dict[str, str | None] = {}
        self.owned: dict[str, int] = {}
        self.tip: str | None = None
        self.forked = 0

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line."""
        number, kind = self.stream(), text_of(entry.get("type"))
        if kind == "session":
            self.folder(entry.get("cwd"))
            self.fact("parent_session", entry.get("parentSession"))
            self.moment(number, entry.get("timestamp"), counts=False)
            self.forked = (micros(entry.get("timestamp")) or 0) if entry.get("parentSession") else 0
            return
        own = text_of(entry.get("id"))
        if own is not None:
            self.parents[own] = text_of(entry.get("parentId"))
            self.tip = own
        self.copying = (micros(entry.get("timestamp")) or self.forked) < self.forked
        stamp = self.moment(number, entry.get("timestamp"), counts=kind == "message")
        message = entry.get("message")
        if kind == "message":
            if not isinstance(message, Mapping):
                self.counts["malformed_lines"] += 1
                return
            before = len(self.cells)
            self._read(number, message, own or f"line {line}", stamp, line)
            if len(self.cells) > before and own is not None:
                self.owned[own] = before
        elif kind == "compaction":
            summary = text_of(entry.get("summary"))
            self.compacted(number, stamp, line, pre_tokens=count(entry.get("tokensBefore")), summary=summary)
        elif kind == "branch_summary":
            self.counts["branch_summaries"] += 1
        elif kind not in _QUIET:
            self.no_such_type(kind)

    def _read(self, number: int, message: Mapping[str, Any], key: str, stamp: str | None, line: int) -> None:
        role = text_of(message.get("role"))
        if role == "user":
            self._ask(number, self._text(message.get("content")), stamp, line)
        elif role == "assistant":
            self._answer(number, message, key, stamp, line)
        elif role == "toolResult":
            text = self._text(message.get("content"))
            self.result(number, message.get("toolCallId"), text, message.get("isError") is True, stamp)
        elif role == "bashExecution":
            command = {"name": "!", "args": text_of(message.get("command")) or "", "timestamp": stamp, "line": line}
            code = message.get("exitCode")
            self.streams[number].commands.append({**command, "exit_code": code if type(code) is int else None})
        elif role not in _QUIET_ROLES:
            self.no_such_type(f"message.{role}")

    def _ask(self, number: int, text: str, stamp: str | None, line: int) -> None:
        """A prompt. Pi puts the body of a skill that was asked for in the place of its name."""
        found = _SKILL.match(text)
        if found is None:
            self.prompt(number, text, stamp)
            return
        name, path, given = found[1], found[2] or None, text[found.end() :]
        command = f"/skill:{name}"
        self.skill(number, name, "pi_skill_command", stamp, line, command_name=command, skill_file=path)
        self.prompt(number, f"{command} {given}".rstrip(), stamp, "user_prompt" if given else "bare_command")

    def _answer(self, number: int, message: Mapping[str, Any], key: str, stamp: str | None, line: int) -> None:
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
        stop = text_of(message.get("stopReason"))
        if parts or stop not in ("error", "aborted"):  # a request that failed has no answer
            cell = self.message(number, key, stamp)
            if cell is None:
                return
            provider, model = text_of(message.get("provider")), text_of(message.get("model"))
            if model:
                self.model(number, cell, model if "/" in model or not provider else f"{provider}/{model}")
            self.used(cell, _buckets(message.get("usage")))
            self.cost(cell, _total(message.get("usage")))
            for part in parts:
                self._read_part(number, cell, part, stamp, line)
        if stop == "error":
            self.failed(number, "api_error", text_of(message.get("errorMessage")) or "", stamp, line)
        elif stop == "aborted":
            self.streams[number].last = "interrupted"
        elif stop in _STOPS:
            self.ended(number, _STOPS[stop])

    def _read_part(self, number: int, cell: int, part: object, stamp: str | None, line: int) -> None:
        if not isinstance(part, Mapping):
            self.counts["malformed_parts"] += 1
            return
        kind = part.get("type")
        if kind == "toolCall":
            given = part.get("arguments")
            if self.call(number, cell, part.get("id"), part.get("name"), given) and part.get("name") == "read":
                self._read_skill(number, given, stamp, line)
        elif kind == "thinking":
            self.say(cell, part.get("thinking"), "reasoning_content")
        elif kind == "text":
            self.say(cell, part.get("text"))
        else:
            self.no_such_type(f"content.{kind}")

    def _read_skill(self, number: int, given: object, stamp: str | None, line: int) -> None:
        """There is no tool for skills: the model reads the file that the system prompt names."""
        path = given.get("path") if isinstance(given, Mapping) else None
        found = _SKILL_FILE.fullmatch(path) if isinstance(path, str) and len(path) < 4096 else None
        if found:
            self.skill(number, found[1], "pi_skill_read", stamp, line, skill_file=path)

    def error_text(self, text: str) -> str:
        """A shell command's output comes first, and what became of the command last."""
        last = text.rstrip("\n").rpartition("\n")[2]
        return last if _LAST_WORD.fullmatch(last) else text

    def _text(self, content: object) -> str:
        """The texts of a message's parts; a placeholder for what is no text."""
        if isinstance(content, str):
            return content
        found = []
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping):
                text = part.get("text")
                found.append(text if isinstance(text, str) else f"[{part.get('type')}]")
        return "\n".join(found)

    def aside(self) -> list[int]:
        """The places of the steps that are not on the active branch."""
        active: set[str] = set()
        at = self.tip
        while at is not None and at not in active:
            active.add(at)
            at = self.parents.get(at)
        kept = {cell for entry, cell in self.owned.items() if entry in active}
        left = set(self.owned.values()) - kept
        cells = self.streams[0].cells if self.streams and left else []
        return [place for place, cell in enumerate(cells) if cell in left]


def _total(usage: object) -> object:
    """What Pi says that a message cost."""
    cost = usage.get("cost") if isinstance(usage, Mapping) else None
    return cost.get("total") if isinstance(cost, Mapping) else None


def _buckets(usage: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write: Pi's own input holds neither cache, its output the reasoning."""
    if not isinstance(usage, Mapping):
        return (0, 0, 0, 0)
    given, made, read, written = (count(usage.get(key)) for key in ("input", "output", "cacheRead", "cacheWrite"))
    return (given, made, read, written)
