"""Cursor's documented sessions with hook lines, read in pieces; and lines of any kind: never an exception."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture.cursor.fold import CursorFold
from hookkit.capture.cursor.parser import CursorParser

from .cursor_support import DOCUMENTED, ROOT, SESSION, SUBAGENT, TOUR, hook, sidecar
from .recorded_sessions import check_pieces, in_leaps


@given(seed=st.integers(0, 2**32))
def test_any_cuts_give_the_bytes_of_one_reading(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    tmp_path = tmp_path_factory.mktemp("cuts")
    shutil.copytree(DOCUMENTED / "tour", tmp_path / "agent-transcripts")
    path = tmp_path / "agent-transcripts" / SESSION / f"{SESSION}.jsonl"
    for number, (tool, given_) in enumerate(
        (("Write", {"file_path": f"{ROOT}/greet.py"}), ("Shell", {"command": "python -m pytest -q"}))
    ):
        call = {"tool": tool, "tool_input": given_}
        sidecar(tmp_path, hook("PreToolUse", number, **call), hook("PostToolUse", number, **call, limitations=[]))
    inner = {"tool": "Shell", "tool_input": {"command": "pytest -q test_greet.py"}}
    sidecar(tmp_path, hook("PreToolUse", 9, session=SUBAGENT, **inner), session=SUBAGENT)
    every = sorted(tmp_path.rglob("*.jsonl"))
    contents = {each: each.read_bytes() for each in every}
    for each in every:
        each.unlink()
    check_pieces(in_leaps(contents, random.Random(seed)), path, tmp_path, "cursor", tmp_path)
    shutil.rmtree(tmp_path)


STRANGE = st.sampled_from(
    [None, 0, -1, 2.5, True, "", "x", [], {}, [[]], [{}], {"type": "x"}, "\ud800", "<user_query>"]
)


@given(data=st.data())
def test_no_mutation_of_a_documented_line_raises(data: st.DataObject) -> None:
    lines = [json.loads(line) for line in TOUR.read_text().splitlines()]
    fold = CursorFold(SESSION)
    for number, line in enumerate(lines, 1):
        changed = copy.deepcopy(line)
        places = list(_places(changed))
        holder, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            holder[key] = data.draw(STRANGE)
        fold.feed(data.draw(st.sampled_from(["", SUBAGENT])), changed, number)
    parser = CursorParser()
    parser.assemble(TOUR, fold)
    parser.keyed_calls(fold)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
