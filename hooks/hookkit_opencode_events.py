"""What the plugin of OpenCode tells: which worktree, and what goes into a hook line."""

import os

import hookkit_payload
from hookkit_payload import absolute_path

AGENT = "opencode"
LINES = "worktree"
ROLES = {
    "session.created": "session_start",
    "chat.message": "prompt",
    "tool.execute.before": "tool_pre",
    "tool.execute.after": "tool_post",
    "message.part.updated": "tool_failure",
    "experimental.session.compacting": "compact_pre",
    "session.compacted": "compact_post",
    "session.idle": "turn_end",
    "session.error": "turn_failure",
    "dispose": "session_end",
}
# What these mean in the session of a subagent, whose turns are none.
_INSIDE = {
    "session.created": "subagent_start",
    "session.idle": "subagent_stop",
    "session.error": "subagent_stop",
    "chat.message": None,
    "dispose": None,
}
_WRITERS = ("write", "edit")


def role(event: str, payload: dict[str, object]) -> str | None:
    """What an event means. OpenCode counts a command as done that failed, and a tool that there is not."""
    if payload.get("agent_id") and event in _INSIDE:
        return _INSIDE[event]
    if event == "tool.execute.after" and _failure(payload):
        return "tool_failure"
    return ROLES.get(event)


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """Only OpenCode loads the plugin."""
    return AGENT


def start_folder(payload: dict[str, object], _environment: "os._Environ[str]") -> str | None:
    """The folder of the session, wherever OpenCode itself was started."""
    return absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The files that the call is about, then the folder it is made in, then the session's."""
    cwd = absolute_path(payload.get("cwd"))
    given = payload.get("tool_input")
    workdir = given.get("workdir") if payload.get("tool_name") == "bash" and isinstance(given, dict) else None
    named = [_path(payload), _below(payload, workdir), cwd]
    patch = _patch(payload)
    if patch is not None and cwd:
        import hookkit_patch

        named[:0] = [_below(payload, path) for path, _, _ in hookkit_patch.parse(patch)]
    return [path for path in named if path]


def session(_environment: "os._Environ[str]") -> object:
    """The plugin says it in the payload."""
    return None


def transcript(_payload: dict[str, object], _session: str) -> str | None:
    """None: all sessions are in one database, which the ingest finds."""
    return None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    line = hookkit_payload.read({**hookkit_payload.ANY, **hookkit_payload.FIELDS.get(role or "", {})}, role, payload)
    if role == "tool_failure" and "error" not in line:
        line["error"] = _failure(payload) or "error"
    if role == "turn_failure":
        line.setdefault("error", "error")
    if role in hookkit_payload.AFTER:
        found = _ranges(payload) if role == "tool_post" else []
        path, ranges = found[0] if found else (None, None)
        more = [hookkit_payload.of_file(path, ranges) for path, ranges in found] if len(found) > 1 else []
        hookkit_payload.attribute(line, path, ranges, None)
        if more:
            line["files"] = more
    return line


def _failure(payload: dict[str, object]) -> str | None:
    """Why a call failed that OpenCode counts as completed; None where it did not."""
    if payload.get("tool_name") == "invalid":
        given = payload.get("tool_input")
        error = given.get("error") if isinstance(given, dict) else None
        return error if isinstance(error, str) and error else "invalid"
    result = payload.get("result")
    if payload.get("tool_name") != "bash" or not isinstance(result, dict) or "exit" not in result:
        return None
    code = result["exit"]
    if type(code) is int:
        return f"exit code {code}" if code else None
    return "it did not end by itself"  # it took too long, or the user stopped it


def _below(payload: dict[str, object], path: object) -> str | None:
    """A path as OpenCode finds it: from the session's folder."""
    cwd = absolute_path(payload.get("cwd"))
    if not isinstance(path, str) or not path or not cwd:
        return None
    return absolute_path(os.path.normpath(os.path.join(cwd, path)))


def _path(payload: dict[str, object]) -> str | None:
    """The file that a call is about."""
    given = payload.get("tool_input")
    if payload.get("tool_name") not in (*_WRITERS, "read") or not isinstance(given, dict):
        return None
    return _below(payload, given.get("filePath"))


def _patch(payload: dict[str, object]) -> str | None:
    given = payload.get("tool_input")
    text = given.get("patchText") if isinstance(given, dict) else None
    return text if payload.get("tool_name") == "apply_patch" and isinstance(text, str) else None


def _ranges(payload: dict[str, object]) -> "list[tuple[str, list[dict[str, object]]]]":
    """(absolute path, its changed ranges as of `hookkit_hunks.ranges`) of each file that the call wrote, where the
    agent's own differences, or the text that it wrote, tell."""
    import hookkit_hunks

    tool, given, result, path = (
        payload.get("tool_name"), payload.get("tool_input"), payload.get("result"), _path(payload),
    )  # fmt: skip
    if not isinstance(result, dict):
        result = {}
    ranges = None
    if tool == "write" and isinstance(given, dict) and isinstance(given.get("content"), str):
        ranges = hookkit_hunks.ranges({"type": "create", "content": given["content"]})
    elif tool == "edit" and isinstance(result.get("diff"), str):
        ranges = hookkit_hunks.unified(result["diff"]) or None  # an edit changes something
    elif tool == "apply_patch" and isinstance(result.get("files"), list):
        return _files(payload, result["files"])
    return [(path, ranges)] if path and ranges is not None and tool in _WRITERS else []


def _files(payload: dict[str, object], files: "list[object]") -> "list[tuple[str, list[dict[str, object]]]]":
    import hookkit_hunks
    import hookkit_patch

    found = []
    for each in files[: hookkit_patch.FILES_LIMIT]:
        if not isinstance(each, dict):
            continue
        path = _below(payload, each.get("movePath") or each.get("filePath"))
        deleted, patch = each.get("type") == "delete", each.get("patch")
        ranges = [] if deleted else (hookkit_hunks.unified(patch) or None) if isinstance(patch, str) else None
        if path and ranges is not None:
            found.append((path, ranges))
    return found
