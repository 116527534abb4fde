"""What Claude Code's payloads mean: who called, which worktree, which transcript, and what goes into a hook line."""

import os

from hookkit_recorder import absolute_path

AGENT = "claude-code"
ROLES = {
    "SessionStart": "session_start",
    "UserPromptSubmit": "prompt",
    "PreToolUse": "tool_pre",
    "PostToolUse": "tool_post",
    "PostToolUseFailure": "tool_failure",
    "SubagentStart": "subagent_start",
    "SubagentStop": "subagent_stop",
    "PreCompact": "compact_pre",
    "PostCompact": "compact_post",
    "Stop": "turn_end",
    "StopFailure": "turn_failure",
    "SessionEnd": "session_end",
}
# What goes into the line: role -> payload field: (name in the line, kind of value).
_ANY = {"prompt_id": ("turn_id", "id"), "agent_id": ("agent_id", "id"), "agent_type": ("agent_type", "id")}
_CALL = {"tool_name": ("tool", "id"), "tool_use_id": ("tool_call_id", "id"), "tool_input": ("tool_input", "object")}
_AFTER = {**_CALL, "duration_ms": ("duration_ms", "number")}
FIELDS = {
    "session_start": {"source": ("source", "text"), "model": ("model", "text")},
    "prompt": {"prompt": ("prompt", "text")},
    "subagent_start": {},
    "subagent_stop": {"agent_transcript_path": ("agent_transcript_path", "text")},
    "compact_pre": {"trigger": ("trigger", "text"), "custom_instructions": ("custom_instructions", "text")},
    "compact_post": {"trigger": ("trigger", "text"), "compact_summary": ("summary", "text")},
    "turn_end": {"stop_hook_active": ("stop_hook_active", "flag")},
    "turn_failure": {"error": ("error", "text"), "error_details": ("error_details", "text")},
    "session_end": {"reason": ("reason", "text")},
    "tool_pre": _CALL,
    "tool_post": _AFTER,
    "tool_failure": {**_AFTER, "error": ("error", "text"), "is_interrupt": ("is_interrupt", "flag")},
}
ID_LIMIT = 200  # characters
PATH_FIELDS = ("file_path", "notebook_path")
FILE_TOOLS = {"Write", "Edit", "MultiEdit", "NotebookEdit"}
# Whose sessions lie where; and which variable an agent sets for its hooks, besides a time in their payload.
_HOMES = {
    "/.copilot/": "copilot-cli",
    "/.cursor/": "cursor",
    "/.qwen/": "qwen-code",
    "/.gemini/": "gemini-cli",
    "/.codex/": "codex-cli",
}
_VARIABLES = {"COPILOT_CLI": "copilot-cli", "QWEN_PROJECT_DIR": "qwen-code", "GEMINI_SESSION_ID": "gemini-cli"}


def caller(payload: dict[str, object], environment: "os._Environ[str]") -> str:
    """The agent that really called. Others run Claude's hooks too, and nested agents inherit each other's environment,
    so what only one of them can have sent counts before what any child may have inherited."""
    if "cursor_version" in payload or "conversation_id" in payload:
        return "cursor"
    session = payload.get("session_id")
    # Claude's payloads carry no time of their own; those of Copilot, Qwen and Gemini do.
    timed = "timestamp" in payload or "sessionId" in payload
    if not timed and session and session == environment.get("CLAUDE_CODE_SESSION_ID"):
        return AGENT
    path = payload.get("transcript_path")
    for folder, agent in _HOMES.items():
        if isinstance(path, str) and folder in path:
            return agent
    if timed and session and session == environment.get("GEMINI_SESSION_ID"):
        return "gemini-cli"
    for variable, agent in _VARIABLES.items():
        if timed and environment.get(variable):
            return agent
    if "turn_id" in payload:
        return "codex-cli"
    return "cursor" if environment.get("CURSOR_VERSION") and not environment.get("CLAUDECODE") else AGENT


