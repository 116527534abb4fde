"""A recorded session as a node tree: its phases where it has some, else its turns; each with its calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hookkit.exporters.windows import context_window
from hookkit.redaction import redact
from hookkit.store.node import Node, estimate, is_id
from hookkit.trails.timeline import FOREVER, Timeline, micros, timeline

if TYPE_CHECKING:
    from hookkit.exporters.source import Source

_TITLE = 48
_PROMPTED = ("input_tokens", "cache_read_tokens", "cache_write_tokens")
_LEAST_COST = 1e-9
_PRICES = (("input_tokens", 1), ("output_tokens", 5), ("cache_read_tokens", 0.1), ("cache_write_tokens", 1.25))


def export(source: Source) -> Iterator[str]:
    """The tree as the text of a file. It tells names of tools, models and phases; of a prompt its first words."""
    yield node_tree(source.record).to_json()


def node_tree(record: Mapping[str, Any]) -> Node:
    """The tree of a TraceRecord (as JSON)."""
    trace_id = str(record["trace_id"])
    times = timeline(record)
    parts = _parts(record)
    contexts = _Contexts()
    for step in record["steps"]:
        contexts.add(step)
    _share_cost(record, parts)
    inner: dict[str, list[_Part]] = {}
    for part in parts:
        if part.parent is not None:
            inner.setdefault(part.parent, []).append(part)
    children: list[Node] = []
    for part in parts:
        if part.marked:
            children.append(Node(_id(trace_id, f"marker {part.key}"), "marker", f"→ {part.name}"))
        children.append(_phase(trace_id, part, inner.get(part.key, ()), contexts, times))
    return Node(
        trace_id if is_id(trace_id) else _id(trace_id, ""),
        "trace",
        str((record.get("agent") or {}).get("name") or "agent"),
        duration_ms=_lasted(record),
        children=tuple(children),
    )


@dataclass(slots=True)
class _Part:
    """A phase to be. key: tells it from the others. start, end: microseconds since 1970, if they are known."""

    key: str
    name: str
    start: int | None = None
    end: int | None = None
    parent: str | None = None
    marked: bool = True
    steps: list[Mapping[str, Any]] = field(default_factory=list)
    cost_usd: float = 0.0


def _parts(record: Mapping[str, Any]) -> list[_Part]:
    """The phases in order of time, with their steps; ``default`` takes completions and calls that are in none."""
    metadata = record.get("metadata") or {}
    given = [one for one in metadata.get("phases") or () if isinstance(one, Mapping) and one.get("id") is not None]
    default = _Part("default", "default", marked=False)
    parts = _told(given, metadata.get("step_phases") or {}, record["steps"], default) if given else None
    if parts is None:
        parts = _turns(record["steps"], default)
    default.steps = [step for step in default.steps if step["role"] == "agent"]
    if default.steps:
        default.start = next((at for step in default.steps if (at := micros(step.get("timestamp"))) is not None), None)
        later = (at for at, part in enumerate(parts) if default.start is None or (part.start or 0) > default.start)
        parts.insert(next(later, len(parts)), default)
    return parts


def _told(
    given: Sequence[Mapping[str, Any]], places: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], default: _Part
) -> list[_Part]:
    """The phases that the record names."""
    parts: dict[str, _Part] = {}
    for one in given:
        key = str(one["id"])
        outer = parts.get(str(one["parent"])) if one.get("parent") is not None else None
        name = _clean(str(one.get("name") or key))
        parts[key] = _Part(
            f"phase {key}",
            f"{outer.name} / {name}" if outer else name,
            micros(one.get("started_at")),
            micros(one.get("ended_at")),
            outer.key if outer else None,
        )
    found: dict[int, _Part] = {}
    for step in steps:
        index, parent = step["step_index"], step.get("parent_step")
        place = places.get(str(index))
        part = parts.get(str(place)) if place is not None else found.get(parent) if parent is not None else None
        found[index] = part or default
        found[index].steps.append(step)
    return sorted(parts.values(), key=lambda part: part.start or 0)


def _turns(steps: Sequence[Mapping[str, Any]], default: _Part) -> list[_Part]:
    """The turns; what nobody called, such as a subagent of another program, is in the turn of its time."""
    turns: list[_Part] = []
    found: dict[int, _Part] = {}
    for step in steps:
        parent, at = step.get("parent_step"), micros(step.get("timestamp"))
        is_main = parent is None and step.get("call_type") in (None, "main")
        if is_main and step["role"] == "user":
            number = len(turns) + 1
            words = _words(step.get("content") or "")
            turns.append(_Part(f"turn {number}", f"turn {number}: {words}" if words else f"turn {number}", at))
        part = turns[-1] if turns else default
        if parent is not None:
            part = found.get(parent, part)
        elif not is_main and at is not None:
            part = next((turn for turn in reversed(turns) if (turn.start or 0) <= at), default)
        found[step["step_index"]] = part
        part.steps.append(step)
    return turns


def _words(prompt: str) -> str:
    """The first words of a prompt."""
    line = next((line.strip() for line in _clean(prompt).splitlines() if line.strip()), "")
    if len(line) <= _TITLE:
        return line
    cut = line[:_TITLE]
    return (cut.rpartition(" ")[0] or cut) + "…"


def _clean(text: str) -> str:
    """Without secrets: judged before it is cut, as half a secret looks like none."""
    return str(redact(text[:10_000]))


class _Contexts:
    """How full the context was at each step: as its model counted, else estimated, for each conversation apart."""

    def __init__(self) -> None:
        self.at: dict[int, tuple[int, int]] = {}
        self.estimates: dict[int, tuple[int, int]] = {}  # of the step alone, in and out
        self._now: dict[tuple[Any, ...], tuple[int, int]] = {}

    def add(self, step: Mapping[str, Any]) -> None:
        keys = ("call_type", "parent_step", "agent_role", "subagent_trajectory_ref")
        stream = tuple(step.get(key) for key in keys)
        said = estimate(step.get("content"))
        said += sum(estimate(call["tool_name"]) + estimate(call.get("input")) for call in step.get("tool_calls") or ())
        heard = sum(estimate(result.get("content")) for result in step.get("observations") or ())
        is_agent = step["role"] == "agent"
        taken, given = self._now.get(stream, (0, 0))
        counted = _usage(step)
        if counted != (0, 0):
            taken, given = counted
        elif is_agent:
            given += said
        else:
            taken += said
        self.at[step["step_index"]] = taken, given
        self.estimates[step["step_index"]] = (heard, said) if is_agent else (heard + said, 0)
        self._now[stream] = taken + heard, given


def _usage(step: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens in and out of the step's completion; (0, 0) if the model did not count them."""
    usage = step.get("token_usage") or {}
    return sum(usage.get(key) or 0 for key in _PROMPTED), usage.get("output_tokens") or 0


