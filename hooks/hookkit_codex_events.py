"""What Codex CLI's payloads mean: which worktree, which rollout, and what goes into a hook line."""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path

AGENT = "codex-cli"
LINES = "worktree"
ROLES = {
    "SessionStart": "session_start",
    "UserPromptSubmit": "prompt",
    "PreToolUse": "tool_pre",
    "PostToolUse": "tool_post",
    "SubagentStart": "subagent_start",
    "SubagentStop": "subagent_stop",
    "PreCompact": "compact_pre",
    "PostCompact": "compact_post",
    "Stop": "turn_end",
    "Interrupt": "turn_failure",
    "SessionEnd": "session_end",
}
_ANY = {"turn_id": ("turn_id", "id"), **hookkit_payload.ANY}


def role(event: str, _payload: dict[str, object]) -> str | None:
    """What an event means."""
    return ROLES.get(event)


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """No other agent runs the hooks of Codex."""
    return AGENT


def start_folder(payload: dict[str, object], _environment: "os._Environ[str]") -> str | None:
    """The session's folder: the payload's, but not that of a call, which may have been given one of its own; every
    hook process is started in the session's."""
    return None if "tool_name" in payload else absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The files that a patch names, then the call's folder: both may be in a worktree beside the session's."""
    cwd = absolute_path(payload.get("cwd"))
    named = []
    patch = _patch(payload)
    if patch is not None and cwd:
        import hookkit_patch

        named = [os.path.join(cwd, path) for path, _, _ in hookkit_patch.parse(patch)]
    return [path for path in (*map(absolute_path, named), cwd) if path]


def session(_environment: "os._Environ[str]") -> object:
    """Codex says it in the payload alone."""
    return None


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's rollout, `rollout-<time>-<session>.jsonl`; a subagent's payload names its own, which is none."""
    path = plain_path(payload.get("transcript_path"))
    name = os.path.basename(path) if path else ""
    return path if name.startswith("rollout-") and name.endswith(f"-{session}.jsonl") else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    line = hookkit_payload.read({**_ANY, **hookkit_payload.FIELDS.get(role or "", {})}, role, payload)
    if payload.get("hook_event_name") == "Interrupt":
        line["error"] = "interrupted"
    if role in hookkit_payload.AFTER:
        found = []
        patch, cwd = _patch(payload), absolute_path(payload.get("cwd"))
        if patch is not None and cwd:
            import hookkit_patch

            found = hookkit_patch.ranges(patch, cwd)
        path, ranges = found[0] if found else (None, None)
        hookkit_payload.attribute(line, path, ranges, None)
        if len(found) > 1:
            line["files"] = [hookkit_payload.of_file(path, ranges) for path, ranges in found]
    return line


def _patch(payload: dict[str, object]) -> str | None:
    given = payload.get("tool_input")
    text = given.get("command") if isinstance(given, dict) else None
    return text if payload.get("tool_name") == "apply_patch" and isinstance(text, str) else None