def start_folder(payload: dict[str, object], environment: "os._Environ[str]") -> str | None:
    """Where the session was started; the payload's cwd drifts with every `cd` of the agent. None when nobody says."""
    return absolute_path(environment.get("CLAUDE_PROJECT_DIR")) or absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The file that the call is about, then the current folder: an agent may work in a worktree beside its own."""
    tool_input = payload.get("tool_input")
    named = [tool_input.get(field) for field in PATH_FIELDS] if isinstance(tool_input, dict) else []
    return [path for path in map(absolute_path, (*named, payload.get("cwd"))) if path]


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's transcript, `…/projects/<folder>/<session>.jsonl`, if the payload names it: never another file."""
    path = absolute_path(payload.get("transcript_path"))
    if not path or os.path.normpath(path) != path:
        return None
    folder, name = os.path.split(path)
    projects = os.path.basename(os.path.dirname(folder))
    return path if name == session + ".jsonl" and projects == "projects" else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data. A value of a kind that Claude never sends is left out, and that is said."""
    line: dict[str, object]
    limitations: list[str]
    line, limitations = {}, []
    for field, (name, kind) in {**_ANY, **FIELDS.get(role, {})}.items():  # type: ignore[arg-type]
        value = payload.get(field)
        if value is None or value == "":
            continue
        if _KINDS[kind](value):  # type: ignore[no-untyped-call]
            line[name] = value
        elif not limitations:
            limitations.append("payload_unreadable")
    if "tool_call_id" in line:
        line["tool_use_id"] = line["tool_call_id"]
    if role in ("tool_pre", "tool_post", "tool_failure"):
        line.setdefault("tool_input", {})
        if not (foreign or {"tool", "tool_call_id"} <= line.keys()) and not limitations:
            limitations.append("payload_unreadable")  # Claude names every call; not all others do
    if role in ("tool_post", "tool_failure"):
        line.update(_attribution(line, payload.get("tool_response")))
        limitations += line["limitations"]  # type: ignore[arg-type]
    if limitations:
        line["limitations"] = limitations
    return line


_KINDS = {
    "id": lambda value: isinstance(value, str) and len(value) <= ID_LIMIT,
    "text": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: type(value) in (int, float) and 0 <= value < 2**53,
}


def _attribution(line: dict[str, object], response: object) -> dict[str, object]:
    """file_path, lines and hash of what the call wrote, from the hunks that Claude reports."""
    path = next((path for path in map(absolute_path, map(line["tool_input"].get, PATH_FIELDS)) if path), None)  # type: ignore[attr-defined]
    ranges = None
    if path and line.get("tool") in FILE_TOOLS and isinstance(response, dict):
        import hookkit_hunks  # here, as few events need it

        ranges = hookkit_hunks.ranges(response)
    if ranges is None:
        return {"capture_status": "hook_only", "limitations": ["hook_only", "posttooluse_no_file_range"]}
    found: dict[str, object]
    found = {"file_path": path, "capture_status": "captured", "confidence": "high", "limitations": [], "ranges": ranges}
    alive = [each for each in ranges if each["change_type"] != "deletion"]
    if alive:
        lines, same = hookkit_hunks.texts(path, response, alive)  # type: ignore[arg-type]
        found["start_line"], found["end_line"] = alive[0]["start_line"], alive[-1]["end_line"]
        found["content_hash"] = hookkit_hunks.digest([text for each in lines for text in each])
        for each, its in zip(alive, lines, strict=True):
            each["content_hash"] = hookkit_hunks.digest(its)
        if not same:
            # A formatter or another writer was faster: the lines are what the call wrote, not what stands there now.
            found["confidence"] = "low"
            found["limitations"].append("hook_payload_state_mismatch")  # type: ignore[attr-defined]
        elif len(alive) > 1:
            found["confidence"] = "medium"  # of start_line and end_line, which span more than the ranges
    elif ranges:
        found["limitations"].append("lines_deleted_only")  # type: ignore[attr-defined]
    for each in ranges:
        del each["lines"]
    return found
