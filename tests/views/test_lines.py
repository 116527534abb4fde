"""The list that grows while one looks at it."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App, ComposeResult

from hookkit.views.tui.line import Line
from hookkit.views.tui.lines import LineList


class Numbers:
    """Rows with their numbers in them; counts how many were made into lines."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, 0

    def __len__(self) -> int:
        return self.count

    def line(self, index: int, width: int) -> Line:
        self.made += 1
        return [(f"row {index}", "")]


class ListApp(App[None]):
    CSS = "LineList { height: 1fr; }"

    def __init__(self, count: int, live: bool) -> None:
        super().__init__()
        self.numbers = Numbers(count)
        self.list = LineList(self.numbers, live=live)
        self.moves = self.chosen = 0

    def compose(self) -> ComposeResult:
        yield self.list

    def on_mount(self) -> None:
        self.list.renew()
        self.list.focus()

    def on_line_list_moved(self) -> None:
        self.moves += 1

    def on_line_list_chosen(self) -> None:
        self.chosen += 1

    def grow(self, more: int) -> None:
        self.numbers.count += more
        self.list.grew(more)


def test_only_what_is_seen_is_made_of_a_million_rows() -> None:
    async def scene() -> None:
        app = ListApp(1_000_000, live=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("end")
            assert (app.list.selected, app.list.scroll_offset.y) == (999_999, 999_976)
            await pilot.press("pageup", "k", "home", "down", "space", "g", "G")
            assert app.list.selected == 999_999
            assert app.numbers.made < 24 * 40
            assert app.moves == 8

    asyncio.run(scene())


def test_live_list_follows_until_one_moves_up_and_again_from_the_end_on() -> None:
    async def scene() -> None:
        app = ListApp(0, live=True)
        async with app.run_test(size=(80, 24)) as pilot:
            app.grow(100)
            await pilot.pause()
            assert (app.list.selected, app.list.follow, app.list.new) == (99, True, 0)
            await pilot.press("up")
            app.grow(37)
            await pilot.pause()
            assert (app.list.selected, app.list.follow, app.list.new) == (98, False, 37)
            seen = app.list.scroll_offset.y
            app.grow(1)
            await pilot.pause()
            assert (app.list.scroll_offset.y, app.list.new) == (seen, 38)
            await pilot.press("end")
            assert (app.list.selected, app.list.follow, app.list.new) == (137, True, 0)
            await pilot.press("up", "down")  # the last row again
            app.grow(1)
            await pilot.pause()
            assert app.list.selected == 138

    asyncio.run(scene())


def test_list_that_is_read_follows_only_who_asks_for_the_end() -> None:
    async def scene() -> None:
        app = ListApp(3, live=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("down", "down", "down")
            app.grow(10)
            assert (app.list.selected, app.list.follow) == (2, False)
            await pilot.press("end")
            app.grow(10)
            assert (app.list.selected, app.list.follow) == (22, True)

    asyncio.run(scene())


@pytest.mark.parametrize("height", [5, 24, 60])
def test_selection_is_seen_whatever_the_size(height: int) -> None:
    async def scene() -> None:
        app = ListApp(500, live=False)
        async with app.run_test(size=(80, 24)) as pilot:
            app.list.move_to(300)
            await pilot.resize_terminal(40, height)
            await pilot.pause()
            top = app.list.scroll_offset.y
            assert top <= app.list.selected < top + height
            assert app.list.selected == 300

    asyncio.run(scene())


def test_click_selects_and_another_one_chooses() -> None:
    async def scene() -> None:
        app = ListApp(50, live=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.click(offset=(5, 7))
            assert (app.list.selected, app.chosen) == (7, 0)
            await pilot.click(offset=(5, 7))
            assert (app.list.selected, app.chosen) == (7, 1)

    asyncio.run(scene())
