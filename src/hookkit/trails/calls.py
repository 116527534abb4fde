"""The tool calls of one recorded session, as its trace tells them: order, turns, prompts, times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookkit.errors import HookkitError
from hookkit.store.files import trace_path


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt of the user. number: 1-based. step_index: of the prompt's own step. prompt: all of its text."""

    number: int
    step_index: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call.

    given: its input as the trace has it. opened, closed: when the hooks saw it begin and end (ISO 8601). turn: None
    before the first prompt. failed: the agent was told of an error.
    """

    call_id: str
    tool: str
    step_index: int
    turn: Turn | None
    given: Mapping[str, Any]
    opened: str | None
    closed: str | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A recorded session. project: root of its worktree, or its folder. calls, turns: in order.

    steps: indexes of all steps, those without a call included.
    """

    trace_id: str
    session_id: str
    agent: str
    models: tuple[str, ...]
    project: str | None
    title: str
    calls: tuple[Call, ...]
    turns: tuple[Turn, ...]
    steps: tuple[int, ...]

    def call(self, call_id: str | None) -> Call | None:
        """The call of that id, or None."""
        return next((call for call in self.calls if call.call_id == call_id), None)


def load(trace_id: str) -> Session:
    """The session of a trace in the store. HookkitError if its file cannot be read."""
    path = trace_path(trace_id)
    try:
        return session(json.loads(path.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise HookkitError(
            "UNREADABLE_TRACE", f"{path} cannot be read: {error}.", "`hookkit ingest --all` writes it again."
        ) from error


def session(record: Mapping[str, Any]) -> Session:
    """The session that a TraceRecord (as JSON) holds."""
    metadata = record.get("metadata") or {}
    capture = metadata.get("capture")
    models = capture.get("models", ()) if isinstance(capture, Mapping) else ()
    turns: list[Turn] = []
    calls = tuple(_calls(record, metadata, turns))
    return Session(
        trace_id=record["trace_id"],
        session_id=record["session_id"],
        agent=str((record.get("agent") or {}).get("name") or ""),
        models=tuple(models),
        project=metadata.get("project"),
        title=str((record.get("task") or {}).get("description") or ""),
        calls=calls,
        turns=tuple(turns),
        steps=tuple(step["step_index"] for step in record["steps"]),
    )


def _calls(record: Mapping[str, Any], metadata: Mapping[str, Any], turns: list[Turn]) -> Iterator[Call]:
    """The calls in order of their steps; fills ``turns`` on the way."""
    pre, post = metadata.get("hook_pre_tool_use") or {}, metadata.get("hook_post_tool_use") or {}
    for step in record["steps"]:
        of_user = step.get("role") == "user" and step.get("call_type") in (None, "main")
        if of_user and step.get("parent_step") is None:
            turns.append(Turn(len(turns) + 1, step["step_index"], step.get("content") or ""))
        failed = {item.get("source_call_id") for item in step.get("observations") or () if item.get("error")}
        for call in step.get("tool_calls") or ():
            call_id = call["tool_call_id"]
            yield Call(
                call_id=call_id,
                tool=str(call.get("tool_name") or ""),
                step_index=step["step_index"],
                turn=turns[-1] if turns else None,
                given=call.get("input") or {},
                opened=(pre.get(call_id) or {}).get("timestamp") or step.get("timestamp"),
                closed=(post.get(call_id) or {}).get("timestamp"),
                failed=call_id in failed,
            )
