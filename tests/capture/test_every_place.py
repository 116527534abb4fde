"""Each place that the recorded sessions of an agent have, once, with a value there that nobody expects.

The random tests of reading put odd values anywhere; this one leaves no place out.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.registry import get_parser

from . import codex_support, copilot_support, cursor_support, gemini_support, opencode_support, pi_support, qwen_support
from .recorded_sessions import Recorded, check_record, read_lines, replaced, spots
from .test_adk_parser import NAME, rich
from .test_fuzz import RECORDED as CLAUDE_CODE

ODD: tuple[Any, ...] = ([], {}, "?", -1, None)
Lines = list[Any]
# The copy of a session: what stands for it, the lines of its files, and what writes the lines of one of them again.
Copy = tuple[Path, dict[Path, Lines], Callable[[Path, Lines], None]]


def kind_of(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return next((repr(value[name]) for name in ("table", "type", "role", "name") if name in value), "")


def place_of(line: Any, spot: tuple[Any, ...]) -> tuple[str, ...]:
    """A spot without positions in lists, in a line of this kind, below objects of these kinds."""
    place, value = [kind_of(line)], line
    for key in spot:
        value = value[key]
        place += ["*" if isinstance(key, int) else key, kind_of(value)]
    return tuple(place)


def test_places_are_told_apart_by_the_kinds_on_the_way_to_them_and_not_by_positions() -> None:
    line = {"type": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert ("'user'", "content", "", "*", "'text'", "text", "") in {place_of(line, spot) for spot in spots(line)}
    assert len(spots(line)) == 9
    assert len({place_of(line, spot) for spot in spots(line)}) == 6


def in_files(folder: Path, transcript: Path) -> Copy:
    def write(file: Path, lines: Lines) -> None:
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    files = {}
    for file in sorted(folder.rglob("*.json*")):
        texts = [file.read_text(encoding="utf-8")] if file.suffix == ".json" else read_lines(file)
        files[file] = [json.loads(text) for text in texts]
    return transcript, files, write


def of_recorded(recorded: Recorded, transcript: Path, to: Path) -> Copy:
    return in_files(to, recorded.copy(transcript, to / "session"))


def of_claude_code(transcript: Path, to: Path) -> Copy:
    to.mkdir()
    if transcript.with_suffix("").exists():
        shutil.copytree(transcript.with_suffix(""), to / transcript.stem)
    return in_files(to, Path(shutil.copy(transcript, to)))


def of_codex(transcript: Path, to: Path) -> Copy:
    shutil.copytree(transcript.parent, to)
    return in_files(to, to / transcript.name)


def of_adk(to: Path) -> Copy:
    to.mkdir()
    (to / f"{NAME}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rich()), encoding="utf-8")
    return in_files(to, to / f"{NAME}.jsonl")


def of_opencode(name: str, to: Path) -> Copy:
    """Its lines are what the rows of the database say."""
    path = opencode_support.database(to, name)
    rows = [row for row in opencode_support.recorded(name)[1] if "data" in row["row"]]

    def write(file: Path, lines: Lines) -> None:
        changed = [
            row | {"row": row["row"] | {"data": json.dumps(data)}} for row, data in zip(rows, lines, strict=True)
        ]
        opencode_support.put(file, changed)

    return path, {path.parent: [row["row"]["data"] for row in rows]}, write


SESSIONS: dict[str, list[Callable[[Path], Copy]]] = {
    **{
        each.SESSIONS.agent: [functools.partial(of_recorded, each.SESSIONS, path) for path in each.SESSIONS.transcripts]
        for each in (copilot_support, cursor_support, gemini_support, pi_support, qwen_support)
    },
    "claude-code": [functools.partial(of_claude_code, path) for path in CLAUDE_CODE],
    "codex-cli": [functools.partial(of_codex, path) for path in codex_support.RECORDED],
    "google-adk": [of_adk],
    "opencode": [functools.partial(of_opencode, name) for name in opencode_support.RECORDED],
}


def odd_copies(copy: Callable[[Path], Copy], to: Path, seen: set[tuple[str, ...]]) -> Iterator[tuple[Path, str]]:
    """(what stands for the session, what is odd in it) for each place not seen before, and each odd value."""
    transcript, files, write = copy(to)
    for file, lines in files.items():
        for at, line in enumerate(lines):
            new = [spot for spot in spots(line) if place_of(line, spot) not in seen]
            seen.update(place_of(line, spot) for spot in new)
            for spot in new:
                for odd in ODD:
                    write(file, [*lines[:at], replaced(line, spot, odd), *lines[at + 1 :]])
                    yield transcript, f"{file.name}:{at + 1} {spot} = {odd!r}"
        write(file, lines)


@pytest.mark.long
@pytest.mark.parametrize("agent", SESSIONS)
def test_an_odd_value_in_any_place_raises_nothing(agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    parser = get_parser(agent)
    seen: set[tuple[str, ...]] = set()
    tried = 0
    raised = []
    for number, copy in enumerate(SESSIONS[agent]):
        for transcript, what in odd_copies(copy, tmp_path / str(number), seen):
            tried += 1
            try:
                check_record(parser, transcript)
            except Exception as exception:  # one run tells all of them
                raised.append(f"{what}: {exception!r}")
    assert not raised, "\n".join(raised)
    assert tried > 200
