"""GitHub Copilot CLI (``copilot -p``), against a model provider of one's own: no account, no network.

Its tools depend on the model that it believes to talk to. An unknown one gets ``create`` and ``edit``; those of the
GPT-5 family get the free-form ``apply_patch`` instead (``CopilotCli("gpt-5.4")``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ..programs import COPILOT_CLI
from ..script import Agent, Bash, Call, Edit, Position, Read, Skill, ToolAction, Write, summary_text
from ..wire import Answer, Json, Wire
from ..wires.chat import ChatCompletions
from .base import Driver, Heard, Place, ToolUse

_MODEL = "scripted"
_COMPACTION = "Please create a detailed summary of the conversation so far."
# A call that the agent itself puts into the conversation, to hand the model what a background task has to tell.
_HOOKS_NAMES = {
    "apply_patch": "Edit", "bash": "Bash", "create": "Write", "edit": "Edit", "task": "Agent", "view": "Read"
}  # fmt: skip
_FAILED = re.compile(r"<shellId: \d+ completed with exit code (?!0>)-?\d+>\s*\Z")
_CLOCK = re.compile(r"(?m)^Duration .*$|<current_datetime>[^<]*</current_datetime>")
_STAND_IN_TOOLS = frozenset({"read_agent", "read_bash"})


class CopilotCli(Driver):
    package = COPILOT_CLI
    chooses_session = True
    call_ids = "none"
    # In this spelling the payloads resemble those of Claude Code. Three have ``sessionId`` for ``session_id``:
    # PermissionRequest, SubagentStart, Notification; and the first two no ``hook_event_name``.
    events: ClassVar[tuple[str, ...]] = (
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "PermissionRequest",
        "PostToolUse",
        "PostToolUseFailure",
        "SubagentStart",
        "SubagentStop",
        "PreCompact",
        "Notification",
        "ErrorOccurred",
        "Stop",
        "SessionEnd",
    )

    def __init__(self, family: str | None = None) -> None:
        """family: a model that the agent knows, to be given the tools of."""
        self._family = family

    def wire(self) -> Wire:
        return _CopilotChat(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        patches = "apply_patch" in offered
        match action:
            case Write(path, text):
                if patches:
                    return ToolUse("apply_patch", _patch("Add", path, _lines("+", text)))
                return ToolUse("create", {"path": path, "file_text": text})
            case Edit(path, old, new, replace_all):
                if replace_all:
                    raise ValueError("no tool of this agent replaces all occurrences")
                if patches:
                    return ToolUse("apply_patch", _patch("Update", path, ["@@", *_lines("-", old), *_lines("+", new)]))
                return ToolUse("edit", {"path": path, "old_str": old, "new_str": new})
            case Read(path):
                return ToolUse("view", {"path": path})
            case Bash(command):
                return ToolUse("bash", {"command": command, "description": "Run a command"})
            case Agent(name, _, kind):
                task = {"name": name, "description": f"Task {name}", "prompt": action.prompt}
                return ToolUse("task", {**task, "agent_type": kind, "mode": "sync"})
            case Skill(name, _):
                return ToolUse("skill", {"skill": name})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))

    def env(self, place: Place) -> dict[str, str]:
        known = {"COPILOT_PROVIDER_MODEL_ID": self._family} if self._family else {}
        return {
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
            # It unpacks a quarter of a gigabyte below the home unless it is told where it has done so before.
            "COPILOT_CACHE_HOME": str(place.program.parent.parent.parent / "copilot-cache"),
            "COPILOT_PROVIDER_BASE_URL": f"{place.server}/v1",
            "COPILOT_PROVIDER_API_KEY": "dummy",
            "COPILOT_MODEL": _MODEL,
            **known,
        }

    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        identity = [f"--{'resume' if resume else 'session-id'}={session_id}"] if session_id else []
        return [str(place.program), "-p", prompt, "--allow-all-tools", "--allow-all-paths", *identity, *extra]

    def event(self, payload: Json) -> str | None:
        """What a subagent is asked and when it stops, and what the agent tells itself, are no turns of the session."""
        event = super().event(payload)
        own = str(payload.get("hook_event_name"))
        if own in ("UserPromptSubmit", "Stop") and "agent_id" in payload:
            return None
        if own == "UserPromptSubmit" and str(payload.get("prompt")).startswith("<system_notification>"):
            return None
        if own == "SessionEnd" and payload.get("reason") == "error":
            return "StopFailure"
        told = str((payload.get("tool_result") or {}).get("text_result_for_llm"))
        failed = own == "PostToolUse" and payload["tool_name"] == "Bash" and _FAILED.search(told)
        return "PostToolUseFailure" if failed else event

    def hear(self, payload: Json) -> Heard | None:
        """The start of a subagent does not name its event, and a free-form tool has a text for its input."""
        if "hook_event_name" not in payload and "transcriptPath" in payload:
            payload = {**payload, "hook_event_name": "SubagentStart", "session_id": payload["sessionId"]}
        given = payload.get("tool_input")
        return super().hear({**payload, "tool_input": {"input": given}} if isinstance(given, str) else payload)

    def same_call(self, heard: Heard, tool: str, given: Any) -> bool:
        return (heard.tool, heard.input) == (_HOOKS_NAMES.get(tool, tool), given)

    def neutral(self, text: str) -> str:
        return _CLOCK.sub("", text)

    def stable_answer(self, stdout: str) -> Any:
        """In parts: each call is printed when it ends, and those of one answer run at the same time."""
        return sorted(stdout.split("\n\n"))

    def settings(self, place: Place) -> Path:
        return _hooks(place) / "hookkit.json"

    def witness(self, place: Place, command: str) -> None:
        """In a file of its own: every file of the folder is read."""
        group = {"hooks": [{"type": "command", "command": command, "timeout": 30}]}
        _hooks(place).mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": 1, "hooks": {event: [group] for event in self.events}}, indent=2)
        (_hooks(place) / "witness.json").write_text(text, encoding="utf-8")

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        found = (place.home / ".copilot" / "session-state").glob("*/events.jsonl")
        for path in sorted(found, key=_started):
            yield path.parent.name, path


class _CopilotChat(ChatCompletions):
    """What this agent does differently with the API: it asks for summaries with its tools on offer."""

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        messages = request.get("messages") or [{}]
        if str(messages[-1].get("content") or "").startswith(_COMPACTION):
            position = self.position(request)
            summary = f"<overview>\n{summary_text(position)}\n</overview>"
            return self._message(request, f"summary-{position.answered}", [summary], [], 90)
        return super().housekeeping(path, request)

    def position(self, request: Json) -> Position:
        """Without the calls that the agent made in the model's name, each of which is an answer of its own."""
        found = super().position(request)
        return replace(found, answered=found.answered - sum(map(_is_stand_in, request.get("messages") or [])))


def _is_stand_in(message: Json) -> bool:
    """The agent draws ids as UUIDs; a model's are not."""
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    return any(
        call["function"]["name"] in _STAND_IN_TOOLS and call["id"].count("-") == 4
        for call in calls
        if "function" in call
    )


def _hooks(place: Place) -> Path:
    return place.home / ".copilot" / "hooks"


def _started(transcript: Path) -> str:
    with transcript.open(encoding="utf-8") as lines:
        return str(json.loads(lines.readline())["timestamp"])


def _lines(mark: str, text: str) -> list[str]:
    return [mark + line for line in text.removesuffix("\n").split("\n")]


def _patch(kind: str, path: str, body: Sequence[str]) -> str:
    return "\n".join(["*** Begin Patch", f"*** {kind} File: {path}", *body, "*** End Patch", ""])
