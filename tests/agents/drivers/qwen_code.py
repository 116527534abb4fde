"""Qwen Code: Claude Code's hooks in settings of its own, transcripts that are trees of records."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..programs import AgentPackage
from ..script import Agent, Bash, Call, Edit, Position, Read, Skill, Text, ToolAction, Write, summary_text
from ..wire import Answer, Json, Wire
from ..wires.chat import ChatCompletions
from .base import Driver, Heard, Place, ToolUse, without

_MODEL = "scripted-1"
_DRAWN = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<=Process Group PGID: )\d+")
_NO_RIPGREP = re.compile(r"Ripgrep not available: .*\n")
_MEASURED = frozenset(
    {
        "duration_ms",
        "duration_api_ms",
        "totalLatencyMs",
        "totalThroughputOutputTokens",
        "totalDurationMs",
        "durationMs",
        "totalTtftMs",
        "ttftMs",
        "totalGenerationDurationMs",
        "generationDurationMs",
    }
)
_SUMMARY_WANTED = "You are the component that summarizes a conversation"


class QwenCode(Driver):
    """Two launchers stand before the agent: who wants to kill it has to kill their process group."""

    package = AgentPackage("qwen-code", "@qwen-code/qwen-code", "0.24.4", "qwen")
    events = (
        "SessionStart",
        "InstructionsLoaded",
        "UserPromptSubmit",
        "UserPromptExpansion",
        "PreToolUse",
        "PermissionRequest",
        "PermissionDenied",
        "PostToolUse",
        "PostToolUseFailure",
        "PostToolBatch",
        "SubagentStart",
        "SubagentStop",
        "PreCompact",
        "PostCompact",
        "TodoCreated",
        "TodoCompleted",
        "MessageDisplay",
        "Notification",
        "Stop",
        "StopFailure",
        "SessionEnd",
        "SessionDelete",
    )
    chooses_session = True

    def wire(self) -> Wire:
        return _Chat(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Write(path, text):
                return ToolUse("write_file", {"file_path": path, "content": text})
            case Edit(path, old, new, replace_all):
                edit: dict[str, Any] = {"file_path": path, "old_string": old, "new_string": new}
                return ToolUse("edit", {**edit, "replace_all": True} if replace_all else edit)
            case Read(path):
                return ToolUse("read_file", {"file_path": path})
            case Bash(command):
                return ToolUse("run_shell_command", {"command": command, "is_background": False})
            case Agent():
                task = {"description": "Do it", "prompt": action.prompt, "subagent_type": action.kind}
                # In the background, which is the default, the answer comes as a message in a later turn.
                return ToolUse("agent", {**task, "run_in_background": False})
            case Skill(name):
                return ToolUse("skill", {"skill": name})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))

    def env(self, place: Place) -> dict[str, str]:
        server = {"OPENAI_API_KEY": "dummy", "OPENAI_BASE_URL": f"{place.server}/v1", "OPENAI_MODEL": _MODEL}
        return {**server, "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1"}

    def configure(self, place: Place) -> None:
        """Without the requests that the agent makes for itself after a turn: they would take turns of the script."""
        _change(
            self.settings(place),
            {
                "security": {"auth": {"selectedType": "openai"}},
                # Its note about a commit is left out where it cannot read a git of its own.
                "general": {"enableAutoUpdate": False, "gitCoAuthor": {"commit": False, "pr": False}},
                "privacy": {"usageStatisticsEnabled": False},
                "model": {"generationConfig": {"maxRetries": 0}},
                # Without it the agent rewrites the file at its first start.
                "$version": 4,
                "memory": {"enableManagedAutoMemory": False, "enableManagedAutoDream": False, "enableAutoSkill": False},
            },
        )

    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        """A resumed session is named or, without an id, the last of the project."""
        flag = "--resume" if resume else "--session-id"
        identity = [flag, session_id] if session_id else ["--continue"] if resume else []
        mode = [] if "--approval-mode" in extra else ["--approval-mode", "yolo"]
        output = [] if "--output-format" in extra else ["--output-format", "json"]
        return [str(place.program), "-p", prompt, *identity, *mode, *output, *extra]

    def settings(self, place: Place) -> Path:
        return place.home / ".qwen" / "settings.json"

    def witness(self, place: Place, command: str) -> None:
        group = {"hooks": [{"type": "command", "command": command, "timeout": 30}]}
        path = self.settings(place)
        hooks = _read(path).get("hooks", {})
        _change(path, {"hooks": {**hooks, **{event: [*hooks.get(event, []), group] for event in self.events}}})

    def event(self, payload: Json) -> str | None:
        """Before each further request of a turn the agent says again that a prompt was submitted: an empty one."""
        return None if payload.get("prompt") == "" else super().event(payload)

    def hear(self, payload: Json) -> Heard | None:
        """The model's id of a call has another name than the one that is made up for the hooks."""
        heard = super().hear(payload)
        return replace(heard, call=payload.get("tool_call_id")) if heard else None

    def neutral(self, text: str) -> str:
        """It may end before it has noticed that a program of its package cannot be started."""
        return _DRAWN.sub("#", _NO_RIPGREP.sub("", text))

    def stable_answer(self, stdout: str) -> Any:
        """Tools are listed in the order in which they happened to be ready."""
        records = without(json.loads(stdout), _MEASURED) if stdout else []
        return [
            {**record, "tools": sorted(record["tools"])} if isinstance(record.get("tools"), list) else record
            for record in records
        ]

    def parts(self, transcript: Path) -> dict[str, Path]:
        found = sorted((transcript.parents[1] / "subagents" / transcript.stem).glob("agent-*"))
        return {"": transcript, **{path.name: path for path in found}}

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        found = []
        for path in (place.home / ".qwen" / "projects").glob("*/chats/*.jsonl"):
            with path.open(encoding="utf-8") as lines:
                head = json.loads(next(lines))
            found.append((head["timestamp"], head["sessionId"], path))
        for _, session_id, path in sorted(found):
            yield session_id, path


class _Chat(ChatCompletions):
    """Qwen Code asks for a summary within the conversation, tools included, and takes it only in the tags it names."""

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        last = request["messages"][-1]
        if not request.get("tools") or last["role"] != "user" or _SUMMARY_WANTED not in json.dumps(last["content"]):
            return super().housekeeping(path, request)
        position = self.position(request)
        summary = Text(f"<state_snapshot>{summary_text(position)}</state_snapshot>")
        return self.render(request, Position(f"{position.conversation}/summary", position.answered), [summary])


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _change(path: Path, sections: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**_read(path), **sections}, indent=2) + "\n", encoding="utf-8")
