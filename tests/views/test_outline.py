"""What a row tells of a call."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.views.outline import telling


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"description": "List", "command": "ls"}, "ls"),
        ({"file_path": "/p/a.py", "content": "x"}, "a.py"),
        ({"n": 3, "empty": " ", "q": "a", "path": None}, "a"),
        ({"n": 3, "of": ["ä", None]}, '{"n":3,"of":["ä",null]}'),
        ({"command": ""}, ""),
        ({}, ""),
    ],
)
def test_a_call_is_told_by_what_is_known_of_its_tool_else_by_its_first_text_else_by_all_of_it(
    given: dict[str, Any], told: str
) -> None:
    assert telling(given, "/p") == told
