"""However a session was read, in one go or in a hundred, its trace has the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.capture import files, state
from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path

from .support import OFFICIAL, SESSION, Transcript, fixture, hook, write


def whole(transcript: Path, project: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> bytes:
    """The trace of the same files, read by a hookkit that knows nothing yet."""
    with monkeypatch.context() as patch:
        patch.setenv("HOOKKIT_HOME", str(home))
        shutil.rmtree(home, ignore_errors=True)
        result = ingest_session(transcript, project)
        return trace_path(result.trace_id).read_bytes() if result.status == "stored" else b""


SOURCES = ["recorded", "background", "commands", "forked", "tour", "resumed-and-compacted", "failed-request"]


def source(name: str, to: Path) -> tuple[Path, Path]:
    if not (OFFICIAL / f"{name}.jsonl").exists():
        return fixture(name, to)
    shutil.copytree(OFFICIAL, to / "projects")
    return to / "projects" / f"{name}.jsonl", to / "project"


@pytest.mark.long
@pytest.mark.parametrize("name", SOURCES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_any_cuts_give_the_bytes_of_one_reading(tmp_path_factory: pytest.TempPathFactory, name: str, seed: int) -> None:
    tmp_path = tmp_path_factory.mktemp("cuts")
    transcript, project = source(name, tmp_path)
    every = [transcript, *sorted(transcript.with_suffix("").rglob("*.jsonl")), *sorted(project.rglob("*.jsonl"))]
    contents = {path: path.read_bytes() for path in every}
    for path in every:
        path.unlink()
    chance = random.Random(seed)
    written = dict.fromkeys(every, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
        patch.setattr(os, "fsync", lambda _descriptor: None)  # hundreds of ingests, none of them worth a disk's time
        for _ in range(chance.randint(1, 6)):
            for path in chance.sample(every, chance.randint(1, len(every))):
                grown = min(len(contents[path]), written[path] + chance.randint(0, len(contents[path])))
                with path.open("ab") as file:
                    file.write(contents[path][written[path] : grown])
                written[path] = grown
            ingest_session(transcript, project)
        for path in every:
            with path.open("ab") as file:
                file.write(contents[path][written[path] :])
        result = ingest_session(transcript, project)
        found = trace_path(result.trace_id).read_bytes()
        assert found == whole(transcript, project, patch, tmp_path / "other")
    shutil.rmtree(tmp_path)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    transcript, project = fixture("recorded", tmp_path)
    assert ingest_session(transcript, project).status == "stored"
    return transcript, project


def test_second_ingest_reads_only_the_new_bytes(session: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    transcript, project = session
    offsets = []
    original = files.LineReader.__init__

    def watch(self: files.LineReader, path: Path, offset: int = 0, first_line: int = 0) -> None:
        offsets.append((path, offset, path.stat().st_size))
        original(self, path, offset, first_line)

    monkeypatch.setattr(files.LineReader, "__init__", watch)
    before = transcript.stat().st_size
    with transcript.open("a") as file:
        file.write(Transcript().prompt("One more.").text())
    result = ingest_session(transcript, project)
    assert (result.status, result.lines) == ("stored", 1)
    assert all(offset == (before if path == transcript else size) for path, offset, size in offsets)
    assert len(offsets) == 5


def test_nothing_new_changes_nothing(session: tuple[Path, Path]) -> None:
    result = ingest_session(*session)
    assert result.status == "unchanged"


def test_deleted_trace_comes_back(session: tuple[Path, Path]) -> None:
    trace = trace_path(ingest_session(*session).trace_id)
    before = trace.read_bytes()
    trace.unlink()
    assert ingest_session(*session).status == "stored"
    assert trace.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"Agent", b"Agant")),
        lambda path: path.write_bytes(b"\xff\0" * 900),
    ],
)
def test_damaged_state_only_costs_time(
    session: tuple[Path, Path], damage: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = ingest_session(*session).trace_id
    damage(state.state_path(trace))  # type: ignore[operator]
    with session[0].open("a") as file:
        file.write(Transcript().prompt("One more.").text())
    assert ingest_session(*session).status == "stored"
    assert trace_path(trace).read_bytes() == whole(*session, monkeypatch, tmp_path / "other")


def test_state_of_another_version_is_not_used(
    session: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = ingest_session(*session).trace_id
    saved = state.load(trace)
    assert saved is not None
    saved[0]["version"] = "0.0/0"
    saved[0]["fold"]["facts"]["version"] = "wrong"
    state.save(trace, *saved)
    with session[0].open("a") as file:
        file.write(Transcript().prompt("One more.").text())
    ingest_session(*session)
    assert json.loads(trace_path(trace).read_bytes())["agent"]["version"] == "2.1.197"


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_shortened_transcript_is_read_again(
    session: tuple[Path, Path], length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript, project = session
    content = transcript.read_bytes()[:length]
    transcript.write_bytes(content)
    result = ingest_session(transcript, project)
    assert trace_path(result.trace_id).read_bytes() == whole(transcript, project, monkeypatch, tmp_path / "other")


def test_replaced_transcript_is_read_again_though_it_is_longer(
    session: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript, project = session
    changed = transcript.read_text().replace("go nested", "GO NESTED")
    transcript.write_text(changed + Transcript().prompt("One more.").text())
    result = ingest_session(transcript, project)
    assert (result.summary or {})["title"] == "GO NESTED"
    assert trace_path(result.trace_id).read_bytes() == whole(transcript, project, monkeypatch, tmp_path / "other")


def test_message_that_a_file_of_higher_rank_claims_later_is_given_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    agent = Transcript("a").prompt("Be a.").message("same", "mine", stop="end_turn")
    main = Transcript().turn()
    transcript = write(tmp_path, main, agent)
    ingest_session(transcript, tmp_path)
    write(tmp_path, main.message("same", "no, mine", stop="end_turn"), agent)
    result = ingest_session(transcript, tmp_path)
    found = trace_path(result.trace_id).read_bytes()
    assert found == whole(transcript, tmp_path, monkeypatch, tmp_path / "other")
    assert [step["content"] for step in json.loads(found)["steps"]][-2:] == ["no, mine", "Be a."]


def test_sidecar_that_appears_later_is_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    transcript = write(tmp_path, Transcript().turn())
    ingest_session(transcript, tmp_path)
    sidecar = tmp_path / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text(json.dumps(hook("PreToolUse", 1.1, "toolu_1", at=1)) + "\n")
    result = ingest_session(transcript, tmp_path)
    assert result.status == "stored"
    assert json.loads(trace_path(result.trace_id).read_bytes())["metadata"]["hook_pre_tool_use"].keys() == {"toolu_1"}
