"""What ``-i`` opens: views on the whole terminal, and what they ask hookkit for."""

from __future__ import annotations

import functools
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hookkit.git.worktree import Worktree
    from hookkit.store.index import Index, Row
    from hookkit.trails.events import TrailEvent
    from hookkit.views.outline import Item
    from hookkit.views.tui.lookup import Changed, Lookup

_PAGE = 200  # sessions


def check(as_json: bool) -> None:
    """UsageError or HookkitError where no view can be opened."""
    from hookkit.errors import UsageError
    from hookkit.views import tui

    if as_json:
        raise UsageError("CONTRADICTION", "-i and --json are two ways to look at it.", "Give one of them.")
    tui.check()


def show(trace_id: str, summary: str, accept: Callable[[Item], bool] | None = None) -> int:
    """Open a session; the exit code when the user has left. summary: that of the index, as JSON."""
    import json

    from hookkit.store.files import trace_path
    from hookkit.views.tui.app import run
    from hookkit.views.tui.show import ShowScreen, every

    parsed: dict[str, Any] = json.loads(summary)
    return run(lambda: ShowScreen(trace_path(trace_id), parsed, accept or every), lookup())


def sessions(chosen: Callable[[Index], Iterator[Row]]) -> int:
    """Open the sessions that ``chosen`` takes from the index; the exit code when the user has left."""
    from hookkit.store.files import trace_path
    from hookkit.views.tui.app import run
    from hookkit.views.tui.sessions import SessionsScreen
    from hookkit.views.tui.show import ShowScreen

    return run(
        lambda: SessionsScreen(_pages(chosen), lambda summary: ShowScreen(trace_path(summary["trace_id"]), summary)),
        lookup(),
    )


def _pages(chosen: Callable[[Index], Iterator[Row]]) -> Iterator[Sequence[str]]:
    """Summaries as the index has them. It is opened when the first page is asked for: then the view is seen already."""
    from hookkit.store.index import Index

    with Index().sync() as index:
        rows = chosen(index)
        while page := [row.summary for row in islice(rows, _PAGE)]:
            yield page


def lookup() -> Lookup:
    """What the views ask for."""
    from hookkit.views.tui.lookup import Lookup

    return Lookup(changed, blamed)


def changed(trace_id: str, project: str | None, call_id: str) -> Changed:
    """What a call changed, in the worktree that its session was recorded in."""
    from hookkit.cli import where
    from hookkit.store.plain import plain
    from hookkit.trails.changed import changes, limitations
    from hookkit.trails.patch import combined
    from hookkit.views import patch as view
    from hookkit.views.tui.lookup import Changed

    worktree = where.of_project(trace_id, project)
    events = _events(worktree, trace_id)
    patch = combined(worktree, changes(events, {call_id}))
    limits = limitations(events, {call_id})
    said = [view.summary(patch.files)]
    if not events:
        said = ["The event log holds nothing of this session; `hookkit trail rebuild` makes it again."]
    if limits:
        said.append(f"Limits: {', '.join(map(plain, limits))}")
    return Changed([*said, "", *view.shown(patch.text)], [str(worktree.root / file.path) for file in patch.files])


@functools.lru_cache(maxsize=2)
def _events(worktree: Worktree, trace_id: str) -> Sequence[TrailEvent]:
    from hookkit.trails.log import read_events_for_trace

    return read_events_for_trace(worktree, trace_id)


def blamed(project: str | None, path: str) -> Sequence[str]:
    """Who wrote each line of a file of a session's project, as it is now."""
    import os

    from hookkit.cli.blame import lines_of
    from hookkit.views import blame as view

    place, _, lines = lines_of(os.path.join(project or "", path))
    return list(view.render(place.path, lines))
