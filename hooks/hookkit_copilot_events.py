"""What GitHub Copilot CLI's payloads mean: which worktree, which session, and what goes into a hook line.

Its hooks carry no id of a call and none of a turn. The session's events name each call whose hooks run, and when: so a
line keeps the payload's time, and a key made of the tool and its input. Inside a subagent the payload's session is the
subagent's id; which session that belongs to is told at its start, and by the session's events.
"""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path

AGENT = "copilot-cli"
LINES = "worktree"
ROLES = {
    "SessionStart": "session_start",
    "UserPromptSubmit": "prompt",
    "PreToolUse": "tool_pre",
    "PostToolUse": "tool_post",
    "PostToolUseFailure": "tool_failure",
    "SubagentStart": "subagent_start",
    "SubagentStop": "subagent_stop",
    "PreCompact": "compact_pre",
    "Stop": "turn_end",
    "SessionEnd": "session_end",
}
_FIELDS = {
    **hookkit_payload.FIELDS,
    "compact_pre": {"trigger": ("trigger", "text"), "custom_instructions": ("custom_instructions", "text")},
    "turn_failure": {"reason": ("error", "text")},
}
# A turn of a subagent is none of the session's; nor is a prompt that the agent makes to tell of a background task.
_OF_THE_MAIN_AGENT = ("session_start", "prompt", "turn_end", "session_end")
_NOTIFICATION = "<system_notification>"
_EVENTS_FILE = "events.jsonl"
_SESSIONS = "session-state"
_EXIT = (" completed with exit code ", "<shellId: ")


def translate(payload: dict[str, object]) -> dict[str, object]:
    """The payload with the event's name and the session's id where the agent leaves them to be guessed."""
    path = plain_path(payload.get("transcript_path")) or plain_path(payload.get("transcriptPath"))
    event = payload.get("hook_event_name")
    if event is None and "transcriptPath" in payload and isinstance(payload.get("agent_id"), str):
        event = "SubagentStart"  # the one payload that does not name its event
    if path and event in ("SubagentStart", "SubagentStop", "PreCompact"):  # the session_id may be an agent's
        session = _session_of(path)
        payload = {**payload, "hook_event_name": event, "transcript_path": path}
        return {**payload, "session_id": session} if session else payload
    return payload


def role(event: str, payload: dict[str, object]) -> str | None:
    """A shell command that did not exit with 0 is reported as any other result. A turn that fails has no event of its
    own: the session "ends", for that reason."""
    found = ROLES.get(event)
    prompt = payload.get("prompt")
    if found in _OF_THE_MAIN_AGENT and payload.get("agent_id") is not None:
        return None
    if found == "prompt" and isinstance(prompt, str) and prompt.lstrip().startswith(_NOTIFICATION):
        return None
    if found == "session_end" and payload.get("reason") == "error":
        return "turn_failure"
    return "tool_failure" if found == "tool_post" and _exit_code(payload) else found


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """No other agent runs the hooks in Copilot's own folder."""
    return AGENT


def start_folder(payload: dict[str, object], environment: "os._Environ[str]") -> str | None:
    """Where the session was started: the root of its worktree."""
    return absolute_path(environment.get("COPILOT_PROJECT_DIR")) or absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The files that the call is about, then the agent's folder."""
    cwd, patch = absolute_path(payload.get("cwd")), _patch(payload)
    named = [_path(payload)]
    if patch is not None and cwd:
        import hookkit_patch

        named = [absolute_path(os.path.join(cwd, path)) for path, _, _ in hookkit_patch.parse(patch)]
    return [path for path in (*named, cwd) if path]


def session(_environment: "os._Environ[str]") -> object:
    """Copilot says it in the payload alone."""
    return None


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's events, `…/session-state/<session>/events.jsonl`."""
    path = plain_path(payload.get("transcript_path"))
    return path if path and _session_of(path) == session else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    fields = {**hookkit_payload.ANY, **_FIELDS.get(role or "", {})}
    if isinstance(payload.get("timestamp"), str):  # at the start of a subagent it is a number
        fields["timestamp"] = ("sent_at", "text")
    line = hookkit_payload.read(fields, role, payload, named=False)
    if role == "tool_failure" and "error" not in line:
        line["error"] = "exit code " + _exit_code(payload)
    if role in hookkit_payload.AFTER:
        found = _written(payload) if role == "tool_post" else []
        path, ranges = found[0] if found else (None, None)
        hookkit_payload.attribute(line, path, ranges, None)
        if len(found) > 1:
            line["files"] = [hookkit_payload.of_file(path, ranges) for path, ranges in found]
    return line


def _session_of(path: str) -> str | None:
    """The session whose events lie at a path."""
    folder, name = os.path.split(path)
    sessions, session = os.path.split(folder)
    return session if name == _EVENTS_FILE and os.path.basename(sessions) == _SESSIONS else None


def _input(payload: dict[str, object]) -> dict[str, object]:
    found = payload.get("tool_input")
    return found if isinstance(found, dict) else {}


def _patch(payload: dict[str, object]) -> str | None:
    """The text of an `apply_patch`, which models of the GPT-5 family have for `edit`."""
    text = payload.get("tool_input")
    return text if payload.get("tool_name") in ("Edit", "apply_patch") and isinstance(text, str) else None


def _path(payload: dict[str, object]) -> str | None:
    path, cwd = _input(payload).get("path"), absolute_path(payload.get("cwd"))
    return absolute_path(os.path.join(cwd, path)) if isinstance(path, str) and path and cwd else None


def _exit_code(payload: dict[str, object]) -> str:
    """The exit code that ends a shell command's result, "" where it is 0 or there is none."""
    result = payload.get("tool_result")
    text = result.get("text_result_for_llm") if isinstance(result, dict) else None
    if payload.get("tool_name") not in ("Bash", "bash", "powershell") or not isinstance(text, str):
        return ""
    before, mark, code = text.rstrip("\n").rpartition(_EXIT[0])
    if not mark or not code.endswith(">") or before.rpartition("\n")[2][: len(_EXIT[1])] != _EXIT[1]:
        return ""
    code = code[:-1]
    good = len(code) < 12 and code.isascii() and code.removeprefix("-").isdigit() and code.strip("-0") != ""
    return code if good else ""


def _written(payload: dict[str, object]) -> "list[tuple[str, list[dict[str, object]]]]":
    """(path, ranges) of each file: a new file is all of it, an edit names the text that it put in, which must stand in
    the file exactly once, and a patch holds the lines that it wrote."""
    import hookkit_hunks

    tool, given, path, cwd = payload.get("tool_name"), _input(payload), _path(payload), payload.get("cwd")
    patch = _patch(payload)
    if patch is not None and isinstance(cwd, str) and absolute_path(cwd):
        import hookkit_patch

        return [(name, ranges) for name, ranges in hookkit_patch.ranges(patch, cwd) if absolute_path(name)]
    ranges = None
    if path and tool in ("Write", "create") and isinstance(given.get("file_text"), str):
        ranges = hookkit_hunks.ranges({"type": "create", "content": given["file_text"]})
    elif path and tool in ("Edit", "edit"):
        ranges = hookkit_hunks.replaced(path, given.get("old_str"), given.get("new_str"))
    return [(path, ranges)] if path and ranges is not None else []
