"""Folds the messages of an OpenCode session, and of its subagents', into the steps of a trace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hookkit.capture.fold.fold import Fold
from hookkit.capture.values import count, text_of

_QUIET = frozenset(
    {"agent", "compaction", "file", "patch", "retry", "snapshot", "step-finish", "step-start", "subtask"}
)
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content-filter": "refusal"}
_ON = ("tool-calls", "unknown")
_ABORTED = "MessageAbortedError"
_SHELL = "The following tool was executed by the user"
_DENIALS = ("The user rejected permission", "The user has specified a rule which prevents")
_LAST_WORD = ("<shell_metadata>\n", "\n</shell_metadata>")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OpenCodeFold(Fold):
    """The session as far as it was read.

    kinds: session of a subagent -> its kind, as the call that started it says. shells: messages that announce a
    command that the user ran. compacting: stream -> what the compaction that was asked for last was started by.
    removed: cells of the steps that a revert took away.
    """

    KEPT = ("kinds", "shells", "compacting", "removed", "problems")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.kinds: dict[str, str] = {}
        self.shells: list[str] = []
        self.compacting: dict[str, str] = {}
        self.removed: list[int] = []
        self._why: str | None = None  # a call failed, where its result does not say

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one entry of ``database.entries``."""
        kind, own = entry.get("kind"), entry.get("id")
        if kind == "problem":
            self.problems.append(str(entry.get("text")))
        elif kind == "session":
            self.folder(entry.get("directory"))
            if own == self.session_id:
                self.fact("version", entry.get("version"))
            elif isinstance(own, str):
                self.kinds.setdefault(own, "")
        elif not isinstance(entry.get("data"), Mapping) or not isinstance(own, str):
            self.counts["malformed_lines"] += 1
        else:
            session = text_of(entry.get("session")) or ""
            before = len(self.cells)
            self._read(self.stream("", "" if session == self.session_id else session), own, entry, line)
            if entry.get("removed"):
                self.removed += range(before, len(self.cells))

    def _read(self, number: int, own: str, entry: Mapping[str, Any], line: int) -> None:
        data = entry["data"]
        parts = []
        for part in entry["parts"]:
            if isinstance(part["data"], Mapping):
                parts.append((str(part["id"]), part["data"]))
            else:
                self.counts["malformed_parts"] += 1
        stamp = self.moment(number, iso(_times(data).get("created")) or iso(entry["created"]))
        role = text_of(data.get("role"))
        if role == "user":
            self._ask(number, own, [part for _, part in parts], stamp, line)
        elif role != "assistant":
            self.no_such_type(f"message.{role}")
        elif data.get("parentID") in self.shells:
            for _, part in parts:
                self._run(number, part, stamp, line)
        else:
            self._answer(number, own, data, parts, stamp, line)

    def _ask(self, number: int, own: str, parts: list[Mapping[str, Any]], stamp: str | None, line: int) -> None:
        """What the user typed; OpenCode puts texts of its own into the user's messages, and marks them."""
        texts, files = [], []
        for part in parts:
            kind, text = text_of(part.get("type")), part.get("text")
            if kind == "text" and isinstance(text, str):
                if part.get("synthetic") is not True:
                    texts.append(text)
                elif text.startswith(_SHELL):
                    self.shells.append(own)
            elif kind == "subtask":
                name, prompt = text_of(part.get("command")), text_of(part.get("prompt"))
                if name:
                    command = {"name": f"/{name}", "args": prompt or "", "timestamp": stamp, "line": line}
                    self.streams[number].commands.append(command)
                texts += [prompt] if prompt else []
            elif kind == "compaction":
                self.compacting[str(number)] = "auto" if part.get("auto") is True else "manual"
            elif kind == "file":
                files.append(f"[{text_of(part.get('filename')) or 'file'}]")
            elif kind not in _QUIET:
                self.no_such_type(f"part.{kind}")
        text = "\n".join(texts) or ("\n".join(files) if own not in self.shells else "")
        if text:
            self.prompt(number, text, stamp)

    def _run(self, number: int, part: Mapping[str, Any], stamp: str | None, line: int) -> None:
        """A shell command that the user ran."""
        if part.get("type") == "tool":
            state = _mapping(part.get("state"))
            text = text_of(_mapping(state.get("input")).get("command")) or ""
            code = _mapping(state.get("metadata")).get("exit")
            command = {"name": "!", "args": text, "timestamp": stamp, "line": line}
            self.streams[number].commands.append({**command, "exit_code": code if type(code) is int else None})

    def _answer(
        self,
        number: int,
        own: str,
        data: Mapping[str, Any],
        parts: list[tuple[str, Mapping[str, Any]]],
        stamp: str | None,
        line: int,
    ) -> None:
        used = _buckets(data.get("tokens"))
        error, finish = _mapping(data.get("error")), text_of(data.get("finish"))
        if any(used) or any(text_of(part.get("type")) not in _QUIET for _, part in parts):
            cell = self.message(number, own, stamp)
            if cell is None:
                return
            provider, model = text_of(data.get("providerID")), text_of(data.get("modelID"))
            if model:
                self.model(number, cell, f"{provider}/{model}" if provider else model)
            self.used(cell, used)
            self.cost(cell, data.get("cost"))
            for part_id, part in parts:
                self._read_part(number, cell, part_id, part, line)
            if data.get("summary") is True:
                trigger = self.compacting.pop(str(number), None)
                summary = self.cells.open(cell)["content"]
                before = used[0] + used[2] + used[3]
                self.compacted(number, stamp, line, trigger=trigger, pre_tokens=before, summary=summary)
        done = self.moment(number, iso(_times(data).get("completed")))
        if error.get("name") == _ABORTED:
            self.streams[number].last = "interrupted"
        elif error:
            kind = "api_error" if error.get("name") == "APIError" else "agent_error"
            told = text_of(_mapping(error.get("data")).get("message")) or text_of(error.get("name")) or ""
            self.failed(number, kind, told, done or stamp, line)
        elif done and finish and finish not in _ON:
            self.ended(number, _STOPS.get(finish, "end_turn"))

    def _read_part(self, number: int, cell: int, own: str, part: Mapping[str, Any], line: int) -> None:
        kind = text_of(part.get("type"))
        if kind == "text":
            self.say(cell, part.get("text"))
        elif kind == "reasoning":
            self.say(cell, part.get("text"), "reasoning_content")
        elif kind == "tool":
            self._call(number, cell, own, part, line)
        elif kind not in _QUIET:
            self.no_such_type(f"part.{kind}")

    def _call(self, number: int, cell: int, own: str, part: Mapping[str, Any], line: int) -> None:
        state, name, call_id = _mapping(part.get("state")), part.get("tool"), part.get("callID")
        if isinstance(call_id, str) and call_id in self.calls:
            call_id = own  # some providers count the calls of each answer anew
        given = _mapping(state.get("input"))
        if not self.call(number, cell, call_id, name, given):
            return
        status, times, more = state.get("status"), _times(state), _mapping(state.get("metadata"))
        stamp = self.moment(number, iso(times.get("end")))
        begun, ended = times.get("start"), times.get("end")
        took = count(ended - begun) if type(begun) is int and type(ended) is int else None
        child = more.get("sessionId")
        if name == "task" and isinstance(child, str) and child != self.session_id:
            self.spawned.setdefault(child, str(call_id))
            self.kinds[child] = text_of(given.get("subagent_type")) or ""
        if status == "completed":
            text = state.get("output")
            text = text if isinstance(text, str) else ""
            self._why = _failure(name, given, more, text)
            self.result(number, call_id, text, self._why is not None, stamp, took)
            self._why = None
            if name == "skill" and text_of(given.get("name")):
                folder = text_of(more.get("dir"))
                found = f"{folder}/SKILL.md" if folder else None
                self.skill(number, given["name"], "opencode_skill_tool", stamp, line, skill_file=found)
        elif status == "error":
            self.result(number, call_id, text_of(state.get("error")) or "", True, stamp, took)
        elif status not in ("pending", "running"):
            self.no_such_type(f"state.{status}")

    def error_text(self, text: str) -> str:
        """The result of a command that failed is its output."""
        return text if self._why is None else self._why

    def is_denial(self, error: str) -> bool:
        return error.startswith(_DENIALS)


