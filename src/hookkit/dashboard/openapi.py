"""The OpenAPI description of the API."""

from __future__ import annotations

from typing import Any

from hookkit import __version__
from hookkit.dashboard.filters import MOST, SORTS

_Schema = dict[str, Any]

_TEXT: _Schema = {"type": ["string", "null"]}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_USD: _Schema = {"type": ["number", "null"], "description": "US dollars; null: not known."}
_NUMBER: _Schema = {"type": ["number", "null"]}
_TIME: _Schema = {"type": ["string", "null"], "format": "date-time"}
_TOKENS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")
_AGENT = {
    "name": "agent", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "Name of an agent, such as claude-code, or all.",
}  # fmt: skip
_ID = {
    "name": "id", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "Session id, or trace id.",
}  # fmt: skip


def document(address: str) -> dict[str, Any]:
    """The description. address: of the server."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hookkit",
            "version": __version__,
            "description": "What coding agents did, changed and cost. Read only.",
        },
        "servers": [{"url": address}],
        "paths": {f"/api/v1/{{agent}}{path}": {"get": operation} for path, operation in _operations().items()},
        "components": {"schemas": _schemas(), "parameters": {"agent": _AGENT, "id": _ID}},
    }


def _operations() -> dict[str, _Schema]:
    choice = _filters()
    return {
        "/sessions": _operation(
            "Sessions, a page of them", "SessionPage",
            [*choice, _parameter("sort", "Order; the largest comes first.", {"enum": [*SORTS], "default": "activity"}),
             _after("The next of the page before."), _limit(50)],
        ),
        "/sessions/{id}": _operation("One session", "Session", session=True),
        "/sessions/{id}/timeline": _operation(
            "What happened in a session, in order", "EventPage",
            [_after("The next of the page before."), _limit(100)], session=True,
        ),
        "/sessions/{id}/tools": _operation("The tools of a session", "ToolList", session=True),
        "/sessions/{id}/cost": _operation(
            "What a session cost", "CostList",
            [_parameter("by", "Told apart by.", {"enum": ["model", "subagent"]})], session=True,
        ),
        "/sessions/{id}/diff": _operation(
            "What a session, a turn or a call changed", "Diff",
            [_parameter("call", "Id of a tool call."), _parameter("turn", "Number of a turn.", {"type": "integer"}),
             _parameter("gap", "Number of a gap in the timeline.", {"type": "integer"})], session=True,
        ),
        "/cost": _operation(
            "What sessions cost", "CostList",
            [_parameter("by", "Told apart by.", {"enum": ["model", "subagent", "day", "agent", "project"]}),
             *choice, _limit(MOST)],
        ),
        "/tools": _operation("The tools of sessions", "ToolList", [*choice, _limit(MOST)]),
        "/events": _operation(
            "Telemetry after a position, for who cannot hold a stream open", "EventPage",
            [_after("The next of the answer before; without it, where to begin is told."),
             _parameter("session", "Session id."), _limit(MOST)],
        ),
        "/live": _live(),
    }  # fmt: skip


def _live() -> _Schema:
    operation = _operation(
        "What happens now, as server-sent events",
        "",
        [
            _parameter("session", "Session id."),
            _after("Position after which to begin; Last-Event-ID says the same."),
        ],
    )
    operation["responses"]["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    operation["responses"]["503"] = _answer("Too many listeners", "Error")
    return operation


def _operation(summary: str, answer: str, parameters: list[_Schema] | None = None, *, session: bool = False) -> _Schema:
    path = [{"$ref": "#/components/parameters/agent"}, *[{"$ref": "#/components/parameters/id"}] * session]
    return {
        "summary": summary,
        "parameters": [*path, *(parameters or [])],
        "responses": {
            "200": _answer(summary, answer),
            "400": _answer("A parameter means nothing", "Error"),
            "404": _answer("There is no such agent or session", "Error"),
        },
    }


def _answer(description: str, schema: str) -> _Schema:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}} if schema else {}
    return {"description": description, "content": content}


def _parameter(name: str, description: str, schema: _Schema | None = None) -> _Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _after(description: str) -> _Schema:
    return _parameter("after", description)


def _limit(default: int) -> _Schema:
    return _parameter("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": default})


def _filters() -> list[_Schema]:
    return [
        _parameter("q", "Words that title, project, branch, ids or models hold."),
        _parameter("project", "Folder of a project, or its name."),
        _parameter("model", "A part of a model's name."),
        _parameter("errors", "Only sessions with errors.", {"type": "boolean"}),
        _parameter("since", "Active since: 30m, 12h, 7d, 4w, or a time in ISO 8601."),
        _parameter("until", "Begun before; the same forms."),
        _parameter("min_cost", "US dollars at least.", {"type": "number", "minimum": 0}),
    ]


def _schemas() -> dict[str, _Schema]:
    counts = ("totalPrompts", "totalApiCalls", "totalToolCalls", "totalErrors", "totalSubagents")
    sums = ("totalInputTokens", "totalOutputTokens", "totalCacheReadTokens", "totalCacheCreationTokens")
    texts = (
        "traceId", "sessionId", "agent", "agentVersion", "terminalType", "project", "branch", "title", "costSource",
    )  # fmt: skip
    session = {
        **dict.fromkeys(texts, _TEXT),
        **dict.fromkeys((*counts, *sums), _COUNT),
        **dict.fromkeys(("startTime", "lastActivityTime"), _TIME),
        "durationMs": {"type": ["integer", "null"]},
        "live": {"type": "boolean"},
        "complete": {"type": ["boolean", "null"]},
        "totalCostUsd": _USD,
        "costIsLowerBound": {"type": "boolean"},
        "models": {"type": "array", "items": {"type": "string"}},
        "sources": {"type": "array", "items": {"enum": ["trace", "telemetry"]}},
    }
    event = {
        **dict.fromkeys(("eventName", "kind", "promptId", "toolName", "toolUseId", "model", "error", "text"), _TEXT),
        **dict.fromkeys(_TOKENS, _COUNT),
        "timestamp": _TIME,
        "source": {"enum": ["trace", "telemetry", "both"]},
        "costUsd": _USD,
        "durationMs": {"type": ["number", "null"]},
        "success": {"type": "boolean"},
        "decision": _TEXT,
    }
    tool = {
        "toolName": {"type": "string"},
        **dict.fromkeys(("callCount", "successCount", "failureCount", "acceptCount", "rejectCount"), _NUMBER),
        **dict.fromkeys(("avgDurationMs", "p50DurationMs", "p95DurationMs", "totalDurationMs"), _NUMBER),
    }
    cost = {"apiCalls": _COUNT, "totalCostUsd": _USD, "estimate": {"type": "boolean"}, **dict.fromkeys(_TOKENS, _COUNT)}
    error = {name: {"type": "string"} for name in ("code", "message", "hint")}
    return {
        "Session": _object(session),
        "SessionPage": _list("Session", paged=True),
        "Event": _object(event),
        "EventPage": _list("Event", paged=True),
        "Tool": _object(tool),
        "ToolList": _list("Tool"),
        "Cost": _object(cost),
        "CostList": _list("Cost"),
        "Diff": _object({"notes": {"type": "array"}, "files": {"type": "array"}, "patch": {"type": "string"}}),
        "Error": _object({"error": {**_object(error), "required": [*error]}}),
    }


def _object(properties: _Schema) -> _Schema:
    return {"type": "object", "properties": properties}


def _list(of: str, *, paged: bool = False) -> _Schema:
    items: _Schema = {"items": {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}}}
    return {**_object(items | ({"next": _TEXT} if paged else {})), "required": ["items", *["next"] * paged]}
