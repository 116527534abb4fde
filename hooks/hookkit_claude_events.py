"""What Claude Code's payloads mean: who called, which worktree, which transcript, and what goes into a hook line."""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path
from hookkit_recorder import EVENTS

AGENT = "claude-code"
LINES = "transcript"  # it keeps the lines of others, also on resumption
ROLES = {event: role for role, event in EVENTS.items()}
# What goes into the line: role -> payload field: (name in the line, kind of value).
_ANY = {"prompt_id": ("turn_id", "id"), **hookkit_payload.ANY}
_FIELDS = {
    **hookkit_payload.FIELDS,
    "compact_pre": {"trigger": ("trigger", "text"), "custom_instructions": ("custom_instructions", "text")},
    "compact_post": {"trigger": ("trigger", "text"), "compact_summary": ("summary", "text")},
    "turn_failure": {"error": ("error", "text"), "error_details": ("error_details", "text")},
    "tool_failure": {**hookkit_payload.FIELDS["tool_failure"], "is_interrupt": ("is_interrupt", "flag")},
}
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


def role(event: str, _payload: dict[str, object]) -> str | None:
    """What an event means. Cursor, which runs Claude's hooks too, may call it by its own name."""
    own = "UserPromptSubmit" if event == "beforeSubmitPrompt" else event[:1].upper() + event[1:]
    return ROLES.get(own)


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


def session(environment: "os._Environ[str]") -> object:
    """The session's id where the payload does not tell."""
    return environment.get("CLAUDE_CODE_SESSION_ID")


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's transcript, `…/projects/<folder>/<session>.jsonl`, if the payload names it: never another file."""
    path = plain_path(payload.get("transcript_path"))
    if not path:
        return None
    folder, name = os.path.split(path)
    projects = os.path.basename(os.path.dirname(folder))
    return path if name == session + ".jsonl" and projects == "projects" else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    fields = {**_ANY, **_FIELDS.get(role or "", {})}
    if foreign and isinstance(payload.get("timestamp"), str):
        fields["timestamp"] = ("sent_at", "text")  # tells events without an id apart
    line = hookkit_payload.read(fields, role, payload, named=not foreign)  # Claude names every call; not all others do
    if role in hookkit_payload.AFTER:
        path, response = _path(line), payload.get("tool_response")
        ranges = None
        if path and line.get("tool") in FILE_TOOLS and isinstance(response, dict):
            import hookkit_hunks  # here, as few events need it

            ranges = hookkit_hunks.ranges(response)
        hookkit_payload.attribute(line, path, ranges, response)
    return line


def _path(line: dict[str, object]) -> str | None:
    given: dict[str, object] = line["tool_input"]  # type: ignore[assignment]
    return next((path for path in map(absolute_path, map(given.get, PATH_FIELDS)) if path), None)