def is_over(data: Mapping[str, Any]) -> bool:
    """Whether a message is the last one of a turn, and whole."""
    if data.get("role") != "assistant" or _times(data).get("completed") is None:
        return False
    return bool(data.get("error")) or data.get("finish") not in ("tool-calls", None)


def iso(moment: object) -> str | None:
    """Milliseconds since 1970 as ISO 8601; None for anything else."""
    if type(moment) is not int:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def _failure(tool: object, given: Mapping[str, Any], more: Mapping[str, Any], text: str) -> str | None:
    """Why a call failed that OpenCode counts as completed; None where it did not."""
    if tool == "invalid":
        return text_of(given.get("error")) or "invalid"
    if tool != "bash" or "exit" not in more or more["exit"] == 0:
        return None
    if type(more["exit"]) is int:
        return f"exit code {more['exit']}"
    _, found, rest = text.rpartition(_LAST_WORD[0])
    return rest.removesuffix(_LAST_WORD[1]).strip() if found else "it did not end by itself"


def _buckets(tokens: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write: OpenCode's input holds neither cache, its output not the reasoning."""
    found = _mapping(tokens)
    cache = _mapping(found.get("cache"))
    output = count(found.get("output")) + count(found.get("reasoning"))
    return count(found.get("input")), output, count(cache.get("read")), count(cache.get("write"))


def _times(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(value.get("time"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
