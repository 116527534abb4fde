"""What Cursor's payloads mean: which worktree, which transcript, and what goes into a hook line.

Documented, not run: the payloads are as docs/agents/cursor.md describes them. Their ids of calls only pair the hooks of
one call, as the transcript has none; and the hooks name tools and inputs otherwise than the transcript does. So each
line carries a key made of what both say of a call.
"""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path

AGENT = "cursor"
LINES = "worktree"
ROLES = {
    "sessionStart": "session_start",
    "beforeSubmitPrompt": "prompt",
    "preToolUse": "tool_pre",
    "postToolUse": "tool_post",
    "postToolUseFailure": "tool_failure",
    "subagentStart": "subagent_start",
    "subagentStop": "subagent_stop",
    "preCompact": "compact_pre",
    "stop": "turn_end",
    "sessionEnd": "session_end",
}
_ANY = {"generation_id": ("turn_id", "id")}
_MODEL = {"model": ("model", "text")}
_AFTER = {**hookkit_payload.CALL, "duration": ("duration_ms", "number")}
# Only what is named here gets into a line: the user's e-mail address, which every payload carries, does not.
_FIELDS = {
    "session_start": _MODEL,
    "prompt": {"prompt": ("prompt", "text"), **_MODEL},
    "tool_pre": hookkit_payload.CALL,
    "tool_post": _AFTER,
    "tool_failure": {**_AFTER, "error_message": ("error", "text"), "is_interrupt": ("is_interrupt", "flag")},
    "subagent_start": {"subagent_type": ("agent_type", "id")},
    "subagent_stop": {
        "subagent_type": ("agent_type", "id"),
        "agent_transcript_path": ("agent_transcript_path", "text"),
    },
    "compact_pre": {"trigger": ("trigger", "text")},
    "turn_end": _MODEL,
    "turn_failure": _MODEL,
    "session_end": {"reason": ("reason", "text")},
}
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_EDITS = ("Write", "StrReplace", "MultiEdit", "EditNotebook", "ApplyPatch")
_PATHS = ("file_path", "path", "target_file", "target_notebook")
_FOLDERS = ("cwd", "working_directory")


def translate(payload: dict[str, object]) -> dict[str, object]:
    """A conversation is the session; older versions say `session_id` only where one begins and ends."""
    return {**payload, "session_id": payload.get("conversation_id") or payload.get("session_id")}


def role(event: str, payload: dict[str, object]) -> str | None:
    """A turn that was stopped or failed is told as any other end of one; so is a command that did not exit with 0."""
    found = ROLES.get(event)
    if found == "turn_end" and payload.get("status") in ("aborted", "error"):
        return "turn_failure"
    return "tool_failure" if found == "tool_post" and _failure(payload) else found


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """No other agent that hookkit knows runs the hooks of Cursor."""
    return AGENT


def start_folder(payload: dict[str, object], environment: "os._Environ[str]") -> str | None:
    """The workspace: Cursor runs the user's hooks in its own folder, never taken for the project's."""
    return next(iter(_roots(payload)), None) or absolute_path(environment.get("CURSOR_PROJECT_DIR")) or "/"


def call_folders(payload: dict[str, object]) -> list[str]:
    """The file that the call is about, the folder that it is run in, then the workspace's."""
    given = _given(payload)
    named = [_path(payload), *map(given.get, _FOLDERS), payload.get("cwd")]
    return [path for path in map(absolute_path, named) if path] + _roots(payload)


