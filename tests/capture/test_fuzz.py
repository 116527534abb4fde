"""Whatever becomes of a transcript, reading it raises nothing, and what comes out is a valid record."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture.claude_code.parser import ClaudeCodeParser

from .recorded_sessions import check_record, damaged, put_odd_value, shuffled
from .support import FIXTURES, OFFICIAL, fixture

RECORDED = sorted(OFFICIAL.glob("*.jsonl")) + sorted(FIXTURES.glob("*/projects/*/*.jsonl"))


@given(data=st.data())
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    lines = [json.loads(line) for line in original.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        put_odd_value(data, lines)
    transcript = folder / original.name
    transcript.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if original.with_suffix("").exists():
        shutil.copytree(original.with_suffix(""), folder / original.stem)
    check_record(ClaudeCodeParser(), transcript)
    shutil.rmtree(folder)


@given(data=st.data())
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    transcript, _ = fixture("recorded", folder)
    for path in sorted((folder / "projects").rglob("*.json*")):
        path.write_bytes(shuffled(data, damaged(data, path.read_bytes())))
    check_record(ClaudeCodeParser(), transcript)
    shutil.rmtree(folder)
