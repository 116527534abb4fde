"""Calls without an id that both hooks and transcript know: told apart by tool, input and order."""

from __future__ import annotations

import importlib
import json
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture.calls import Keyed, Loose, assign, call_key
from hookkit.capture.hook_lines import HookIndex

from .support import ROOT, SESSION, hook, stamp, tree

ROOT_OF_PROJECT = Path(__file__).resolve().parents[2]


def hook_payload() -> ModuleType:
    sys.path.append(str(ROOT_OF_PROJECT / "hooks"))
    try:
        return importlib.import_module("hookkit_payload")
    finally:
        sys.path.remove(str(ROOT_OF_PROJECT / "hooks"))


def pre(us: int, key: str, hook_id: str = "") -> Loose:
    return Loose(us, "PreToolUse", key, hook_id)


def post(us: int, key: str, hook_id: str = "") -> Loose:
    return Loose(us, "PostToolUse", key, hook_id)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text(), st.dictionaries(st.text(), JSON))
def test_hooks_and_ingest_give_a_call_the_same_key_whatever_the_order_of_its_input(
    tool: str, given_: dict[str, Any]
) -> None:
    shuffled = dict(random.Random(1).sample(list(given_.items()), len(given_)))
    assert hook_payload().call_key(tool, given_) == call_key(tool, json.loads(json.dumps(shuffled)))


def test_identical_parallel_calls_are_paired_first_in_first_out() -> None:
    lines = [pre(1, "k"), pre(2, "k"), post(3, "k"), post(4, "k")]
    assert assign(lines, [Keyed("a", "k", 3), Keyed("b", "k", 4)]) == ["a", "b", "a", "b"]


def test_calls_of_other_input_do_not_come_in_between() -> None:
    lines = [pre(1, "k"), pre(2, "l"), post(3, "l"), post(4, "k")]
    assert assign(lines, [Keyed("a", "k", 4), Keyed("b", "l", 3)]) == ["a", "b", "b", "a"]


def test_a_call_that_never_ended_does_not_take_the_end_of_one_in_a_later_turn() -> None:
    lines = [pre(1, "k"), Loose(2, "Stop", "", ""), Loose(3, "UserPromptSubmit", "", ""), pre(4, "k"), post(5, "k")]
    assert assign(lines, [Keyed("a", "k", None), Keyed("b", "k", 5)]) == ["a", "", "", "b", "b"]


def test_a_call_that_had_ended_before_the_first_hook_was_heard_is_left_out() -> None:
    assert assign([pre(10, "k"), post(11, "k")], [Keyed("before", "k", 5), Keyed("now", "k", 11)]) == ["now", "now"]


def test_a_call_that_the_transcript_does_not_have_keeps_its_hooks_together() -> None:
    found = assign([pre(1, "k" * 32), post(2, "k" * 32), pre(3, "k" * 32)], [])
    assert found == [f"{'k' * 16}-1", f"{'k' * 16}-1", f"{'k' * 16}-2"]


def test_an_end_without_a_beginning_stands_alone() -> None:
    assert assign([post(1, "k"), pre(2, "k"), post(3, "k")], [Keyed("a", "k", None), Keyed("b", "k", None)]) == [
        "a",
        "b",
        "b",
    ]


def test_an_id_that_only_hooks_know_pairs_them_and_order_finds_the_call() -> None:
    lines = [pre(1, "k", "x"), pre(2, "k", "y"), post(3, "k", "y"), post(4, "k", "x")]
    assert assign(lines, [Keyed("a", "k", None), Keyed("b", "k", None)]) == ["a", "b", "b", "a"]


@given(st.lists(st.tuples(st.sampled_from("pqs"), st.sampled_from("kl")), max_size=12))
def test_every_line_of_a_call_gets_an_id_and_no_call_two_beginnings(script: list[tuple[str, str]]) -> None:
    events = {"p": "PreToolUse", "q": "PostToolUse", "s": "Stop"}
    lines = [Loose(us, events[what], key, "") for us, (what, key) in enumerate(script)]
    ids = assign(lines, [])
    assert [bool(found) for found in ids] == [line.event != "Stop" for line in lines]
    for event in ("PreToolUse", "PostToolUse"):
        of_kind = [found for found, line in zip(ids, lines, strict=True) if line.event == event]
        assert len(of_kind) == len(set(of_kind))


