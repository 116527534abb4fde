"""The hooks of Gemini CLI as the installer leaves them, and what it gives them."""

from __future__ import annotations

from typing import Any

from hookkit.agents.gemini_cli import CONTRACT

from .agent_rig import AgentRig
from .rig import INTERPRETER, ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "gemini-cli" / "0.61.0"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"
NAME = f"session-2026-11-28T14-03-{SESSION[:8]}.jsonl"


class GeminiRig(AgentRig):
    """In a project, with a session whose file does not exist yet."""

    contract = CONTRACT
    own_session = SESSION
    file = f".gemini/tmp/project/chats/{NAME}"

    @property
    def command(self) -> str:
        return f"{INTERPRETER} -I -S '{self.script}' >/dev/null 2>&1 || :"

    def variables(self) -> dict[str, str]:
        return {
            "GEMINI_PROJECT_DIR": str(self.project),
            "GEMINI_CWD": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "GEMINI_SESSION_ID": self.session,
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "timestamp": "2026-11-28T14:03:09.596Z",
        }

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, tool_input=given, **more)
