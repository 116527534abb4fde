"""What the calls of Codex were given, and what came of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hookkit.capture.values import count

# Items that say what a call did, and the name of the tool where the call itself has no line.
DONE = {"CommandExecution": "exec_command", "FileChange": "apply_patch"}
_SHELLS = frozenset({"exec_command", "shell", "shell_command", "local_shell", "container.exec"})
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)", re.MULTILINE)
_RUNNING = re.compile(r"^Process running with session ID \d+", re.MULTILINE)
_REFUSED = re.compile(
    r"Script failed|apply_patch verification failed|unsupported call: |failed to parse |unable to locate |"
    r"patch rejected|approval policy is |(?:Wall time: [\d.]+ seconds\n)?aborted by user|rejected by user|"
    r"(?:PreToolUse )?(?:tool call|command) (?:was )?(?:blocked|rejected|denied)",
    re.IGNORECASE,
)
_TOOL_FAILED = re.compile(r"([\w.]+) failed(?: for `[^`]*`)?: ")
SCRIPT_RUNS = re.compile(r"Script running with cell ID (\S+)")
DENIED = re.compile(
    r"^Command blocked by |rejected: policy forbids|rejected by user|patch rejected|^approval policy is |"
    r"(?:tool call|command) (?:was )?(?:blocked|rejected|denied)",
    re.IGNORECASE,
)
_LONGEST_HEAD = 400  # characters in which a result says what it is


def given(item: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a call: an object; that of a free-form tool is its text."""
    arguments = item.get("arguments", item.get("action"))
    if isinstance(arguments, Mapping):
        return dict(arguments)
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments)
        except (ValueError, RecursionError):
            return {"arguments": arguments}
        return value if isinstance(value, dict) else {"arguments": arguments}
    text = item.get("input")
    return {"input": text} if isinstance(text, str) else {}


def text(item: Mapping[str, Any]) -> str:
    """What the model was told."""
    output = item.get("output")
    if isinstance(output, Mapping):
        output = output.get("content", output.get("body"))
    if isinstance(output, list):
        parts = (part.get("text") for part in output if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    if isinstance(output, str):
        return _unwrapped(output)
    return json.dumps(item["tools"])[:2000] if isinstance(item.get("tools"), list) else ""


def _unwrapped(output: str) -> str:
    """Older versions wrap the output of a shell into JSON: ``{"output": …, "metadata": {"exit_code": …}}``."""
    if output.startswith('{"output"'):
        try:
            value = json.loads(output)
            return f"Exit code: {value['metadata']['exit_code']}\n{value['output']}"
        except (ValueError, LookupError, TypeError, RecursionError):
            return output
    return output


def still_running(tool: str, told: str) -> bool:
    """Whether a shell command goes on after the model was told of it."""
    return tool in _SHELLS and _RUNNING.search(told[:_LONGEST_HEAD]) is not None


def failed(tool: str, told: str) -> bool:
    """Whether a result says that the call failed."""
    head = told[:_LONGEST_HEAD]
    code = _EXIT.search(head) if tool in _SHELLS or tool == "apply_patch" else None
    named = _TOOL_FAILED.match(head)
    if named is not None and tool and named[1].endswith(tool):
        return True
    return (code is not None and code[1] != "0") or _REFUSED.match(head) is not None


def spawned(tool: str, told: str) -> str | None:
    """The thread of the subagent that a call started."""
    if tool != "spawn_agent":
        return None
    try:
        value = json.loads(told)
    except (ValueError, RecursionError):
        return None
    found = value.get("agent_id", value.get("thread_id")) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def done(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of a finished command or patch: tool, given, text, failed, duration (milliseconds or None), exit code."""
    code, status = item.get("exit_code"), item.get("status")
    command = item.get("command")
    words = [word for word in command if isinstance(word, str)] if isinstance(command, list) else []
    return {
        "tool": DONE[str(item.get("type"))],
        "given": {"cmd": words[-1]} if words else {"changes": item.get("changes")} if "changes" in item else {},
        "text": next((item[k] for k in ("aggregated_output", "stdout") if isinstance(item.get(k), str)), ""),
        "failed": (type(code) is int and code != 0) or status in ("failed", "declined"),
        "duration": _milliseconds(item.get("duration")),
        "code": code if type(code) is int else None,
    }


def _milliseconds(duration: object) -> int | None:
    if not isinstance(duration, Mapping):
        return None
    return round(count(duration.get("secs")) * 1000 + count(duration.get("nanos")) / 1e6)
