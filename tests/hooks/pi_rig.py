"""The hooks of Pi as the installer leaves them, and what its extension gives them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

from hookkit.agents.pi import CONTRACT

from .rig import INTERPRETER, ROOT, Payload, Rig

FIXTURES = ROOT / "tests" / "agents" / "fixtures" / "pi" / "0.73.1"
RECORDED = sorted((FIXTURES / "payloads").glob("*.json"))
SESSION = "01a22273-0a05-734e-b354-cd774009669f"


class PiRig(Rig):
    """In a project, with a session whose file does not exist yet."""

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = SESSION
        self.transcript = self.home / ".pi" / "agent" / "sessions" / "--project--" / f"2026-11-28T13_{SESSION}.jsonl"
        self.transcript.parent.mkdir(parents=True)
        for name in CONTRACT.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @property
    def command(self) -> str:
        script = self.hooks / CONTRACT.hook_entry
        return f"exec {shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(script))}"

    def environment(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "PI_CODING_AGENT": "true",
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def payload(self, event: str, **changes: Any) -> Payload:
        sent = {
            "hook_event_name": event,
            "session_id": self.session,
            "transcript_path": str(self.transcript),
            "cwd": str(self.project),
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not ...}

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return {**sent, "session_id": self.session, "transcript_path": str(self.transcript)}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, tool_use_id="call_1", tool_input=given, **more)
