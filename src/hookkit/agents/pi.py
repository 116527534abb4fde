"""Pi. Evidence: docs/agents/pi.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookkit.agents.contract import AgentContract, Evidence, ExtensionWiring, HookEvent, Resuming, home_of
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

_READERS = frozenset({"read", "grep", "find", "ls"})
_WRITERS = frozenset({"write", "edit"})


def config_home(env: Mapping[str, str]) -> Path:
    """``$PI_CODING_AGENT_DIR`` moves everything that is otherwise in ``~/.pi/agent``."""
    moved = env.get("PI_CODING_AGENT_DIR")
    return _expanded(moved, env) if moved else home_of(env) / ".pi" / "agent"


def _sessions(env: Mapping[str, str]) -> Path:
    """The folder of sessions can be moved on its own: by a variable, or else in the user's settings."""
    moved = env.get("PI_CODING_AGENT_SESSION_DIR")
    if not moved:
        try:
            settings = json.loads((config_home(env) / "settings.json").read_text(encoding="utf-8"))
            moved = settings.get("sessionDir")
        except (OSError, ValueError, AttributeError, RecursionError):
            moved = None
    return _expanded(moved, env) if isinstance(moved, str) and moved else config_home(env) / "sessions"


def _expanded(path: str, env: Mapping[str, str]) -> Path:
    return home_of(env) / path[2:] if path.startswith("~/") or path == "~" else Path(path)


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    path = given.get("path") if tool in _WRITERS else None
    return (path,) if isinstance(path, str) and path else None


CONTRACT = AgentContract(
    name="pi",
    title="Pi",
    program="pi",
    hook_entry="hookkit_pi.py",
    hook_files=("hookkit_pi.py", "hookkit_pi_events.py", *SHARED_HOOK_FILES),
    # The extension waits five seconds at most for each.
    events=(
        HookEvent("session_start", "session_start", 5000),
        HookEvent("before_agent_start", "prompt", 5000),
        HookEvent("tool_call", "tool_pre", 5000),
        HookEvent("tool_result", "tool_post", 5000),
        HookEvent("tool_execution_end", "tool_failure", 5000),
        HookEvent("session_before_compact", "compact_pre", 5000),
        HookEvent("session_compact", "compact_post", 5000),
        HookEvent("agent_end", "turn_end", 5000),
        HookEvent("session_shutdown", "session_end", 5000),
    ),
    wiring=ExtensionWiring(
        places={
            "user": lambda env, _project: config_home(env) / "extensions" / "hookkit.ts",
            "project": lambda _env, project: project / ".pi" / "extensions" / "hookkit.ts",
        },
        template="hookkit_pi.ts",
    ),
    config_home=config_home,
    call_field="tool_use_id",
    trust="None: Pi loads every extension of these folders.",
    probe="hookkit.installer.pi_folder:PiFolder",
    writes=_writes,
    background=lambda tool, given: tool == "bash" and starts_background(given.get("command")),
    brings_back=lambda tool, given: tool == "bash" and brings_back(given.get("command")),
    transcripts=_sessions,
    parser="hookkit.capture.pi.parser:PiParser",
    # From another folder Pi asks whether to fork, and does nothing when nobody answers.
    resuming=Resuming(lambda session: ["--session", session], at_step="hookkit.capture.pi.cut:cut"),
    skills=lambda env: config_home(env) / "skills",
    evidence=Evidence("run", "0.73.1", "2026-11-28"),
)
