"""Gemini CLI's recorded sessions, read in pieces, again, and damaged: never an exception, always the same bytes."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.capture.gemini_cli.parser import GeminiCliParser
from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path

from .gemini_support import NAMES, RECORDED, SESSION, Session, files_of, lines_of
from .recorded_sessions import by_turns, check_pieces, check_read_twice, check_record, damaged, put_odd_value, shuffled


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.delenv("GEMINI_CLI_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def growing(path: Path, folder: Path, chance: random.Random) -> Iterator[None]:
    """A copy of a session that grows."""
    files = {folder / file.relative_to(path.parents[1]): file.read_bytes() for file in files_of(path)}
    own = next(iter(files))
    own.parent.mkdir(parents=True)
    shutil.copy(path.parents[1] / ".project_root", folder)
    first, _, files[own] = files[own].partition(b"\n")
    own.write_bytes(first + b"\n")  # it says whose session it is from the start
    yield from by_turns(files, chance)


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    states = growing(path, folder / "session", random.Random(seed))
    check_pieces(states, folder / "session" / "chats" / path.name, folder, "gemini-cli")
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
def test_the_same_session_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    check_read_twice(path, "gemini-cli", tmp_path, monkeypatch)


def test_a_trace_survives_its_session(tmp_path: Path) -> None:
    """Gemini's cleanup may delete a session that was resumed."""
    path = Session().prompt("Go.").say("a").write(tmp_path)
    trace = trace_path(ingest_session(path, agent="gemini-cli").trace_id).read_bytes()
    path.unlink()
    result = ingest_session(SESSION, agent="gemini-cli")
    assert trace_path(result.trace_id).read_bytes() == trace


def read_odd_values(folder: Path, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(RECORDED))
    shutil.copytree(original.parents[1], folder / "session")
    for _ in range(data.draw(st.integers(1, 4))):
        file = data.draw(st.sampled_from(sorted((folder / "session").rglob("*.jsonl"))))
        lines = lines_of(file)
        put_odd_value(data, lines)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_record(GeminiCliParser(), folder / "session" / "chats" / original.name)
    shutil.rmtree(folder)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), data)


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_many_odd_values_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), data)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    (folder / original.name).write_bytes(shuffled(data, damaged(data, original.read_bytes())))
    check_record(GeminiCliParser(), folder / original.name)
    shutil.rmtree(folder)
