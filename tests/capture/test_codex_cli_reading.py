"""Codex CLI's recorded sessions, read in pieces, again, and damaged: never an exception, always the same bytes."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.capture.codex_cli.parser import CodexCliParser

from .codex_support import FIXTURES, RECORDED, lines_of
from .recorded_sessions import check_pieces, in_leaps


def copied(path: Path, to: Path) -> tuple[Path, list[Path]]:
    """The session as if it were in ``$CODEX_HOME`` below a folder."""
    day = to / "codex" / "sessions" / "2026" / "11" / "22"
    shutil.copytree(path.parent, day)
    files = sorted(day.iterdir())
    return day / path.name, files


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("cuts")
    transcript, every = copied(path, tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    contents = {file: file.read_bytes() for file in every}
    for file in every:
        file.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEX_HOME", str(tmp_path / "codex"))
        check_pieces(in_leaps(contents, random.Random(seed)), transcript, tmp_path, "codex-cli", project)
    shutil.rmtree(tmp_path)


_VALUES = st.sampled_from([None, 0, -1, 2**70, "", "x", [], {}, [None], {"type": "x"}, True, 1e308, "\ud800"])


def mutated(value: Any, chance: random.Random, instead: Any) -> Any:
    """A copy with one value somewhere in it replaced, or taken away."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return instead
    changed = copy.copy(value)
    key = chance.choice([*value] if isinstance(value, dict) else range(len(value)))
    if isinstance(changed, dict) and chance.random() < 0.2:
        del changed[key]
    else:
        changed[key] = mutated(value[key], chance, instead)
    return changed


LINES = {path: lines_of(path) for path in sorted(FIXTURES.glob("*/*.jsonl"))}


def mutate_and_read(folder: Path, path: Path, seed: int, instead: Any) -> None:
    chance = random.Random(seed)
    for file in [path, *CodexCliParser().beside(path)]:
        lines = list(LINES[file])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(lines))
            lines[at] = mutated(lines[at], chance, instead)
        chance.random() < 0.2 and chance.shuffle(lines)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / file.name).write_text(text, encoding="utf-8")
    outcome = CodexCliParser().parse(folder / path.name)
    if outcome.record is not None:
        assert outcome.record.content_hash == outcome.record.compute_content_hash()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
@given(seed=st.integers(0, 2**32), instead=_VALUES)
def test_no_mutation_of_a_recorded_session_raises(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int, instead: Any
) -> None:
    mutate_and_read(tmp_path_factory.mktemp("mutated"), path, seed, instead)


@pytest.mark.long
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
@given(seed=st.integers(0, 2**32), instead=_VALUES)
@settings(max_examples=400)
def test_no_mutation_raises_many(tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int, instead: Any) -> None:
    mutate_and_read(tmp_path_factory.mktemp("mutated"), path, seed, instead)
