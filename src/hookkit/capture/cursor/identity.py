"""What hooks and transcript of Cursor both say of a call, which they name differently and give no common id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EDITS = frozenset({"Write", "StrReplace", "MultiEdit", "EditNotebook", "ApplyPatch"})
_PATHS = ("file_path", "path", "target_file", "target_notebook")
_MARKS = ("*** Add File: ", "*** Update File: ", "*** Delete File: ")
_MOST = 1 << 16  # characters of a patch in which its first file is named


def identity(tool: str, given: Mapping[str, Any]) -> tuple[str, Any]:
    """(tool, input) of a call of the transcript, as ``hookkit_cursor_events.identity`` gives it for the hooks'.

    The hooks call every tool that writes a file ``Write``; so calls that write the same file are told by their order.
    """
    path = next((given[name] for name in _PATHS if isinstance(given.get(name), str)), "")
    if tool in _EDITS:
        return "Write", path or _patched(given)
    if tool in ("Read", "Delete"):
        return tool, path
    if tool == "Shell":
        return tool, given.get("command")
    if tool in ("Task", "Subagent"):
        return "Task", given.get("prompt")
    if tool in ("Grep", "Glob"):
        return "Grep", [given.get("pattern") or "", given.get("glob_pattern") or given.get("glob") or ""]
    if tool == "CallMcpTool" and isinstance(given.get("toolName"), str):
        arguments = given.get("arguments")
        return f"MCP:{given['toolName']}", arguments if isinstance(arguments, dict) else {}
    return tool, dict(given)


def _patched(given: Mapping[str, Any]) -> str:
    for text in given.values():
        for line in text[:_MOST].split("\n") if isinstance(text, str) else ():
            if line.startswith(_MARKS):
                return line.partition(": ")[2].strip()
    return ""
