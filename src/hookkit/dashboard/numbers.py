"""Tools and costs: of one session from its entries, of many from the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookkit.dashboard import tables
from hookkit.dashboard.catalogue import Catalogue
from hookkit.dashboard.entries import Entry, tokens
from hookkit.dashboard.filters import Filter
from hookkit.dashboard.opened import Opened
from hookkit.dashboard.prices import Money

# What costs can be told apart by -> the column of tables.USAGE.
COST_BY: Mapping[str, str] = {
    "model": "model", "subagent": "agent_name", "day": "day", "agent": "agent", "project": "project",
}  # fmt: skip
_BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")


@dataclass(slots=True)
class Tool:
    """The calls of one tool. durations: milliseconds of those that are known."""

    name: str
    calls: int = 0
    failed: int = 0
    accepted: int = 0
    rejected: int = 0
    durations: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As the tables of many sessions tell it."""
        ordered = sorted(self.durations)
        return {
            "tool_name": self.name,
            "call_count": self.calls,
            "success_count": self.calls - self.failed,
            "failure_count": self.failed,
            "accept_count": self.accepted,
            "reject_count": self.rejected,
            "avg_duration_ms": sum(ordered) / len(ordered) if ordered else None,
            "p50_duration_ms": percentile(ordered, 0.5),
            "p95_duration_ms": percentile(ordered, 0.95),
            "total_duration_ms": sum(ordered) if ordered else None,
        }


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None of nothing."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)] if ordered else None


def session_tools(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The tools of a session, those with the most calls first."""
    found: dict[str, Tool] = {}
    for entry in entries:
        if entry.kind not in ("call", "decision"):
            continue
        tool = found.setdefault(entry.name, Tool(entry.name))
        decision = str(
            (entry.event if entry.kind == "decision" else entry.decision or entry.event).get("decision") or ""
        )
        tool.accepted += decision == "accept"
        tool.rejected += decision == "reject"
        if entry.kind == "call":
            tool.calls += 1
            tool.failed += entry.failed
            if entry.duration_ms is not None:
                tool.durations.append(entry.duration_ms)
    return [tool.row() for tool in sorted(found.values(), key=lambda tool: (-tool.calls, tool.name))]


def session_costs(opened: Opened, by: str = "model") -> list[dict[str, Any]]:
    """What a session cost, by ``model`` or ``subagent``; the dearest first."""
    told = any(entry.kind == "request" for entry in opened.entries)
    if not told and by == "model":
        return _dearest(_of_trace(opened))
    found: dict[str, dict[str, Any]] = {}
    subagent = ["main"]
    for entry in opened.entries:
        del subagent[entry.depth + (entry.kind != "subagent") :]
        if entry.kind == "subagent":
            subagent += [subagent[-1]] * (entry.depth - len(subagent)) + [entry.name or "subagent"]
        if entry.kind != ("request" if told else "tokens"):
            continue
        name = entry.model if by == "model" else str(entry.event.get("agent_name") or subagent[-1])
        _add(found.setdefault(name, _nothing(by, name)), entry)
    return _dearest(found.values())


def _nothing(by: str, name: str) -> dict[str, Any]:
    return {by: name, "api_calls": 0, "total_cost_micros": None, "estimate": False, **dict.fromkeys(_BUCKETS, 0)}


def _add(row: dict[str, Any], entry: Entry) -> None:
    money = entry.money or Money(None)
    row["api_calls"] += 1
    if money.micros is not None:
        row["total_cost_micros"] = (row["total_cost_micros"] or 0) + money.micros
        row["estimate"] = row["estimate"] or money.estimate
    for name in _BUCKETS:
        row[name] += entry.event.get(name) or 0
    if entry.item:  # the trace keeps what went in and what came out
        row["input_tokens"] += entry.item.prompted
        row["output_tokens"] += entry.item.made


def _of_trace(opened: Opened) -> Iterable[dict[str, Any]]:
    cost = opened.metadata.get("cost") or {}
    requests: dict[str, int] = defaultdict(int)
    for entry in opened.entries:
        if entry.kind == "tokens" and tokens(entry):
            requests[entry.model] += 1
    for model, used in (cost.get("models") or {}).items():
        usd = used.get("usd")
        yield _nothing("model", model) | {
            "api_calls": requests[model],
            "total_cost_micros": None if usd is None else round(usd * 1e6),
            "estimate": cost.get("source") != "agent",
            "input_tokens": used["input_tokens"],
            "output_tokens": used["output_tokens"],
            "cache_read_tokens": used["cache_read_tokens"],
            "cache_creation_tokens": used["cache_write_tokens"],
        }


def _dearest(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (-(row["total_cost_micros"] or 0), -row["output_tokens"]))


def costs(catalogue: Catalogue, wanted: Filter, by: str, limit: int = 500) -> list[dict[str, Any]]:
    """What the sessions that a filter leaves cost, by one of ``COST_BY``; the latest day, else the dearest, first."""
    where, values = wanted.where()
    order = "name DESC" if by == "day" else "total_cost_micros DESC NULLS LAST, output_tokens DESC, name"
    query = tables.COSTS.format(where=where, by=COST_BY[by], order=order)
    return catalogue.ask(query, [*values, limit])


def tools(catalogue: Catalogue, wanted: Filter, limit: int = 500) -> list[dict[str, Any]]:
    """The tools of the sessions that a filter leaves, those with the most calls first."""
    where, values = wanted.where()
    return catalogue.ask(tables.TOOLS.format(where=where), [*values, limit])


def money_of_call(opened: Opened, entry: Entry) -> Money | None:
    """What the request that made a call cost, shared evenly among the calls that it made; None if that is not known."""
    turn = next(turn for turn in opened.turns if turn.first <= entry.number < turn.last)
    part = opened.entries[turn.first : turn.last]
    made = [each for each in part if each.kind == "call" and each.place == entry.place and each.depth == entry.depth]
    request = next((each for each in part if each.kind == "tokens" and each.place == entry.place), None)
    if request is None:
        before = [each for each in part if each.kind == "request" and each.number < entry.number]
        request = before[-1] if before else None
        made = [each for each in part if each.kind == "call" and before and each.number > before[-1].number]
        later = next((e.number for e in part if e.kind == "request" and e.number > entry.number), turn.last)
        made = [each for each in made if each.number < later]
    if request is None or request.money is None or request.money.micros is None:
        return None
    return Money(round(request.money.micros / max(1, len(made))), request.money.estimate)