def session(environment: "os._Environ[str]") -> object:
    """The session's id where the payload does not tell: the transcript is named by it."""
    path = environment.get("CURSOR_TRANSCRIPT_PATH") or ""
    return os.path.basename(path).removesuffix(".jsonl")


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's transcript, `…/agent-transcripts/<session>.jsonl`, or in a folder of that name; often null."""
    path = plain_path(payload.get("transcript_path"))
    good = path and path.endswith(
        (f"/agent-transcripts/{session}.jsonl", f"/agent-transcripts/{session}/{session}.jsonl")
    )
    return path if good else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    sent = {**payload, "generation_id": _plain(payload.get("generation_id"))}
    if role in hookkit_payload.CALLS:
        sent.update(tool_input=_given(payload), tool_use_id=_plain(payload.get("tool_use_id")))
        duration = payload.get("duration")
        if isinstance(duration, float) and 0 <= duration < 2**53:
            sent["duration"] = round(duration)
    line = hookkit_payload.read({**_ANY, **_FIELDS.get(role or "", {})}, role, sent, named=False)
    if "tool" in line:
        line["call_key"] = hookkit_payload.call_key(*identity(line["tool"], line["tool_input"]))
    if role in ("turn_end", "turn_failure"):
        usage = {name: payload[name] for name in _USAGE if _is_count(payload.get(name))}
        if usage:
            line["usage"] = usage
    if role == "turn_failure":
        line["error"] = "interrupted" if payload.get("status") == "aborted" else "error"
    if role == "tool_failure" and "error" not in line:
        why = payload.get("failure_type")
        line["error"] = why if isinstance(why, str) and why else _failure(payload) or "error"
    if role in hookkit_payload.AFTER:
        path = _path(payload)
        ranges = _ranges(payload, path) if role == "tool_post" and path else None
        hookkit_payload.attribute(line, path, ranges, None)
    return line


def identity(tool: object, given: object) -> "tuple[object, object]":
    """(tool, input) of a call as far as hooks and transcript say the same; see hookkit.capture.cursor.identity."""
    given = given if isinstance(given, dict) else {}
    path = next((given[name] for name in _PATHS if isinstance(given.get(name), str)), "")
    if tool in _EDITS:
        return "Write", path or _patched(given)
    if tool in ("Read", "Delete"):
        return tool, path
    if tool == "Shell":
        return tool, given.get("command")
    if tool in ("Task", "Subagent"):
        return "Task", given.get("prompt")
    if tool in ("Grep", "Glob"):
        return "Grep", [given.get("pattern") or "", given.get("glob_pattern") or given.get("glob") or ""]
    return tool, given


def _patched(given: "dict[str, object]") -> str:
    """The first file that a patch names."""
    for text in given.values():
        if isinstance(text, str):
            for line in text[:65536].split("\n"):
                if line.startswith(("*** Add File: ", "*** Update File: ", "*** Delete File: ")):
                    return line.partition(": ")[2].strip()
    return ""


def _given(payload: dict[str, object]) -> "dict[str, object]":
    """The input of a call, which is a text for a free-form tool; or JSON in a text."""
    found = payload.get("tool_input")
    if isinstance(found, str):
        return _object(found) or {"input": found}
    return found if isinstance(found, dict) else {}


def _object(text: object) -> "dict[str, object]":
    from hookkit_json import loads

    try:
        found = loads(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _roots(payload: dict[str, object]) -> "list[str]":
    roots = payload.get("workspace_roots")
    return [path for path in map(absolute_path, roots[:16]) if path] if isinstance(roots, list) else []


def _plain(value: object) -> object:
    """An id without the newlines that Cursor puts into some; "" where one is empty."""
    return "".join(sign if "!" <= sign <= "~" else "_" for sign in value) if isinstance(value, str) else value


def _path(payload: dict[str, object]) -> str | None:
    """The file of a file tool; a relative one is of the folder that the call is run in, or of the workspace."""
    given = _given(payload)
    named = next((given[name] for name in _PATHS if isinstance(given.get(name), str) and given[name]), None)
    base = absolute_path(payload.get("cwd")) or next(iter(_roots(payload)), None)
    if payload.get("tool_name") not in (*_EDITS, "Read", "Delete") or not isinstance(named, str):
        return None
    return absolute_path(os.path.join(base or "", named))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _failure(payload: dict[str, object]) -> str:
    """What the result of a call says was wrong, "" where it says nothing. The result is JSON in a text."""
    told = payload.get("tool_output")
    result = told if isinstance(told, dict) else _object(told)
    code = result.get("exitCode")
    if payload.get("tool_name") == "Shell" and type(code) is int and code:
        return f"exit code {code}"
    return "error" if result.get("isError") is True or result.get("success") is False else ""


def _ranges(payload: dict[str, object], path: str) -> "list[dict[str, object]] | None":
    """Only an edit that names both texts tells its lines. A write tells the whole file, but not what was there."""
    given = _given(payload)
    old, new = given.get("old_string"), given.get("new_string")
    if payload.get("tool_name") not in _EDITS or not isinstance(old, str) or not isinstance(new, str):
        return None
    import hookkit_hunks

    return hookkit_hunks.replaced(path, old, new)
