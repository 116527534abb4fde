"""Imports conversations of the hermes and ShareGPT kind: calls stand in the text, in XML-like tags."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookkit.capture.build import build
from hookkit.capture.fold.assemble import assemble
from hookkit.capture.fold.fold import Fold
from hookkit.capture.fold.ledger import Ledger
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import is_session_id
from hookkit.capture.jsonl import LineReader
from hookkit.capture.record import Record
from hookkit.capture.tag_calls import TagResult, read_call, read_result, split
from hookkit.capture.values import count, text_of

if TYPE_CHECKING:
    from opentraces_schema import TraceRecord

# Tools that do what one of these does, under the name that readers of traces know. Any other keeps its own name.
TOOLS = {
    "terminal": "Bash", "process": "Bash", "execute_code": "Bash", "bash": "Bash", "shell": "Bash",
    "write_file": "Write", "read_file": "Read", "patch": "Edit", "edit_file": "Edit", "search_files": "Grep",
}  # fmt: skip
# Tool -> its argument's name -> the one that readers of traces know.
ARGUMENTS = {
    "patch": {"path": "file_path", "original": "old_string", "replacement": "new_string"},
    "edit_file": {"path": "file_path"},
    "write_file": {"path": "file_path"},
    "read_file": {"path": "file_path"},
}
_ROLES = {
    "system": "system", "human": "user", "user": "user", "gpt": "agent", "assistant": "agent", "model": "agent",
    "tool": "tool", "function": "tool", "observation": "tool",
}  # fmt: skip


class HermesImporter:
    """A FormatImporter: one row, one trace."""

    format_name = "hermes"
    file_extensions = [".jsonl"]  # noqa: RUF012 -- the contract's type

    def import_traces(self, input_path: Path, max_records: int = 0) -> list[TraceRecord]:
        """Every row of a JSON Lines file that is a conversation; ``max_records`` 0 means all of them."""
        found = (self.map_record(row, index) for row, index in self.rows(input_path))
        records: list[TraceRecord] = []
        for record in found:
            if record is not None:
                records.append(record)
                if len(records) == max_records:
                    break
        return records

    def map_record(
        self, row: dict[str, Any], index: int, source_info: dict[str, Any] | None = None
    ) -> TraceRecord | None:
        """One row as a record; None if it is no conversation."""
        from opentraces_schema import TraceRecord

        record = self.read(row, index, source_info)
        return None if record is None else TraceRecord.model_validate_json(b"".join(record.text()))

    def rows(self, path: Path, reader: LineReader | None = None) -> Iterator[tuple[dict[str, Any], int]]:
        """(row, its number counted from 0) of a file, one at a time. reader: counts what is no row."""
        reader = reader or LineReader(path)
        for row in reader:
            yield row, reader.line - 1

    def read(self, row: Mapping[str, Any], index: int, source_info: Mapping[str, Any] | None = None) -> Record | None:
        """One row as a record that can be stored; None if it is no conversation.

        The same row always gives the same trace: its id is the row's own, or else a hash of the conversation.
        """
        messages = row.get("conversations", row.get("messages"))
        if not isinstance(messages, list) or not any(_role(message) in ("user", "agent") for message in messages):
            return None
        conversation = _Conversation(_session_id(row, messages))
        for number, message in enumerate(messages, 1):
            conversation.add(message, number)
        return conversation.record(row, index, source_info or {})


class _Conversation:
    """The messages of one row, folded."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.fold = Fold(session_id)
        self.main = self.fold.stream()
        self.open: list[str] = []  # calls without a result, in order
        self.names: dict[str, str] = {}  # call id -> the tool's own name
        self.system: list[str] = []

    def add(self, message: object, number: int) -> None:
        role, text = _role(message), _said(message)
        if role == "system":
            self.system.append(text)
        elif role == "user":
            self.fold.prompt(self.main, text, None)
        elif role == "agent":
            self._answer(message, text, number)
        elif role == "tool":
            self._results(message, text)
        else:
            self.fold.counts["malformed_lines"] += 1

    def _answer(self, message: object, text: str, number: int) -> None:
        cell = self.fold.message(self.main, str(number), None)
        assert cell is not None
        text, thoughts = split(text, "think")
        text, bodies = split(text, "tool_call")
        for thought in thoughts:
            self.fold.say(cell, thought.strip(), "reasoning_content")
        self.fold.say(cell, text.strip())
        bodies += [json.dumps(call) for call in _native_calls(message)]
        for place, body in enumerate(bodies):
            call = read_call(body)
            if call is None:
                self.fold.counts["malformed_calls"] += 1
                self.fold.say(cell, body.strip())
                continue
            call_id = call.call_id if call.call_id and call.call_id not in self.names else f"call_{number}_{place}"
            renamed = ARGUMENTS.get(call.name, {})
            given = {renamed.get(key, key): value for key, value in call.given.items()}
            self.names[call_id] = call.name
            self.open.append(call_id)
            self.fold.call(self.main, cell, call_id, TOOLS.get(call.name, call.name), given)
        if not bodies:
            self.fold.ended(self.main)

    def _results(self, message: object, text: str) -> None:
        _, bodies = split(text, "tool_response")
        for body in bodies or [text]:
            found = read_result(body)
            named = found.call_id or (message.get("tool_call_id", "") if isinstance(message, Mapping) else "")
            call_id = self._call_of(found, named)
            if call_id is None:
                self.fold.counts["orphan_results"] += 1
                continue
            self.open.remove(call_id)
            self.fold.result(self.main, call_id, found.text, found.failed, None)

    def _call_of(self, found: TagResult, named: str) -> str | None:
        """The open call that a result is of: the one it names, else the first of that tool, else the first."""
        if named in self.open:
            return named
        of_tool = (call for call in self.open if found.name and self.names[call] == found.name)
        return next(of_tool, next(iter(self.open), None))

    def record(self, row: Mapping[str, Any], index: int, source: Mapping[str, Any]) -> Record:
        about = row.get("metadata")
        facts: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
        assembly = assemble(self.fold, {})
        model = text_of(facts.get("model")) or text_of(row.get("model"))
        assembly.model, assembly.models = model, [model] if model else []
        assembly.version = text_of(facts.get("version"))
        assembly.usage = _usage(row.get("usage"))
        if any(assembly.usage):
            assembly.ledger = Ledger()
            assembly.ledger.add(model or "", (max(1, len(self.fold.messages)), *assembly.usage))
        task = row.get("source_row")
        described = text_of(task.get("original_prompt")) if isinstance(task, Mapping) else None
        assembly.prompt = described or assembly.prompt
        hooks = HookIndex(HermesImporter.format_name, self.session_id)
        record = build(assembly, hooks, project=None, skipped={}, errors=())
        record.head["timestamp_start"] = text_of(facts.get("timestamp")) or text_of(row.get("timestamp"))
        record.head["outcome"] |= _outcome(row)
        record.head["system_prompts"] = {hashlib.sha256(text.encode()).hexdigest()[:16]: text for text in self.system}
        record.metadata["import"] = {
            "format": HermesImporter.format_name,
            "row": index,
            "source": dict(source),
            "tool_names": {call: name for call, name in self.names.items() if TOOLS.get(name, name) != name},
            "unmapped_tools": sorted({name for name in self.names.values() if name not in TOOLS}),
        }
        return record


