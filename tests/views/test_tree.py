"""A node tree in the terminal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.store.node import Node
from hookkit.views.cells import cut, width
from hookkit.views.tree import ASCII, Glyphs, Sum, render, sparkline, thermobar


def call(name: str, percent: int, window: int = 1000, ms: int = 0) -> Node:
    return Node("c", "tool_call", name, duration_ms=ms, input_tokens=percent * 10, context_window=window)


def phase(name: str, *calls: Node, cost: float = 0.0, tokens: tuple[int, int] = (0, 0), ms: int = 0) -> Node:
    return Node("p", "phase", name, "m", ms, cost, *tokens, children=calls)


def marker(name: str) -> Node:
    return Node("m", "marker", f"→ {name}")


RUN = Node(
    "t", "trace", "nightly", duration_ms=61_000,
    children=(
        phase("default", call("Glob", 5, ms=12), ms=1200),
        marker("research"),
        phase("research", call("Read", 20, ms=400), call("Grep", 61), call("Bash", 90, ms=2500), cost=0.25,
              tokens=(12_400, 900), ms=45_000),
        marker("lost"),
        marker("write"),
        phase("write", call("Edit", 30, window=0), cost=1.5, tokens=(2_000, 100), ms=15_000),
    ),
)  # fmt: skip


def lines(node: Node, columns: int = 80, glyphs: Glyphs | None = None) -> list[str]:
    return [*render(node, columns, glyphs or Glyphs())]


def test_a_tree_tells_time_cost_tokens_and_context() -> None:
    assert lines(RUN) == [
        "                     time     cost      in/out  context",
        "nightly         1 min 1 s    $1.75  14.4k/1.0k      31%  ███░░░░░░░  ▁▄   2/4 ⚠",
        "├── default         1.2 s                            5%  ░░░░░░░░░░  ▁",
        "│   └── Glob        12 ms                            5%  ░░░░░░░░░░",
        "├── → research     45.0 s  $0.2500   12.4k/900      57%  █████░░░░░  ▂▅▇  2/3 ⚠",
        "│   ├── Read       400 ms                           20%  ██░░░░░░░░",
        "│   ├── Grep                                        61%  ██████░░░░           ⚠",
        "│   └── Bash        2.5 s                           90%  █████████░           ⚠",
        "├── → lost",
        "└── → write        15.0 s    $1.50    2.0k/100",
        "    └── Edit                                        300",
    ]


def test_in_ascii_it_says_the_same() -> None:
    assert lines(RUN, glyphs=ASCII) == [
        "                     time     cost      in/out  context",
        "nightly         1 min 1 s    $1.75  14.4k/1.0k      31%  ###-------  _-   2/4 !",
        "|-- default         1.2 s                            5%  ----------  _",
        "|   `-- Glob        12 ms                            5%  ----------",
        "|-- > research     45.0 s  $0.2500   12.4k/900      57%  #####-----  .=*  2/3 !",
        "|   |-- Read       400 ms                           20%  ##--------",
        "|   |-- Grep                                        61%  ######----           !",
        "|   `-- Bash        2.5 s                           90%  #########-           !",
        "|-- -> lost",
        "`-- > write        15.0 s    $1.50    2.0k/100",
        "    `-- Edit                                        300",
    ]


def test_totals_are_summed_from_below_and_a_calls_context_is_no_use() -> None:
    total = Sum(RUN)
    assert total.cost_usd == 1.75
    assert total.tokens == (14_400, 1_000)
    assert total.duration_ms == 61_000
    assert Sum(replace(RUN, duration_ms=0)).duration_ms == 61_200
    assert total.warnings == (2, 4)
    assert total.percent == pytest.approx((5 + (20 + 61 + 90) / 3) / 2)


@pytest.mark.parametrize(("percent", "warned"), [(60, 0), (61, 1), (100, 1), (250, 1)])
def test_more_than_sixty_percent_is_a_warning_and_more_than_all_is_all(percent: int, warned: int) -> None:
    one = Sum(call("Read", percent))
    assert one.warnings == (warned, 1)
    assert one.percent == min(100, percent)


@pytest.mark.parametrize(
    ("percent", "bar"), [(0, "░" * 10), (9.9, "░" * 10), (10, "█" + "░" * 9), (99, "█" * 9 + "░"), (100, "█" * 10)]
)
def test_the_bar_has_a_cell_for_each_full_tenth(percent: float, bar: str) -> None:
    assert thermobar(percent, Glyphs()) == bar


def test_the_sparkline_keeps_the_fullest() -> None:
    assert sparkline([], Glyphs()) == ""
    assert sparkline([0, 50, 100], Glyphs()) == "▁▄█"
    many = [0.0] * 1000
    many[777] = 100
    assert sparkline(many, Glyphs()) == "▁" * 9 + "█" + "▁" * 2
    assert sparkline([0, 100], ASCII) == "_#"


def test_columns_go_before_names_become_unreadable() -> None:
    heads = {columns: lines(RUN, columns)[0].split() for columns in (100, 72, 64, 60, 44, 34)}
    assert heads[100] == heads[72] == heads[64] == ["time", "cost", "in/out", "context"]
    assert heads[60] == ["time", "cost", "context"]
    assert heads[44] == ["time", "context"]
    assert heads[34] == ["context"]
    for columns in range(20, 120):
        drawn = lines(RUN, columns)
        assert all(width(line) <= columns for line in drawn), columns
        assert "2/4 ⚠" in drawn[1]


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("é→⚠█", 4), ("ｱＡ", 3), ("", 0)])
def test_wide_characters_take_two_cells_and_combining_ones_none(text: str, cells: int) -> None:
    assert width(text) == cells


def test_control_characters_are_spelled_and_wide_ones_take_two_cells() -> None:
    node = Node("t", "trace", "a\x1b[2J\nb\u202e", children=(phase("日本語の名前" * 6, call("Read", 50)),))
    drawn = lines(node, 50)
    assert "a\\x1b[2J\\nb\\u202e" in drawn[1]
    assert "…" in drawn[2]
    assert [width(line[: line.index("50%")]) for line in drawn[1:]] == [width(drawn[1].partition("50%")[0])] * 3
    assert "\\u65e5" in lines(node, 50, ASCII)[2]


def test_colour_says_only_what_the_figures_say(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lines(RUN)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = lines(RUN)
    assert [re.sub(r"\x1b\[\d+m", "", line).rstrip() for line in coloured] == plain
    for name, code in (("Read", "32"), ("Grep", "33"), ("Bash", "31")):
        assert f"\x1b[{code}m" in next(line for line in coloured if name in line)


def test_a_file_of_others_may_hold_anything() -> None:
    assert lines(Node("", "", "")) == [""]
    odd = Node("x", "agent", "plan", cost_usd=0.5, children=(marker("end"), Node("y", "new", "leaf", cost_usd=0.00001)))
    drawn = lines(odd)
    assert [line.split()[:2] for line in drawn[1:]] == [["plan", "$0.5000"], ["├──", "→"], ["└──", "leaf"]]
    assert "<$0.0001" in drawn[3]


counts = st.integers(0, 10**10)
leaves = st.builds(
    Node, st.just("i"), st.sampled_from(["tool_call", "marker", "phase", "x"]), st.text(), duration_ms=counts,
    cost_usd=st.floats(0, 1e9), input_tokens=counts, context_window=st.integers(0, 10**6),
)  # fmt: skip
trees = st.recursive(
    leaves, lambda some: st.builds(Node, st.just("i"), st.just("phase"), st.text(), children=st.lists(some).map(tuple))
)


@given(trees, st.integers(45, 120), st.sampled_from([Glyphs(), ASCII]))
def test_any_tree_fits_the_terminal(node: Node, columns: int, glyphs: Glyphs) -> None:
    for line in lines(node, columns, glyphs):
        assert width(line) <= columns
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in line)


@settings(deadline=None)
@given(st.text(), st.integers(1, 30))
def test_a_cut_text_takes_no_more_cells_than_it_may(text: str, cells: int) -> None:
    made = cut(text, cells, "…")
    assert width(made) <= cells
    assert made == text or made.endswith("…")
