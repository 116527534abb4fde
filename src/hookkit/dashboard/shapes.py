"""The bodies of the API: names in camelCase, times in ISO 8601 (UTC), money in US dollars."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hookkit.dashboard.entries import Entry
from hookkit.dashboard.prices import Money

LIVE = 120  # seconds since the last activity in which a session counts as live
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Kind of an entry that only the trace has -> the event that a program would have sent.
_EVENTS: Mapping[str, str] = {
    "turn": "user_prompt",
    "call": "tool_result",
    "said": "assistant_response",
    "tokens": "api_request",
    "error": "api_error",
}
_TELEMETRY: Mapping[str, str] = {
    "prompt_id": "promptId",
    "sequence": "sequence",
    "tool_use_id": "toolUseId",
    "tool_name": "toolName",
    "model": "model",
    "agent_name": "agentName",
    "duration_ms": "durationMs",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_tokens": "cacheReadTokens",
    "cache_creation_tokens": "cacheCreationTokens",
    "success": "success",
    "decision": "decision",
    "decision_source": "decisionSource",
    "error": "error",
    "prompt_length": "promptLength",
}


def stamp(us: int | None) -> str | None:
    """Microseconds since 1970 as ISO 8601; None for none, and for what no calendar has."""
    if not us:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def usd(micros: float | None) -> float | None:
    """Microdollars as dollars, to a millionth."""
    return None if micros is None else round(micros) / 1e6


def is_live(row: Mapping[str, Any]) -> bool:
    """Whether something happened in a session within the last two minutes."""
    return bool(row["last_us"] > (time.time() - LIVE) * 1e6)


def session(row: Mapping[str, Any]) -> dict[str, Any]:
    """A session of the list."""
    version = {"claudeCodeVersion": row["version"]} if row["agent"] == "claude-code" else {}
    sources = [name for name in ("trace", "telemetry") if row[f"has_{name}"]]
    return {
        "traceId": row["id"],
        "sessionId": row["session_id"],
        "agent": row["agent"],
        "agentVersion": row["version"],
        **version,
        "terminalType": row["terminal"],
        "project": row["project"],
        "branch": row["branch"],
        "title": row["title"],
        "startTime": stamp(row["started_us"]),
        "lastActivityTime": stamp(row["last_us"]),
        "durationMs": row["duration_ms"],
        "live": is_live(row),
        "complete": row["complete"],
        "totalPrompts": row["turns"],
        "totalApiCalls": row["requests"],
        "totalToolCalls": row["calls"],
        "totalErrors": row["errors"],
        "totalSubagents": row["subagents"],
        "totalCostUsd": usd(row["cost_micros"]),
        "costSource": row["cost_source"],
        "costIsLowerBound": row["bound"],
        "totalInputTokens": row["input_tokens"],
        "totalOutputTokens": row["output_tokens"],
        "totalCacheReadTokens": row["cache_read_tokens"],
        "totalCacheCreationTokens": row["cache_write_tokens"],
        "models": row["models"],
        "sources": sources,
    }


def event_name(row: Mapping[str, Any]) -> str:
    """What an event is called, without the name of its program."""
    name = str(row.get("name") or "")
    return name.rpartition(".")[2] if row.get("signal") == "log" else name


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of telemetry."""
    found = {
        "eventName": event_name(row),
        "kind": row.get("kind"),
        "signal": row.get("signal"),
        "agent": row.get("agent"),
        "sessionId": row.get("session_id"),
        "timestamp": stamp(row.get("time_us") or row.get("received_us")),
        "position": str(row["position"]) if row.get("position") is not None else None,
        "source": "telemetry",
    }
    told = {name: row[key] for key, name in _TELEMETRY.items() if row.get(key) is not None}
    if row.get("cost_micros") is not None:
        told["costUsd"] = usd(row["cost_micros"])
    return found | told


def entry(each: Entry) -> dict[str, Any]:
    """An entry of a timeline: of the trace, of telemetry, or of both."""
    item = each.item
    found: dict[str, Any] = event(each.event) if each.event.get("signal") else {"source": "trace"}
    if item is not None:
        found["source"] = "both" if each.event.get("signal") else "trace"
    found.setdefault("eventName", _EVENTS.get(each.kind, each.kind))
    found |= {"kind": each.kind, "turn": each.turn, "depth": each.depth, "timestamp": stamp(each.us)}
    if item is not None:
        if item.step is not None:
            found["stepIndex"] = item.step
        found["text"] = item.text
        if each.kind == "call":
            found |= {"toolName": item.name, "toolUseId": item.call_id, "success": not item.state}
        if each.error:
            found["error"] = each.error
        if each.kind == "tokens":
            found |= {"model": each.model, "promptTokens": item.prompted, "outputTokens": item.made}
    if each.decision:
        found |= {"decision": each.decision.get("decision"), "decisionSource": each.decision.get("decision_source")}
    if each.duration_ms is not None:
        found["durationMs"] = each.duration_ms
    if each.trees:
        found |= {"beforeTree": each.trees[0], "afterTree": each.trees[1]}
    if each.parallel:
        found["parallel"] = each.parallel
    if each.money is not None:
        found |= money(each.money)
    return found


def money(amount: Money | None) -> dict[str, Any]:
    """What something cost, and whether that is an estimate, or only a part."""
    if amount is None:
        return {"costUsd": None}
    return {"costUsd": usd(amount.micros), "costIsEstimate": amount.estimate, "costIsLowerBound": amount.bound}


def camel(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its names in camelCase; microdollars become dollars."""
    return dict(_camel(row.items()))


def _camel(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for name, value in items:
        if name.endswith("_micros"):
            name, value = name.removesuffix("_micros") + "_usd", usd(value)
        head, *rest = name.split("_")
        yield head + "".join(word.capitalize() for word in rest), value
