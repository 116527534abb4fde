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


def answer(path: str, before: str, now: str, diff: str) -> dict[str, Any]:
    """What an edit answers."""
    shown = {"fileDiff": diff, "filePath": path, "originalContent": before, "newContent": now}
    return {"llmContent": "done", "returnDisplay": shown}


class GeminiRig(AgentRig):
    """In a project, with a session whose file does not exist yet."""

    contract = CONTRACT
    own_session = SESSION
    shell = "run_shell_command"
    names_session = "GEMINI_SESSION_ID"
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

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        added = text.splitlines(keepends=True)
        head = f"Index: {path}\n===\n--- {path}\n+++ {path}\n@@ -0,0 +1,{len(added)} @@\n"
        response = answer(path, "", text, head + "".join(f"+{line}" for line in added))
        return "write_file", {"file_path": path, "content": text}, {"tool_response": response}
