"""The hooks of Pi as the installer leaves them, and what its extension gives them."""

from __future__ import annotations

import shlex
from typing import ClassVar

from hookkit.agents.pi import CONTRACT

from .agent_rig import AgentRig
from .rig import INTERPRETER, ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "pi" / "0.73.1"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "01a22273-0a05-734e-b354-cd774009669f"


class PiRig(AgentRig):
    """In a project, with a session whose file does not exist yet."""

    contract = CONTRACT
    own_session = SESSION
    shell = "bash"
    ids: ClassVar[Payload] = {"tool_use_id": "call_1"}
    file = f".pi/agent/sessions/--project--/2026-11-28T13_{SESSION}.jsonl"

    @property
    def command(self) -> str:
        return f"exec {shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(self.script))}"

    def variables(self) -> dict[str, str]:
        return {
            "PI_CODING_AGENT": "true",
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
        }

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        return "write", {"path": path, "content": text}, {"is_error": False}
