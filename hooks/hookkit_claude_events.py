"""What Claude Code's payloads mean: who called, which worktree, which transcript, and what goes into a hook line."""

import os

import hookkit_recorder

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
# What is copied as it is: role -> payload field and name in the line.
FIELDS = {
    "session_start": {"source": "source", "model": "model"},
    "prompt": {"prompt": "prompt"},
    "subagent_start": {},
    "subagent_stop": {"agent_transcript_path": "agent_transcript_path"},
    "compact_pre": {"trigger": "trigger", "custom_instructions": "custom_instructions"},
    "compact_post": {"trigger": "trigger", "compact_summary": "summary"},
    "turn_end": {"stop_hook_active": "stop_hook_active"},
    "turn_failure": {"error": "error", "error_details": "error_details"},
    "session_end": {"reason": "reason"},
    "tool_pre": {},
    "tool_post": {"duration_ms": "duration_ms"},
    "tool_failure": {"duration_ms": "duration_ms", "error": "error", "is_interrupt": "is_interrupt"},
}
PATH_FIELDS = ("file_path", "notebook_path")
FILE_LIMIT = 4 << 20  # bytes of a file that is read back to check the hunks


def caller(payload, environment):
    """The agent that really called. Others run Claude's hooks too, and nested agents inherit each other's environment,
    so what only one of them can have sent counts before what any child may have inherited."""
    path = _text(payload, "transcript_path") or ""
    if "cursor_version" in payload or "conversation_id" in payload:
        return "cursor"
    if "/.copilot/" in path:
        return "copilot-cli"
    if environment.get("CLAUDE_CODE_SESSION_ID") == payload.get("session_id") and "timestamp" not in payload:
        return AGENT
    # Claude's payloads carry no time of their own; the payloads of the agents below do.
    if "timestamp" in payload or "sessionId" in payload:
        for variable, agent in (
            ("COPILOT_CLI", "copilot-cli"),
            ("QWEN_PROJECT_DIR", "qwen-code"),
            ("GEMINI_SESSION_ID", "gemini-cli"),
        ):
            if environment.get(variable):
                return agent
    if environment.get("CURSOR_VERSION") and not environment.get("CLAUDECODE"):
        return "cursor"
    if "turn_id" in payload and "model" in payload:
        return "codex-cli"
    return AGENT


def start_folder(payload, environment):
    """Where the session was started; the payload's cwd drifts with every `cd` of the agent."""
    folder = environment.get("CLAUDE_PROJECT_DIR") or _text(payload, "cwd")
    return folder if folder and os.path.isabs(folder) and "\0" not in folder else os.getcwd()


def call_folders(payload):
    """The file that the call is about, then the current folder: an agent may work in a worktree beside its own."""
    tool_input = payload.get("tool_input")
    paths = [_text(tool_input, field) for field in PATH_FIELDS] if isinstance(tool_input, dict) else []
    return [path for path in (*paths, _text(payload, "cwd")) if path and os.path.isabs(path) and "\0" not in path]


def transcript(payload, session):
    """The session's transcript, when the payload names one that looks like it: never any other file."""
    path = _text(payload, "transcript_path")
    if not path or not os.path.isabs(path) or "\0" in path or "/projects/" not in path:
        return None
    return path if os.path.basename(path) == session + ".jsonl" and os.path.normpath(path) == path else None


def data(role, payload):
    """The agent's part of the line's data."""
    line = {}
    for field, name in (("prompt_id", "turn_id"), ("agent_id", "agent_id"), ("agent_type", "agent_type")):
        if _text(payload, field):
            line[name] = payload[field]
    for field, name in FIELDS.get(role, {}).items():
        if payload.get(field) is not None:
            line[name] = payload[field]
    if role in ("tool_pre", "tool_post", "tool_failure"):
        tool_input = payload.get("tool_input")
        line["tool"] = _text(payload, "tool_name")
        line["tool_call_id"] = line["tool_use_id"] = _text(payload, "tool_use_id")
        line["tool_input"] = tool_input if isinstance(tool_input, dict) else {}
        if role != "tool_pre":
            line.update(_attribution(line["tool_input"], payload.get("tool_response")))
    return line


def _text(mapping, key):
    value = mapping.get(key)
    return value if isinstance(value, str) else None