def loose_line(event: str, second: float, command: str, at: int) -> dict[str, Any]:
    key = call_key("Bash", {"command": command})
    data = {"session_id": SESSION, "agent": "claude-code", "tool": "Bash", "tool_input": {"command": command}}
    data |= {"call_key": key, "trail": {"worktree_root": ROOT, "tree_id": tree(at), "git_head": None}}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp(second), "data": data}


def index(*lines: dict[str, Any]) -> HookIndex:
    found = HookIndex("claude-code", SESSION)
    for line in lines:
        found.add(line, owned=True)
    return found


def test_lines_without_an_id_are_placed_once_the_transcript_is_known() -> None:
    first = index(loose_line("PreToolUse", 1, "ls", 1), loose_line("PostToolUse", 2, "ls", 2))
    assert (first.pre, first.post) == ({}, {})
    whole = first.whole(lambda: [Keyed("toolu_1", call_key("Bash", {"command": "ls"}), None)])
    assert whole.pre.keys() == whole.post.keys() == {"toolu_1"}
    assert first.roots == {ROOT}
    again = HookIndex("claude-code", SESSION)
    again.load(*first.dump())
    assert again.whole(list).pre.keys() == {f"{call_key('Bash', {'command': 'ls'})[:16]}-1"}


def foreign(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "data": {**line["data"], "limitations": ["foreign_caller"]}}


def test_what_another_agents_hooks_tell_counts_where_the_agents_own_are_not_there() -> None:
    found = index(
        foreign(hook("UserPromptSubmit", 1, at=1)),
        foreign(loose_line("PreToolUse", 2, "ls", 1)),
        foreign(loose_line("PostToolUse", 3, "ls", 2)),
    ).whole(list)
    assert len(found.pre) == len(found.post) == 1
    assert [event for event, _ in found.events()] == ["UserPromptSubmit"]


@pytest.mark.parametrize("own_first", [True, False])
def test_a_call_that_two_agents_hooks_tell_is_recorded_once(own_first: bool) -> None:
    own = [hook("PreToolUse", 2, "toolu_1", at=1), hook("PostToolUse", 3, "toolu_1", at=2), hook("Stop", 4, at=2)]
    double = [
        foreign(line)
        for line in (loose_line("PreToolUse", 2.1, "true", 1), loose_line("PostToolUse", 2.9, "true", 2),
                     hook("Stop", 4.1, at=2))
    ]  # fmt: skip
    found = index(*(own + double if own_first else double + own)).whole(list)
    assert found.pre.keys() == found.post.keys() == {"toolu_1"}
    assert [event for event, _ in found.events()] == ["Stop"]
    assert found.counts["double_loaded_hook_lines"] == 3


def test_what_was_told_before_the_agents_own_hooks_were_installed_stays() -> None:
    found = index(
        foreign(loose_line("PreToolUse", 1, "ls", 1)),
        foreign(loose_line("PostToolUse", 2, "ls", 2)),
        hook("PreToolUse", 60, "toolu_1", at=2),
        foreign(loose_line("PreToolUse", 60.1, "true", 2)),
    ).whole(list)
    assert len(found.pre) == 2
    assert found.counts["double_loaded_hook_lines"] == 1


# Where the transcript says when hooks were run


def timed(call: str, key: str, before: int | None, after: int | None, agent: str = "") -> Keyed:
    return Keyed(call, key, after, agent, before, after)


def sent(us: int, event: str, key: str, at: int | None, agent: str = "") -> Loose:
    return Loose(us, event, key, "", agent, at)


def test_identical_calls_that_end_in_another_order_are_told_by_the_times_of_their_hooks() -> None:
    calls = [timed("a", "k", 10, 50), timed("b", "k", 10, 30)]
    lines = [
        sent(11, "PreToolUse", "k", 9), sent(12, "PreToolUse", "k", 9),
        sent(31, "PostToolUse", "k", 30), sent(51, "PostToolUse", "k", 50),
    ]  # fmt: skip
    assert assign(lines, calls) == ["a", "b", "b", "a"]


