"""The program that the page shows runs, and gives the tree that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hookkit import phases

from .support import names, phase, written

PAGE = Path(__file__).parents[2] / "docs" / "phases.md"


def test_the_example_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    exec(program, found)
    tree = written(found["run"])
    assert names(tree) == ["→ research", "research", "→ write", "write"]
    research = phase(tree, "research")
    assert (research.input_tokens, research.output_tokens, research.cost_usd) == (900, 40, 0.004)
    assert [(call.agent_name, call.context_window) for call in research.children] == [("search", 200_000)]
    assert phase(tree, "write").output_tokens == 5
    assert Path(capsys.readouterr().out.strip()) == folder / ".belay" / "traces" / f"{tree.id}.json"
    assert phases.read_latest() == tree


def test_the_page_names_every_key_and_everything_that_is_public() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for key in phases.Node.__slots__:
        assert f"`{key}`" in text
    for name in ("trace", "phase", "current", "read_file", "read_latest"):
        assert name in phases.__all__
        assert f"`{name}(" in text or f", `{name}(" in text
