"""What Qwen Code's payloads mean: which worktree, which session file, and what goes into a hook line."""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path
from hookkit_recorder import EVENTS

AGENT = "qwen-code"
LINES = "state"  # what lies in the worktree is listed to the model, also where git ignores it
ROLES = {event: role for role, event in EVENTS.items()}  # Qwen has taken over Claude Code's names
_ANY = {"prompt_id": ("turn_id", "id"), **hookkit_payload.ANY}
_FIELDS = {
    **hookkit_payload.FIELDS,
    "tool_failure": {**hookkit_payload.FIELDS["tool_failure"], "is_interrupt": ("is_interrupt", "flag")},
}
_FILE_TOOLS = ("write_file", "edit", "notebook_edit")


def role(event: str, payload: dict[str, object]) -> str | None:
    """What an event means. Before each further request of a turn Qwen says again that a prompt was submitted: ""."""
    return None if event == "UserPromptSubmit" and payload.get("prompt") == "" else ROLES.get(event)


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """No other agent runs the hooks of Qwen Code."""
    return AGENT


def start_folder(payload: dict[str, object], environment: "os._Environ[str]") -> str | None:
    """Where the session was started."""
    return absolute_path(environment.get("QWEN_PROJECT_DIR")) or absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The file that the call is about, then the agent's folder."""
    return [path for path in (_path(payload), absolute_path(payload.get("cwd"))) if path]


def session(_environment: "os._Environ[str]") -> object:
    """Qwen's word is in the payload alone: in a server of several sessions its variable can name another one."""
    return None


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's file, `…/projects/<folder>/chats/<session>.jsonl`; "" where nothing is kept."""
    path = plain_path(payload.get("transcript_path"))
    return path if path and path.endswith(f"/chats/{session}.jsonl") else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data.

    tool_use_id is made up for the hooks; tool_call_id is the model's, and the transcript's.
    """
    fields = {**_ANY, **_FIELDS.get(role or "", {})}
    if role in hookkit_payload.CALLS and "tool_call_id" in payload:
        fields = {**fields, "tool_call_id": ("tool_call_id", "id")}
        del fields["tool_use_id"]
    line = hookkit_payload.read(fields, role, payload)
    if "agent_transcript_path" in line and line["agent_transcript_path"] == payload.get("transcript_path"):
        del line["agent_transcript_path"]  # of a subagent in the foreground Qwen names the caller's
    if role in hookkit_payload.AFTER:
        shown = _shown(payload)
        ranges = _ranges(payload, shown) if role == "tool_post" else None
        hookkit_payload.attribute(line, _path(payload), ranges, {"content": shown.get("newContent")})
    return line


def _path(payload: dict[str, object]) -> str | None:
    given, cwd = payload.get("tool_input"), absolute_path(payload.get("cwd"))
    named = [given.get(field) for field in ("file_path", "notebook_path")] if isinstance(given, dict) else []
    path = next((each for each in named if isinstance(each, str) and each), None)
    return absolute_path(os.path.join(cwd, path)) if path and cwd else None


def _shown(payload: dict[str, object]) -> dict[str, object]:
    response = payload.get("tool_response")
    found = response.get("returnDisplay") if isinstance(response, dict) else None
    return found if isinstance(found, dict) else {}


def _ranges(payload: dict[str, object], shown: dict[str, object]) -> "list[dict[str, object]] | None":
    diff, before, after = (shown.get(name) for name in ("fileDiff", "originalContent", "newContent"))
    if payload.get("tool_name") not in _FILE_TOOLS or not isinstance(diff, str):
        return None
    if isinstance(after, str):
        import hookkit_qwen_diff

        return hookkit_qwen_diff.ranges(diff, before if isinstance(before, str) else "", after)
    import hookkit_hunks

    return hookkit_hunks.unified(diff)
