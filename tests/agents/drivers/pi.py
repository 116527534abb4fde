"""Pi: no command hooks, no subagents; an extension file in its own folder, and sessions that are trees."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ..programs import AgentPackage
from ..script import Agent, Bash, Call, Edit, Read, Skill, ToolAction, Write
from ..wire import Wire
from ..wires.chat import ChatCompletions
from .base import Driver, Place, ToolUse

_PROVIDER = "scripted"
_MODEL = "scripted-1"


class PiDriver(Driver):
    package = AgentPackage("pi", "@mariozechner/pi-coding-agent", "0.73.1", "pi")

    def wire(self) -> Wire:
        return ChatCompletions(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Write(path, text):
                return ToolUse("write", {"path": path, "content": text})
            case Edit(path, old, new, replace_all):
                if replace_all:
                    raise ValueError("pi's edit replaces one place at a time")
                return ToolUse("edit", {"path": path, "edits": [{"oldText": old, "newText": new}]})
            case Read(path):
                return ToolUse("read", {"path": path})
            case Bash(command):
                return ToolUse("bash", {"command": command})
            case Skill(name):
                # There is no tool for skills: the model reads the file that the system prompt lists.
                return ToolUse("read", {"path": f"~/.pi/agent/skills/{name}/SKILL.md"})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))
            case Agent():
                raise ValueError("pi has no subagents")

    def env(self, place: Place) -> dict[str, str]:
        # Long cache retention makes pi name the session in its requests, so that ids differ between sessions.
        return {"PI_OFFLINE": "1", "PI_TELEMETRY": "0", "PI_CACHE_RETENTION": "long"}

    def configure(self, place: Place) -> None:
        model = {"id": _MODEL, "contextWindow": 128_000, "maxTokens": 4096}
        provider = {
            "baseUrl": f"{place.server}/v1",
            "api": "openai-completions",
            "apiKey": "dummy",
            "models": [model],
        }
        folder = _folder(place)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "models.json").write_text(json.dumps({"providers": {_PROVIDER: provider}}), encoding="utf-8")
        # A failed request is repeated after seconds of waiting, by pi and by its client library; a scripted failure
        # stays one.
        settings = {"retry": {"enabled": False, "provider": {"maxRetries": 0}}}
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        """A new session draws its id itself; a resumed one is found by its id or, without one, the last is taken."""
        earlier = [] if not resume else ["--session", session_id] if session_id else ["--continue"]
        return [str(place.program), "--model", f"{_PROVIDER}/{_MODEL}", *earlier, *extra, "-p", prompt]

    def settings(self, place: Place) -> Path:
        return _folder(place) / "extensions" / "hookkit.ts"

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        # The names begin with the time of creation.
        for path in sorted(_folder(place).glob("sessions/*/*.jsonl"), key=lambda path: path.name):
            with path.open(encoding="utf-8") as lines:
                yield json.loads(lines.readline())["id"], path


def _folder(place: Place) -> Path:
    return place.home / ".pi" / "agent"
