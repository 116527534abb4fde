"""A hook line: one JSON object, valid and small whatever the agent sent. Standard library only."""

import time

import hookkit_json

CUT_OVER = 1024  # characters of a string that a line carries whole
CUT_KEPT = 256
LINE_LIMIT = 16 << 10  # bytes of a line
DEPTH_LIMIT = 12
# What makes a line useful; all of it is short or, at the worst, a path.
KEPT = {
    "session_id", "agent", "turn_id", "agent_id", "agent_type", "tool", "tool_call_id", "tool_use_id", "duration_ms",
    "trail", "capture_status", "confidence", "limitations", "file_path", "start_line", "end_line", "content_hash",
}  # fmt: skip
OURS = {"trail", "file_path", "ranges", "git"}


def stamp() -> str:
    """Now, in UTC: ISO 8601 with microseconds and Z."""
    seconds, rest = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


def encode(event: str, data: dict[str, object]) -> bytes:
    """The hook line as bytes, newline included: valid JSON, at most LINE_LIMIT bytes."""
    moment = stamp()
    line = _dump(event, moment, _cut_data(data, CUT_OVER, CUT_KEPT))
    if len(line) > LINE_LIMIT:
        data = _cut_data(data, 128, 64)
        line = _dump(event, moment, data)
    while len(line) > LINE_LIMIT:
        # What takes the most room goes, and with it what the line could be told without: first what the agent sent.
        spare = [name for name in data if name not in KEPT] or [name for name in ("file_path", "trail") if name in data]
        if not spare:
            break
        del data[max(spare, key=lambda name: len(hookkit_json.dumps(data[name], True)))]
        data["limitations"] = list(dict.fromkeys([*data.get("limitations", []), "line_truncated"]))  # type: ignore[misc]
        line = _dump(event, moment, data)
    return line


def _cut_data(data: dict[str, object], over: int, kept: int) -> dict[str, object]:
    """Cut what the agent sent; what is ours has its shape, and a path that is cut is no path."""
    return {key: value if key in OURS else cut(value, over, kept) for key, value in data.items()}


def _dump(event: str, moment: str, data: dict[str, object]) -> bytes:
    record = {"type": "opentraces_hook", "event": event, "timestamp": moment, "data": data}
    try:
        return hookkit_json.dumps(record).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate
        return hookkit_json.dumps(record, escape=True).encode() + b"\n"


def cut(value: object, over: int, kept: int, depth: int = 0) -> object:
    """`value` with long strings, deep nesting and numbers that JSON does not have made small."""
    if isinstance(value, str):
        return value if len(value) <= over else _cut_string(value, kept)
    if isinstance(value, dict):
        if depth >= DEPTH_LIMIT:
            return {}
        return {str(key)[:over]: cut(item, over, kept, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [] if depth >= DEPTH_LIMIT else [cut(item, over, kept, depth + 1) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _cut_string(text: str, kept: int) -> dict[str, object]:
    return {"cut": text[:kept], "length": len(text), "sha256": sha256(text)}


def sha256(text: str) -> str:
    """Hex sha256 of the UTF-8 of `text`. The built-in module: hashlib would load OpenSSL, which costs milliseconds."""
    try:
        from _sha2 import sha256 as digest
    except ImportError:
        try:
            from _sha256 import sha256 as digest
        except ImportError:
            from hashlib import sha256 as digest
    return digest(text.encode("utf-8", "surrogatepass")).hexdigest()  # type: ignore[no-any-return]
