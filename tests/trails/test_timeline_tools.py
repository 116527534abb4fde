"""What is known of an agent's tools: which files a call may write, and whether it holds or outlives other calls."""

from __future__ import annotations

from typing import Any

import pytest

from hookkit.agents import AGENTS
from hookkit.agents.claude_code import CONTRACT


@pytest.mark.parametrize("tool", ["Read", "Grep", "Glob", "TodoWrite", "WebFetch", "TaskOutput"])
def test_tools_that_look_write_nothing(tool: str) -> None:
    assert CONTRACT.writes(tool, {"file_path": "/r/f", "command": "rm -rf /"}) == ()


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Write", {"file_path": "/r/f"}),
        ("Edit", {"file_path": "/r/f"}),
        ("MultiEdit", {"file_path": "/r/f"}),
        ("NotebookEdit", {"notebook_path": "/r/f", "file_path": "/r/g"}),
    ],
)
def test_tools_that_edit_write_the_file_that_they_name(tool: str, given: dict[str, Any]) -> None:
    assert CONTRACT.writes(tool, given) == ("/r/f",)


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Bash", {"command": "true"}),
        ("mcp__files__read", {}),
        ("Skill", {}),
        ("ToolOfTomorrow", {"file_path": "/r/f", "": "/r/f"}),
        ("Edit", {}),
        ("Edit", {"file_path": {"cut": "/r", "length": 2000, "sha256": "0"}}),
        ("", {}),
    ],
)
def test_every_other_call_may_write_anything(tool: str, given: dict[str, Any]) -> None:
    assert CONTRACT.writes(tool, given) is None


def test_subagents_hold_other_calls() -> None:
    assert {"Agent", "Task"} == CONTRACT.containers


def test_shell_commands_in_the_background_outlive_their_window() -> None:
    assert CONTRACT.background("Bash", {"command": "serve", "run_in_background": True})
    assert not CONTRACT.background("Bash", {"command": "serve", "run_in_background": "no"})
    assert not CONTRACT.background("Agent", {"run_in_background": True}), "its calls have hook lines of their own"


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_says_so_of_its_tools(agent: str) -> None:
    contract = AGENTS[agent]
    assert contract.writes("no such tool", {}) is None
    assert contract.background("no such tool", {}) is False
    assert isinstance(contract.containers, frozenset)
