"""What hookkit knows of an agent: one frozen table that drives installer, hooks, parser dispatch, doctor and docs.

The facts carry their evidence: which version was run, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Role = Literal[
    "session_start", "session_end", "prompt", "tool_pre", "tool_post", "tool_failure",
    "subagent_start", "subagent_stop", "compact_pre", "compact_post", "turn_end", "turn_failure",
]  # fmt: skip
Scope = Literal["user", "project", "local"]


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One event of the agent: its own name, what it means to hookkit, its timeout in the agent's unit."""

    name: str
    role: Role
    timeout: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the contract was checked: ``run`` = the real program was run; ``documented`` = read only."""

    level: Literal["run", "documented"]
    version: str
    date: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class AgentContract:
    """The contract of one agent.

    hook_entry: the script the agent runs; hook_files: every file of hooks/ that it needs beside it, itself included.
    settings: scope -> function of (environment, project folder) giving the settings file.
    comments: whether the agent itself reads a settings file that holds comments or trailing commas.
    envelope: name of the JSON Schema (schemas/<envelope>.schema.json) of the settings file.
    managed: machine-wide policy files that can forbid hooks, in order.
    writes: function of a tool's name and input giving the paths that the call may write, as they were given; () for a
        tool that writes no file of a worktree, None for one that may write anything, as every unknown tool may.
    containers: tools whose windows hold the windows of other calls, and that write nothing beside those.
    background: whether a call goes on after its window was closed.
    brings_back: whether a call may bring back content that git keeps, such as ``git stash pop`` in a shell.
    transcripts: function of the environment giving the folder that holds the agent's sessions.
    parser: "module:class" of the SessionParser, imported on first use.
    """

    name: str
    title: str
    program: str
    hook_entry: str
    hook_files: tuple[str, ...]
    events: tuple[HookEvent, ...]
    timeout_unit: Literal["s", "ms"]
    config_home: Callable[[Mapping[str, str]], Path]
    settings: Mapping[Scope, Callable[[Mapping[str, str], Path], Path]]
    envelope: str
    comments: bool
    managed: tuple[Path, ...]
    session_field: str
    turn_field: str
    call_field: str | None
    trust: str
    writes: Callable[[str, Mapping[str, Any]], tuple[str, ...] | None]
    containers: frozenset[str]
    background: Callable[[str, Mapping[str, Any]], bool]
    brings_back: Callable[[str, Mapping[str, Any]], bool]
    transcripts: Callable[[Mapping[str, str]], Path]
    parser: str
    evidence: Evidence
