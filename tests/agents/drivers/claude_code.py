"""Claude Code (``claude -p``)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..programs import CLAUDE_CODE
from ..script import Agent, Bash, Call, Edit, Read, Script, Skill, Text, ToolAction, Turn, Write
from ..wire import Json, Wire
from ..wires.anthropic import AnthropicMessages
from .base import CANONICAL, Driver, Place, ToolUse, Unfinished

# Measured by the agent's clock or drawn by its dice.
_VOLATILE = frozenset({"duration_ms", "duration_api_ms", "ttft_ms", "ttft_stream_ms", "time_to_request_ms", "uuid"})
# After /compact the agent itself lists every PreCompact and PostCompact hook that ran, for the user and for the model.
_ROLL_CALL = re.compile(r"\n(?:Pre|Post)Compact \[[^\n]*hookkit_claude_code\.py[^\n]*\] completed successfully")
_DICE = re.compile(r"\ba[0-9a-f]{16}\b|(?<=duration_ms: )\d+")


class ClaudeCode(Driver):
    package = CLAUDE_CODE
    events = CANONICAL
    chooses_session = True
    compact = "/compact"

    def wire(self) -> Wire:
        return AnthropicMessages(self.say)

    def say(self, action: ToolAction, offered: Collection[str]) -> ToolUse:
        match action:
            case Write(path, text):
                return ToolUse("Write", {"file_path": path, "content": text})
            case Edit(path, old, new, replace_all):
                edit: dict[str, Any] = {"file_path": path, "old_string": old, "new_string": new}
                return ToolUse("Edit", {**edit, "replace_all": True} if replace_all else edit)
            case Read(path):
                return ToolUse("Read", {"file_path": path})
            case Bash(command):
                return ToolUse("Bash", {"command": command, "description": "Run a command"})
            case Agent():
                # The tool was called Task before it was called Agent.
                name = "Agent" if "Agent" in offered else "Task"
                task = {"description": f"Task {action.name}", "prompt": action.prompt, "subagent_type": action.kind}
                return ToolUse(name, task)
            case Skill(name, args):
                return ToolUse("Skill", {"skill": name, "args": args})
            case Call(tool, arguments):
                return ToolUse(tool, dict(arguments))

    def env(self, place: Place) -> dict[str, str]:
        return {
            "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": place.server,
            "ANTHROPIC_API_KEY": "sk-ant-dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        }

    def command(
        self,
        place: Place,
        prompt: str,
        *,
        session_id: str | None = None,
        resume: bool = False,
        extra: Sequence[str] = (),
    ) -> list[str]:
        identity = [] if session_id is None else ["--resume" if resume else "--session-id", session_id]
        output = [] if "--output-format" in extra else ["--output-format", "json"]
        mode = [] if "--permission-mode" in extra else ["--permission-mode", "bypassPermissions"]
        return [str(place.program), "-p", prompt, *identity, *output, *mode, *extra]

    def settings(self, place: Place) -> Path:
        return place.home / ".claude" / "settings.json"

    def hooks(self, command: str) -> Json:
        """Settings of somebody who registered ``command`` for every event."""
        group = {"hooks": [{"type": "command", "command": command, "timeout": 30}]}
        return {"hooks": {event: [group] for event in self.events}}

    def witness(self, place: Place, command: str) -> None:
        path = self.settings(place)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.hooks(command), indent=4), encoding="utf-8")

    def sessions(self, place: Place) -> Iterator[tuple[str, Path]]:
        found = (place.home / ".claude" / "projects").glob("*/*.jsonl")
        for path in sorted(found, key=_begun):
            yield path.stem, path

    def neutral(self, text: str) -> str:
        return _DICE.sub("#", _ROLL_CALL.sub("", text))

    def stable_answer(self, stdout: str) -> Any:
        """The document of ``--output-format json``, and the last one of ``stream-json``."""
        if not stdout:
            return {}
        record: Json = json.loads(stdout.splitlines()[-1])
        return {key: value for key, value in record.items() if key not in _VOLATILE}

    def notes_hooks(self, record: Json) -> bool:
        """Every hook that failed or printed something is noted in the transcript, as an attachment."""
        kind = (record.get("attachment") or {}).get("type", "") if record.get("type") == "attachment" else ""
        return str(kind).startswith("hook_")

    def unfinished(self, place: Place) -> Unfinished:
        """A call that permission denies."""
        return Unfinished([Bash("touch denied.txt")], ["--permission-mode", "default"])

    def parts(self, transcript: Path) -> dict[str, Path]:
        found = sorted(transcript.with_suffix("").glob("subagents/*"))
        return {"": transcript, **{path.name: path for path in found}}

    def tour(self, place: Place) -> Script:
        """With subagents inside a subagent."""
        here = f"{place.project}/"
        turns: list[Turn] = [
            [Text("I will write a file."), Write(f"{here}a.txt", "one\ntwo\nthree\ntwo\n")],
            [Edit(f"{here}a.txt", "one\n", "one\none and a half\n")],
            [Edit(f"{here}a.txt", "two", "2", replace_all=True)],
            [Write(f"{here}a.txt", "one\n2\nthree\n4\n")],
            [Edit(f"{here}a.txt", "three\n", "")],
            [Read(f"{here}nb.ipynb")],
            [Call("NotebookEdit", {"notebook_path": f"{here}nb.ipynb", "cell_id": "c1", "new_source": "2 + 2"})],
            [Bash("echo changed > old.txt; ls missing"), Bash("mkdir -p sub && cd sub && pwd")],
            [Read(f"{here}old.txt"), Read(f"{here}README.md")],
            [Skill("greet")],
            [Agent("outer"), Agent("beside")],
            [Text("Everything is done.")],
        ]
        subagents: dict[str, list[Turn]] = {
            "outer": [[Bash("echo outer > outer.txt")], [Agent("inner")], [Text("Outer is done.")]],
            "inner": [[Write(f"{here}inner.txt", "inner\n")], [Text("Inner is done.")]],
            "beside": [[Read(f"{here}README.md")], [Text("Beside is done.")]],
        }
        return Script(turns, subagents)


def _begun(transcript: Path) -> str:
    """The first time that the transcript tells."""
    with transcript.open(encoding="utf-8") as lines:
        return next((str(time) for line in lines if (time := json.loads(line).get("timestamp"))), "")