def _role(message: object) -> str:
    said = message.get("from", message.get("role")) if isinstance(message, Mapping) else None
    return _ROLES.get(said.lower(), "") if isinstance(said, str) else ""


def _said(message: object) -> str:
    said = message.get("value", message.get("content")) if isinstance(message, Mapping) else None
    return said if isinstance(said, str) else "" if said is None else json.dumps(said, ensure_ascii=False)


def _native_calls(message: object) -> list[Any]:
    """Calls that stand beside the text, as chat APIs give them."""
    found = message.get("tool_calls") if isinstance(message, Mapping) else None
    return found if isinstance(found, list) else []


def _session_id(row: Mapping[str, Any], messages: list[Any]) -> str:
    """A hash of the conversation, behind the row's own name: rows of a data set may share one, and files do."""
    own = next((str(row[key]) for key in ("session_id", "id", "task_id") if isinstance(row.get(key), (str, int))), "")
    told = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:32]
    named = f"{own}-{told[:12]}"
    return named if own and is_session_id(named) else told


def _usage(usage: object) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write: a chat API's prompt tokens hold the cached ones."""
    if not isinstance(usage, Mapping):
        return (0, 0, 0, 0)
    detail = usage.get("prompt_tokens_details")
    cached = count(detail.get("cached_tokens")) if isinstance(detail, Mapping) else 0
    return (max(0, count(usage.get("prompt_tokens")) - cached), count(usage.get("completion_tokens")), cached, 0)


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the data set says of the end: a reward of an environment, else whether the agent came to its end."""
    reward = row.get("reward")
    if isinstance(reward, (int, float)) and not isinstance(reward, bool) and abs(reward) <= sys.float_info.max:
        state = "goal_reached" if reward > 0 else "error" if reward < 0 else "abandoned"
        return {
            "success": reward > 0,
            "signal_source": "rl_environment",
            "signal_confidence": "derived",
            "terminal_state": state,
            "reward": float(reward),
            "reward_source": "rl_environment",
            "description": f"The environment gave a reward of {reward}.",
        }
    completed, partial = row.get("completed"), row.get("partial")
    said = {"signal_source": "source_metadata", "signal_confidence": "inferred"}
    if partial is True:
        return {
            **said,
            "success": None,
            "terminal_state": "interrupted",
            "description": "The row is marked as partial.",
        }
    if completed is True:
        return {
            **said,
            "success": True,
            "terminal_state": "goal_reached",
            "description": "The row is marked completed.",
        }
    if completed is False:
        text = "The row is marked as not completed."
        return {**said, "success": False, "terminal_state": "abandoned", "description": text}
    return {}
