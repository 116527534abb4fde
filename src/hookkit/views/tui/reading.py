"""Reads a trace into rows in the background, however long it is."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import Any

from hookkit.store.trace_file import TraceFile
from hookkit.trails.timeline import Moment, Timeline, moments
from hookkit.views.outline import Item, Outline
from hookkit.views.tui.rows import NOWHERE

Row = tuple[Item, int]  # and the offset of its step, or NOWHERE

_LARGE = 32 << 20  # bytes; of a larger file rows are shown before its hook lines were read
_COMPACT = 160  # characters of a text that a row of a large file keeps
_KEPT, _NAMES = ("timestamp", "duration_ms"), ("tool", "capture_status")  # of a hook line
_GIVEN = 1000  # characters of what a call was given: which files it writes stands at the start
_SLICE, _REST = 0.005, 0.001  # seconds that the reading takes at a time, and leaves to those who look
_TELL = 0.05  # seconds
_PAGE = 60  # rows


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows that were read. again: they are the first ones, in the place of all before. done: 0 to 1; 1 at the end."""

    rows: Sequence[Row]
    again: bool
    done: float


def read(file: TraceFile, agent: str, project: str | None, accept: Callable[[Item], bool]) -> Iterator[Progress]:
    """The rows of a trace that ``accept`` takes, step by step. HookkitError if it cannot be read.

    Trees and gaps are in the hook lines, which stand before the steps. Those of a large file take a while: of it the
    rows come at once without trees and gaps, and at the end all of them again.
    """
    large = file.size > _LARGE
    kept = _compact if large else _same
    whole = 2 * file.size if large else file.size  # bytes to be read

    def taken(rows: Iterable[Item], place: int) -> list[Row]:
        return [(kept(row), NOWHERE if row.step is None else place) for row in rows if accept(row)]

    if large:
        early = Outline(Timeline(()), project)
        for place, step in file.early_steps():
            yield Progress(taken(early.add(step), place), False, place / whole)
    seen: list[Moment] = []
    slim = _Slim()
    for place, key, call, entry in file.hook_lines():
        line = slim.line(entry) if large and isinstance(entry, Mapping) else entry
        seen += moments({key: {call: line} if call else [line]})
        yield Progress((), False, (whole - file.size + place) / whole)
    rows = Outline(Timeline(seen, agent), project)
    slim.forget_inputs()
    again: list[Row] = []
    for place, step in file.steps():
        found = taken(rows.add(step), place)
        if large:
            again += found
        yield Progress(() if large else found, False, (whole - file.size + place) / whole)
    last = taken(rows.end(file.metadata.get("session_errors") or ()), NOWHERE)
    yield Progress(again + last, large, 1)


def in_background(progress: Iterator[Progress], tell: Callable[[Progress], object], stop: threading.Event) -> None:
    """Go through it in slices, and tell of them all some times a second, until it ends or shall stop."""
    gc.disable()  # a collection would go through millions of rows while no key is answered
    try:
        for part in _gathered(progress):
            if stop.is_set():
                return
            tell(part)
    finally:
        gc.freeze()  # with the next line: all that is there counts as old, without being gone through
        gc.unfreeze()
        gc.enable()


def _gathered(progress: Iterator[Progress]) -> Iterator[Progress]:
    rows: list[Row] = []
    again, first = False, True
    begun = told = time.monotonic()
    for part in progress:
        if part.again:
            rows, again = [], True
        rows += part.rows
        now = time.monotonic()
        if first and not rows:
            told = now  # what is told first shall fill the screen: whoever begins to move has somewhere to go
        if part.done == 1 or now - told > _TELL or (first and len(rows) > _PAGE):
            first = False
            yield Progress(rows, again, part.done)
            rows, again, told = [], False, now
        if now - begun > _SLICE:
            time.sleep(_REST)
            begun = time.monotonic()


def _same(row: Item) -> Item:
    return row


def _compact(row: Item) -> Item:
    return replace(row, text=row.text[:_COMPACT], error=row.error[:_COMPACT])


class _Slim:
    """Hook lines with what rows need of them, and every tree but once."""

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []
        self._trails: dict[tuple[str, str], Mapping[str, Any]] = {}

    def line(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        found = {key: entry[key] for key in _KEPT if key in entry}
        found |= {key: intern(entry[key]) for key in _NAMES if isinstance(entry.get(key), str)}
        trail, given = entry.get("trail"), entry.get("tool_input")
        tree = trail.get("tree_id") if isinstance(trail, Mapping) else None
        if isinstance(trail, Mapping) and isinstance(tree, Mapping):
            root, digits = str(trail.get("worktree_root")), str(tree.get("hex"))
            said = {"worktree_root": root, "tree_id": {"hex": digits}}
            found["trail"] = self._trails.setdefault((root, digits), said)
        if isinstance(given, Mapping):
            found["tool_input"] = {
                key: value[:_GIVEN] if isinstance(value, str) else value for key, value in given.items()
            }
            self._lines.append(found)
        return found

    def forget_inputs(self) -> None:
        """Drop what calls were given, once the gaps are known: nothing else needs it."""
        for line in self._lines:
            del line["tool_input"]
        self._lines.clear()
