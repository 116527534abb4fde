"""Joins a session's steps and its hook lines into the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookkit.capture.assembly import Assembly
from hookkit.capture.cost import cost
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.identity import trace_id
from hookkit.capture.quality import enough
from hookkit.capture.record import Pieces, Record, new_head
from hookkit.capture.values import join
from hookkit.capture.windows import pair, restore_cuts

_MOST_DESCRIPTION = 2000  # characters; the step holds the whole prompt
_STOP = frozenset({"Stop", "StopFailure"})
_TURN_END = _STOP | {"SessionEnd"}


def build(
    assembly: Assembly, hooks: HookIndex, *, project: str | None, skipped: Mapping[str, int], errors: Sequence[str]
) -> Record:
    """The record of a session.

    project: worktree root or folder, used where no hook line names a worktree. skipped: reason -> lines of no use.
    errors: why the trace must not be exported; empty means clean.
    """
    pairing = pair(hooks, assembly.ends)
    cut_left = restore_cuts(hooks, assembly.tool_input)
    events = hooks.events()
    post = {**{call_id: row.text for call_id, row in hooks.post.items()}, **pairing.inferred}
    head = new_head(trace_id(hooks.agent, hooks.session_id), hooks.session_id, hooks.agent)
    _describe(head, assembly, hooks)
    inferred = {"post_inferred": len(pairing.inferred)} if pairing.inferred else {}
    complete = not errors and _is_finished(assembly, hooks)
    head["outcome"] |= _outcome(assembly, complete)
    metadata: dict[str, Any] = {
        "project": hooks.first[1] if hooks.first else project or assembly.cwd,
        "cwd": assembly.cwd,
        "hook_pre_tool_use": Pieces({call_id: row.text for call_id, row in hooks.pre.items()}),
        "hook_post_tool_use": Pieces(post),
        "hook_stop": Pieces([row.text for event, row in events if event in _STOP]),
        "hook_events": Pieces([row.text for event, row in events if event not in _STOP]),
        **assembly.metadata,
        "capture": {
            "source": assembly.source,
            "complete": complete,
            "blocked": list(errors),
            "meets_quality_threshold": enough(
                len(assembly.steps) - len(assembly.metadata.get("copied_steps", ())), assembly.tool_calls
            ),
            "turns": assembly.turns,
            "tool_calls": assembly.tool_calls,
            "failed_tool_calls": assembly.failed_tool_calls,
            "subagents": assembly.subagents,
            "models": assembly.models,
            "hooked_tool_calls": len(hooks.pre.keys() | hooks.post.keys()),
            "post_inferred": len(pairing.inferred),
            "missing_pre_or_post_hook": pairing.missing,
            "unpaired": {"no_post": pairing.no_post, "no_pre": pairing.no_pre, "no_hook": pairing.no_hook},
            "limitations": {**hooks.limitations(), **inferred},
            "cut_tool_inputs": cut_left,
            "skipped_lines": dict(skipped),
            "unknown_types": dict(assembly.unknown_types),
            **{name: number for name, number in {**assembly.counts, **hooks.counts}.items() if number},
        },
    }
    spent = cost(assembly, (assembly.span or hooks.span or [None])[0])
    if spent is not None:
        metadata["cost"] = spent
        head["metrics"]["estimated_cost_usd"] = spent["usd"]
    return Record(head, metadata, assembly.steps, pairing.unseen)


def _describe(head: dict[str, Any], assembly: Assembly, hooks: HookIndex) -> None:
    span = join(assembly.span, hooks.span) if assembly.span else hooks.span
    commit = hooks.first[2] if hooks.first else None
    if span:
        head["timestamp_start"], head["timestamp_end"] = span[1], span[3]
        head["metrics"]["total_duration_s"] = round((span[2] - span[0]) / 1e6, 3)
    if assembly.prompt is not None:
        head["task"] |= {"description": assembly.prompt[:_MOST_DESCRIPTION], "source": assembly.prompt_source}
    head["task"]["base_commit"] = commit
    head["agent"] |= {"version": assembly.version, "model": assembly.model}
    if assembly.branch or hooks.first:
        head["environment"]["vcs"] |= {"type": "git", "branch": assembly.branch, "base_commit": commit}
    given, made, read, written = assembly.usage
    prompted = given + read + written
    head["metrics"] |= {
        "total_steps": len(assembly.steps),
        "total_input_tokens": given,
        "total_output_tokens": made,
        "total_cache_read_tokens": read,
        "total_cache_creation_tokens": written,
        "cache_hit_rate": read / prompted if prompted else None,
    }


def _is_finished(assembly: Assembly, hooks: HookIndex) -> bool:
    prompted = max((row.us for event, row in hooks.events() if event == "UserPromptSubmit"), default=0)
    stopped = max((row.us for event, row in hooks.events() if event in _TURN_END), default=0)
    if not assembly.last or prompted > max(assembly.end_us, stopped):
        return False
    if assembly.ended or assembly.last in ("error", "interrupted"):
        return True
    return stopped >= assembly.end_us


def _outcome(assembly: Assembly, complete: bool) -> dict[str, Any]:
    """What the end of the session suggests; nothing here proves that the task was done."""
    if assembly.last == "error":
        return {"success": False, "terminal_state": "error", "description": "The last turn ended with an error."}
    if assembly.last == "interrupted":
        return {"terminal_state": "interrupted", "description": "The user interrupted the last turn."}
    if not complete:
        return {"description": "The last turn had not ended when this was read."}
    if assembly.ended and not assembly.last_failed:
        return {
            "success": True,
            "terminal_state": "goal_reached",
            "description": "The agent ended its last turn by itself, and its last tool call had not failed.",
        }
    return {"description": "The last turn ended; nothing says how."}
