"""Whether a turn's last message is in the transcript: Claude Code writes it after its Stop hook ran."""

from __future__ import annotations

from pathlib import Path

from hookkit.capture.jsonl import decode

_TAIL = 256 << 10


def has_final_message(path: Path) -> bool:
    """Whether the last message in the transcript is the agent's and asks for no tool."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")
    except OSError:
        return True
    for line in reversed(lines):
        entry = decode(line)[0] if b'"user"' in line or b'"assistant"' in line else None
        if entry is None or entry.get("isSidechain") is True or entry.get("type") not in ("user", "assistant"):
            continue
        message = entry.get("message")
        if entry["type"] == "user" or not isinstance(message, dict):
            return False
        return message.get("stop_reason") not in (None, "tool_use")
    return False