def _attribution(tool_input, response):
    """file_path, lines and hash of what the call wrote, from the hunks that Claude reports."""
    path = next((tool_input[field] for field in PATH_FIELDS if _text(tool_input, field)), None)
    try:
        ranges = _ranges(response) if path and len(path) <= 4096 and isinstance(response, dict) else None
    except (KeyError, TypeError, AttributeError):  # hunks of a shape that we do not know
        ranges = None
    if ranges is None:
        return {"capture_status": "hook_only", "limitations": ["hook_only", "posttooluse_no_file_range"]}
    line = {"file_path": path, "capture_status": "captured", "confidence": "high", "limitations": []}
    alive = [found for found in ranges if found["change_type"] != "deletion"]
    if alive:
        line["start_line"], line["end_line"] = alive[0]["start_line"], alive[-1]["end_line"]
        line["content_hash"] = _hash([text for found in alive for text in found["lines"]])
        if not _on_disk(path, alive):
            # A formatter or another writer was faster: the lines are what the call wrote, not what stands there now.
            line["confidence"] = "low"
            line["limitations"].append("hook_payload_state_mismatch")
        elif len(alive) > 1:
            line["confidence"] = "medium"  # of start_line and end_line, which span more than the ranges
    else:
        line["limitations"].append("lines_deleted_only")
    for found in ranges:
        lines = found.pop("lines")
        if lines:
            found["content_hash"] = _hash(lines)
    line["ranges"] = ranges
    return line


def _hash(lines):
    return "sha256:" + hookkit_recorder.sha256("\n".join(lines))


def _ranges(response):
    """The changed ranges of the file after the call; None when the response does not tell."""
    hunks = response.get("structuredPatch")
    if isinstance(hunks, list) and hunks:
        return [found for hunk in hunks for found in _hunk_ranges(hunk)]
    content = _text(response, "content")
    if response.get("type") == "create" and content is not None:
        return _whole(content)
    before, after = _text(response, "original_file"), _text(response, "updated_file")
    if before is not None and after is not None:
        return _one_change(_lines(before), _lines(after))
    # A Write that changed nothing reports no hunk.
    return [] if isinstance(hunks, list) and response.get("type") == "update" else None


def _whole(content):
    lines = _lines(content)
    return [_range(1, lines, 0)] if lines else []


def _lines(text):
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _range(start, lines, removed):
    if not lines:
        return {
            "start_line": max(start - 1, 1), "end_line": max(start - 1, 1), "change_type": "deletion",
            "deleted_lines": removed, "lines": [],
        }  # fmt: skip
    kind = "modification" if removed else "addition"
    found = {"start_line": start, "end_line": start + len(lines) - 1, "change_type": kind, "lines": lines}
    if removed:
        found["deleted_lines"] = removed
    return found


def _hunk_ranges(hunk):
    """The runs of added and removed lines of one unified-diff hunk; raises when the hunk has another shape."""
    ranges, added, removed, at = [], [], 0, hunk["newStart"]
    for line in [*hunk["lines"], " "]:
        if line.startswith("+"):
            added.append(line[1:])
        elif line.startswith("-"):
            removed += 1
        elif not line.startswith("\\"):
            if added or removed:
                ranges.append(_range(at, added, removed))
            at += len(added) + 1
            added, removed = [], 0
    return ranges


def _one_change(before, after):
    """The one range between what both texts begin and end with: exact for a notebook cell, which is contiguous."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    limit = shorter - head
    tail = next((i for i in range(limit) if before[-1 - i] != after[-1 - i]), limit)
    added, removed = after[head : len(after) - tail], len(before) - tail - head
    return [_range(head + 1, added, removed)] if added or removed else []


def _on_disk(path, ranges):
    """Whether the file holds these lines; unreadable or large files are taken at the agent's word."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if found.st_mode & 0o170000 != 0o100000 or found.st_size > FILE_LIMIT:
                return True
            text = os.read(file, FILE_LIMIT).decode("utf-8")
        finally:
            os.close(file)
    except (OSError, UnicodeDecodeError):
        return True
    lines = text.replace("\r\n", "\n").lstrip("\ufeff").split("\n")
    return all(lines[r["start_line"] - 1 : r["end_line"]] == [x.rstrip("\r") for x in r["lines"]] for r in ranges)