def test_a_line_that_was_lost_shifts_no_other() -> None:
    """Of three answers with the same call, the hooks of the second were not heard, nor the end of the first."""
    second = 1_000_000
    calls = [timed(name, "k", n * second, n * second + 5) for n, name in ((10, "a"), (20, "b"), (30, "c"))]
    lines = [sent(10 * second + 1, "PreToolUse", "k", 10 * second),
             sent(30 * second + 1, "PreToolUse", "k", 30 * second),
             sent(30 * second + 6, "PostToolUse", "k", 30 * second + 5)]  # fmt: skip
    assert assign(lines, calls) == ["a", "c", "c"]


def test_a_hook_that_is_registered_twice_runs_through_the_calls_of_an_answer_twice() -> None:
    calls = [timed("a", "k", 10, 30), timed("b", "k", 10, 40)]
    lines = [sent(11 + n, "PreToolUse", "k", 10) for n in range(4)]
    lines += [sent(31, "PostToolUse", "k", 30), sent(32, "PostToolUse", "k", 30), sent(41, "PostToolUse", "k", 40)]
    assert assign(lines, calls) == ["a", "b", "a", "b", "a", "a", "b"]


def test_the_same_call_of_two_agents_at_the_same_time_is_each_ones_own() -> None:
    calls = [timed("a", "k", 10, 30, "x"), timed("b", "k", 10, 30, "y")]
    lines = [
        sent(11, "PreToolUse", "k", 10, "y"), sent(12, "PreToolUse", "k", 10, "x"),
        sent(31, "PostToolUse", "k", 30, "x"), sent(32, "PostToolUse", "k", 30, "y"),
    ]  # fmt: skip
    assert assign(lines, calls) == ["b", "a", "a", "b"]


def test_lines_of_a_call_that_the_transcript_has_not_yet_are_paired_in_order() -> None:
    calls = [timed("a", "k", 10, 30)]
    lines = [sent(11, "PreToolUse", "k", 10), sent(31, "PostToolUse", "k", 30), sent(61, "PreToolUse", "k", 60_000_000),
             sent(71, "PostToolUse", "k", 61_000_000)]  # fmt: skip
    assert assign(lines, calls) == ["a", "a", "k-1", "k-1"]


def test_the_end_of_a_call_whose_end_is_not_told_belongs_to_the_beginning_that_is_open() -> None:
    calls = [timed("a", "k", 10, 30), timed("b", "k", 10, None)]
    lines = [
        sent(11, "PreToolUse", "k", 10), sent(12, "PreToolUse", "k", 10),
        sent(20, "PostToolUse", "k", 20), sent(31, "PostToolUse", "k", 30),
    ]  # fmt: skip
    assert assign(lines, calls) == ["a", "b", "b", "a"]


def test_lines_of_a_subagent_whose_id_the_hooks_give_for_the_session_are_the_sessions() -> None:
    start = hook("SubagentStart", 1, agent_id="sub")
    inner = hook("PreToolUse", 2, "toolu_1", session_id="sub", agent_id="sub", at=1)
    found = index(start, inner, hook("PreToolUse", 3, "toolu_2", session_id="stranger", at=1))
    assert found.pre.keys() == {"toolu_1"}
    assert found.counts["hook_lines_of_other_sessions"] == 1
    again = HookIndex("claude-code", SESSION)
    again.load(*found.dump())
    assert again.inside == {"sub"}


def test_results_that_say_which_they_are_find_their_calls_in_any_order() -> None:
    calls = [Keyed("one", "k", 90, mark="11"), Keyed("two", "k", 90, mark="12"), Keyed("three", "k", 90, mark="13")]
    ends = [Loose(10 + n, "PostToolUse", "k", "", mark=mark) for n, mark in enumerate(("12", "13", "11"))]
    found = assign([pre(1, "k"), pre(2, "k"), pre(3, "k"), *ends], calls)
    assert found[3:] == ["two", "three", "one"]
    assert sorted(found[:3]) == ["one", "three", "two"]


def test_a_call_of_a_later_turn_is_not_one_that_was_killed_before() -> None:
    again = Keyed("again", "k", 90, begin_us=50)
    turn = Loose(50, "UserPromptSubmit", "", "")
    assert assign([pre(10, "k"), turn, pre(60, "k"), post(70, "k")], [again]) == ["k-1", "", "again", "again"]