def _phase(trace_id: str, part: _Part, inner: Sequence[_Part], contexts: _Contexts, times: Timeline) -> Node:
    counted = [_usage(step) for step in part.steps]
    if not any(map(any, counted)):
        counted = [contexts.estimates[step["step_index"]] for step in part.steps]
    models = [step["model"] for step in part.steps if step.get("model")]
    return Node(
        _id(trace_id, part.key),
        "phase",
        part.name,
        model=models[-1] if models else "",
        duration_ms=_open(part, inner, times) // 1000,
        cost_usd=part.cost_usd,
        input_tokens=sum(taken for taken, _ in counted),
        output_tokens=sum(given for _, given in counted),
        children=tuple(_calls(trace_id, part, contexts, times)),
    )


def _calls(trace_id: str, part: _Part, contexts: _Contexts, times: Timeline) -> Iterator[Node]:
    for step in part.steps:
        taken, given = contexts.at[step["step_index"]]
        window = context_window(step.get("model"))
        for call in step.get("tool_calls") or ():
            yield Node(
                _id(trace_id, f"call {step['step_index']} {call['tool_call_id']}"),
                "tool_call",
                str(call["tool_name"]),
                duration_ms=_took(call, times),
                input_tokens=taken,
                output_tokens=given,
                context_window=window if taken <= window else 0,  # then it is another variant of the model
            )


