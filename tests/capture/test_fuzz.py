"""Whatever becomes of a transcript, reading it raises nothing, and what comes out is a valid record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.parser import ClaudeCodeParser
from hookkit.views import show

from .support import FIXTURES, OFFICIAL, fixture

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([None]), st.just({"type": []}), st.just([{"type": "tool_use"}]),
    st.just("\x1b[2J\x00\ud800"), st.lists(st.integers(), max_size=2),
    st.sampled_from(["user", "assistant", "system", "tool_result", "<command-name>/x</command-name>", "text"]),
)  # fmt: skip
RECORDED = sorted(OFFICIAL.glob("*.jsonl")) + sorted(FIXTURES.glob("*/projects/*/*.jsonl"))


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


def check(transcript: Path) -> None:
    outcome = ClaudeCodeParser().parse(transcript)
    if outcome.record is not None:
        record = outcome.record
        assert isinstance(record, TraceRecord)
        assert record.content_hash == record.compute_content_hash()
        text = "\n".join(show.render(record.model_dump()))
        assert not any(ord(char) < 32 and char != "\n" for char in text)
    ClaudeCodeParser().parse_session(transcript, byte_offset=137)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    lines = [json.loads(line) for line in original.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = replaced(lines[at], data.draw(st.sampled_from(spots(lines[at]))), data.draw(ODD))
    transcript = folder / original.name
    transcript.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if original.with_suffix("").exists():
        shutil.copytree(original.with_suffix(""), folder / original.stem)
    check(transcript)
    shutil.rmtree(folder)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    transcript, _ = fixture("recorded", folder)
    for path in sorted((folder / "projects").rglob("*.json*")):
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=9))
        lines = bytes(content).split(b"\n")
        path.write_bytes(b"\n".join(data.draw(st.permutations(lines)) if data.draw(st.booleans()) else lines))
    check(transcript)
    shutil.rmtree(folder)
