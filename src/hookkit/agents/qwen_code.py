"""Qwen Code. Evidence: docs/agents/qwen-code.md."""

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
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

_MANAGED = Path("/Library/Application Support/QwenCode" if sys.platform == "darwin" else "/etc/qwen-code")
_WRITERS = {"write_file": "file_path", "edit": "file_path", "notebook_edit": "notebook_path"}
_READERS = frozenset(
    {
        "ask_user_question", "cron_create", "cron_delete", "cron_list", "enter_plan_mode", "exit_plan_mode", "get_goal",
        "glob", "grep_search", "list_agents", "list_directory", "lsp", "read_file", "read_mcp_resource", "save_memory",
        "send_message", "skill", "structured_output", "task_create", "task_list", "task_stop", "task_update",
        "todo_write", "tool_search", "update_goal", "web_fetch", "web_search", "zoom_image",
    }
)  # fmt: skip
# A tool that the model knows by name only is called through this one; its hooks name the tool itself.
_BRIDGE = "tool_call"


def config_home(env: Mapping[str, str]) -> Path:
    """``$QWEN_HOME`` moves everything that is otherwise in ``~/.qwen``."""
    moved = env.get("QWEN_HOME")
    return Path(moved) if moved else home_of(env) / ".qwen"


def _storage(env: Mapping[str, str]) -> Path:
    """``$QWEN_RUNTIME_DIR`` moves the sessions, and not the settings."""
    moved = env.get("QWEN_RUNTIME_DIR")
    return (Path(moved) if moved else config_home(env)) / "projects"


def _meant(tool: str, given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The tool that is really called, and its input."""
    name, arguments = given.get("name"), given.get("arguments")
    if tool == _BRIDGE and isinstance(name, str):
        return name, arguments if isinstance(arguments, Mapping) else {}
    return tool, given


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    tool, given = _meant(tool, given)
    if tool in _READERS:
        return ()
    path = given.get(_WRITERS.get(tool, ""))
    return (path,) if isinstance(path, str) and path else None


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    """A command that was started in the background, or starts something there; a monitor is always one. A subagent
    in the background is none: its calls have windows of their own."""
    tool, given = _meant(tool, given)
    if tool == "monitor":
        return True
    return tool == "run_shell_command" and (
        given.get("is_background") in (True, "true") or starts_background(given.get("command"))
    )


def _telemetry(to: Destination) -> dict[tuple[str, str], object]:
    protocol = "grpc" if to.protocol == "grpc" else "http"
    values = {"enabled": True, "target": "local", "otlpEndpoint": to.endpoint, "otlpProtocol": protocol}
    return {("telemetry", key): value for key, value in values.items()}


CONTRACT = AgentContract(
    name="qwen-code",
    title="Qwen Code",
    program="qwen",
    hook_entry="hookkit_qwen_code.py",
    hook_files=("hookkit_qwen_code.py", "hookkit_qwen_diff.py", "hookkit_qwen_events.py", *SHARED_HOOK_FILES),
    # Before seconds became the unit, it was milliseconds; from 1000 on a number is milliseconds in every version.
    events=(
        HookEvent("SessionStart", "session_start", 10000),
        HookEvent("UserPromptSubmit", "prompt", 10000),
        HookEvent("PreToolUse", "tool_pre", 10000),
        HookEvent("PostToolUse", "tool_post", 10000),
        HookEvent("PostToolUseFailure", "tool_failure", 10000),
        HookEvent("SubagentStart", "subagent_start", 10000),
        HookEvent("SubagentStop", "subagent_stop", 10000),
        HookEvent("PreCompact", "compact_pre", 10000),
        HookEvent("PostCompact", "compact_post", 10000),
        HookEvent("Stop", "turn_end", 10000),
        HookEvent("StopFailure", "turn_failure", 10000),
        HookEvent("SessionEnd", "session_end", 5000),
    ),
    wiring=SettingsWiring(
        places={
            "user": lambda env, _project: config_home(env) / "settings.json",
            "project": lambda _env, project: project / ".qwen" / "settings.json",
        },
        schema="qwen-settings",
        timeout_unit="ms",
        comments=True,
        skips_invalid=False,
        managed=(_MANAGED / "settings.json",),
        switches=(Switch(("disableAllHooks",), True),),
    ),
    config_home=config_home,
    turn_field="prompt_id",
    call_field="tool_call_id",
    lines="state",
    trust="Hooks in a project's own settings need a trusted folder, if `security.folderTrust.enabled` is set.",
    writes=_writes,
    containers=frozenset({"agent"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(given.get("command")),
    transcripts=_storage,
    parser="hookkit.capture.qwen_code.parser:QwenCodeParser",
    resuming=Resuming(lambda session: ["--resume", session]),
    skills=lambda env: config_home(env) / "skills",
    telemetry=TelemetryWiring(
        file=lambda env: config_home(env) / "settings.json",
        values=_telemetry,
        protocols=("grpc", "http/json"),
        overriding=("QWEN_TELEMETRY_", "OTEL_"),
    ),
    evidence=Evidence("run", "0.24.4", "2026-11-28"),
)
