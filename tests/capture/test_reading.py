"""Every agent's recorded sessions, read in pieces, again, and damaged: never an exception, always the same bytes.

Those of Claude Code, Codex and OpenCode, which are laid out in other ways, have tests of their own.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.capture.registry import get_parser

from . import copilot_support, cursor_support, gemini_support, pi_support, qwen_support
from .recorded_sessions import (
    Recorded,
    check_pieces,
    check_read_twice,
    check_record,
    damaged,
    put_odd_values,
    shuffled,
)

AGENTS = [each.SESSIONS for each in (pi_support, gemini_support, copilot_support, qwen_support, cursor_support)]
of_every_agent = pytest.mark.parametrize("recorded", AGENTS, ids=lambda recorded: recorded.agent)
of_every_session = pytest.mark.parametrize(
    ("recorded", "path"),
    [
        pytest.param(recorded, path, id=f"{recorded.agent}-{recorded.name(path)}")
        for recorded in AGENTS
        for path in recorded.transcripts
    ],
)


def read_in_pieces(folder: Path, recorded: Recorded, path: Path, seed: int) -> None:
    transcript, states = recorded.growing(path, folder / "session", random.Random(seed))
    check_pieces(states, transcript, folder, recorded.agent)
    shutil.rmtree(folder)


@of_every_session
@given(seed=st.integers(0, 2**32))
@settings(max_examples=2)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, recorded: Recorded, path: Path, seed: int
) -> None:
    read_in_pieces(tmp_path_factory.mktemp("cuts"), recorded, path, seed)


@pytest.mark.long
@of_every_session
@given(seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_many_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, recorded: Recorded, path: Path, seed: int
) -> None:
    read_in_pieces(tmp_path_factory.mktemp("cuts"), recorded, path, seed)


@of_every_session
def test_the_same_session_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: Recorded, path: Path
) -> None:
    check_read_twice(recorded.copy(path, tmp_path / "session"), recorded.agent, tmp_path, monkeypatch)


def read_odd_values(folder: Path, recorded: Recorded, data: st.DataObject) -> None:
    transcript = recorded.copy(data.draw(st.sampled_from(recorded.transcripts)), folder / "session")
    put_odd_values(data, folder / "session")
    check_record(get_parser(recorded.agent), transcript)
    shutil.rmtree(folder)


@of_every_agent
@given(data=st.data())
def test_odd_values_anywhere_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, recorded: Recorded, data: st.DataObject
) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), recorded, data)


@pytest.mark.long
@of_every_agent
@given(data=st.data())
@settings(max_examples=400)
def test_many_odd_values_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, recorded: Recorded, data: st.DataObject
) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), recorded, data)


@of_every_agent
@given(data=st.data())
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, recorded: Recorded, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    transcript = recorded.copy(data.draw(st.sampled_from(recorded.transcripts)), folder / "session")
    for file in sorted((folder / "session").rglob("*.jsonl")):
        file.write_bytes(shuffled(data, damaged(data, file.read_bytes())))
    check_record(get_parser(recorded.agent), transcript)
    shutil.rmtree(folder)
