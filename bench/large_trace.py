"""Write one very long trace. usage: python -m bench.large_trace FILE MEBIBYTES"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hookkit.capture.record import Record, canonical, new_head, new_step, observation
from hookkit.store.files import replace_file

_START = datetime(2026, 1, 5, 10, tzinfo=UTC)
_OUTPUT = "\n".join(f"{number:5}  value_{number} = compute(value_{number - 1})  # «{number}»" for number in range(90))
_CALLS = 20  # of a turn
TRACE = "1a29e7ac-0000-5000-8000-000000000000"


def write(path: Path, mebibytes: int) -> None:
    """A trace of about that size: turns of twenty calls, hook lines with trees around each, a failure now and then."""
    pre, post, steps = {}, {}, []
    size = 0
    while size < mebibytes << 20:
        number = len(steps)
        moment = _START + timedelta(seconds=number)
        if number % (_CALLS + 1) == 0:
            step = new_step("user", moment.isoformat()) | {"content": f"Prompt number {number // (_CALLS + 1)}"}
        else:
            call = f"toolu_{number:016}"
            given = {
                "file_path": f"/home/dev/project/src/module_{number % 97}.py",
                "content": _OUTPUT[: 40 * (number % 30)],
            }
            error = "Exit code 1" if number % 50 == 0 else None
            step = new_step("agent", moment.isoformat())
            step["tool_calls"] = [{"tool_call_id": call, "tool_name": "Edit", "input": given, "duration_ms": 40}]
            step["observations"] = [observation(call, _OUTPUT, error)]
            pre[call] = _line(moment, number, tool="Edit", tool_input=given)
            post[call] = _line(moment + timedelta(seconds=0.5), number + 1, tool="Edit", capture_status="captured")
        steps.append(canonical(step | {"step_index": number, "call_type": "main"}))
        size += len(steps[-1]) * 5 // 4
    head = new_head(TRACE, "large", "claude-code")
    head["task"]["description"] = "A very long session"
    head["timestamp_start"], head["timestamp_end"] = _START.isoformat(), moment.isoformat()
    capture = {
        "turns": len(steps) // (_CALLS + 1) + 1,
        "tool_calls": len(pre),
        "failed_tool_calls": 0,
        "complete": True,
    }
    metadata = {
        "capture": capture, "project": "/home/dev/project", "hook_pre_tool_use": pre, "hook_post_tool_use": post,
    }  # fmt: skip
    replace_file(path, Record(head, metadata, steps).text(), durable=False)


def _line(moment: datetime, tree: int, **more: Any) -> dict[str, Any]:
    trail = {
        "worktree_root": "/home/dev/project",
        "tree_id": {"algo": "sha1", "hex": f"{tree * 2_654_435_761 % (1 << 64):016x}{tree:024x}"},
        "git_head": {"algo": "sha1", "hex": "a" * 40},
    }
    return {"timestamp": moment.isoformat(), "trail": trail, "limitations": [], **more}


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
