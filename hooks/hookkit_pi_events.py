"""What the extension of Pi tells: which worktree, which session file, and what goes into a hook line."""

import os

import hookkit_payload
from hookkit_payload import absolute_path, plain_path

AGENT = "pi"
LINES = "worktree"
ROLES = {
    "session_start": "session_start",
    "before_agent_start": "prompt",
    "tool_call": "tool_pre",
    "tool_result": "tool_post",
    "tool_execution_end": "tool_failure",
    "session_before_compact": "compact_pre",
    "session_compact": "compact_post",
    "agent_end": "turn_end",
    "session_shutdown": "session_end",
}
_FIELDS = {
    **hookkit_payload.FIELDS,
    "compact_pre": {"custom_instructions": ("custom_instructions", "text")},
    "compact_post": {"compact_summary": ("summary", "text")},
}
_WRITERS = ("write", "edit")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u202f\u205f\u3000"), " ") | dict.fromkeys(range(0x2000, 0x200B), " ")
_HEAD = 4096  # bytes of a session file in which its id is
_LAST_LINE = 1 << 31


def role(event: str, payload: dict[str, object]) -> str | None:
    """A result and a turn's end say themselves whether they are failures."""
    if event == "tool_result" and payload.get("is_error") is True:
        return "tool_failure"
    if event == "agent_end" and payload.get("stop_reason") in ("error", "aborted"):
        return "turn_failure"
    return ROLES.get(event)


def caller(_payload: dict[str, object], _environment: "os._Environ[str]") -> str:
    """Only Pi loads the extension."""
    return AGENT


def start_folder(payload: dict[str, object], _environment: "os._Environ[str]") -> str | None:
    """The folder of the session, in which all of its calls are made, wherever Pi itself was started."""
    return absolute_path(payload.get("cwd"))


def call_folders(payload: dict[str, object]) -> list[str]:
    """The file that the call is about, then the session's folder."""
    return [path for path in (_path(payload), absolute_path(payload.get("cwd"))) if path]


def session(_environment: "os._Environ[str]") -> object:
    """The extension says it in the payload."""
    return None


def transcript(payload: dict[str, object], session: str) -> str | None:
    """The session's file: `<time>_<session>.jsonl`, or one of any name that begins with the session's id."""
    path = plain_path(payload.get("transcript_path"))
    if path is None or not path.endswith(".jsonl"):
        return None
    return path if os.path.basename(path).endswith(f"_{session}.jsonl") or _begins_with(path, session) else None


def data(role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]:
    """The agent's part of the line's data."""
    line = hookkit_payload.read({**hookkit_payload.ANY, **_FIELDS.get(role or "", {})}, role, payload)
    if role == "turn_failure":
        line.setdefault("error", str(payload.get("stop_reason")))
    path, given = _path(payload), line.get("tool_input")
    if path and isinstance(given, dict) and payload.get("tool_name") in _WRITERS:
        line["tool_input"] = {**given, "path": path}  # Pi's own rules, which nobody who reads the line needs to know
    if role in hookkit_payload.AFTER:
        hookkit_payload.attribute(line, path, _ranges(payload) if role == "tool_post" else None, None)
    return line


def _begins_with(path: str, session: str) -> bool:
    """Whether a file's first line says that it is this session's: a user can name the file of a session."""
    from hookkit_json import loads

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            head = os.read(file, _HEAD)
        finally:
            os.close(file)
        entry = loads(head.partition(b"\n")[0].decode("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(entry, dict) and entry.get("type") == "session" and entry.get("id") == session


def _path(payload: dict[str, object]) -> str | None:
    """The file that a call is about, found as Pi finds it: `@` in front is dropped, `~` is the home folder."""
    given, cwd = payload.get("tool_input"), absolute_path(payload.get("cwd"))
    path = given.get("path") if isinstance(given, dict) else None
    if payload.get("tool_name") not in (*_WRITERS, "read") or not isinstance(path, str) or not path or not cwd:
        return None
    path = path.removeprefix("@").translate(_SPACES)
    if path == "~" or path.startswith("~/"):
        path = os.path.expanduser("~") + path[1:]
    return absolute_path(os.path.normpath(os.path.join(cwd, path)))


def _ranges(payload: dict[str, object]) -> "list[dict[str, object]] | None":
    import hookkit_hunks

    tool, given, details = payload.get("tool_name"), payload.get("tool_input"), payload.get("details")
    if tool == "write" and isinstance(given, dict) and isinstance(given.get("content"), str):
        return hookkit_hunks.ranges({"type": "create", "content": given["content"]})
    diff = details.get("diff") if tool == "edit" and isinstance(details, dict) else None
    return _numbered(diff) if isinstance(diff, str) and diff else None


def _numbered(diff: str) -> "list[dict[str, object]] | None":
    """The ranges of a diff whose lines carry their numbers: `+12 text`, `-12 text`, ` 12 text`, and ` ...` for a gap.

    Added lines have the number that they have now, all others the one that they had. None for any other text.
    """
    from hookkit_hunks import range_of

    found: list[dict[str, object]] = []
    added: list[str] = []
    removed = start = grown = 0  # grown: by how many lines the file is longer up to here
    for line in [*diff.split("\n"), " "]:
        mark, (number, _, text) = line[:1], line[1:].lstrip(" ").partition(" ")
        if mark not in ("+", "-"):
            if mark != " ":
                return None
            if added or removed:
                found.append(range_of(start, added, removed))
            grown += len(added) - removed
            added, removed = [], 0
            continue
        if not (number.isascii() and number.isdigit() and len(number) < 10 and 0 < int(number) < _LAST_LINE):
            return None
        if not added and not removed:
            start = int(number) + (grown if mark == "-" else 0)
        if mark == "-":
            removed += 1
        elif int(number) != start + len(added):
            return None
        else:
            added.append(text)
    return found
