"""Folds the lines of a Codex rollout into the steps of a trace.

A rollout has no line for an answer of the model as a whole: its parts come one by one, then a ``token_usage_record``
closes it. What a tool did comes twice: as the text that the model was told, and as an item with exit code and time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from hookkit.capture.codex_cli import results
from hookkit.capture.fold.fold import BUCKETS, Fold
from hookkit.capture.values import count, micros, text_of

_QUIET = frozenset(
    {
        "dynamic_tools_updated", "inter_agent_communication", "inter_agent_communication_metadata", "realtime_item",
        "security_risk_score", "world_state",
    }
)  # fmt: skip
_QUIET_EVENTS = frozenset(
    {
        "agent_message", "agent_reasoning", "agent_reasoning_raw_content", "context_compacted", "entered_review_mode",
        "exec_command_begin", "exec_command_end", "exited_review_mode", "item_started", "patch_apply_begin",
        "patch_apply_end", "task_started", "thread_settings_applied", "thread_name_updated", "turn_diff", "warning",
    }
)  # fmt: skip
_CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "tool_search_call", "web_search_call"})
_NEW_TASK = "Message Type: NEW_TASK"
_SKILL = re.compile(r"\s*<skill>\s*<name>([^<\n]+)</name>\s*(?:<path>([^<\n]+)</path>)?")


class CodexFold(Fold):
    """The session as far as it was read.

    current: thread -> cell that the model's next part belongs to. newest: thread -> cell of its newest answer.
    items: call id -> what its item said. running: calls that were left running -> what the model was told of them.
    kinds: thread -> role of the subagent. since: thread -> number of its own first line.
    totals: thread -> the sum of tokens that was counted last, where only sums are given.
    told: what is known of a thread: that it was introduced, that its prompts come as items, its tokens as records.
    responses: the answers whose tokens were counted. scripts: thread -> [number, cell] of the scripts that the model
    was told are still running: what they call comes later.
    provider, models_of: thread -> who answers it.
    """

    KEPT = (
        "current", "newest", "items", "running", "kinds", "since", "totals", "told", "responses", "scripts",
        "provider", "models_of",
    )  # fmt: skip

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.current: dict[str, int] = {}
        self.newest: dict[str, int] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.running: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self.since: dict[str, int] = {}
        self.totals: dict[str, list[int]] = {}
        self.told: dict[str, str] = {}
        self.responses: dict[str, int] = {}
        self.scripts: dict[str, list[list[Any]]] = {}
        self.provider: dict[str, str] = {}
        self.models_of: dict[str, str] = {}

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one line. file: "" for the session's own rollout, else the id of the subagent's thread."""
        kind, payload = _kind(entry), entry.get("payload")
        if not isinstance(payload, Mapping):
            if kind not in _QUIET:
                self.counts["malformed_lines"] += 1
            return
        ordinal = entry.get("ordinal")
        if isinstance(ordinal, int) and kind != "session_meta" and ordinal < self.since.get(file, 0):
            return  # what the subagent was told of the conversation before it: it is in the other rollout
        number = self.stream(file, file)
        stamp = self.moment(number, entry.get("timestamp"))
        if kind == "session_meta":
            self._read_meta(file, payload)
        elif kind == "turn_context":
            self._read_context(file, payload)
        elif kind == "response_item" and _is_summary(entry):
            self.moment(number, entry.get("timestamp"))  # it comes again, with the compaction
        elif kind == "response_item":
            self._read_item(file, number, payload, stamp, line)
        elif kind == "event_msg":
            self._read_event(file, number, payload, stamp, line)
        elif kind == "token_usage_record":
            self._use_once(file, number, payload, stamp, line)
        elif kind == "compacted":
            self.current.pop(file, None)
            self.compacted(number, stamp, line, summary=text_of(payload.get("message")))
        elif kind not in _QUIET:
            self.no_such_type(kind)

    def _read_meta(self, file: str, payload: Mapping[str, Any]) -> None:
        if self.told.setdefault(f"{file} meta", "first") != "first":
            return  # of the thread whose conversation this one was given
        self.told[f"{file} meta"] = "known"
        self.folder(payload.get("cwd"))
        if isinstance(payload.get("model_provider"), str):
            self.provider[file] = payload["model_provider"]
        if file:
            self.kinds[file] = text_of(payload.get("agent_role")) or _role_in(payload.get("source")) or "subagent"
            self.since[file] = count(payload.get("subagent_history_start_ordinal"))
            return
        self.fact("version", payload.get("cli_version"))
        git = payload.get("git")
        self.fact("branch", git.get("branch") if isinstance(git, Mapping) else None)
        self.fact("forked_from", payload.get("forked_from_id"))

    def _read_context(self, file: str, payload: Mapping[str, Any]) -> None:
        self.folder(payload.get("cwd"))
        model = payload.get("model")
        if isinstance(model, str) and model:
            self.models_of[file] = model if "/" in model else f"{self.provider.get(file, 'openai')}/{model}"
        if not file:
            self.fact("permission_mode", payload.get("approval_policy"))

    # What the model said

    def _read_item(self, file: str, number: int, item: Mapping[str, Any], stamp: str | None, line: int) -> None:
        kind = _kind(item)
        if kind == "message":
            if item.get("role") == "assistant":
                self.say(self._cell(file, number, stamp, line), _text(item.get("content")))
            elif item.get("role") == "user":
                self._read_injected(number, _text(item.get("content")), stamp, line)
        elif kind == "reasoning":
            cell = self._cell(file, number, stamp, line)
            for part in (*_list(item.get("summary")), *_list(item.get("content"))):
                self.say(cell, part.get("text") if isinstance(part, Mapping) else None, "reasoning_content")
        elif kind in _CALLS:
            self._read_call(file, number, item, stamp, line)
        elif kind == "agent_message":
            text = _text(item.get("content"))
            if file and _NEW_TASK in text:
                self._ask(file, number, text.partition("Payload:\n")[2].strip("\n") or text, stamp)
        elif kind.endswith("_output"):
            self._read_output(number, item, stamp)
        elif kind not in ("additional_tools", "compaction", "compaction_summary", "ghost_snapshot", "other"):
            self.no_such_type(f"response_item.{kind}")

    def _cell(self, file: str, number: int, stamp: str | None, line: int) -> int:
        """The cell of the answer that is being given; a new one after the last was closed."""
        cell = self.current.get(file)
        if cell is None:
            found = self.message(number, f"{file} {line}", stamp)
            assert found is not None
            cell = self.current[file] = self.newest[file] = found
            if file in self.models_of:
                self.model(number, cell, self.models_of[file])
        self.streams[number].last = "agent"
        return cell

    def _read_injected(self, number: int, text: str, stamp: str | None, line: int) -> None:
        """Codex puts the body of a skill that was asked for into a user message of its own."""
        found = _SKILL.match(text)
        if found:
            name, path = found[1].strip(), (found[2] or "").strip() or None
            self.skill(number, name, "codex_skill_mention", stamp, line, command_name=f"${name}", skill_file=path)

    def _read_call(self, file: str, number: int, item: Mapping[str, Any], stamp: str | None, line: int) -> None:
        name = text_of(item.get("name")) or str(item.get("type")).removesuffix("_call")
        given = results.given(item)
        call_id = item.get("call_id") or item.get("id")
        known = self.calls.get(call_id) if isinstance(call_id, str) else None
        if known is not None:  # what a subagent was told of the conversation before it
            self.lost(known.stream, number)
            return
        self.call(number, self._cell(file, number, stamp, line), call_id, name, given)
        if item.get("type") == "web_search_call":  # the model's server did it, and nothing follows
            self.result(number, call_id, "", item.get("status") == "failed", stamp)

    def _read_output(self, number: int, item: Mapping[str, Any], stamp: str | None) -> None:
        call_id = item.get("call_id")
        text = results.text(item)
        known = self.items.pop(call_id, {}) if isinstance(call_id, str) else {}
        tool_call = self._call_of(call_id)
        name = str(tool_call.get("tool_name", ""))
        self._read_script(number, call_id, tool_call, text)
        if results.still_running(name, text) and not known:
            self.result(number, call_id, text, False, stamp)
            if isinstance(call_id, str) and call_id in self.calls:
                self.running[call_id] = text
            return
        failed = known["failed"] if "failed" in known else results.failed(name, text)
        self.result(number, call_id, text, failed, stamp, known.get("duration"))
        spawned = results.spawned(name, text)
        if spawned and isinstance(call_id, str):
            self.spawned.setdefault(spawned, call_id)

    def _call_of(self, call_id: object) -> Mapping[str, Any]:
        call = self.calls.get(call_id) if isinstance(call_id, str) else None
        calls = self.cells.open(call.cell)["tool_calls"] if call else []
        return next((each for each in calls if each["tool_call_id"] == call_id), {})

    def _read_script(self, number: int, call_id: object, tool_call: Mapping[str, Any], text: str) -> None:
        """Note that a script goes on after the model was told of it, or that it ended in a later ``wait``."""
        running, file = results.SCRIPT_RUNS.match(text), self.streams[number].file
        if tool_call.get("tool_name") == "exec" and running and isinstance(call_id, str):
            self.scripts.setdefault(file, []).append([running[1], self.calls[call_id].cell])
        elif tool_call.get("tool_name") == "wait" and not running and file in self.scripts:
            ended = str(tool_call["input"].get("cell_id"))
            self.scripts[file] = [script for script in self.scripts[file] if script[0] != ended]

    def is_denial(self, error: str) -> bool:
        return results.DENIED.search(error[:400]) is not None

    # What happened besides

    def _read_event(self, file: str, number: int, event: Mapping[str, Any], stamp: str | None, line: int) -> None:
        kind, stream = _kind(event), self.streams[number]
        if kind == "item_completed" and isinstance(event.get("item"), Mapping):
            self._read_completed(file, number, event, stamp, line)
        elif kind == "user_message":
            if self.told.get(f"{file} prompts") != "item":
                self._ask(file, number, text_of(event.get("message")), stamp)
        elif kind == "token_count":
            if self.told.get(f"{file} usage") != "record":
                self._use_sum(file, event.get("info"))
        elif kind == "task_complete":
            self.current.pop(file, None)
            error = event.get("error")
            if isinstance(error, Mapping):
                about = text_of(error.get("codex_error_info"))
                self.failed(number, "api_error", text_of(error.get("message")) or "", stamp, line, error=about)
            elif stream.last == "agent":
                self.ended(number)
        elif kind == "turn_aborted":
            self.current.pop(file, None)
            stream.last = "interrupted"
        elif kind in ("error", "stream_error"):
            self.trouble(number, "api_retry", text_of(event.get("message")) or "", stamp, line)
        elif kind not in _QUIET_EVENTS:
            self.no_such_type(f"event_msg.{kind}")

    def _ask(self, file: str, number: int, text: str | None, stamp: str | None) -> None:
        if text:
            self.current.pop(file, None)
            self.prompt(number, text, stamp)

    def _read_completed(self, file: str, number: int, event: Mapping[str, Any], stamp: str | None, line: int) -> None:
        item = event["item"]
        kind = _kind(item)
        if kind == "UserMessage":
            self.told[f"{file} prompts"] = "item"
            self._ask(file, number, _text(item.get("content")), stamp)
        elif kind in results.DONE:
            self._read_done(file, number, item, count(event.get("started_at_ms")) * 1000, stamp, line)
        elif kind == "SubAgentActivity":
            if item.get("kind") == "started" and isinstance(item.get("agent_thread_id"), str):
                self.spawned.setdefault(item["agent_thread_id"], str(item.get("id")))
        elif kind == "CollabAgentToolCall":
            for agent in _list(item.get("receiver_thread_ids")):
                if isinstance(agent, str) and isinstance(item.get("id"), str) and item.get("tool") == "spawn_agent":
                    self.spawned.setdefault(agent, item["id"])

    def _read_done(
        self, file: str, number: int, item: Mapping[str, Any], started: int, stamp: str | None, line: int
    ) -> None:
        """What a command or a patch came to: of a call that waits for its result, of one that was left running, or of
        one that a script of the model made, which has no other line. started: microseconds since 1970, 0 if unknown."""
        call_id, done = item.get("id"), results.done(item)
        self.folder(_path(item.get("cwd")))
        if not isinstance(call_id, str):
            return
        call = self.calls.get(call_id)
        if call is None:
            cell = self._cell_at(file, number, started, stamp, line)
            if self.call(number, cell, call_id, done["tool"], done["given"]):
                self.result(number, call_id, done["text"], done["failed"], stamp, done["duration"])
                self._say_why(call_id, done)
        elif call_id in self.running:
            del self.running[call_id]
            self._finish(call_id, done, stamp)
        elif call.state == "open":
            self.items[call_id] = {"failed": done["failed"], "duration": done["duration"]}

    def _cell_at(self, file: str, number: int, started: int, stamp: str | None, line: int) -> int:
        """The cell whose script made a call: the newest, unless the call is older than it."""
        newest = self.newest.get(file)
        if newest is None:
            return self._cell(file, number, stamp, line)
        cells: list[int] = [newest, *(cell for _, cell in reversed(self.scripts.get(file, [])))]
        for cell in cells:
            if not started or (micros(self.cells.open(cell)["timestamp"]) or 0) <= started:
                return cell
        return newest

    def _say_why(self, call_id: str, done: Mapping[str, Any]) -> None:
        """A command that failed without a word says its exit code."""
        for seen in self.cells.open(self.calls[call_id].cell)["observations"]:
            if seen["source_call_id"] == call_id and done["failed"]:
                seen["error"] = (done["text"].strip() or f"exit code {done['code']}")[:300]

    def _finish(self, call_id: str, done: Mapping[str, Any], stamp: str | None) -> None:
        """The end of a call that the model had been told of as running."""
        call = self.calls[call_id]
        call.state, call.result_us = "failed" if done["failed"] else "ok", micros(stamp)
        step = self.cells.open(call.cell)
        for seen in step["observations"]:
            if seen["source_call_id"] == call_id:
                seen["content"] = f"{seen['content']}\n{done['text']}"
        self._say_why(call_id, done)
        for each in step["tool_calls"]:
            if each["tool_call_id"] == call_id:
                each["duration_ms"] = self.durations.get(call_id, done["duration"])

    # Tokens

    def _use_once(self, file: str, number: int, payload: Mapping[str, Any], stamp: str | None, line: int) -> None:
        """Count the tokens of one request: with the answer that it gave, or the one before if it gave none, as the
        request that makes a compaction's summary does."""
        response, usage = payload.get("response_id"), payload.get("usage")
        self.told[f"{file} usage"] = "record"
        if isinstance(response, str):
            if response in self.responses:
                return
            self.responses[response] = 1
        if (
            isinstance(usage, Mapping)
            and any(_buckets(usage))
            and self.current.get(file, self.newest.get(file)) is None
        ):
            self._cell(file, number, stamp, line)  # a conversation that begins with a compaction
        self._use(file, usage)

    def _use(self, file: str, usage: object) -> None:
        cell = self.current.pop(file, self.newest.get(file, -1))
        if cell < 0 or not isinstance(usage, Mapping):
            return
        known = self.cells.open(cell)["token_usage"]
        new = _buckets(usage)
        self.used(cell, tuple(known[bucket] + more for bucket, more in zip(BUCKETS, new, strict=True)))

    def _use_sum(self, file: str, info: object) -> None:
        """Older rollouts repeat the sum of the session after every request, and at other times."""
        if not isinstance(info, Mapping) or not isinstance(info.get("total_token_usage"), Mapping):
            return
        total = list(_buckets(info["total_token_usage"]))
        if total != self.totals.get(file):
            self.totals[file] = total
            self._use(file, info.get("last_token_usage"))


