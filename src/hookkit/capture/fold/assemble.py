"""Puts the streams of a session in order: each subagent's steps right after the step that called it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.fold.fold import Fold
from hookkit.capture.fold.streams import Stream
from hookkit.capture.record import canonical, observation, place_step
from hookkit.capture.windows import CallEnd

_FINAL_STOPS = frozenset({"end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded"})


@dataclass(frozen=True, slots=True)
class AgentMeta:
    """What an agent says of one of its subagents; "" where it says nothing.

    cell: the step that it follows, where no call started it; -1 for none.
    """

    agent_type: str = ""
    call_id: str = ""
    cell: int = -1


def assemble(fold: Fold, metas: Mapping[str, AgentMeta]) -> Assembly:
    """The session as read so far. metas: agent id -> meta."""
    main, subagents = _streams(fold)
    placed = list(order(fold, metas))
    unmatched = {stream.agent for _, stream, parent in placed if parent is None and stream is not main}
    open_calls: dict[int, list[str]] = {}
    for call_id, call in fold.calls.items():
        if call.state == "open":
            open_calls.setdefault(call.cell, []).append(call_id)
    steps = []
    for index, (cell, stream, parent) in enumerate(placed):
        is_main = stream is main
        steps.append(
            place_step(
                _text(fold, cell, open_calls.get(cell, [])),
                index=index,
                parent=parent,
                call_type="main" if is_main else "warmup" if stream.first_prompt == "Warmup" else "subagent",
                role="main" if is_main else metas.get(stream.agent, AgentMeta()).agent_type or "subagent",
                ref=None if is_main else stream.agent,
            )
        )
    ordered = [main, *subagents]
    calls = {call_id: call for call_id, call in fold.calls.items() if call.cell not in fold.copied}
    copied = [index for index, (cell, _, _) in enumerate(placed) if cell in fold.copied]
    copies = {"copied_steps": copied} if copied else {}
    counts = fold.counts + Counter({"orphan_results": len(fold.early), "unmatched_subagents": len(unmatched)})
    return Assembly(
        source="transcript",
        steps=steps,
        ends={call_id: CallEnd(call.state != "open", call.result_us) for call_id, call in calls.items()},
        tool_input=lambda call_id: _tool_input(fold, call_id),
        prompt=main.first_prompt,
        prompt_source=main.prompt_source,
        version=fold.facts.get("version"),
        branch=fold.facts.get("branch"),
        cwd=fold.facts.get("cwd"),
        model=main.models[-1] if main.models else None,
        models=list(dict.fromkeys(model for stream in ordered for model in stream.models)),
        usage=(fold.usage[0], fold.usage[1], fold.usage[2], fold.usage[3]),
        ledger=fold.ledger,
        costs={index: fold.costs[cell] for index, (cell, _, _) in enumerate(placed) if cell in fold.costs},
        span=fold.span,
        turns=main.turns,
        tool_calls=len(calls),
        failed_tool_calls=sum(call.state == "failed" for call in calls.values()),
        subagents=len(subagents),
        last=main.last,
        last_failed=main.last_failed,
        ended=main.last == "agent" and main.last_stop in _FINAL_STOPS,
        end_us=main.last_us,
        metadata=_metadata(fold, ordered) | copies,
        counts=counts,
        unknown_types=dict(sorted(fold.unknown.items())),
    )


def _streams(fold: Fold) -> tuple[Stream, list[Stream]]:
    """The main conversation, and the subagents' in a stable order."""
    streams = sorted((stream for stream in fold.streams if stream.cells or stream.file), key=lambda s: s.rank)
    main = next((stream for stream in fold.streams if stream.rank == ("", "")), Stream("", ""))
    return main, [stream for stream in streams if stream is not main]


def order(fold: Fold, metas: Mapping[str, AgentMeta]) -> Iterator[tuple[int, Stream, int | None]]:
    """(cell, stream, index of the parent step) of every step, in the order of the record.

    Subagents whose call is nowhere, or that are only reached through each other, come last without a parent.
    """
    main, subagents = _streams(fold)
    callers: dict[int, list[tuple[int, Stream]]] = {}
    numbers = {call_id: number for number, call_id in enumerate(fold.calls)}
    for stream in subagents:
        meta = metas.get(stream.agent, AgentMeta())
        call_id = meta.call_id or fold.spawned.get(stream.agent, "")
        call = fold.calls.get(call_id)
        if call is not None and fold.streams[call.stream] is not stream:
            callers.setdefault(call.cell, []).append((numbers[call_id], stream))
        elif call is None and 0 <= meta.cell < len(fold.cells) and meta.cell not in stream.cells and stream.cells:
            callers.setdefault(meta.cell, []).append((stream.cells[0], stream))
    index = 0
    done: set[tuple[str, str]] = set()
    called = {stream.rank for children in callers.values() for _, stream in children}
    for root in (main, *(stream for stream in subagents if stream.rank not in called), *subagents):
        if root.rank in done:
            continue
        todo: list[tuple[Stream, int, int | None]] = [(root, 0, None)]
        done.add(root.rank)
        while todo:
            stream, at, parent = todo.pop()
            if at == len(stream.cells):
                continue
            cell = stream.cells[at]
            yield cell, stream, parent
            todo.append((stream, at + 1, parent))
            for _, child in sorted(callers.get(cell, []), key=lambda c: (c[0], c[1].rank), reverse=True):
                if child.rank not in done:
                    done.add(child.rank)
                    todo.append((child, 0, index))
            index += 1


def _text(fold: Fold, cell: int, open_calls: list[str]) -> bytes:
    text = fold.cells.text(cell)
    if open_calls:
        step = json.loads(text)
        step["observations"] += [observation(call_id, None, "no_result") for call_id in open_calls]
        text = canonical(step)
    return text


def _tool_input(fold: Fold, call_id: str) -> Mapping[str, Any] | None:
    call = fold.calls.get(call_id)
    if call is None:
        return None
    calls = fold.cells.open(call.cell)["tool_calls"]
    found: Mapping[str, Any] = next(item["input"] for item in calls if item["tool_call_id"] == call_id)
    return found


def _metadata(fold: Fold, streams: list[Stream]) -> dict[str, Any]:
    """The lists that exist only where something happened, each entry with the agent it is about."""
    found: dict[str, Any] = {}
    for key, name in (
        ("skill_invocations", "skills"),
        ("commands", "commands"),
        ("compaction_events", "compactions"),
        ("session_errors", "errors"),
        ("permission_denials", "denials"),
    ):
        entries = [
            {**entry, "agent_id": stream.agent} if stream.agent else entry
            for stream in streams
            for entry in getattr(stream, name)
        ]
        if entries:
            found[key] = entries
    return found | {name: fold.facts[name] for name in ("permission_mode", "forked_from") if name in fold.facts}
