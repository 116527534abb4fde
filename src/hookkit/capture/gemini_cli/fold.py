"""Folds the lines of a Gemini CLI session into the steps of a trace.

A message is written when the model has said it, and written again, whole, when the last of its calls has ended: the
same id, more in it. ``$set`` lines repeat the history in another form, in which calls and tokens may be missing; all
that is in them was a line before, so nothing but a summary is taken from them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from hookkit.capture.fold.fold import Fold
from hookkit.capture.gemini_cli import results
from hookkit.capture.values import micros, text_of

OTHER = "+"  # another file of the session itself
# What the agent puts into the model's mouth after it has replaced the history by a summary.
_COMPRESSED = "Got it. Thanks for the additional context!"
_FOLDER = re.compile(r"\*\*Workspace Directories:\*\*\n\s*- (/[^\n]*)")
_CANCELLED = "Request cancelled."
_DENIED = ("denied by policy", "User did not allow")
_COMMAND = re.compile(r"/([\w:.-]+)(?:\s+(.*))?", re.DOTALL)


class GeminiFold(Fold):
    """The session as far as it was read.

    summaries: messages of compressions that were counted: the history is repeated at every resumption. asked: stream
    -> when its last prompt was written, microseconds since 1970. begins: call id -> when the prompt was written that
    led to it. marks: call id -> the process group of its command.
    """

    KEPT = ("summaries", "asked", "begins", "marks")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.summaries: list[str] = []
        self.asked: dict[str, int] = {}
        self.begins: dict[str, int] = {}
        self.marks: dict[str, str] = {}

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line. file: "" for the session's own file, OTHER for one more of it, else a subagent's id."""
        name = "" if file == OTHER else file
        number, kind = self.stream(name, name), entry.get("type")
        if "$set" in entry:
            if file != OTHER:  # what it says of the history depends on what was said before it
                self._read_set(number, entry["$set"], line)
        elif kind is None and "sessionId" in entry:
            self.moment(number, entry.get("startTime"), counts=False)
            for folder in entry["directories"] if isinstance(entry.get("directories"), list) else ():
                self.folder(folder)
        elif kind == "user":
            self._read_user(number, entry, line)
        elif kind == "gemini":
            self._read_answer(number, entry, line)
        elif kind in ("error", "warning"):
            stamp = self.moment(number, entry.get("timestamp"))
            self.trouble(number, "agent_message", results.text_in(entry.get("content")), stamp, line)
        elif kind == "info":
            if results.text_in(entry.get("content")) == _CANCELLED:
                self.moment(number, entry.get("timestamp"))
                self.streams[number].last = "interrupted"
        elif "$rewindTo" in entry:
            self.counts["rewinds"] += 1  # what was done before is done: its steps stay
        elif not any(key.startswith("$") for key in entry):
            self.no_such_type(kind)

    def _read_set(self, number: int, change: object, line: int) -> None:
        messages = change.get("messages") if isinstance(change, Mapping) else None
        if not isinstance(messages, list) or not isinstance(change, Mapping):
            return
        messages = [message for message in messages if isinstance(message, Mapping)]
        said = [results.text_in(message.get("content")) for message in messages]
        if said:
            found = _FOLDER.search(said[0])
            self.folder(found[1] if found else None)
        compressed = False
        for (message, summary), (_, answer) in itertools.pairwise(zip(messages, said, strict=True)):
            if answer.startswith(_COMPRESSED):
                compressed = True
                own = text_of(message.get("id")) or summary
                if own not in self.summaries:
                    self.summaries.append(own)
                    stamp = self.moment(number, change.get("lastUpdated"))
                    self.compacted(number, stamp, line, summary=summary)
        if self.streams[number].last == "prompt" and not compressed and messages:
            # At a resumption the first message is new, and the list that has no prompt is only the beginning.
            since, asked = micros(messages[0].get("timestamp")), self.asked.get(str(number), 0)
            ids = {f"prompt {message.get('id')}" for message in messages}
            mine = [key for key, (owner, _) in self.messages.items() if owner == number and key.startswith("prompt ")]
            if since is not None and since <= asked and mine[-1] not in ids:
                stamp = self.moment(number, change.get("lastUpdated"))
                self.failed(number, "api_error", "The first request failed: the prompt was taken back.", stamp, line)

    def _read_user(self, number: int, entry: Mapping[str, Any], line: int) -> None:
        stamp = self.moment(number, entry.get("timestamp"))
        key = f"prompt {entry.get('id', line)}"
        text = results.prompt_in(entry)
        if results.is_results(entry.get("content")) or key in self.messages or not text.strip():
            return  # the results are in the message that asked for them
        self.messages[key] = [number, -1]
        self.asked[str(number)] = micros(stamp) or 0
        command = _COMMAND.fullmatch(text.strip())
        if command and "displayContent" in entry:
            found = {"name": command[1], "args": command[2] or "", "timestamp": stamp, "line": line}
            self.streams[number].commands.append(found)
        self.prompt(number, text, stamp)

    def _read_answer(self, number: int, entry: Mapping[str, Any], line: int) -> None:
        stamp = self.moment(number, entry.get("timestamp"))
        own = text_of(entry.get("id")) or f"line {line}"
        cell = self.message(number, own, stamp)
        if cell is None:
            return
        model = text_of(entry.get("model"))
        if model:
            self.model(number, cell, model if "/" in model else f"google/{model}")
        step = self.cells.open(cell)
        said = results.text_in(entry.get("content"))
        step["content"] = said or step["content"]
        step["reasoning_content"] = results.thoughts_in(entry) or step["reasoning_content"]
        self.used(cell, results.buckets(entry.get("tokens")))
        calls = entry["toolCalls"] if isinstance(entry.get("toolCalls"), list) else ()
        for call in calls:
            if isinstance(call, Mapping):
                self._read_call(number, cell, own, call, line)
        if not calls and not step["tool_calls"] and said.strip():
            self.ended(number)  # so it looks, too, while calls run that this message asks for

    def _read_call(self, number: int, cell: int, message: str, call: Mapping[str, Any], line: int) -> None:
        call_id, name, status = call.get("id"), call.get("name"), call.get("status")
        stream = self.streams[number]
        stream.last_stop = None
        if isinstance(call_id, str) and call_id in self.calls and self.calls[call_id].cell != cell:
            call_id = f"{call_id}~{message}"  # the provider gave an id twice
        known = self.calls.get(call_id) if isinstance(call_id, str) else None
        if known is None:
            if not self.call(number, cell, call_id, name, call.get("args")):
                return
            if self.asked.get(str(number)):
                self.begins[str(call_id)] = self.asked[str(number)]
        elif known.state != "open":
            return
        if isinstance(call.get("agentId"), str):
            self.spawned.setdefault(call["agentId"], str(call_id))
        if status not in ("success", "error", "cancelled"):
            return
        text = results.result_in(call.get("result"))
        ending = results.ending(text, call.get("resultDisplay")) if name == results.SHELL else {}
        failed = status != "success" or results.failure(ending) is not None
        if results.GROUP in ending:
            self.marks[str(call_id)] = ending[results.GROUP]
        stamp = self.moment(number, call.get("timestamp"))
        self.result(number, call_id, text, failed, stamp)
        given = call.get("args")
        if name == "activate_skill" and not failed and isinstance(given, Mapping) and text_of(given.get("name")):
            self.skill(number, given["name"], "gemini_skill_tool", stamp, line, tool_call_id=str(call_id))
        if status == "cancelled":
            stream.last = "interrupted"

    def error_text(self, text: str) -> str:
        """Of a command, how it ended."""
        return results.failure(results.ending(text, None)) or text

    def is_denial(self, error: str) -> bool:
        """The sentences of Gemini CLI 0.61 for a call that a policy or the user did not allow."""
        return any(sentence in error for sentence in _DENIED)
