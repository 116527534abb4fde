"""How the views look, as pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from hookkit.cli import interactive
from hookkit.store.files import trace_path
from hookkit.store.index import Index
from hookkit.views.tui.app import Viewer
from hookkit.views.tui.sessions import SessionsScreen
from hookkit.views.tui.show import ShowScreen
from hookkit.views.tui.tail import TailScreen
from tests.cli.recorded import Session

Compare = Callable[..., bool]


def after(*keys: str, until: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Wait for the rows, press keys, and wait until the screen shows a text."""

    async def prepare(pilot: Pilot[Any]) -> None:
        for wanted, pressed in ((" 1/", ()), (until, keys)):
            await pilot.press(*pressed)
            for _ in range(2000):
                await pilot.pause()
                if wanted in _text(pilot):
                    break
                await asyncio.sleep(0.01)
            else:
                raise AssertionError(f"{wanted} never came\n{_text(pilot)}")
        await pilot.pause()

    return prepare


def _text(pilot: Pilot[Any]) -> str:
    width, height = pilot.app.size
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips[:height]) if width else ""


@pytest.fixture
def show(home: Session) -> Viewer:
    import json

    with Index().sync() as index:
        summary = json.loads(index.summary(home.trace_id))
    return Viewer(lambda: ShowScreen(trace_path(home.trace_id), summary), interactive.lookup())


@pytest.mark.parametrize("screen", [ShowScreen, TailScreen])
def test_the_keys_fit_a_terminal_of_80_columns(screen: type[ShowScreen]) -> None:
    assert max(map(len, screen.HELP.splitlines())) < 80 - 1  # the last cell is the scroll bar's


def test_session(show: Viewer, snap_compare: Compare) -> None:
    assert snap_compare(show, terminal_size=(80, 24), run_before=after("e", until=" 5/37"))


def test_call_with_what_it_changed(show: Viewer, snap_compare: Compare) -> None:
    assert snap_compare(show, terminal_size=(80, 40), run_before=after("j", "j", "d", until="+import fetch"))


def test_wide_characters_at_the_edge(show: Viewer, snap_compare: Compare) -> None:
    assert snap_compare(show, terminal_size=(41, 16), run_before=after("end", "t", until="37/37"))


def test_sessions(home: Session, snap_compare: Compare) -> None:
    app = Viewer(
        lambda: SessionsScreen(
            iter([[home_summary(home)]]), lambda summary: ShowScreen(trace_path(summary["trace_id"]), summary)
        ),
        interactive.lookup(),
    )
    assert snap_compare(app, terminal_size=(120, 12), run_before=after(until="by activity  1/1"))


def home_summary(home: Session) -> str:
    with Index().sync() as index:
        return index.summary(home.trace_id)
