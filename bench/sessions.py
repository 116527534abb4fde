"""Generated Claude Code sessions of any length, in the shape that the real program writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.repositories import SESSION

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
CALLS_A_TURN = 9


def lines(count: int, root: Path, session: str = SESSION) -> Iterator[dict[str, Any]]:
    """About ``count`` transcript lines: turns of nine Bash calls, each with its two hook lines."""
    made, turn, parent = 0, 0, None
    common = {"sessionId": session, "cwd": str(root), "version": "2.1.197", "gitBranch": "main", "isSidechain": False}

    def entry(kind: str, message: dict[str, Any], **extra: Any) -> dict[str, Any]:
        nonlocal made, parent
        made += 1
        uuid = f"00000000-0000-4000-8000-{made:012d}"
        moment = (START + timedelta(seconds=made)).isoformat().replace("+00:00", "Z")
        found = {"type": kind, "uuid": uuid, "parentUuid": parent, "timestamp": moment, "message": message}
        parent = uuid
        return found | common | extra

    def hook(event: str, call: str, command: str) -> dict[str, Any]:
        nonlocal made
        made += 1
        trail = {
            "worktree_root": str(root),
            "tree_id": {"algo": "sha1", "hex": f"{made // 4:040x}"},
            "git_head": {"algo": "sha1", "hex": "1" * 40},
        }
        data = {
            "session_id": session,
            "agent": "claude-code",
            "tool": "Bash",
            "tool_call_id": call,
            "tool_use_id": call,
        }
        data |= {"tool_input": {"command": command}, "trail": trail}
        if event == "PostToolUse":
            data |= {"capture_status": "hook_only", "limitations": ["hook_only", "posttooluse_no_file_range"]}
        moment = (START + timedelta(seconds=made)).isoformat().replace("+00:00", ".000000Z")
        return {"type": "opentraces_hook", "event": event, "timestamp": moment, "data": data}

    while made < count:
        turn += 1
        yield entry("user", {"role": "user", "content": f"Do the next part, number {turn}."}, promptId=f"prompt-{turn}")
        for step in range(CALLS_A_TURN):
            call, command = f"toolu_{turn:05d}_{step}", f"make step-{turn}-{step} && echo {'x' * 200}"
            usage = {
                "input_tokens": 12,
                "cache_creation_input_tokens": 30,
                "cache_read_input_tokens": 900,
                "output_tokens": 42,
            }
            content = [{"type": "tool_use", "id": call, "name": "Bash", "input": {"command": command}}]
            message = {
                "id": f"msg_{turn:05d}_{step}",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "usage": usage,
            }
            yield entry(
                "assistant", message | {"content": content, "stop_reason": "tool_use"}, requestId=f"req_{turn}_{step}"
            )
            yield hook("PreToolUse", call, command)
            yield hook("PostToolUse", call, command)
            result = {"type": "tool_result", "tool_use_id": call, "content": "line of output\n" * 20}
            yield entry("user", {"role": "user", "content": [result]}, toolUseResult={"stdout": "", "stderr": ""})
        message = {"id": f"msg_{turn:05d}_end", "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage}
        text = [{"type": "text", "text": f"Part {turn} is done."}]
        yield entry("assistant", message | {"content": text, "stop_reason": "end_turn"}, requestId=f"req_{turn}_end")


def write(path: Path, count: int, root: Path, session: str = SESSION) -> Path:
    """Write a transcript of about ``count`` lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for line in lines(count, root, session):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path
