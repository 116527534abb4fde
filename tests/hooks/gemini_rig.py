"""The hooks of Gemini CLI as the installer leaves them, and what it gives them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.gemini_cli import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "gemini-cli" / "0.61.0"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"
NAME = f"session-2026-11-28T14-03-{SESSION[:8]}.jsonl"


class GeminiRig(Rig):
    """In a project, with a session whose file does not exist yet."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.transcript = self.home / ".gemini" / "tmp" / "project" / "chats" / NAME
        self.transcript.parent.mkdir(parents=True)
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        return f"{INTERPRETER} -I -S '{self.hooks / CONTRACT.hook_entry}' >/dev/null 2>&1 || :"

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GEMINI_PROJECT_DIR": str(self.project),
            "GEMINI_CWD": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "GEMINI_SESSION_ID": self.session,
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "hook_event_name": event,
            "timestamp": "2026-11-28T14:03:09.596Z",
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return {**sent, "session_id": self.session, "transcript_path": str(self.transcript)}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, tool_input=given, **more)
