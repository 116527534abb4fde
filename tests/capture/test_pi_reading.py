"""Pi's sessions: where they are found; read in pieces, and damaged."""

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

from hookkit.agents.pi import CONTRACT
from hookkit.capture.ingest import ingest_session
from hookkit.capture.pi.parser import PiParser, encoded
from hookkit.capture.registry import get_parser

from .pi_support import RECORDED, SESSION, Session
from .recorded_sessions import check_pieces, check_read_twice, check_record, damaged, put_odd_value, shuffled


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    for name in ("PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# Where sessions are


def test_sessions_are_found_where_pi_keeps_them(home: Path, tmp_path: Path) -> None:
    parser = get_parser("pi")
    storage = home / ".pi" / "agent" / "sessions"
    assert parser.storage() == storage
    project = tmp_path / "a project"
    (project / "sub").mkdir(parents=True)
    beside = tmp_path / "a project-2"
    own = Session(str(project)).prompt("a").write(storage / encoded(project))
    below = (
        Session(str(project / "sub")).prompt("b").write(storage / encoded(project / "sub"), f"b_{SESSION[:-1]}a.jsonl")
    )
    Session(str(beside)).prompt("c").write(storage / encoded(beside), f"c_{SESSION[:-1]}b.jsonl")
    (storage / encoded(project) / "notes.txt").write_text("")
    assert len(list(parser.discover_sessions(storage))) == 3
    assert set(parser.discover_project_sessions(project)) == {own, below}
    assert parser.find_session(SESSION) == own
    assert parser.session_id_from_path(own) == SESSION
    assert not parser.exists(parser.find_session("no-such"))
    assert parser.changed(own) == own.stat().st_mtime_ns


def test_the_folder_is_named_as_pi_names_it() -> None:
    assert encoded(Path("/home/dev/project")) == "--home-dev-project--"
    assert encoded(Path("/a b/c:d\\e")) == "--a b-c-d-e--"


@pytest.mark.parametrize("how", ["variable", "settings"])
def test_a_folder_that_the_user_chose_has_no_levels(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("PI_CODING_AGENT_SESSION_DIR", "~/my sessions")
    else:
        monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path / "moved"))
        (tmp_path / "moved").mkdir()
        (tmp_path / "moved" / "settings.json").write_text('{"sessionDir": "~/my sessions"}')
    path = Session(str(tmp_path)).prompt("a").write(home / "my sessions")
    parser = get_parser("pi")
    assert list(parser.discover_project_sessions(tmp_path)) == [path]
    assert parser.find_session(SESSION) == path


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sessionDir": 5}', "// {}"])
def test_settings_that_cannot_be_read_move_nothing(home: Path, text: str) -> None:
    (home / ".pi" / "agent").mkdir(parents=True)
    (home / ".pi" / "agent" / "settings.json").write_text(text)
    assert CONTRACT.transcripts(os.environ) == home / ".pi" / "agent" / "sessions"


def test_a_file_that_the_user_named_tells_its_session_itself(home: Path, tmp_path: Path) -> None:
    path = Session(str(tmp_path)).prompt("a").say("b").write(home / ".pi" / "agent" / "sessions" / "x", "mine.jsonl")
    parser = get_parser("pi")
    assert parser.session_id_from_path(path) == SESSION
    assert parser.find_session(SESSION) == path
    assert ingest_session(path, agent="pi").session_id == SESSION
    (tmp_path / "none.jsonl").write_text("5\n")
    assert parser.session_id_from_path(tmp_path / "none.jsonl") == "none"


# In pieces, and damaged


def growing(path: Path, copy: Path, chance: random.Random) -> Iterator[None]:
    """A copy of a session that grows."""
    whole = path.read_bytes()
    cuts = sorted(chance.randrange(len(whole)) for _ in range(chance.randint(1, 7)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with copy.open("ab") as file:
            file.write(whole[start:end])
        yield


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, deadline=None)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    states = growing(path, folder / path.name, random.Random(seed))
    check_pieces(states, folder / path.name, folder, "pi")
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_the_same_session_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    check_read_twice(path, "pi", tmp_path, monkeypatch)


def read_odd_values(folder: Path, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(RECORDED))
    lines = [json.loads(line) for line in original.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        put_odd_value(data, lines)
    (folder / original.name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_record(PiParser(), folder / original.name)
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
@settings(max_examples=50, deadline=None)
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    (folder / original.name).write_bytes(shuffled(data, damaged(data, original.read_bytes())))
    check_record(PiParser(), folder / original.name)
    shutil.rmtree(folder)
