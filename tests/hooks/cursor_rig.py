"""The hooks of Cursor as the installer leaves them, and what it is documented to give them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hookkit.agents.cursor import CONTRACT

from .agent_rig import AgentRig
from .rig import ROOT, Payload

DOCUMENTED = ROOT / "tests" / "agents" / "fixtures" / "cursor" / "documented"
PAYLOADS = sorted((DOCUMENTED / "payloads").glob("*.json"))
SESSION = "5f0c1f9e-3d7b-4c52-9a41-2f8e6b7c1d10"
SUBAGENT = "c2a71b64-08de-4f3a-8b15-6d2e90f1a7c3"
MAIL = "dev@example.invalid"


class CursorRig(AgentRig):
    """In a project, with a session whose transcript does not exist yet. The hooks run in ``~/.cursor``."""

    contract = CONTRACT
    own_session = SESSION
    shell = "Shell"
    ids: ClassVar[Payload] = {"tool_use_id": "call-1\nfc-1"}
    file = f".cursor/projects/project/agent-transcripts/{SESSION}/{SESSION}.jsonl"

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.folder = self.home / ".cursor"

    def variables(self) -> dict[str, str]:
        return {
            "CURSOR_VERSION": "3.18.0",
            "CURSOR_PROJECT_DIR": str(self.project),
            "CURSOR_USER_EMAIL": MAIL,
            "CLAUDE_PROJECT_DIR": str(self.project),
        }

    def send(self, raw: bytes, cwd: Path | None = None, **changes: str | None) -> None:
        super().send(raw, cwd or self.folder, **changes)

    def common(self) -> Payload:
        return {
            "conversation_id": self.session,
            "generation_id": "1d9e4c70-52ab-4e08-bf6c-7a3d81e5f902",
            "model": "claude-4.5-sonnet",
            "cursor_version": "3.18.0",
            "workspace_roots": [str(self.project)],
            "user_email": MAIL,
            "transcript_path": str(self.transcript),
        }

    def documented(self, path: Path) -> Payload:
        """A documented payload, as if it were of this session."""
        sent = self.placed(path)
        return {**sent, "transcript_path": sent["transcript_path"] and str(self.transcript)}

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        return "Write", {"file_path": path, "content": text}, {}
