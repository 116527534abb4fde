"""How each agent names the abstract actions: tool name and input, as its model would send them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from .script import Agent, Bash, Call, Edit, Read, Skill, ToolAction, Write


@dataclass(frozen=True, slots=True)
class ToolUse:
    name: str
    input: dict[str, Any]


# (action, names of the tools that the request offers) -> the call
Vocabulary = Callable[[ToolAction, Collection[str]], ToolUse]


def claude_code(action: ToolAction, offered: Collection[str]) -> ToolUse:
    match action:
        case Write(path, text):
            return ToolUse("Write", {"file_path": path, "content": text})
        case Edit(path, old, new, replace_all):
            edit = {"file_path": path, "old_string": old, "new_string": new}
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
