"""GitHub Copilot CLI. Evidence: docs/agents/copilot-cli.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookkit.agents.contract import (
    AgentContract,
    Destination,
    Evidence,
    HookEvent,
    Resuming,
    SettingsWiring,
    Switch,
    TelemetryWiring,
    home_of,
)
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

# A tool's name in the session's events -> in the hooks, whose names are Claude Code's. All others have one name.
HOOK_NAMES: Mapping[str, str] = {
    "apply_patch": "Edit", "ask_user": "AskUserQuestion", "bash": "Bash", "create": "Write", "edit": "Edit",
    "glob": "Glob", "grep": "Grep", "powershell": "Bash", "rg": "Grep", "str_replace_editor": "Edit", "task": "Agent",
    "update_todo": "TodoWrite", "view": "Read", "web_fetch": "WebFetch", "web_search": "WebSearch",
}  # fmt: skip
_WRITERS = frozenset({"create", "edit", "Write", "Edit"})
# Not those that wait for a command or an agent in the background, as what that writes falls into their windows.
_READERS = frozenset(
    {
        "ask_user", "AskUserQuestion", "fetch_copilot_cli_documentation", "glob", "Glob", "grep", "Grep", "list_agents",
        "list_bash", "Read", "report_intent", "rg", "session_store_sql", "skill", "sql", "store_memory",
        "task_complete", "TodoWrite", "update_todo", "view", "web_fetch", "web_search", "WebFetch", "WebSearch",
    }
)  # fmt: skip
# The lesser of the tools that share a name.
_LATECOMERS = frozenset({"apply_patch", "powershell", "rg", "str_replace_editor"})
_SHELLS = frozenset({"bash", "Bash", "powershell"})
_PATCHED = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.MULTILINE)


def config_home(env: Mapping[str, str]) -> Path:
    """``$COPILOT_HOME`` moves everything that is otherwise in ``~/.copilot``."""
    moved = env.get("COPILOT_HOME")
    return Path(moved) if moved else home_of(env) / ".copilot"


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    patch = given.get("input")
    if tool in ("apply_patch", "Edit") and isinstance(patch, str):
        return tuple(dict.fromkeys(path.strip() for path in _PATCHED.findall(patch))) or None
    path = given.get("path") if tool in _WRITERS else None
    return (path,) if isinstance(path, str) and path else None


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    """A subagent in the background has hook lines of its own; a shell command has none."""
    if tool not in _SHELLS:
        return False
    return given.get("mode") == "async" or given.get("detach") is True or starts_background(given.get("command"))


def _handler(command: str, event: HookEvent) -> dict[str, object]:
    return {"type": "command", "bash": command, "timeoutSec": event.timeout}


def _telemetry(to: Destination) -> dict[tuple[str, str], object]:
    return {("env", "COPILOT_OTEL_ENABLED"): "true", ("env", "OTEL_EXPORTER_OTLP_ENDPOINT"): to.endpoint}


CONTRACT = AgentContract(
    name="copilot-cli",
    title="GitHub Copilot CLI",
    program="copilot",
    hook_entry="hookkit_copilot_cli.py",
    hook_files=("hookkit_copilot_cli.py", "hookkit_copilot_events.py", "hookkit_patch.py", *SHARED_HOOK_FILES),
    # With these names of events the payloads are written as Claude Code writes them, and name the event. A turn that
    # fails has none: ErrorOccurred comes with every request that fails, those that are tried again included.
    events=(
        HookEvent("SessionStart", "session_start", 10),
        HookEvent("UserPromptSubmit", "prompt", 10),
        HookEvent("PreToolUse", "tool_pre", 10),
        HookEvent("PostToolUse", "tool_post", 10),
        HookEvent("PostToolUseFailure", "tool_failure", 10),
        HookEvent("SubagentStart", "subagent_start", 10),
        HookEvent("SubagentStop", "subagent_stop", 10),
        HookEvent("PreCompact", "compact_pre", 10),
        HookEvent("Stop", "turn_end", 10),
        HookEvent("SessionEnd", "session_end", 10),
    ),
    wiring=SettingsWiring(
        places={
            "user": lambda env, _project: config_home(env) / "hooks" / "hookkit.json",
            "project": lambda _env, project: project / ".github" / "hooks" / "hookkit.json",
        },
        schema="copilot-hooks",
        handler=_handler,
        command_key="bash",
        flat=True,
        root={"version": 1},
        switches=(Switch(("disableAllHooks",), True),),
    ),
    config_home=config_home,
    call_field=None,
    call_ids="none",
    tool_names={hook: own for own, hook in HOOK_NAMES.items() if own not in _LATECOMERS},
    trust="None for the user's own hooks; those of a repository need a trusted folder.",
    writes=_writes,
    containers=frozenset({"task", "Agent"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(given.get("command")),
    transcripts=lambda env: config_home(env) / "session-state",
    parser="hookkit.capture.copilot_cli.parser:CopilotCliParser",
    resuming=Resuming(lambda session: [f"--resume={session}"], same_folder=False),
    skills=lambda env: config_home(env) / "skills",
    telemetry=TelemetryWiring(file=None, values=_telemetry, protocols=("http/json",)),
    evidence=Evidence("run", "1.0.102", "2026-11-28"),
)
