"""Claude Code. Evidence: docs/agents/claude-code.md."""

from __future__ import annotations

import sys
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
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back

_MANAGED = Path("/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code")

# Tools that write one file, and the field of their input that names it.
_WRITERS = {"Write": "file_path", "Edit": "file_path", "MultiEdit": "file_path", "NotebookEdit": "notebook_path"}
# Tools that only look, or change nothing but the agent's own state. What is missing here counts as a writer.
_READERS = frozenset(
    {
        "AgentOutputTool", "AskUserQuestion", "BashOutput", "EnterPlanMode", "ExitPlanMode", "Glob", "Grep", "KillBash",
        "KillShell", "LS", "NotebookRead", "Read", "StructuredOutput", "TaskCreate", "TaskGet", "TaskList",
        "TaskOutput", "TaskStop", "TaskUpdate", "TodoRead", "TodoWrite", "ToolSearch", "WebFetch", "WebSearch",
    }
)  # fmt: skip


def config_home(env: Mapping[str, str]) -> Path:
    """``$CLAUDE_CONFIG_DIR`` moves everything that is otherwise in ``~/.claude``."""
    moved = env.get("CLAUDE_CONFIG_DIR")
    return Path(moved) if moved else home_of(env) / ".claude"


def _user(env: Mapping[str, str], _project: Path) -> Path:
    return config_home(env) / "settings.json"


def _project(_env: Mapping[str, str], project: Path) -> Path:
    return project / ".claude" / "settings.json"


def _local(_env: Mapping[str, str], project: Path) -> Path:
    return project / ".claude" / "settings.local.json"


def _transcripts(env: Mapping[str, str]) -> Path:
    return config_home(env) / "projects"


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    path = given.get(_WRITERS[tool]) if tool in _WRITERS else None
    return (path,) if isinstance(path, str) and path else None


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    """A subagent in the background has hook lines of its own; a shell command has none."""
    return tool == "Monitor" or (tool == "Bash" and given.get("run_in_background") is True)


def _telemetry(to: Destination) -> dict[tuple[str, str], str]:
    """All signals, and often enough for a page that is looked at; the traces are behind a switch of their own."""
    variables = {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": to.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": to.endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_LOGS_EXPORT_INTERVAL": "2000",
        "OTEL_TRACES_EXPORT_INTERVAL": "2000",
    }
    return {("env", name): value for name, value in variables.items()}


CONTRACT = AgentContract(
    name="claude-code",
    title="Claude Code",
    program="claude",
    hook_entry="hookkit_claude_code.py",
    hook_files=("hookkit_claude_code.py", "hookkit_claude_events.py", *SHARED_HOOK_FILES),
    # A configured SessionEnd timeout raises the 1.5 s that Claude gives all SessionEnd hooks together.
    events=(
        HookEvent("SessionStart", "session_start", 10),
        HookEvent("UserPromptSubmit", "prompt", 10),
        HookEvent("PreToolUse", "tool_pre", 10),
        HookEvent("PostToolUse", "tool_post", 10),
        HookEvent("PostToolUseFailure", "tool_failure", 10),
        HookEvent("SubagentStart", "subagent_start", 10),
        HookEvent("SubagentStop", "subagent_stop", 10),
        HookEvent("PreCompact", "compact_pre", 10),
        HookEvent("PostCompact", "compact_post", 10),
        HookEvent("Stop", "turn_end", 10),
        HookEvent("StopFailure", "turn_failure", 10),
        HookEvent("SessionEnd", "session_end", 5),
    ),
    wiring=SettingsWiring(
        places={"user": _user, "project": _project, "local": _local},
        schema="claude-settings",
        managed=(_MANAGED / "managed-settings.json", _MANAGED / "managed-settings.d"),
        switches=(Switch(("disableAllHooks",), True),),
    ),
    config_home=config_home,
    turn_field="prompt_id",
    call_field="tool_use_id",
    lines="transcript",
    trust="The folder's trust dialog, in the interactive program only; hooks need no review of their own.",
    writes=_writes,
    containers=frozenset({"Agent", "Task"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(given.get("command")),
    transcripts=_transcripts,
    parser="hookkit.capture.claude_code.parser:ClaudeCodeParser",
    resuming=Resuming(lambda session: ["--resume", session], at_step="hookkit.capture.claude_code.cut:cut"),
    skills=lambda env: config_home(env) / "skills",
    telemetry=TelemetryWiring(
        file=lambda env: config_home(env) / "settings.json",
        values=_telemetry,
        overriding=("OTEL_", "CLAUDE_CODE_ENABLE_TELEMETRY"),
        first=True,
        beside=lambda project: (_project({}, project), _local({}, project)),
    ),
    evidence=Evidence("run", "2.1.197", "2026-11-22"),
)
