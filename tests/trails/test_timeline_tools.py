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


@pytest.mark.parametrize(
    "command",
    [
        "git stash pop",
        "cd a && git -C .. stash apply -q; ls",
        "git -c x.y=z cherry-pick abc",
        "git pull --rebase",
        "git checkout -- f",
        "git switch main",
    ],
)
def test_a_shell_command_may_bring_back_what_git_keeps(command: str) -> None:
    assert CONTRACT.brings_back("Bash", {"command": command})


@pytest.mark.parametrize(
    "command", ["git commit -am x", "git add -A", "sed -i s/a/b/ f", "echo merge >> f", "git log; echo reset"]
)
def test_a_shell_command_that_only_writes_brings_nothing_back(command: str) -> None:
    assert not CONTRACT.brings_back("Bash", {"command": command})
    assert not CONTRACT.brings_back("Edit", {"file_path": "/r/f"})


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_says_so_of_its_tools(agent: str) -> None:
    contract = AGENTS[agent]
    assert contract.writes("no such tool", {}) is None
    assert contract.background("no such tool", {}) is False
    assert isinstance(contract.containers, frozenset)
