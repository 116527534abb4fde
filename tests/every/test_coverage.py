"""docs/coverage.md is held to the tests: every demand has its test, for every agent."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from hookkit.agents import AGENTS

from .played import ROOT

ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in (ROOT / "docs" / "coverage.md").read_text("utf-8").splitlines()
    if re.search(r"\| (MUST|SHOULD|N/A) \|", line)
]


@cache
def arguments(path: str) -> dict[str, set[str]]:
    """Test of a file -> the fixtures that it asks for."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name: {a.arg for a in node.args.args} for node in tree.body if isinstance(node, ast.FunctionDef)}


def cited(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_demand_is_met_for_every_agent(row: list[str]) -> None:
    _, level, answer = row
    found = cited(answer)
    for path, test in found:
        assert test in arguments(path), f"{path} has no {test}"
    each = dict(re.findall(r"(?:^|; )([a-z-]+): ([^;]+)", answer))
    named = {name: cell for name, cell in each.items() if name in AGENTS}
    if named:
        assert set(named) == set(AGENTS)
        for name, cell in named.items():
            assert cited(cell) or re.match(r"not applicable, \w+", cell), name
    elif level != "N/A" and not answer.startswith(("not ", "of the real")):
        for path, test in found:
            if path.startswith("tests/every/"):
                assert arguments(path)[test] & {"agent", "session"} or test.startswith("test_no_field"), test
        assert found


def test_the_page_asks_for_all_there_is_to_ask() -> None:
    assert len(ROWS) >= 44
    assert {row[1] for row in ROWS} == {"MUST", "SHOULD", "N/A"}
