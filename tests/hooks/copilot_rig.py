"""The hooks of Copilot CLI as the installer leaves them, and what it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hookkit.agents.copilot_cli import CONTRACT

from .agent_rig import AgentRig
from .rig import ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "copilot-cli" / "1.0.102"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "7d7666ea-245d-4f57-a9ff-bb45f93f80e7"
AGENT = "cee20db7-2f4a-48a4-9036-03d3e5632910"
TIME = "2026-11-28T14:00:05.245Z"


class CopilotRig(AgentRig):
    """In a project, with a session whose events are not on disk yet, as they are not in most of a short session."""

    contract = CONTRACT
    own_session = SESSION
    shell = "Bash"
    file = f".copilot/session-state/{SESSION}/events.jsonl"

    def variables(self) -> dict[str, str]:
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.bareRepository",
            "GIT_CONFIG_VALUE_0": "explicit",
            "COPILOT_CLI": "1",
            "COPILOT_PROJECT_DIR": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "timestamp": TIME,
            "cwd": str(self.project),
        }

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        sent = self.placed(path)
        agent, own = sent.get("agent_id"), sent.get("session_id")
        ids = {"session_id": agent if agent == own else SESSION} if own else {"sessionId": SESSION}
        for name in ("transcript_path", "transcriptPath"):
            if name in sent:
                ids[name] = str(self.transcript)
        return {**sent, **ids}

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        return "Write", {"path": path, "file_text": text}, {}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        if event == "PostToolUse":
            more.setdefault("tool_result", {"result_type": "success", "text_result_for_llm": "ok"})
        return super().tool(event, name, given, **more)

    def ran(self, text: str) -> Payload:
        """The line after a shell command with this result."""
        return self.tool(
            "PostToolUse", "Bash", {"command": "x"}, tool_result={"result_type": "success", "text_result_for_llm": text}
        )