def _buckets(usage: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write. Codex's input holds both caches, its output the reasoning."""
    read, write = count(usage.get("cached_input_tokens")), count(usage.get("cache_write_input_tokens"))
    return (max(0, count(usage.get("input_tokens")) - read - write), count(usage.get("output_tokens")), read, write)


def _kind(entry: Mapping[str, Any]) -> str:
    found = entry.get("type")
    return found if isinstance(found, str) else "?"


def _is_summary(entry: Mapping[str, Any]) -> bool:
    """Whether a line is the summary that a compaction asked for: an answer to nobody."""
    about = entry.get("metadata")
    return isinstance(about, Mapping) and about.get("compaction_output") is True


def _role_in(source: object) -> str | None:
    spawn = source.get("subagent") if isinstance(source, Mapping) else None
    thread = spawn.get("thread_spawn") if isinstance(spawn, Mapping) else None
    return text_of(thread.get("agent_role")) if isinstance(thread, Mapping) else None


def _path(url: object) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        return unquote(urlsplit(url).path) if url.startswith("file://") else url
    except ValueError:  # no host can be read from it
        return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(content: object) -> str:
    """The texts of a message's parts; a placeholder for what is no text."""
    if isinstance(content, str):
        return content
    found = []
    for part in _list(content):
        if isinstance(part, Mapping):
            text = part.get("text", part.get("encrypted_content"))
            found.append(text if isinstance(text, str) else f"[{part.get('type')}]")
    return "\n".join(found)
