"""Gemini CLI."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..programs import AgentPackage
from ..script import Agent, Bash, Call, Edit, Read, Skill, ToolAction, Write
from ..wire import Json, Wire
from ..wires.gemini import GeminiGenerateContent
from .base import Driver, Place, ToolUse, Unfinished, without

_MODEL = "gemini-2.5-flash"
_FAILED = re.compile(r"^Exit Code: (?!0$)", re.MULTILINE)
_SLOW = re.compile(r"^\[STARTUP\].*\n", re.MULTILINE)
_DRAWN = re.compile(r"(?<=Process Group PGID: )\d+")
_MEASURED = frozenset({"totalLatencyMs", "totalDurationMs", "durationMs"})
# Names of other agents' kinds of subagents; the rest is taken as it is.
_KINDS = {"general-purpose": "generalist"}


class GeminiCli(Driver):
    package = AgentPackage("gemini-cli", "@google/gemini-cli", "0.61.0", "gemini")
    events = (
        "SessionStart",
        "BeforeAgent",
        "PreCompress",
        "BeforeModel",
        "BeforeToolSelection",
        "AfterModel",
        "BeforeTool",
        "Notification",
        "AfterTool",
        "AfterAgent",
        "SessionEnd",
    )
    chooses_session = True
    # hookkit does not ask for PreCompress: it is there before every request of the model.
    canonical: ClassVar[Mapping[str, str]] = {
        "BeforeAgent": "UserPromptSubmit",
        "BeforeTool": "PreToolUse",
        "AfterTool": "PostToolUse",
        "AfterAgent": "Stop",
    }
    call_ids = "none"
    tells_of_running_calls = False

    def wire(self) -> Wire:
        return GeminiGenerateContent(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Write(path, text):
                return ToolUse("write_file", {"file_path": path, "content": text})
            case Edit(path, old, new, replace_all):
                edit = {"file_path": path, "instruction": "Edit the file.", "old_string": old, "new_string": new}
                return ToolUse("replace", {**edit, "allow_multiple": True} if replace_all else edit)
            case Read(path):
                return ToolUse("read_file", {"file_path": path})
            case Bash(command):
                return ToolUse("run_shell_command", {"command": command, "description": "Run a command"})
            case Agent():
                kind = _KINDS.get(action.kind, action.kind)
                return ToolUse("invoke_agent", {"agent_name": kind, "prompt": action.prompt})
            case Skill(name):
                return ToolUse("activate_skill", {"name": name})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))

    def env(self, place: Place) -> dict[str, str]:
        return {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": place.server}

    def configure(self, place: Place) -> None:
        """One attempt for a request, so that a scripted failure is a failure; nothing is sent to anybody else.

        sessionRetention: what a resumption leaves behind (see ``sessions``) makes the agent delete the whole session
        at the next start, if that is not in the same minute.
        """
        general = {
            "enableAutoUpdate": False,
            "enableAutoUpdateNotification": False,
            "maxAttempts": 1,
            "sessionRetention": {"enabled": False},
        }
        _change(
            self.settings(place),
            {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "general": general,
                "privacy": {"usageStatisticsEnabled": False},
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
        flag = "--resume" if resume else "--session-id"
        identity = [flag, session_id] if session_id else ["--resume", "latest"] if resume else []
        mode = [] if "--approval-mode" in extra else ["--approval-mode", "yolo"]
        output = [] if "--output-format" in extra else ["--output-format", "json"]
        return [
            str(place.program), "-p", prompt, "-m", _MODEL, "--skip-trust", *identity, *mode, *output, *extra,
        ]  # fmt: skip

    def settings(self, place: Place) -> Path:
        return place.home / ".gemini" / "settings.json"

    def witness(self, place: Place, command: str) -> None:
        group = {"hooks": [{"type": "command", "command": command, "timeout": 30_000}]}
        path = self.settings(place)
        hooks = _read(path).get("hooks", {})
        _change(path, {"hooks": {**hooks, **{event: [*hooks.get(event, []), group] for event in self.events}}})

    def event(self, payload: Json) -> str | None:
        """A result says itself whether it is a failure; a shell command's, in its text."""
        name = super().event(payload)
        response = payload.get("tool_response") or {}
        failed = response.get("error") or _FAILED.search(str(response.get("llmContent")))
        return "PostToolUseFailure" if name == "PostToolUse" and failed else name

    def unfinished(self, place: Place) -> Unfinished | None:
        """The user's policy is asked after the hooks of the call's beginning, and denies it."""
        policies = place.home / ".gemini" / "policies"
        policies.mkdir(exist_ok=True)
        rule = 'toolName = "run_shell_command"\ncommandPrefix = "touch"\ndecision = "deny"\npriority = 500\n'
        (policies / "deny.toml").write_text(f"[[rule]]\n{rule}", encoding="utf-8")
        return Unfinished([Bash("touch denied.txt")])

    def parts(self, transcript: Path) -> dict[str, Path]:
        with transcript.open(encoding="utf-8") as lines:
            session_id = json.loads(next(lines))["sessionId"]
        subagents = sorted((transcript.parent / session_id).glob("*.jsonl"))
        return {"": transcript, **{path.name: path for path in subagents}}

    def neutral(self, text: str) -> str:
        """On a busy machine the agent complains of phases of its own start."""
        return _DRAWN.sub("#", _SLOW.sub("", text))

    def stable_answer(self, stdout: str) -> Any:
        return without(json.loads(stdout), _MEASURED) if stdout else {}

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        """A resumption in a later minute leaves a second, empty file with the same id; the session is in the oldest."""
        found: dict[str, tuple[str, Path]] = {}
        for path in (place.home / ".gemini" / "tmp").glob("*/chats/session-*.jsonl"):
            with path.open(encoding="utf-8") as lines:
                head = json.loads(next(lines))
            candidate = (head["startTime"], path)
            found[head["sessionId"]] = min(candidate, found.get(head["sessionId"], candidate))
        for session_id, (_, path) in sorted(found.items(), key=lambda item: item[1]):
            yield session_id, path


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _change(path: Path, sections: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**_read(path), **sections}, indent=2) + "\n", encoding="utf-8")
