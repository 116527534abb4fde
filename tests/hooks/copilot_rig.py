"""The hooks of Copilot CLI as the installer leaves them, and what it gives them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.copilot_cli import CONTRACT

from .rig import ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "copilot-cli" / "1.0.102"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "7d7666ea-245d-4f57-a9ff-bb45f93f80e7"
AGENT = "cee20db7-2f4a-48a4-9036-03d3e5632910"
TIME = "2026-11-28T14:00:05.245Z"


class CopilotRig(Rig):
    """In a project, with a session whose events are not on disk yet, as they are not in most of a short session."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.transcript = self.home / ".copilot" / "session-state" / SESSION / "events.jsonl"
        self.transcript.parent.mkdir(parents=True)
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        """As it is registered, but for the script."""
        return super().command.replace("hookkit_claude_code.py", CONTRACT.hook_entry)

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.bareRepository",
            "GIT_CONFIG_VALUE_0": "explicit",
            "COPILOT_CLI": "1",
            "COPILOT_PROJECT_DIR": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        """A value of ... takes a field away."""
        sent = {
            "hook_event_name": event,
            "session_id": self.session,
            "timestamp": TIME,
            "cwd": str(self.project),
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        agent, own = sent.get("agent_id"), sent.get("session_id")
        ids = {"session_id": agent if agent == own else SESSION} if own else {"sessionId": SESSION}
        for name in ("transcript_path", "transcriptPath"):
            if name in sent:
                ids[name] = str(self.transcript)
        return {**sent, **ids}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        if event == "PostToolUse":
            more.setdefault("tool_result", {"result_type": "success", "text_result_for_llm": "ok"})
        return self.fire(event, tool_name=name, tool_input=given, **more)

    def shell(self, text: str) -> Payload:
        """The line after a shell command with this result."""
        return self.tool(
            "PostToolUse", "Bash", {"command": "x"}, tool_result={"result_type": "success", "text_result_for_llm": text}
        )
