"""The hooks of OpenCode as the installer leaves them, and what its plugin gives them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.opencode import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "opencode" / "1.18.33"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "ses_ddd47d0e3ffeNrStb8n0cuQN4B"


class OpenCodeRig(Rig):
    """In a project, with a session that no file holds."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.transcript = base / "no transcript"
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        return f"exec {shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(self.hooks / CONTRACT.hook_entry))}"

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "OPENCODE": "1", **changes,
        }  # fmt: skip
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {"hook_event_name": event, "session_id": self.session, "cwd": str(self.project), **changes}
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return {**sent, "session_id": self.session}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(f"tool.execute.{event}", tool_name=name, tool_use_id="call_1", tool_input=given, **more)
