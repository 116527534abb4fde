"""Gemini CLI's recorded sessions, read in pieces, again, and damaged: never an exception, always the same bytes."""

from __future__ import annotations

import json
import os
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
from hookkit.views import show

from .gemini_support import NAMES, RECORDED, SESSION, Session, files_of, lines_of
from .test_fuzz import ODD, replaced, spots


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.delenv("GEMINI_CLI_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def growing(path: Path, folder: Path, chance: random.Random) -> Iterator[Path]:
    """A copy of a session that grows: its files by turns, cut anywhere, as they do while subagents run."""
    left = [(folder / file.relative_to(path.parents[1]), file.read_bytes()) for file in files_of(path)]
    left[0][0].parent.mkdir(parents=True)
    shutil.copy(path.parents[1] / ".project_root", folder)
    left[0][0].write_bytes(left[0][1].split(b"\n")[0] + b"\n")  # it says whose session it is from the start
    left[0] = (left[0][0], left[0][1].partition(b"\n")[2])
    while left:
        at = chance.randrange(len(left))
        file, rest = left[at]
        size = len(rest) if chance.random() < 0.1 else chance.randint(1, max(1, len(rest) // 2))
        file.parent.mkdir(exist_ok=True)
        with file.open("ab") as out:
            out.write(rest[:size])
        left[at] = (file, rest[size:])
        left = [each for each in left if each[1]]
        if chance.random() < 0.5 or not left:
            yield folder / "chats" / path.name


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setenv("HOOKKIT_HOME", str(folder / "pieces"))
        for copy in growing(path, folder / "session", random.Random(seed)):
            result = ingest_session(copy, agent="gemini-cli")
        pieces = trace_path(result.trace_id).read_bytes()
        patch.setenv("HOOKKIT_HOME", str(folder / "once"))
        once = ingest_session(copy, agent="gemini-cli")
        assert trace_path(once.trace_id).read_bytes() == pieces
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", RECORDED, ids=NAMES)
def test_the_same_session_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    found = []
    for name in ("one", "two"):
        monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / name))
        found.append(trace_path(ingest_session(path, agent="gemini-cli").trace_id).read_bytes())
    assert found[0] == found[1]
    assert ingest_session(path, agent="gemini-cli").status == "unchanged"


def test_a_trace_survives_its_session(tmp_path: Path) -> None:
    """Gemini's cleanup may delete a session that was resumed."""
    path = Session().prompt("Go.").say("a").write(tmp_path)
    trace = trace_path(ingest_session(path, agent="gemini-cli").trace_id).read_bytes()
    path.unlink()
    result = ingest_session(SESSION, agent="gemini-cli")
    assert trace_path(result.trace_id).read_bytes() == trace


def check(path: Path) -> None:
    record = GeminiCliParser().parse(path).record
    if record is not None:
        assert record.content_hash == record.compute_content_hash()
        text = "\n".join(show.render(record.model_dump()))
        assert not any(ord(char) < 32 and char != "\n" for char in text)
    GeminiCliParser().parse_session(path, byte_offset=137)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    shutil.copytree(original.parents[1], folder / "session")
    for _ in range(data.draw(st.integers(1, 4))):
        file = data.draw(st.sampled_from(sorted((folder / "session").rglob("*.jsonl"))))
        lines = lines_of(file)
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = replaced(lines[at], data.draw(st.sampled_from(spots(lines[at]))), data.draw(ODD))
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check(folder / "session" / "chats" / original.name)
    shutil.rmtree(folder)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=9))
    lines = bytes(content).split(b"\n")
    (folder / original.name).write_bytes(
        b"\n".join(data.draw(st.permutations(lines)) if data.draw(st.booleans()) else lines)
    )
    check(folder / original.name)
    shutil.rmtree(folder)
