"""Following a session: what grows, what is cut, what comes in pieces ends as what one reading gives."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.capture.ingest import ingest_session
from hookkit.capture.live import Live
from hookkit.store.files import trace_path
from hookkit.views.live import LiveRows, is_open
from hookkit.views.outline import Item, outline

RECORDED = Path(__file__).parent / "fixtures" / "recorded"
TRANSCRIPT = next((RECORDED / "projects").rglob("*.jsonl"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))


def told(item: Item) -> tuple[object, ...]:
    window = item.window and (item.window.before, item.window.after)
    return (item.kind, item.text, item.depth, item.step, item.turn, item.name, item.state, window, item.gap)


@pytest.mark.parametrize("seed", range(4))
def test_a_session_that_grows_in_pieces_ends_with_the_rows_of_the_whole(tmp_path: Path, seed: int) -> None:
    growing = tmp_path / "live" / TRANSCRIPT.name
    growing.parent.mkdir()
    growing.touch()
    rows = LiveRows(Live("claude-code", growing))
    chance, content = random.Random(seed), TRANSCRIPT.read_bytes()
    cuts = sorted(chance.randrange(len(content)) for _ in range(12))
    shown: list[Item] = []
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        with growing.open("ab") as file:
            file.write(content[start:end])
        if seed % 2 and start > len(content) // 2:
            folder = paths.state() / "sidecars" / "claude-code"
            shutil.copytree(RECORDED / "sidecar" / "claude-code", folder, dirs_exist_ok=True)
        first = rows.update()
        if first is not None:
            assert list(map(told, rows.rows[:first])) == list(map(told, shown[:first]))
            shown = list(rows.rows)
        assert list(map(told, rows.rows)) == list(map(told, shown))
    result = ingest_session(growing, agent="claude-code")
    whole = list(outline(json.loads(trace_path(result.trace_id).read_bytes())))
    assert list(map(told, rows.rows)) == list(map(told, whole))
    assert rows.update() is None


def test_a_call_is_open_until_its_result_is_there(tmp_path: Path) -> None:
    lines = TRANSCRIPT.read_bytes().splitlines(keepends=True)
    asked = next(at for at, line in enumerate(lines) if b'"type":"tool_use"' in line.replace(b": ", b":"))
    growing = tmp_path / TRANSCRIPT.name
    growing.write_bytes(b"".join(lines[: asked + 1]))
    rows = LiveRows(Live("claude-code", growing))
    assert rows.update() == 0
    call = next(item for item in rows.rows if item.kind == "call")
    assert is_open(call)
    growing.write_bytes(b"".join(lines))
    changed = rows.update()
    assert changed is not None
    assert changed <= next(at for at, item in enumerate(rows.rows) if item.call_id == call.call_id)
    assert not is_open(next(item for item in rows.rows if item.call_id == call.call_id))


def test_a_transcript_that_is_cut_and_written_anew_is_read_anew(tmp_path: Path) -> None:
    content = TRANSCRIPT.read_bytes()
    growing = tmp_path / TRANSCRIPT.name
    growing.write_bytes(content)
    rows = LiveRows(Live("claude-code", growing))
    rows.update()
    whole = list(map(told, rows.rows))
    growing.write_bytes(b"".join(content.splitlines(keepends=True)[:4]))
    assert rows.update() is not None
    assert len(rows.rows) < len(whole)
    growing.write_bytes(content)
    rows.update()
    assert list(map(told, rows.rows)) == whole


def test_it_goes_on_from_where_the_last_ingest_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = tmp_path / TRANSCRIPT.name
    growing.write_bytes(TRANSCRIPT.read_bytes())
    ingest_session(growing, agent="claude-code")
    live = Live("claude-code", growing)
    fed: list[object] = []
    monkeypatch.setattr(type(live._session.fold), "feed", lambda *given: fed.append(given))
    rows = LiveRows(live)
    assert rows.update() == 0
    assert rows.rows
    assert fed == []


def test_a_session_that_does_not_exist_yet_has_no_rows(tmp_path: Path) -> None:
    rows = LiveRows(Live("claude-code", tmp_path / TRANSCRIPT.name))
    assert rows.update() is None
    shutil.copy(TRANSCRIPT, tmp_path / TRANSCRIPT.name)
    assert rows.update() == 0