def _took(call: Mapping[str, Any], times: Timeline) -> int:
    """Milliseconds of a call: what the agent says, else from hook to hook; 0 if neither tells."""
    said = call.get("duration_ms")
    if said is not None:
        return int(max(0, said))
    window = times.windows.get(call["tool_call_id"])
    if window is None or window.opened is None or window.closed is None or window.inferred or window.end == FOREVER:
        return 0
    return max(0, window.end - window.start) // 1000


def _span(part: _Part, times: Timeline) -> tuple[int, int]:
    """From when until when, in microseconds; of a phase that does not tell, until the last that happened in it."""
    calls = [call["tool_call_id"] for step in part.steps for call in step.get("tool_calls") or ()]
    windows = [times.windows[call] for call in calls if call in times.windows]
    moments = [at for step in part.steps if (at := micros(step.get("timestamp"))) is not None]
    moments += [window.end for window in windows if window.end != FOREVER and not window.inferred]
    start = part.start if part.start is not None else min(moments, default=0)
    end = part.end if part.end is not None else max(moments, default=start)
    return start, max(start, end)


def _open(part: _Part, inner: Sequence[_Part], times: Timeline) -> int:
    """Microseconds that a phase was open, without those of the phases inside of it."""
    start, end = _span(part, times)
    lasted, at = end - start, start
    for first, last in sorted(_span(one, times) for one in inner):
        first, last = max(first, at), min(last, end)
        if last > first:
            lasted, at = lasted - (last - first), last
    return lasted


def _share_cost(record: Mapping[str, Any], parts: list[_Part]) -> None:
    """The costs of steps go to their phases; what of them is estimated is shared by tokens, for each model apart.

    What no step accounts for goes to the only phase, else to ``default``.
    """
    cost = (record.get("metadata") or {}).get("cost")
    if not isinstance(cost, Mapping):
        return
    told = cost.get("steps") or {}
    for part in parts:
        part.cost_usd = float(sum(told.get(str(step["step_index"])) or 0 for step in part.steps))
    if cost.get("source") in ("estimate", "mixed"):
        _share_estimate(cost, told, parts)
    left = _left(cost, parts)
    if left > _LEAST_COST:
        rest = parts[0] if len(parts) == 1 else next((part for part in parts if not part.marked), None)
        if rest is None:
            rest = _Part("default", "default", marked=False)
            parts.append(rest)
        rest.cost_usd += left


def _share_estimate(cost: Mapping[str, Any], told: Mapping[str, float], parts: Sequence[_Part]) -> None:
    known: dict[str, float] = {}
    weights: dict[str, list[tuple[_Part, float]]] = {}
    for part in parts:
        for step in part.steps:
            index, model = str(step["step_index"]), str(step.get("model"))
            if index in told:
                known[model] = known.get(model, 0.0) + (told[index] or 0)
            elif weight := _weight(step):
                weights.setdefault(model, []).append((part, weight))
    for model, one in (cost.get("models") or {}).items():
        _share((one.get("usd") or 0) - known.get(model, 0.0), weights.get(model, ()))
    unpriced = cost.get("unpriced") or ()
    priced = [one for model, some in weights.items() if model not in unpriced for one in some]
    _share(_left(cost, parts), priced)  # of models that are called otherwise in the steps


def _share(usd: float, weights: Sequence[tuple[_Part, float]]) -> None:
    total = sum(weight for _, weight in weights)
    for part, weight in weights if usd > _LEAST_COST else ():
        part.cost_usd += usd * weight / total


def _weight(step: Mapping[str, Any]) -> float:
    """What the tokens of a completion cost against each other, about as most providers price them."""
    usage = step.get("token_usage") or {}
    return float(sum((usage.get(key) or 0) * price for key, price in _PRICES))


def _left(cost: Mapping[str, Any], parts: Sequence[_Part]) -> float:
    return float(cost.get("usd") or 0) - sum(part.cost_usd for part in parts)


def _lasted(record: Mapping[str, Any]) -> int:
    seconds = (record.get("metrics") or {}).get("total_duration_s")
    if seconds is not None:
        return int(max(0, seconds * 1000))
    start, end = micros(record.get("timestamp_start")), micros(record.get("timestamp_end"))
    return max(0, end - start) // 1000 if start is not None and end is not None else 0


def _id(trace_id: str, of: str) -> str:
    return hashlib.sha256(f"{trace_id}\0{of}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
