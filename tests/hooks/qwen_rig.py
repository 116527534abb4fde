"""The hooks of Qwen Code as the installer leaves them, and what it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hookkit.agents.qwen_code import CONTRACT

from .gemini_rig import GeminiRig
from .rig import ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "qwen-code" / "0.24.4"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"


class QwenRig(GeminiRig):
    """Qwen Code began as a copy of Gemini CLI: its tools and its way to run a command are the same."""

    contract = CONTRACT
    own_session = SESSION
    names_session = None
    ids: ClassVar[Payload] = {"tool_use_id": "toolu_1795874753634_qlkcx67bw", "tool_call_id": "call_1"}
    file = f".qwen/projects/-project/chats/{SESSION}.jsonl"

    def variables(self) -> dict[str, str]:
        return {
            "QWEN_PROJECT_DIR": str(self.project),
            "GEMINI_PROJECT_DIR": str(self.project),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "QWEN_CODE_SESSION_ID": "another-session",
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "timestamp": "2026-11-28T14:05:52.799Z",
            "permission_mode": "yolo",
            "prompt_id": f"{self.session}########0",
        }

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        sent = self.placed(path)
        known = sent["transcript_path"]
        changed = {"session_id": self.session, "transcript_path": known and str(self.transcript)}
        if sent.get("agent_transcript_path") == known:
            changed["agent_transcript_path"] = str(self.transcript)
        return {**sent, **changed}
