"""Telemetry in the store, as a receiver would have written it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hookkit.telemetry.intake import Intake

SESSION = "aaaaaaaa-2222-4000-8000-000000000000"
START = 1_770_000_000.0  # seconds since 1970
MODEL = "claude-opus-4-8"
_SEEN = {"count": 0}


def event(
    at: float, name: str, *, session: str = SESSION, sequence: int = 0, program: str = "claude_code", **more: Any
) -> dict[str, Any]:
    """An event of Claude Code, ``at`` seconds after START; names of attributes with __ for dots."""
    _SEEN["count"] += 1  # no two requests are the same
    said = {
        "event.name": name,
        "session.id": session,
        "event.sequence": sequence or _SEEN["count"],
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    return {
        "timeUnixNano": str(int((START + at) * 1e9)),
        "body": {"stringValue": f"{program}.{name}"},
        "attributes": [{"key": key, "value": _value(value)} for key, value in said.items()],
    }


def request(at: float, cost: float = 0.04, prompt: str = "p1", **more: Any) -> dict[str, Any]:
    """A request to the model, of one second."""
    used = {"input_tokens": 100, "output_tokens": 30, "cache_read_tokens": 900, "cache_creation_tokens": 50}
    said = {"model": MODEL, "cost_usd": cost, "duration_ms": 1000, "prompt__id": prompt, **used, **more}
    return event(at, "api_request", **said)


def tool(at: float, name: str, call: str, prompt: str = "p1", success: str = "true", **more: Any) -> dict[str, Any]:
    """The result of a call."""
    said = {"tool_name": name, "tool_use_id": call, "success": success, "duration_ms": 250, "prompt__id": prompt}
    return event(at, "tool_result", **said, **more)


def sent(*events: dict[str, Any], service: str = "claude-code") -> bytes:
    """The body of a request with these events."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    logs = {"resource": resource, "scopeLogs": [{"logRecords": [*events]}]}
    return json.dumps({"resourceLogs": [logs]}).encode()


def put(*events: dict[str, Any], service: str = "claude-code") -> None:
    """Have events written, and wait for that."""

    async def write() -> None:
        intake = Intake()
        try:
            accepted = await intake.accept("logs", sent(*events, service=service), is_json=True)
            assert accepted.rejected == 0
        finally:
            await intake.close()

    asyncio.run(write())


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
