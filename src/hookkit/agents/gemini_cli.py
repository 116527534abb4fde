"""Gemini CLI. Evidence: docs/agents/gemini-cli.md."""

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

_MANAGED = Path("/Library/Application Support/GeminiCli" if sys.platform == "darwin" else "/etc/gemini-cli")
_NAME = "hookkit"  # of our handlers: what `/hooks disable` writes down
_WRITERS = frozenset({"write_file", "replace"})
_READERS = frozenset(
    {
        "activate_skill", "ask_user", "complete_task", "enter_plan_mode", "exit_plan_mode", "get_internal_docs", "glob",
        "google_web_search", "grep_search", "list_background_processes", "list_directory", "read_background_output",
        "read_file", "read_many_files", "search_file_content", "update_topic", "web_fetch", "write_todos",
    }
)  # fmt: skip


def config_home(env: Mapping[str, str]) -> Path:
    """``$GEMINI_CLI_HOME`` stands for the home folder that holds ``.gemini``."""
    moved = env.get("GEMINI_CLI_HOME")
    return (Path(moved) if moved else home_of(env)) / ".gemini"


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if tool in _READERS:
        return ()
    path = given.get("file_path") if tool in _WRITERS else None
    return (path,) if isinstance(path, str) and path else None


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    return tool == "run_shell_command" and (
        given.get("is_background") is True or starts_background(given.get("command"))
    )


def _handler(command: str, event: HookEvent) -> dict[str, object]:
    return {"name": _NAME, "type": "command", "command": command, "timeout": event.timeout}


def _telemetry(to: Destination) -> dict[tuple[str, str], object]:
    protocol = "grpc" if to.protocol == "grpc" else "http"
    values = {"enabled": True, "target": "local", "otlpEndpoint": to.endpoint, "otlpProtocol": protocol}
    return {("telemetry", key): value for key, value in values.items()}


CONTRACT = AgentContract(
    name="gemini-cli",
    title="Gemini CLI",
    program="gemini",
    hook_entry="hookkit_gemini_cli.py",
    hook_files=("hookkit_gemini_cli.py", "hookkit_gemini_events.py", *SHARED_HOOK_FILES),
    events=(
        HookEvent("SessionStart", "session_start", 10000),
        HookEvent("BeforeAgent", "prompt", 10000),
        HookEvent("BeforeTool", "tool_pre", 10000),
        HookEvent("AfterTool", "tool_post", 10000),
        HookEvent("AfterAgent", "turn_end", 10000),
        HookEvent("SessionEnd", "session_end", 5000),
    ),
    wiring=SettingsWiring(
        places={
            "user": lambda env, _project: config_home(env) / "settings.json",
            "project": lambda _env, project: project / ".gemini" / "settings.json",
        },
        schema="gemini-settings",
        timeout_unit="ms",
        handler=_handler,
        comments=True,
        skips_invalid=False,
        managed=(_MANAGED / "settings.json",),
        switches=(Switch(("hooksConfig", "enabled"), False), Switch(("hooksConfig", "disabled"), _NAME)),
    ),
    config_home=config_home,
    call_field=None,
    call_ids="none",
    lines="state",
    trust="Headless, the folder must be trusted, or Gemini CLI does not start; the user's hooks need nothing else.",
    writes=_writes,
    containers=frozenset({"invoke_agent"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(given.get("command")),
    transcripts=lambda env: config_home(env) / "tmp",
    parser="hookkit.capture.gemini_cli.parser:GeminiCliParser",
    resuming=Resuming(lambda session: ["--resume", session]),
    skills=lambda env: config_home(env) / "skills",
    telemetry=TelemetryWiring(
        file=lambda env: config_home(env) / "settings.json",
        values=_telemetry,
        protocols=("grpc", "http/json"),
        overriding=("GEMINI_TELEMETRY_",),
    ),
    evidence=Evidence("run", "0.61.0", "2026-11-28"),
)
