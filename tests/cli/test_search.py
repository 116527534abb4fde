"""`hookkit search` on a recorded session."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.cli import run
from hookkit.store.plain import plain
from hookkit.store.search import Hit
from hookkit.views import cells, found

from .recorded import Session


def hits(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(["search", *arguments, "--json"]) in (0, 1)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_says_where_what_and_marks_the_match(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "git mv"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    address, *_ = line.split()
    assert address == f"{inside.trace_id[:8]}:4"
    assert "input Bash" in line
    assert "»git mv« fetch.py" in line
    assert "\x1b" not in line
    assert run(["diff", address, "--stat"]) == 0


def test_json_is_valid_and_has_the_whole_text(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(resources.files("hookkit.schemas").joinpath("search.schema.json").read_text())
    found = hits(capsys, "fetch")
    for hit in found:
        jsonschema.validate(hit, schema)
        assert hit["text"][hit["start"] : hit["end"]] == "fetch"
    assert [hit["step_index"] for hit in found] == sorted((hit["step_index"] for hit in found), reverse=True)
    (prompt,) = (hit for hit in found if hit["place"] == "prompt")
    assert prompt["text"] == "Add retry to fetch,\nplease"
    assert prompt["tool"] is prompt["tool_call_id"] is None


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        (["NOW MOVE"], []),
        (["NOW MOVE", "-i"], [3]),
        (["^Now .ove it$", "--regex"], [3]),
        (["git", "--tool", "bash"], [6, 4]),
        (["git", "--tool", "Edit"], []),
        (["git", "--agent", "pi"], []),
        (["git", "--since", "1m"], []),
        (["git", "--project", "/nowhere"], []),
        (["git", "--project", "net"], [6, 4]),
        (["git", "--limit", "1"], [6]),
    ],
)
@pytest.mark.usefixtures("inside")
def test_options_choose(arguments: list[str], steps: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert [hit["step_index"] for hit in hits(capsys, *arguments)] == steps


@pytest.mark.usefixtures("inside")
def test_nothing_found_is_1_as_with_grep_and_a_wrong_question_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "never said"]) == 1
    assert capsys.readouterr().out == ""
    assert run(["search", "never said", "--json"]) == 1
    assert capsys.readouterr().out == ""
    assert run(["search", "a(", "--regex"]) == 2
    assert "no regular expression" in capsys.readouterr().err
    assert run(["search", ""]) == 2
    assert run(["search"]) == 2


@pytest.mark.usefixtures("inside")
def test_a_cut_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "git", "--limit", "1"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "--limit 0" in said.err
    assert run(["search", "git", "--limit", "2"]) == 0
    assert capsys.readouterr().err == ""


@given(
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.integers(12, 100),
)
def test_a_snippet_fits_is_escaped_and_shows_the_match(before: str, match: str, after: str, room: int) -> None:
    hit = Hit("t", 1, None, "answer", before + match + after, len(before), len(before) + len(match), 1)
    said = found.snippet(hit, room)
    assert cells.width(said) <= room
    assert plain(said) == said
    inside = said.partition("»")[2].rpartition("«")[0]
    assert plain(match).startswith(inside.removesuffix("…")) or "»" in before or "«" in after
