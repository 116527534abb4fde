"""The hooks of Codex CLI as the installer leaves them, and what Codex gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from hookkit.agents.codex_cli import CONTRACT

from .agent_rig import AgentRig
from .rig import INTERPRETER, ROOT, Payload

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "codex-cli" / "0.171.0"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "01a2226b-beb0-7340-807a-5108ed074d9e"


class CodexRig(AgentRig):
    """In a project, with a session whose rollout is there from the start, as Codex writes it."""

    contract = CONTRACT
    own_session = SESSION
    shell = "Bash"
    ids: ClassVar[Payload] = {"tool_use_id": "call_1"}
    file = f".codex/sessions/2026/11/22/rollout-2026-11-22T09-00-00-{SESSION}.jsonl"

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.transcript.write_text('{"type":"session_meta"}\n')

    @property
    def command(self) -> str:
        return f"'{INTERPRETER}' -I -S '{self.script}' >/dev/null 2>&1 || :"

    def variables(self) -> dict[str, str]:
        return {
            "CODEX_MANAGED_BY_NPM": "1",
        }

    def common(self) -> Payload:
        return {
            "session_id": self.session,
            "turn_id": "01a2226b-bec9-7280-b476-a6c9fd382033",
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            "model": "gpt-5.5",
            "permission_mode": "bypassPermissions",
        }

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        added = "".join(f"+{line}\n" for line in text.splitlines())
        given = {"command": f"*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n"}
        return "apply_patch", given, {}

    def patched(self, *lines: str, **more: Any) -> Payload:
        """The line after a patch was applied."""
        patch = "\n".join(("*** Begin Patch", *lines, "*** End Patch")) + "\n"
        told = "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\n"
        return self.fire(
            "PostToolUse", tool_name="apply_patch", tool_use_id="call_1", tool_input={"command": patch},
            tool_response=told, **more,
        )  # fmt: skip
