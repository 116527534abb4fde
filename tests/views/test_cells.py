"""Widths, cutting and tables, whatever the text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth, wcwidth

from hookkit.store.plain import plain
from hookkit.views import cells, text
from hookkit.views.icons import icons

LINES = st.text(st.characters(codec="utf-8"), max_size=30).map(plain)
MIXED = st.text(st.sampled_from("ab 日本語ｱ\u0301\u20dd😀⚠\ufe0f한\u1100\u1161é\xad"), max_size=20)


def test_every_character_is_as_wide_as_terminals_draw_it() -> None:
    differing = {
        char: (ours, theirs)
        for char in map(chr, range(0x20, 0x20000))
        if unicodedata.category(char) not in ("Cn", "Co") and plain(char) == char
        if (ours := cells.width(char)) != (theirs := wcwidth(char))
    }
    # What newer terminals draw wide is not known to this Python's tables; of the rest we take the larger number.
    newer = {char for char, found in differing.items() if found == (1, 2) and unicodedata.east_asian_width(char) == "N"}
    assert all(ours > theirs for char, (ours, theirs) in differing.items() if char not in newer)
    marks = {unicodedata.category(char) for char in differing.keys() - newer}
    assert marks <= {"Cf", "Lo", "Mc", "Mn"}


@pytest.mark.parametrize(
    ("said", "width"),
    [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("⚠\ufe0f", 2), ("😀", 2), ("각", 2), ("\u1100\u1161\u11a8", 2)],
)
def test_known_widths(said: str, width: int) -> None:
    assert cells.width(said) == width == wcswidth(said)


@given(st.one_of(LINES, MIXED), st.integers(0, 40))
def test_what_is_cut_is_the_longest_start_that_fits(line: str, room: int) -> None:
    kept = cells.cut(line, room)
    assert line.startswith(kept)
    assert cells.width(kept) <= room
    if kept != line:
        assert cells.width(line[: len(kept) + 1]) > room


@given(st.one_of(LINES, MIXED), st.integers(0, 40))
def test_what_is_cut_in_front_is_an_end_that_fits_and_begins_with_no_accent(line: str, room: int) -> None:
    kept = cells.cut_front(line, room)
    assert line.endswith(kept)
    assert cells.width(kept) <= room
    assert not kept or cells.width(kept[0]) > 0


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(4, 40))
def test_one_line_is_one_line_without_control_characters(said: str, room: int) -> None:
    line = text.one_line(said, room)
    assert cells.width(line) <= room
    assert plain(line) == line
    if len([part for part in said.splitlines() if part.strip()]) > 1:
        assert line.endswith(icons().more)


@given(st.lists(st.tuples(MIXED, MIXED, MIXED), min_size=1, max_size=6))
def test_the_columns_of_a_table_begin_in_the_same_cell(rows: list[tuple[str, str, str]]) -> None:
    widths = [max(cells.width(row[column]) for row in rows) for column in range(3)]
    for row, line in zip(rows, text.table(rows, right=frozenset({1})), strict=True):
        first = cells.pad(row[0], widths[0])
        assert cells.width(first) == widths[0]
        middle = " " * (widths[1] - cells.width(row[1])) + row[1]
        assert line == f"{first}  {middle}  {row[2]}".rstrip()


@given(st.lists(st.tuples(st.just("ab"), LINES), min_size=1, max_size=6), st.integers(4, 60))
def test_no_line_of_a_fitted_table_is_wider_than_its_room(rows: list[tuple[str, str]], room: int) -> None:
    lines = text.fitted(rows, room=room)
    assert len(lines) == len(rows)
    assert all(cells.width(line) <= room for line in lines)
