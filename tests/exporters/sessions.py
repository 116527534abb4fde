"""Recorded sessions, one of them hostile, as sources of an export."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from hookkit.agents import AGENTS
from hookkit.exporters.formats import pieces
from hookkit.exporters.source import Diffs, Source

RECORDS = Path(__file__).parents[1] / "every" / "records"
NAMES = [*AGENTS]
SCRIPT = "<script>alert('x')</script>"
IMAGE = "![pixel](https://tracker.example/x.png) <img src=https://tracker.example/y.png onerror=alert(1)>"
CONTROL = "\x1b]0;owned\x07\x1b[31m\u202egpj.exe\x00"
FENCES = "```\n~~~~\n````````\n</pre></code></details>"
HALF = "half \ud83d of a character"
HOSTILE = f"{SCRIPT}\n{IMAGE}\n{CONTROL}\n{FENCES}\n&lt; ]]> --> {HALF}"
PATCH = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,3 @@\n-old\n+{SCRIPT}\n+```\n+{CONTROL}\n"


def record(name: str) -> dict[str, Any]:
    """The record of an agent's recorded session."""
    found: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def made(form: str, source: Source) -> bytes:
    """The file of an export."""
    return b"".join(pieces(form, source))


def text(form: str, source: Source) -> str:
    return made(form, source).decode("utf-8")


class Patches(Diffs):
    """The same diff for every call."""

    def __init__(self, patch: str = PATCH) -> None:
        super().__init__()
        self.patch = patch

    def of(self, call_id: str) -> tuple[str, str]:
        return self.patch, ""


def hostile() -> dict[str, Any]:
    """A session with a subagent, of which every text is out to break what it is put into; windows, a gap, an error."""
    found = deepcopy(record("claude-code"))
    metadata = found["metadata"]
    found["task"]["description"] = HOSTILE
    found["environment"]["vcs"]["branch"] = f"feature/{SCRIPT}"
    metadata["session_errors"] = [{"timestamp": "2026-11-22T09:00:20.000Z", "message": HOSTILE}]
    for second, step in enumerate(found["steps"]):
        step["content"] = HOSTILE
        step["reasoning_content"] = HOSTILE if step["role"] == "agent" else None
        step["agent_role"] = SCRIPT if step["call_type"] == "subagent" else "main"
        for call in step["tool_calls"]:
            call["tool_name"] = f"{call['tool_name']}{SCRIPT}" if call["tool_name"] == "Read" else call["tool_name"]
            call["input"] = {"file_path": f"=HYPERLINK(1)/{SCRIPT}`` `", "content": HOSTILE, "deep": [{"x": HOSTILE}]}
            for slot, milli, tree in (("pre", 100, "a"), ("post", 300, "b")):
                metadata[f"hook_{slot}_tool_use"][call["tool_call_id"]] = _boundary(second, milli, tree)
        for observation in step["observations"]:
            observation["content"] = HOSTILE
            observation["error"] = HOSTILE if observation["error"] else None
    return found


def _boundary(second: int, milli: int, tree: str) -> dict[str, Any]:
    root = {"worktree_root": "/home/dev/project", "tree_id": {"algo": "sha1", "hex": tree * 40}}
    return {
        "timestamp": f"2026-11-22T09:00:{second:02}.{milli}000Z",
        "tool": "Bash",
        "tool_input": {"command": "make"},
        "trail": root,
        "limitations": ["tree_timeout"] if tree == "b" else [],
    }
