"""How a worktree stood after a step: the boundary after its calls, or what comes nearest to that."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.errors import HookkitError, UsageError
from hookkit.trails.steps import at_step

ROOT = "/project"


def entry(second: int, root: str = ROOT) -> dict[str, Any]:
    """A boundary whose tree id is the second at which it was taken."""
    tree = {"algo": "sha1", "hex": f"{second:040d}"}
    return {
        "timestamp": f"2026-01-05T10:00:{second:02d}.000000Z",
        "trail": {"worktree_root": root, "tree_id": tree, "git_head": None},
    }


def step(second: int | None, *calls: str) -> dict[str, Any]:
    stamp = None if second is None else f"2026-01-05T10:00:{second:02d}.000Z"
    return {"timestamp": stamp, "tool_calls": [{"tool_call_id": call} for call in calls]}


def record(
    *steps: dict[str, Any], pre: dict[str, Any], post: dict[str, Any] | None = None, stop: int | None = None
) -> dict[str, Any]:
    metadata = {"hook_pre_tool_use": pre, "hook_post_tool_use": post or {}}
    metadata |= {"hook_stop": [entry(stop)] if stop is not None else [], "hook_events": []}
    return {"trace_id": "8aa45309-0000-4000-8000-000000000000", "steps": list(steps), "metadata": metadata}


def second(trace: dict[str, Any], index: int) -> int:
    return int(at_step(trace, index).tree)


def test_it_is_the_boundary_after_the_last_call_of_the_step() -> None:
    trace = record(
        step(0), step(1, "a", "b"), step(9), pre={"a": entry(2), "b": entry(3)}, post={"a": entry(5), "b": entry(4)}
    )
    assert [second(trace, index) for index in range(3)] == [2, 5, 5]


@pytest.mark.parametrize("unseen", [{}, {"a": {"timestamp": "2026-01-05T10:00:04.000000Z", "trail": None}}])
def test_a_call_that_no_hook_saw_end_is_over_at_the_next_boundary(unseen: dict[str, Any]) -> None:
    trace = record(
        step(0), step(1, "a"), step(6, "b"), pre={"a": entry(2), "b": entry(7)}, post={**unseen, "b": entry(8)}
    )
    assert second(trace, 1) == 7
    assert second(record(step(1, "a"), pre={"a": entry(2)}, post=unseen, stop=5), 0) == 5


def test_it_counts_also_beside_a_call_that_was_seen_to_end() -> None:
    pre = {"a": entry(2), "b": entry(4)}
    assert second(record(step(1, "a", "b"), pre=pre, post={"a": entry(3)}, stop=5), 0) == 5


def test_boundaries_of_another_worktree_tell_nothing_of_its_end() -> None:
    trace = record(step(1, "a"), step(2, "b"), pre={"a": entry(2), "b": entry(3, "/other")}, stop=6)
    assert second(trace, 0) == 6


def test_what_was_the_last_boundary_of_all_stands_for_what_came_after_it() -> None:
    assert second(record(step(1, "a"), pre={"a": entry(2)}), 0) == 2


def test_without_times_the_calls_before_the_step_tell() -> None:
    trace = record(
        step(None, "a"), step(None), step(None, "b"), pre={"a": entry(2)}, post={"a": entry(3), "b": entry(5)}
    )
    assert second(trace, 1) == 3


def test_a_step_that_is_not_there_and_a_trace_without_trees_are_refused() -> None:
    with pytest.raises(UsageError, match="no step 1"):
        at_step(record(step(0), pre={}), 1)
    with pytest.raises(HookkitError, match="No tree"):
        at_step(record(step(0), pre={}), 0)
