"""Which boundaries bound what: windows, intervals and gaps of a session."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.trails.timeline import FOREVER, Gap, Timeline, micros, moments, timeline


def at(second: float) -> str:
    return f"2026-01-01T00:00:{second:09.6f}Z"


def entry(second: float, tree: str | None, root: str = "/r", **data: Any) -> dict[str, Any]:
    trail = {"worktree_root": root, "tree_id": {"algo": "sha1", "hex": tree}, "git_head": None} if tree else None
    return {"timestamp": at(second), "trail": trail, **data}


def call(pre: dict[str, Any], tool: str = "Bash", **given: Any) -> dict[str, Any]:
    return {**pre, "tool": tool, "tool_input": given}


def record(
    pre: dict[str, Any], post: dict[str, Any], stop: list[Any] | None = None, events: list[Any] | None = None
) -> dict[str, Any]:
    metadata = {"hook_pre_tool_use": pre, "hook_post_tool_use": post, "hook_stop": stop or [], "hook_events": events}
    return {"agent": {"name": "claude-code"}, "metadata": metadata}


def spans(times: Timeline, root: str = "/r") -> list[tuple[str | None, str | None, list[str]]]:
    return [
        (each.before.tree, each.after.tree, [window.call_id for window in each.within])
        for each in times.intervals(root)
        if each.before.tree != each.after.tree
    ]


def test_change_inside_another_open_window_is_no_gap() -> None:
    times = timeline(
        record(
            {"outer": entry(1, "a"), "inner": entry(2, "b"), "next": entry(5, "d")},
            {"inner": entry(3, "b"), "outer": entry(4, "c"), "next": entry(6, "d")},
            [entry(7, "e")],
        )
    )
    assert times.gaps() == [Gap("c", "d", at(4), "next"), Gap("d", "e", at(6))]
    assert spans(times) == [("a", "b", ["outer"]), ("b", "c", ["outer"]), ("c", "d", []), ("d", "e", [])]


def test_windows_that_overlap_are_cut_at_every_boundary() -> None:
    times = timeline(
        record({"one": entry(1, "a"), "two": entry(2, "b")}, {"one": entry(3, "c"), "two": entry(4, "d")}),
    )
    assert spans(times) == [("a", "b", ["one"]), ("b", "c", ["one", "two"]), ("c", "d", ["two"])]


def test_change_while_a_call_runs_that_never_writes_is_a_gap() -> None:
    pre = {"read": call(entry(1, "a"), "Read", file_path="/r/f")}
    assert timeline(record(pre, {"read": entry(2, "b")})).gaps() == [Gap("a", "b", at(1))]
    pre = {"mcp": call(entry(1, "a"), "mcp__files__look")}
    assert timeline(record(pre, {"mcp": entry(2, "b")})).gaps() == []


def test_worktrees_are_never_compared_with_each_other() -> None:
    times = timeline(
        record(
            {"one": entry(1, "a"), "two": entry(2, "x", "/w")},
            {"one": entry(3, "a"), "two": entry(4, "y", "/w")},
            [entry(5, "b")],
        )
    )
    assert spans(times) == [("a", "b", [])]
    assert spans(times, "/w") == [("x", "y", ["two"])]
    (change,) = times.intervals("/w")
    assert [window.call_id for window in change.beside] == ["one"]
    assert times.gaps() == [], "the second call ran in that time, and may write anywhere"


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ({"bare": entry(2, None)}, {"bare": entry(3, "b")}),
        ({"bare": entry(2, "a")}, {"bare": entry(3, None)}),
        ({"bare": entry(2, None)}, {"bare": entry(3, None)}),
        ({}, {"bare": entry(3, "b", duration_ms=1000)}),
        ({}, {"bare": entry(3, "b")}),
        ({"bare": entry(2, "a")}, {"bare": entry(3, "x", "/elsewhere")}),
    ],
)
def test_call_that_lacks_a_tree_at_one_end_may_have_made_the_change_around_it(pre: Any, post: Any) -> None:
    times = timeline(record(pre, post, [entry(4, "b"), entry(9, "c")], [entry(1, "a")]))
    assert times.gaps() == [Gap("b", "c", at(4))]
    changed = [each for each in times.intervals("/r") if each.before.tree != each.after.tree]
    assert [[window.call_id for window in each.beside] for each in changed] == [["bare"], []]


def test_call_that_never_ended_is_open_to_the_end() -> None:
    times = timeline(record({"lost": entry(1, "a")}, {}, [entry(2, "b"), entry(3, "c")]))
    assert times.windows["lost"].end == FOREVER
    assert spans(times) == [("a", "b", ["lost"]), ("b", "c", ["lost"])]


def test_clock_that_was_set_back_during_a_call_leaves_no_window_open() -> None:
    times = timeline(record({"back": entry(3, "b")}, {"back": entry(2, "c")}, [entry(4, "d")]))
    assert spans(times) == [("c", "b", ["back"]), ("b", "d", [])]


def test_end_that_no_hook_saw_is_inferred() -> None:
    times = timeline(
        record(
            {"denied": entry(1, "a"), "next": entry(2, "a")},
            {"denied": entry(2, "a", capture_status="post_inferred"), "next": entry(3, "b")},
        )
    )
    assert times.windows["denied"].inferred
    assert not times.windows["next"].inferred
    assert spans(times) == [("a", "b", ["next"])]


def test_intervals_can_be_asked_for_from_a_time_on() -> None:
    times = timeline(record({"one": entry(1, "a")}, {"one": entry(5, "d")}, [], [entry(2, "b"), entry(3, "c")]))
    since = micros(at(2))
    assert since is not None
    found = [(each.before.tree, each.after.tree) for each in times.intervals("/r", since)]
    assert found == [("b", "c"), ("c", "d")]
    assert all([window.call_id for window in each.within] == ["one"] for each in times.intervals("/r", since))


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [None], {"c": None}, {"c": 1}, {"c": {"timestamp": 5}}, ["x"]])
def test_metadata_of_any_shape_is_read(value: Any) -> None:
    names = ("hook_pre_tool_use", "hook_post_tool_use", "hook_stop", "hook_events")
    times = Timeline(moments(dict.fromkeys(names, value)))
    assert times.gaps() == []
    assert not times.roots


def test_times_are_read_to_the_microsecond() -> None:
    first, second = micros("2026-01-01T00:00:00.000001Z"), micros("2026-01-01T02:00:00.000002+02:00")
    assert first is not None
    assert second == first + 1
    assert micros("yesterday") is micros(None) is micros("9" * 50) is None
