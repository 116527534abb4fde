"""The hooks of Codex CLI as the installer leaves them, and what Codex gives them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.codex_cli import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "codex-cli" / "0.171.0"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "01a2226b-beb0-7340-807a-5108ed074d9e"


class CodexRig(Rig):
    """In a project, with a session whose rollout is there from the start, as Codex writes it."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        day = self.home / ".codex" / "sessions" / "2026" / "11" / "22"
        day.mkdir(parents=True)
        self.transcript = day / f"rollout-2026-11-22T09-00-00-{SESSION}.jsonl"
        self.transcript.write_text('{"type":"session_meta"}\n')
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        return f"'{INTERPRETER}' -I -S '{self.hooks / CONTRACT.hook_entry}' >/dev/null 2>&1 || :"

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "CODEX_MANAGED_BY_NPM": "1",
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {
            "session_id": self.session,
            "turn_id": "01a2226b-bec9-7280-b476-a6c9fd382033",
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "hook_event_name": event,
            "model": "gpt-5.5",
            "permission_mode": "bypassPermissions",
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return {**sent, "session_id": self.session, "transcript_path": str(self.transcript)}

    def patched(self, *lines: str, **more: Any) -> Payload:
        """The line after a patch was applied."""
        patch = "\n".join(("*** Begin Patch", *lines, "*** End Patch")) + "\n"
        told = "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\n"
        return self.fire(
            "PostToolUse", tool_name="apply_patch", tool_use_id="call_1", tool_input={"command": patch},
            tool_response=told, **more,
        )  # fmt: skip
