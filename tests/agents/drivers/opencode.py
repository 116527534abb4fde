"""OpenCode: no command hooks; a plugin file in its own folder, and all sessions in one SQLite database."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..programs import AgentPackage
from ..script import (
    MAIN,
    Agent,
    Bash,
    Call,
    Edit,
    Position,
    Read,
    Skill,
    ToolAction,
    Turn,
    Write,
    answered_before,
    summary_text,
)
from ..wire import Answer, Json, Wire
from ..wires.chat import ChatCompletions
from .base import Driver, Place, ToolUse

_PROVIDER = "scripted"
_MODEL = "scripted-1"
_PRINTED = "\x1b[0m\n> "

# A compaction shows the conversation as a text; a message of the model may be several lines of it.
_WRITTEN_DOWN = "<conversation>"
_WRITTEN_ANSWER = re.compile(r"(?:<conversation>\n|\n\n)\[Assistant(?: reasoning| tool call)?\]: ")
# The question that OpenCode puts before the summary, which it shows as the model's answer to it.
_SUMMARY_FOLLOWS = "What did we do so far?"


class OpenCode(Driver):
    package = AgentPackage("opencode", "opencode-ai", "1.18.33", "opencode")

    def wire(self) -> Wire:
        return _Dialect(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Write(path, text):
                return ToolUse("write", {"filePath": path, "content": text})
            case Edit(path, old, new, replace_all):
                edit = {"filePath": path, "oldString": old, "newString": new}
                return ToolUse("edit", {**edit, "replaceAll": True} if replace_all else edit)
            case Read(path):
                return ToolUse("read", {"filePath": path})
            case Bash(command):
                return ToolUse("bash", {"command": command, "description": "Run a command"})
            case Agent(name, _, kind):
                kind = "general" if kind == "general-purpose" else kind
                return ToolUse("task", {"description": f"Task {name}", "prompt": action.prompt, "subagent_type": kind})
            case Skill(name):
                return ToolUse("skill", {"name": name})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))

    def env(self, place: Place) -> dict[str, str]:
        return {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            # At its first start it installs the types of its plugin API into its configuration folder.
            "NPM_CONFIG_OFFLINE": "true",
        }

    def configure(self, place: Place) -> None:
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{place.server}/v1", "apiKey": "dummy", "setCacheKey": True},
            "models": {_MODEL: {"limit": {"context": 128_000, "output": 4096}}},
        }
        model = f"{_PROVIDER}/{_MODEL}"
        config = {
            "provider": {_PROVIDER: provider},
            "model": model,
            "small_model": model,
            "share": "disabled",
            # Without these two subagents cannot start others.
            "agent": {"general": {"permission": {"task": "allow"}}},
            "subagent_depth": 3,
        }
        folder = _config(place)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "opencode.json").write_text(json.dumps(config), encoding="utf-8")
        # Skills and searches need ripgrep, which OpenCode downloads if it is neither here nor in the PATH. This one
        # never finds a file.
        ripgrep = place.home / ".cache" / "opencode" / "bin" / "rg"
        ripgrep.parent.mkdir(parents=True, exist_ok=True)
        ripgrep.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        ripgrep.chmod(0o755)

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
        # An argument with a space in it would be put into quotes: several arguments are joined with spaces.
        return [str(place.program), "run", "--auto", *earlier, *extra, "--", *prompt.split(" ")]

    def neutral(self, text: str) -> str:
        """What it prints of parallel calls comes in the order in which they happened to end: its lines are compared."""
        return "".join(sorted(text.splitlines(keepends=True))) if text.startswith(_PRINTED) else text

    def settings(self, place: Place) -> Path:
        return _config(place) / "plugins" / "hookkit.js"

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        """Without the sessions of subagents, which belong to their parent's."""
        database = place.home / ".local" / "share" / "opencode" / "opencode.db"
        if not database.exists():
            return
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            select = "select id from session where parent_id is null order by time_created, id"
            for (session,) in connection.execute(select).fetchall():
                yield session, database


def _config(place: Place) -> Path:
    return place.home / ".config" / "opencode"


class _Dialect(ChatCompletions):
    """How OpenCode's requests differ: the session's name, and a compaction's questions and answers."""

    def housekeeping(self, path: str, request: Json) -> Answer | None:
        request = _common(request)
        written = "" if request.get("tools") else "\n\n".join(map(_text, request.get("messages") or []))
        if _WRITTEN_DOWN not in written:
            return super().housekeeping(path, request)
        answered = answered_before(written) + len(_WRITTEN_ANSWER.findall(written))
        return self._message(request, f"summary-{answered}", [summary_text(Position(MAIN, answered))], [], 90)

    def position(self, request: Json) -> Position:
        return super().position(_common(request))

    def render(self, request: Json, position: Position, turn: Turn) -> Answer:
        return super().render(_common(request), position, turn)

    def failure(self, status: int, message: str) -> Answer:
        """OpenCode repeats some failed requests five times, after up to half a minute if it is not told how long."""
        return replace(super().failure(status, message), headers={"retry-after-ms": "1"})


def _common(request: Json) -> Json:
    """The request as other agents would send it: the session under its common name, no summary as an answer."""
    messages: list[Json] = []
    for message in request.get("messages") or []:
        summary = bool(messages) and message["role"] == "assistant" and _text(messages[-1]) == _SUMMARY_FOLLOWS
        messages.append({**message, "role": "user"} if summary else message)
    return {**request, "messages": messages, "prompt_cache_key": request.get("promptCacheKey")}


def _text(message: Json) -> str:
    content: Any = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text") or "" for part in content)
