"""The hooks of any agent but Claude Code as the installer leaves them; each agent's rig says what it gives them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hookkit.agents.contract import AgentContract

from .rig import INTERPRETER, ROOT, Payload, Rig, hook_module


class AgentRig(Rig):
    """In a project, with a session whose file does not exist yet."""

    contract: ClassVar[AgentContract]
    own_session: ClassVar[str]
    file: ClassVar[str]  # of the session, below the home
    shell: ClassVar[str]  # the tool that runs commands
    ids: ClassVar[Payload] = {}  # by which a payload names its call
    names_session: ClassVar[str | None] = None  # the variable that does so where the payload does not

    def __init__(self, base: Path, project: Path | None = None) -> None:
        super().__init__(base, project)
        self.session = self.own_session
        self.transcript = self.home / self.file
        self.transcript.parent.mkdir(parents=True, exist_ok=True)
        for name in self.contract.hook_files:
            shutil.copy2(ROOT / "hooks" / name, self.hooks / name)

    @classmethod
    def event(cls, role: str) -> str:
        """The agent's name of the event of a role."""
        return next(event.name for event in cls.contract.events if event.role == role)

    @classmethod
    def events(cls) -> ModuleType:
        """The script that says what the agent's payloads mean."""
        (name,) = (name for name in cls.contract.hook_files if name.endswith("_events.py"))
        return hook_module(name.removesuffix(".py"))

    @property
    def script(self) -> Path:
        return self.hooks / self.contract.hook_entry

    @property
    def command(self) -> str:
        return f"{shlex.quote(INTERPRETER)} -I -S {shlex.quote(str(self.script))} >/dev/null 2>&1 || :"

    def variables(self) -> dict[str, str]:
        """What the agent adds to the environment of a hook."""
        raise NotImplementedError

    def environment(self, **changes: str | None) -> dict[str, str]:
        """What the agent gives a hook; None takes a variable away."""
        basic = {"HOME": str(self.home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        given: dict[str, str | None] = {**basic, **self.variables(), **changes}
        return {name: value for name, value in given.items() if value is not None}

    def common(self) -> Payload:
        """What every payload of the agent has, but for the name of its event."""
        raise NotImplementedError

    def payload(self, event: str, **changes: Any) -> Payload:
        """What the agent sends at the event; a value of ... takes a field away."""
        sent = {**self.common(), "hook_event_name": event, **changes}
        return {name: value for name, value in sent.items() if value is not ...}

    def tool(self, event: str, name: str, given: Any, **more: Any) -> Payload:
        """The line of one event of a call."""
        return self.fire(event, tool_name=name, **{**self.ids, "tool_input": given, **more})

    def command_line(self, **more: Any) -> Payload:
        """The line before a command runs."""
        return self.tool(self.event("tool_pre"), self.shell, {"command": "true"}, **more)

    def writing(self, path: str, text: str) -> tuple[str, Payload, Payload]:
        """A call that makes a file: (tool, input, what is said of it afterwards)."""
        raise NotImplementedError

    def placed(self, path: Path) -> Payload:
        """A payload of the fixtures, as if it were of this machine."""
        text = path.read_text(encoding="utf-8").replace("/home/dev/project", str(self.project))
        sent: Payload = json.loads(text.replace("/home/dev", str(self.home)))
        return sent

    def recorded(self, path: Path) -> Payload:
        """A recorded payload, as if it were of this session."""
        return {**self.placed(path), "session_id": self.session, "transcript_path": str(self.transcript)}
