"""What the recorded sessions of every agent are put through: read in pieces, read again, and damaged."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.capture.ingest import ingest_session
from hookkit.capture.session import Session
from hookkit.store.files import trace_path
from hookkit.views import show

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([None]), st.just({"type": []}), st.just([{"type": "tool_use"}]),
    st.just("\x1b[2J\x00\ud800"), st.lists(st.integers(), max_size=2),
    st.sampled_from(["user", "assistant", "system", "tool_result", "<command-name>/x</command-name>", "text"]),
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """The recorded sessions of an agent: their transcripts, each with what belongs to it in a folder below ``base``.

    headed: the first line of a transcript tells whose it is, so it is there before anything is read.
    """

    agent: str
    base: Path
    transcripts: Sequence[Path]
    headed: bool = False

    def folder(self, transcript: Path) -> Path:
        return self.base / transcript.relative_to(self.base).parts[0]

    def name(self, transcript: Path) -> str:
        return self.folder(transcript).stem

    def copy(self, transcript: Path, to: Path) -> Path:
        """Copy a session into a new folder, as the agent lays it out there; gives the copy's transcript."""
        folder = self.folder(transcript)
        shutil.copytree(folder, to)
        return to / transcript.relative_to(folder)

    def growing(self, transcript: Path, to: Path, chance: random.Random) -> tuple[Path, Iterator[None]]:
        """(the transcript of a copy, the states of its files as they grow)"""
        copy = self.copy(transcript, to)
        files = {file: file.read_bytes() for file in sorted(to.rglob("*.jsonl"))}
        for file in files:
            file.unlink()
        if self.headed:
            first, _, files[copy] = files[copy].partition(b"\n")
            copy.write_bytes(first + b"\n")
        return copy, by_turns(files, chance)


# Read in pieces, and again


def ingested(path: Path, agent: str, project: Path | None = None) -> bytes:
    """The trace of a session, as it is stored."""
    return trace_path(ingest_session(path, project, agent=agent).trace_id).read_bytes()


def check_pieces(states: Iterable[object], path: Path, folder: Path, agent: str, project: Path | None = None) -> None:
    """A session that is read at every state of its files has the bytes of one that is read once, at the last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setenv("HOOKKIT_HOME", str(folder / "home of pieces"))
        for _ in states:
            result = ingest_session(path, project, agent=agent)
        pieces = trace_path(result.trace_id).read_bytes()
        again = ingested(path, agent, project)
        patch.setenv("HOOKKIT_HOME", str(folder / "home of one"))
        assert pieces == again == ingested(path, agent, project)


def by_turns(files: dict[Path, bytes], chance: random.Random) -> Iterator[None]:
    """Let files grow by turns, cut anywhere, as they do while subagents run."""
    left = list(files.items())
    while left:
        at = chance.randrange(len(left))
        file, rest = left[at]
        size = len(rest) if chance.random() < 0.1 else chance.randint(1, max(1, len(rest) // 2))
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as out:
            out.write(rest[:size])
        left[at] = (file, rest[size:])
        left = [each for each in left if each[1]]
        if chance.random() < 0.5 or not left:
            yield


def in_leaps(files: dict[Path, bytes], chance: random.Random) -> Iterator[None]:
    """Let files grow a few times, some of them at once and by any size, then to their ends."""
    written = dict.fromkeys(files, 0)

    def grow(file: Path, to: int) -> None:
        with file.open("ab") as out:
            out.write(files[file][written[file] : to])
        written[file] = to

    for _ in range(chance.randint(1, 5)):
        for file in chance.sample(list(files), chance.randint(1, len(files))):
            grow(file, min(len(files[file]), written[file] + chance.randint(0, len(files[file]))))
        yield
    for file in files:
        grow(file, len(files[file]))
    yield


def check_read_twice(path: Path, agent: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines make the same bytes of a session, and a second reading finds nothing new."""
    found = []
    for name in ("one", "two"):
        monkeypatch.setenv("HOOKKIT_HOME", str(folder / name))
        found.append(ingested(path, agent))
    assert found[0] == found[1]
    assert ingest_session(path, agent=agent).status == "unchanged"


# Damaged


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [spot for key, item in inside for spot in spots(item, (*path, key))]


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], odd)
    return copy


def put_odd_value(data: st.DataObject, lines: list[Any]) -> None:
    """Somewhere into one of the lines."""
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = replaced(lines[at], data.draw(st.sampled_from(spots(lines[at]))), data.draw(ODD))


def put_odd_values(data: st.DataObject, folder: Path) -> None:
    """Up to four, into any of the files of a session."""
    files = sorted(folder.rglob("*.json*"))
    for _ in range(data.draw(st.integers(1, 4))):
        file = data.draw(st.sampled_from(files))
        lines = [json.loads(text) for text in ([file.read_text()] if file.suffix == ".json" else read_lines(file))]
        put_odd_value(data, lines)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_lines(file: Path) -> list[str]:
    """Not by ``splitlines``, which knows ends of lines that JSON does not."""
    return file.read_text().split("\n")[:-1]


def damaged(data: st.DataObject, content: bytes, least: int = 0) -> bytes:
    """With up to three places overwritten."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(least, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=9))
    return bytes(changed)


def shuffled(data: st.DataObject, content: bytes) -> bytes:
    """With the lines in any order, or as they are."""
    lines = content.split(b"\n")
    return b"\n".join(data.draw(st.permutations(lines)) if data.draw(st.booleans()) else lines)


def check_record(parser: Any, path: Path) -> None:
    """Reading raises nothing; what comes out is valid, and can be shown on a terminal."""
    record = parser.parse(path).record
    if record is not None:
        assert isinstance(record, TraceRecord)
        assert record.content_hash == record.compute_content_hash()
        text = "\n".join(show.render(record.model_dump()))
        assert not any(ord(char) < 32 and char != "\n" for char in text)
    parser.parse_session(path, byte_offset=137)
    session = Session(parser, parser.session_id_from_path(path), path, None)
    session.read()
    parser.keyed_calls(session.fold)
    parser.is_final(path)
