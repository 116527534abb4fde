"""Which rows of a session are shown, and what stays with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookkit.views import filters
from hookkit.views.outline import Item

ROWS = [
    Item("turn", "first", step=0, turn=1),
    Item("said", "I look", step=1, turn=1),
    Item("call", name="Read", step=1, turn=1, call_id="a"),
    Item("gap", turn=1, call_id="b"),
    Item("call", name="Bash", step=2, turn=1, call_id="b", state="failed"),
    Item("tokens", step=2, turn=1),
    Item("gap", turn=1),
    Item("turn", "second", step=3, turn=2),
    Item("call", name="Task", step=4, turn=2, call_id="c"),
    Item("subagent", "look around", depth=1, step=5, turn=2, name="Explore"),
    Item("subagent", "deeper", depth=2, step=6, turn=2, name="Explore"),
    Item("call", name="bash", depth=2, step=7, turn=2, call_id="d"),
    Item("call", name="Edit", depth=1, step=8, turn=2, call_id="e", state="no_result"),
    Item("call", name="Bash", step=9, turn=2, call_id="f"),
    Item("turn", "third", step=10, turn=3),
    Item("call", name="Read", step=11, turn=3, call_id="g"),
    Item("error", "overloaded", turn=3),
]


def told(wanted: filters.Predicate) -> list[str]:
    return [item.call_id or item.text or item.kind for item in filters.chosen(ROWS, wanted)]


def test_calls_of_a_tool_stay_below_their_turn_and_behind_their_gap() -> None:
    assert told(filters.of_tool("Bash")) == ["first", "b", "b", "second", "look around", "deeper", "d", "f"]
    assert [item.kind for item in filters.chosen(ROWS, filters.of_tool("Bash"))][:3] == ["turn", "gap", "call"]


def test_errors_are_failed_calls_calls_without_result_and_the_sessions_own() -> None:
    assert told(filters.is_error) == ["first", "b", "b", "second", "look around", "e", "third", "overloaded"]


def test_a_turn_is_all_of_it() -> None:
    assert list(filters.chosen(ROWS, filters.of_turn(1))) == ROWS[:7]
    assert list(filters.chosen(ROWS, filters.of_turn(9))) == []


def test_all_predicates_hold() -> None:
    assert told(filters.every(filters.of_turn(2), filters.of_tool("edit"))) == ["second", "look around", "e"]
    assert list(filters.chosen(ROWS, filters.every())) == ROWS


@given(st.sets(st.sampled_from(range(len(ROWS)))))
def test_rows_keep_their_order_and_none_that_is_wanted_is_lost(kept: set[int]) -> None:
    wanted = [ROWS[at] for at in sorted(kept)]
    shown = list(filters.chosen(ROWS, lambda item: item in wanted))
    places = [ROWS.index(item) for item in shown]
    assert places == sorted(set(places))
    assert [item for item in shown if item in wanted] == wanted
    assert all(item.kind in ("turn", "subagent", "gap") for item in shown if item not in wanted)
    for at in kept:
        turn = max(place for place in range(at + 1) if ROWS[place].kind == "turn")
        assert turn in places
