"""From an agent's payload to the data of a hook line: what all agents share. Standard library only.

An agent's own module names its fields, as role -> {payload field: (name in the line, kind of value)}.
"""

import os

from hookkit_line import sha256

ID_LIMIT = 200  # characters
PATH_LIMIT = 4096  # bytes; the system takes no longer one
CALLS = ("tool_pre", "tool_post", "tool_failure")
AFTER = ("tool_post", "tool_failure")
NO_RANGE = {"capture_status": "hook_only", "limitations": ["hook_only", "posttooluse_no_file_range"]}

# The fields of most agents. A module adds its own names.
ANY = {"agent_id": ("agent_id", "id"), "agent_type": ("agent_type", "id")}
CALL = {"tool_name": ("tool", "id"), "tool_use_id": ("tool_call_id", "id"), "tool_input": ("tool_input", "object")}
FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "session_start": {"source": ("source", "text"), "model": ("model", "text")},
    "prompt": {"prompt": ("prompt", "text")},
    "subagent_start": {},
    "subagent_stop": {"agent_transcript_path": ("agent_transcript_path", "text")},
    "compact_pre": {"trigger": ("trigger", "text")},
    "compact_post": {"trigger": ("trigger", "text")},
    "turn_end": {"stop_hook_active": ("stop_hook_active", "flag")},
    "turn_failure": {"error": ("error", "text")},
    "session_end": {"reason": ("reason", "text")},
    "tool_pre": CALL,
    "tool_post": {**CALL, "duration_ms": ("duration_ms", "number")},
    "tool_failure": {**CALL, "duration_ms": ("duration_ms", "number"), "error": ("error", "text")},
}
_KINDS = {
    "id": lambda value: isinstance(value, str) and len(value) <= ID_LIMIT,
    "text": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: type(value) in (int, float) and 0 <= value < 2**53,
}


def read(
    fields: "dict[str, tuple[str, str]]", role: str | None, payload: dict[str, object], named: bool = True
) -> dict[str, object]:
    """The line's data. A value of a kind that the agent never sends is left out, and that is said.

    named: the agent gives each call an id. A call without one carries a key made of its tool and its input, by which
    the ingest pairs it, first in, first out.
    """
    line: dict[str, object] = {}
    limitations: list[str] = []
    for field, (name, kind) in fields.items():
        value = payload.get(field)
        if field == "tool_input" and isinstance(value, str) and not named:
            value = {"input": value}  # of a free-form tool
        if value is None or value == "":
            continue
        if _KINDS[kind](value):  # type: ignore[no-untyped-call]
            line[name] = value
        elif not limitations:
            limitations.append("payload_unreadable")
    if "tool_call_id" in line:
        line["tool_use_id"] = line["tool_call_id"]
    if role in CALLS:
        line.setdefault("tool_input", {})
        missing = {"tool", "tool_call_id"} - line.keys() if named else {"tool"} - line.keys()
        if missing and not limitations:
            limitations.append("payload_unreadable")
        if "tool_call_id" not in line and "tool" in line:
            line["call_key"] = call_key(line["tool"], line["tool_input"])
    if limitations:
        line["limitations"] = limitations
    return line


def call_key(tool: object, given: object) -> str:
    """What is the same for two calls of the same tool with the same input, in hooks and in the transcript."""
    from hookkit_json import dumps

    try:
        return sha256(dumps([tool, given], True, True))[:32]
    except (ValueError, RecursionError):  # NaN, which no transcript holds either; or too deep
        return sha256(str(tool))[:32]


def attribute(
    line: dict[str, object], path: str | None, ranges: "list[dict[str, object]] | None", response: object
) -> None:
    """Add what a call wrote to its line: file_path, lines and their hash, from the ranges that the agent reports.

    ranges: as of `hookkit_hunks.ranges`; None where nothing tells. response: what else may hold the file's text.
    """
    limitations: list[str] = line.setdefault("limitations", [])  # type: ignore[assignment]
    if path is None or ranges is None:
        line["capture_status"] = NO_RANGE["capture_status"]
        limitations += NO_RANGE["limitations"]
        return
    import hookkit_hunks  # here, as few events need it

    line.update({"file_path": path, "capture_status": "captured", "confidence": "high", "ranges": ranges})
    alive = [each for each in ranges if each["change_type"] != "deletion"]
    if alive:
        lines, same = hookkit_hunks.texts(path, response if isinstance(response, dict) else {}, alive)
        line["start_line"], line["end_line"] = alive[0]["start_line"], alive[-1]["end_line"]
        line["content_hash"] = hookkit_hunks.digest([text for each in lines for text in each])
        for each, its in zip(alive, lines, strict=True):
            each["content_hash"] = hookkit_hunks.digest(its)
        if not same:
            # A formatter or another writer was faster: the lines are what the call wrote, not what stands there now.
            line["confidence"] = "low"
            limitations.append("hook_payload_state_mismatch")
        elif len(alive) > 1:
            line["confidence"] = "medium"  # of start_line and end_line, which span more than the ranges
    elif ranges:
        limitations.append("lines_deleted_only")
    for each in ranges:
        del each["lines"]


def of_file(path: str, ranges: "list[dict[str, object]]") -> dict[str, object]:
    """What a call wrote to one of several files."""
    import hookkit_hunks

    alive = [each for each in ranges if each["change_type"] != "deletion"]
    if alive and "lines" in alive[0]:
        lines, _ = hookkit_hunks.texts(path, {}, alive)
        for each, its in zip(alive, lines, strict=True):
            each["content_hash"] = hookkit_hunks.digest(its)
    return {
        "file_path": path,
        "ranges": [{key: value for key, value in each.items() if key != "lines"} for each in ranges],
    }


def absolute_path(value: object) -> str | None:
    """`value` when it is an absolute path that the system could have, else None."""
    try:
        good = isinstance(value, str) and os.path.isabs(value) and "\0" not in value
        return value if good and len(os.fsencode(value)) < PATH_LIMIT else None  # type: ignore[arg-type, return-value]
    except UnicodeEncodeError:  # a lone surrogate
        return None


def plain_path(value: object) -> str | None:
    """An absolute path that is written without detours, as the path of a transcript is; else None."""
    path = absolute_path(value)
    return path if path and os.path.normpath(path) == path else None
