"""The hooks of Pi as the installer leaves them, and what its extension gives them."""

from __future__ import annotations

import shlex
from typing import Any

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

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, tool_use_id="call_1", tool_input=given, **more)
