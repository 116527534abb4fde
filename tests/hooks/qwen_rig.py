"""The hooks of Qwen Code as the installer leaves them, and what it gives them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.qwen_code import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "qwen-code" / "0.24.4"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"


class QwenRig(Rig):
    """In a project, with a session whose file does not exist yet."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.transcript = self.home / ".qwen" / "projects" / "-project" / "chats" / f"{SESSION}.jsonl"
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
            "QWEN_PROJECT_DIR": str(self.project),
            "GEMINI_PROJECT_DIR": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "QWEN_CODE_SESSION_ID": "another-session",
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "hook_event_name": event,
            "timestamp": "2026-11-28T14:05:52.799Z",
            "permission_mode": "yolo",
            "prompt_id": f"{self.session}########0",
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        known = sent["transcript_path"]
        changed = {"session_id": self.session, "transcript_path": known and str(self.transcript)}
        if sent.get("agent_transcript_path") == known:
            changed["agent_transcript_path"] = str(self.transcript)
        return {**sent, **changed}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        ids = {"tool_use_id": "toolu_1795874753634_qlkcx67bw", "tool_call_id": "call_1"}
        return self.fire(event, tool_name=name, tool_input=given, **{**ids, **more})
