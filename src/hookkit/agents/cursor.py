"""Cursor, the editor and its command line. Documented, not run. Evidence: docs/agents/cursor.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookkit.agents.contract import AgentContract, Evidence, HookEvent, Resuming, SettingsWiring, home_of
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

# The hooks' names of tools, and those of the transcript; and of their inputs.
_WRITERS = frozenset({"Write", "StrReplace", "MultiEdit", "EditNotebook", "Delete"})
_READERS = frozenset(
    {
        "AskQuestion", "FetchMcpResource", "Glob", "Grep", "LS", "ListMcpResources", "Read", "ReadLints",
        "SemanticSearch", "SwitchMode", "TodoWrite", "WebFetch", "WebSearch",
    }
)  # fmt: skip
_PATHS = ("file_path", "path", "target_file", "target_notebook")
_FILES = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.MULTILINE)


def config_home(env: Mapping[str, str]) -> Path:
    """Nothing is known to move ``~/.cursor`` with its hooks."""
    return home_of(env) / ".cursor"


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    if tool == "ApplyPatch":
        named = [path for text in given.values() if isinstance(text, str) for path in _FILES.findall(text)]
        return tuple(dict.fromkeys(path.strip() for path in named)) or None
    if tool not in _WRITERS:
        return None
    path = next((given[name] for name in _PATHS if isinstance(given.get(name), str) and given[name]), None)
    return (path,) if path else None


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    """A command that is not waited for; or a subagent that works beside."""
    if tool in ("Task", "Subagent"):
        return given.get("run_in_background") is True
    beside = given.get("is_background") is True or given.get("block_until_ms") == 0
    return tool == "Shell" and (beside or starts_background(given.get("command")))


def _handler(command: str, event: HookEvent) -> dict[str, object]:
    return {"command": command, "timeout": event.timeout}


CONTRACT = AgentContract(
    name="cursor",
    title="Cursor",
    program="cursor-agent",
    hook_entry="hookkit_cursor.py",
    hook_files=("hookkit_cursor.py", "hookkit_cursor_events.py", *SHARED_HOOK_FILES),
    # One name that Cursor does not know would cost the whole file; these it has had since its hooks know all tools.
    events=(
        HookEvent("sessionStart", "session_start", 10),
        HookEvent("beforeSubmitPrompt", "prompt", 10),
        HookEvent("preToolUse", "tool_pre", 10),
        HookEvent("postToolUse", "tool_post", 10),
        HookEvent("postToolUseFailure", "tool_failure", 10),
        HookEvent("subagentStart", "subagent_start", 10),
        HookEvent("subagentStop", "subagent_stop", 10),
        HookEvent("preCompact", "compact_pre", 10),
        HookEvent("stop", "turn_end", 10),
        HookEvent("sessionEnd", "session_end", 10),
    ),
    wiring=SettingsWiring(
        places={
            "user": lambda env, _project: config_home(env) / "hooks.json",
            "project": lambda _env, project: project / ".cursor" / "hooks.json",
        },
        schema="cursor-hooks",
        handler=_handler,
        flat=True,
        root={"version": 1},
    ),
    config_home=config_home,
    session_field="conversation_id",
    turn_field="generation_id",
    call_field="tool_use_id",
    call_ids="hook",
    trust="None for the user's own hooks; those of a project need a trusted workspace. Documented, not run.",
    writes=_writes,
    containers=frozenset({"Task", "Subagent"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(given.get("command")),
    transcripts=lambda env: config_home(env) / "projects",
    parser="hookkit.capture.cursor.parser:CursorParser",
    resuming=Resuming(lambda session: ["--resume", session]),
    skills=lambda env: config_home(env) / "skills",
    evidence=Evidence("documented", "3.18", "2026-11-28"),
)
