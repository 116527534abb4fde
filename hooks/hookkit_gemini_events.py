"""What Gemini CLI's payloads mean: which worktree, which session file, and what goes into a hook line.

Its hooks carry no id of a call and none of a turn: a call is told by its tool and its input.
"""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path

AGENT = "gemini-cli"
LINES = "state"  # what lies in the worktree is listed to the model, also where git ignores it
ROLES = {
    "SessionStart": "session_start",
    "BeforeAgent": "prompt",
    "BeforeTool": "tool_pre",
    "AfterTool": "tool_post",
    "AfterAgent": "turn_end",
    "SessionEnd": "session_end",
}
_FILE_TOOLS = ("write_file", "replace")
_SHELL = "run_shell_command"
_OPENED, _CLOSED = "<untrusted_context>\nOutput: ", "\n</untrusted_context>"
_CANCELLED = "<untrusted_context>\nCommand was cancelled by user"
_GROUP = "Process Group PGID"
_FAILED = ("Exit Code", "Signal")
_ENDING = (*_FAILED, "Error", "Background PIDs", _GROUP)


def role(event: str, payload: dict[str, object]) -> str | None:
    """A result says itself whether it is a failure; a shell command's, by its exit code."""
    return "tool_failure" if event == "AfterTool" and _error(payload) is not None else ROLES.get(event)


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """No other agent runs the hooks of Gemini CLI."""
    return AGENT


def start_folder(payload: dict[str, object], environment: "os._Environ[str]") -> str | None:
    """Where the session was started."""
    return absolute_path(environment.get("GEMINI_PROJECT_DIR")) or absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The file that the call is about, then the agent's folder."""
    return [path for path in (_path(payload), absolute_path(payload.get("cwd"))) if path]


def session(environment: "os._Environ[str]") -> object:
    """The session's id where the payload does not tell."""
    return environment.get("GEMINI_SESSION_ID")


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's file, `…/chats/session-<minute>-<start of the session id>.jsonl`."""
    path = plain_path(payload.get("transcript_path"))
    folder, name = os.path.split(path) if path else ("", "")
    good = name.startswith("session-") and name.endswith(f"-{session[:8]}.jsonl") and folder.endswith("/chats")
    return path if good else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    fields = {**hookkit_payload.FIELDS.get(role or "", {}), "timestamp": ("sent_at", "id")}
    line = hookkit_payload.read(fields, role, payload, named=False)
    if role == "tool_failure":
        line["error"] = _error(payload)
        line["is_interrupt"] = _CANCELLED.endswith("\n" + str(line["error"]))
    if role in hookkit_payload.AFTER:
        group = _ending(payload).get(_GROUP)
        if group and len(group) <= hookkit_payload.ID_LIMIT:
            line["result_id"] = group  # results of commands that are the same do not come in the order of the calls
        shown = _shown(payload)
        hookkit_payload.attribute(line, _path(payload), _ranges(payload, shown), {"content": shown.get("newContent")})
    return line


def _path(payload: dict[str, object]) -> str | None:
    given, cwd = payload.get("tool_input"), absolute_path(payload.get("cwd"))
    path = given.get("file_path") if isinstance(given, dict) else None
    return absolute_path(os.path.join(cwd, path)) if isinstance(path, str) and path and cwd else None


def _response(payload: dict[str, object]) -> dict[str, object]:
    found = payload.get("tool_response")
    return found if isinstance(found, dict) else {}


def _shown(payload: dict[str, object]) -> dict[str, object]:
    found = _response(payload).get("returnDisplay")
    return found if isinstance(found, dict) else {}


def _error(payload: dict[str, object]) -> str | None:
    """What was wrong with a call; None where nothing was."""
    response = _response(payload)
    error, told = response.get("error"), response.get("llmContent")
    if error:
        message = error.get("message") if isinstance(error, dict) else error
        return message if isinstance(message, str) and message else told if isinstance(told, str) and told else "error"
    if payload.get("tool_name") == _SHELL and isinstance(told, str) and told.startswith(_CANCELLED):
        return _CANCELLED.partition("\n")[2]
    ending = _ending(payload)
    return next((f"{name}: {ending[name]}" for name in _FAILED if ending.get(name, "0") != "0"), None)


def _ending(payload: dict[str, object]) -> dict[str, str]:
    """The lines that the agent puts below what a command printed. The same reading is in gemini_cli.results."""
    told, shown = _response(payload).get("llmContent"), _response(payload).get("returnDisplay")
    if payload.get("tool_name") != _SHELL or not isinstance(told, str) or not told.endswith(_CLOSED):
        return {}
    text = told[: -len(_CLOSED)]
    if isinstance(shown, str) and shown and text.startswith(_OPENED + shown):
        text = text[len(_OPENED + shown) :]  # what was printed may look like such lines
    found: dict[str, str] = {}
    for line in reversed(text.split("\n")):
        name, colon, value = line.partition(": ")
        if not colon or name not in _ENDING or name in found:
            break
        found[name] = value.strip()
    return found


def _ranges(payload: dict[str, object], shown: dict[str, object]) -> "list[dict[str, object]] | None":
    if payload.get("tool_name") not in _FILE_TOOLS or _error(payload) is not None:
        return None
    import hookkit_hunks

    given, said = payload.get("tool_input"), _response(payload).get("returnDisplay")
    if payload.get("tool_name") == "replace" and isinstance(said, str) and said.startswith("Created "):
        text = given.get("new_string") if isinstance(given, dict) and given.get("old_string") == "" else None
        return hookkit_hunks.ranges({"type": "create", "content": text})
    diff, before, after = shown.get("fileDiff"), shown.get("originalContent"), shown.get("newContent")
    if not isinstance(diff, str):
        return None
    if isinstance(before, str) and before == after:
        return []
    return hookkit_hunks.unified(diff) or None
