"""The hooks of Cursor as the installer leaves them, and what it is documented to give them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.cursor import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

DOCUMENTED = ROOT / "tests" / "agents" / "fixtures" / "cursor" / "documented"
PAYLOADS = sorted((DOCUMENTED / "payloads").glob("*.json"))
SESSION = "5f0c1f9e-3d7b-4c52-9a41-2f8e6b7c1d10"
SUBAGENT = "c2a71b64-08de-4f3a-8b15-6d2e90f1a7c3"
MAIL = "dev@example.invalid"


class CursorRig(Rig):
    """In a project, with a session whose transcript does not exist yet. The hooks run in ``~/.cursor``."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.folder = self.home / ".cursor"
        self.transcript = self.folder / "projects" / "project" / "agent-transcripts" / SESSION / f"{SESSION}.jsonl"
        self.transcript.parent.mkdir(parents=True)
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        script = self.hooks / CONTRACT.hook_entry
        return f"{shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(script))} >/dev/null 2>&1 || :"

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "CURSOR_VERSION": "3.18.0",
            "CURSOR_PROJECT_DIR": str(self.project),
            "CURSOR_USER_EMAIL": MAIL,
            "CLAUDE_PROJECT_DIR": str(self.project),
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def send(self, raw: bytes, cwd: Path | None = None, **changes: str | None) -> None:
        super().send(raw, cwd or self.folder, **changes)

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {
            "conversation_id": self.session,
            "generation_id": "1d9e4c70-52ab-4e08-bf6c-7a3d81e5f902",
            "model": "claude-4.5-sonnet",
            "hook_event_name": event,
            "cursor_version": "3.18.0",
            "workspace_roots": [str(self.project)],
            "user_email": MAIL,
            "transcript_path": str(self.transcript),
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def documented(self, path: Path) -> Payload:
        """A documented payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return {**sent, "transcript_path": sent["transcript_path"] and str(self.transcript)}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, tool_use_id="call-1\nfc-1", tool_input=given, **more)
