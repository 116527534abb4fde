"""OpenCode. Evidence: docs/agents/opencode.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookkit.agents.contract import AgentContract, Evidence, ExtensionWiring, HookEvent, Resuming, home_of
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

# A subagent has windows of its own.
_READERS = frozenset(
    {
        "codesearch", "glob", "grep", "invalid", "list", "lsp", "plan_enter", "plan_exit", "question", "read", "skill",
        "task", "todoread", "todowrite", "webfetch", "websearch",
    }
)  # fmt: skip
_WRITERS = frozenset({"edit", "write"})
_FILES = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.MULTILINE)


def config_home(env: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME`` moves it; a folder that ``$OPENCODE_CONFIG_DIR`` names is read besides."""
    moved = env.get("XDG_CONFIG_HOME")
    return (Path(moved) if moved else home_of(env) / ".config") / "opencode"


def _sessions(env: Mapping[str, str]) -> Path:
    """The folder of the database, which can be moved with it or on its own."""
    moved, database = env.get("XDG_DATA_HOME"), env.get("OPENCODE_DB")
    folder = (Path(moved) if moved else home_of(env) / ".local" / "share") / "opencode"
    return (folder / database).parent if database and database != ":memory:" else folder


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    if tool == "apply_patch":
        patch = given.get("patchText")
        named = _FILES.findall(patch) if isinstance(patch, str) else []
        return tuple(dict.fromkeys(path.strip() for path in named)) or None
    path = given.get("filePath") if tool in _WRITERS else None
    return (path,) if isinstance(path, str) and path else None


CONTRACT = AgentContract(
    name="opencode",
    title="OpenCode",
    program="opencode",
    hook_entry="hookkit_opencode.py",
    hook_files=("hookkit_opencode.py", "hookkit_opencode_events.py", "hookkit_patch.py", *SHARED_HOOK_FILES),
    # The plugin waits five seconds at most for each. Of a subagent's session, created and idle are its start and stop.
    events=(
        HookEvent("session.created", "session_start", 5000),
        HookEvent("chat.message", "prompt", 5000),
        HookEvent("tool.execute.before", "tool_pre", 5000),
        HookEvent("tool.execute.after", "tool_post", 5000),
        HookEvent("message.part.updated", "tool_failure", 5000),
        HookEvent("experimental.session.compacting", "compact_pre", 5000),
        HookEvent("session.compacted", "compact_post", 5000),
        HookEvent("session.idle", "turn_end", 5000),
        HookEvent("session.error", "turn_failure", 5000),
        HookEvent("dispose", "session_end", 5000),
    ),
    wiring=ExtensionWiring(
        places={
            "user": lambda env, _project: config_home(env) / "plugins" / "hookkit.js",
            "project": lambda _env, project: project / ".opencode" / "plugins" / "hookkit.js",
        },
        template="hookkit_opencode.js",
    ),
    config_home=config_home,
    call_field="tool_use_id",
    trust="None: OpenCode loads every plugin of these folders, except when it is started with --pure.",
    writes=_writes,
    containers=frozenset({"task"}),
    background=lambda tool, given: tool == "bash" and starts_background(given.get("command")),
    brings_back=lambda tool, given: tool == "bash" and brings_back(given.get("command")),
    transcripts=_sessions,
    parser="hookkit.capture.opencode.parser:OpenCodeParser",
    resuming=Resuming(lambda session: ["--session", session]),
    skills=lambda env: config_home(env) / "skills",
    evidence=Evidence("run", "1.18.33", "2026-11-28"),
)
