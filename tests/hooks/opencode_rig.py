"""The hooks of OpenCode as the installer leaves them, and what its plugin gives them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from hookkit.agents.opencode import CONTRACT

from .agent_rig import AgentRig
from .rig import INTERPRETER, ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "opencode" / "1.18.33"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "ses_ddd47d0e3ffeNrStb8n0cuQN4B"


class OpenCodeRig(AgentRig):
    """In a project, with a session that no file holds."""

    contract = CONTRACT
    own_session = SESSION
    shell = "bash"
    ids: ClassVar[Payload] = {"tool_use_id": "call_1"}
    file = "none"

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.transcript = base / "no transcript"

    @property
    def command(self) -> str:
        return f"exec {shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(self.script))}"

    def variables(self) -> dict[str, str]:
        return {
            "OPENCODE": "1",
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "cwd": str(self.project),
        }

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        sent = self.placed(path)
        return {**sent, "session_id": self.session}

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        return "write", {"filePath": path, "content": text}, {}
