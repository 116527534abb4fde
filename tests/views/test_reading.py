"""Rows of a trace as they are read in the background, of a small file and of a large one."""

from __future__ import annotations

import gc
import json
import threading
from pathlib import Path

import pytest

from hookkit.errors import HookkitError
from hookkit.store.files import trace_path
from hookkit.store.trace_file import TraceFile
from hookkit.views.outline import Item, outline
from hookkit.views.tui import reading
from hookkit.views.tui.find import Search
from hookkit.views.tui.reading import Progress, in_background, read
from hookkit.views.tui.rows import NOWHERE, OutlineRows, is_error
from tests.cli.recorded import Session


def everything(_: Item) -> bool:
    return True


def rows_of(path: Path, accept: object = everything) -> tuple[list[Progress], list[tuple[Item, int]]]:
    """What was told, and the rows that a view has then."""
    told: list[Progress] = []
    rows: list[tuple[Item, int]] = []
    with TraceFile(path) as file:
        in_background(read(file, "claude-code", None, accept), told.append, threading.Event())  # type: ignore[arg-type]
    for part in told:
        rows = [*part.rows] if part.again else [*rows, *part.rows]
    assert told[-1].done == 1
    return told, rows


@pytest.fixture
def path(home: Session) -> Path:
    return trace_path(home.trace_id)


def test_rows_are_those_of_the_outline(path: Path) -> None:
    _, rows = rows_of(path)
    record = json.loads(path.read_bytes())
    assert [(item.kind, item.text, item.call_id, item.state) for item, _ in rows] == [
        (item.kind, item.text, item.call_id, item.state)
        for item in outline(record | {"metadata": record["metadata"] | {"project": None}})
    ]
    with TraceFile(path) as file:
        assert all((place == NOWHERE) == (item.step is None) for item, place in rows)
        assert all(file.step(place)["step_index"] == item.step for item, place in rows if place != NOWHERE)


def test_large_trace_is_shown_at_once_and_in_the_end_is_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, small = rows_of(path)
    monkeypatch.setattr(reading, "_LARGE", 0)
    monkeypatch.setattr(reading, "_TELL", 0)
    told, rows = rows_of(path)
    early = [item for part in told if not part.again for item, _ in part.rows]
    assert {item.kind for item in early} == {"turn", "call"}
    assert not any(item.window for item in early)
    assert [(item.kind, item.call_id) for item in early] == [
        (item.kind, item.call_id) for item, _ in small if item.kind != "gap"
    ]

    def shown(found: list[tuple[Item, int]]) -> list[object]:
        trees = [(of.before, of.after) if (of := item.window or item.gap) else None for item, _ in found]
        return [(item.kind, item.text[:160], item.call_id, place) for item, place in found] + trees

    assert shown(rows) == shown(small)
    assert [part.done for part in told] == sorted(part.done for part in told)
    assert gc.isenabled()


def test_filter_leaves_rows_out(path: Path) -> None:
    _, rows = rows_of(path, is_error)
    assert [item.call_id for item, _ in rows] == ["toolu_03test"]


def test_who_stops_is_told_nothing_more(path: Path) -> None:
    stop, told = threading.Event(), []
    stop.set()
    with TraceFile(path) as file:
        in_background(read(file, "claude-code", None, everything), told.append, stop)
    assert told == []


def test_damage_is_an_error(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "t.json"
    copy.write_bytes(path.read_bytes().replace(b'"step_index": 20,', b'"step_index": !!,'))
    with pytest.raises(HookkitError, match="cannot be read"):
        rows_of(copy)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("needle", "found"),
    [("NEEDLE IN", [4]), ("世界", [5]), ("toolu_read07", [13]), ("observations", []), ("é", []), ('"', [])],
)
def test_search_finds_what_a_row_says_and_nothing_of_the_form(path: Path, needle: str, found: list[int]) -> None:
    _, read_rows = rows_of(path)
    rows = OutlineRows()
    rows.extend(read_rows)
    with TraceFile(path) as file:
        search = Search(needle, rows, file)
        assert [index for index in range(len(rows)) if search.has(index)] == found
        assert search.next(6, 1) == (found[0] if found else None)
        search.stop()
        assert search.next(6, 1) is None
