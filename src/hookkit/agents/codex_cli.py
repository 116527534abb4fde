"""Codex CLI. Evidence: docs/agents/codex-cli.md."""

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
    TelemetryWiring,
    home_of,
)
from hookkit.agents.shell import SHARED_HOOK_FILES, brings_back, starts_background

# The hooks' names of tools, and those of the rollout.
_SHELLS = frozenset({"Bash", "exec_command", "shell", "shell_command", "local_shell"})
# The hooks put the namespace of a tool before its name, as in "collaborationwait_agent".
_NAMESPACES = ("collaboration", "multi_agent_v1")
# Of these, some start what writes; but that has windows of its own: the calls of a script (exec, wait), those of a
# subagent, and a command that goes on (write_stdin), whose window is open until it ends.
_READERS = frozenset(
    {
        "close_agent", "exec", "followup_task", "interrupt_agent", "list_agents", "request_user_input", "resume_agent",
        "send_input", "send_message", "spawn_agent", "tool_search", "update_plan", "view_image", "wait", "wait_agent",
        "web_search", "write_stdin",
    }
)  # fmt: skip
_FILES = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.MULTILINE)


def config_home(env: Mapping[str, str]) -> Path:
    """``$CODEX_HOME`` moves everything that is otherwise in ``~/.codex``."""
    moved = env.get("CODEX_HOME")
    return Path(moved) if moved else home_of(env) / ".codex"


def _command(given: Mapping[str, Any]) -> str:
    return next((given[key] for key in ("command", "cmd", "input") if isinstance(given.get(key), str)), "")


def _writes(tool: str, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if _plain(tool) in _READERS:
        return ()
    if tool != "apply_patch":
        return None
    changes = given.get("changes")
    named: list[str] = _FILES.findall(_command(given))
    if isinstance(changes, Mapping):
        moved = [change.get("move_path") for change in changes.values() if isinstance(change, Mapping)]
        named = [path for path in (*changes, *moved) if isinstance(path, str)]
    return tuple(dict.fromkeys(path.strip() for path in named)) or None


def _plain(tool: str) -> str:
    """A tool's name without its namespace."""
    return next((tool.removeprefix(space) for space in _NAMESPACES if tool.startswith(space)), tool)


def _background(tool: str, given: Mapping[str, Any]) -> bool:
    """A command whose text starts something that goes on; one that only takes long keeps its window open."""
    return tool in _SHELLS and starts_background(_command(given))


def _telemetry(to: Destination) -> dict[tuple[str, str], object]:
    """Logs and metrics. Not its traces: a thousand spans a turn, of how Codex works and not of what it does."""

    def exporter(signal: str) -> dict[str, object]:
        if to.protocol == "grpc":
            return {"otlp-grpc": {"endpoint": to.endpoint}}
        form = "json" if to.protocol == "http/json" else "binary"
        return {"otlp-http": {"endpoint": f"{to.endpoint}/v1/{signal}", "protocol": form}}

    return {("otel", "exporter"): exporter("logs"), ("otel", "metrics_exporter"): exporter("metrics")}


CONTRACT = AgentContract(
    name="codex-cli",
    title="Codex CLI",
    program="codex",
    hook_entry="hookkit_codex_cli.py",
    hook_files=("hookkit_codex_cli.py", "hookkit_codex_events.py", "hookkit_patch.py", *SHARED_HOOK_FILES),
    # SessionEnd and Interrupt: Codex allows three seconds at most.
    events=(
        HookEvent("SessionStart", "session_start", 10),
        HookEvent("UserPromptSubmit", "prompt", 10),
        HookEvent("PreToolUse", "tool_pre", 10),
        HookEvent("PostToolUse", "tool_post", 10),
        HookEvent("SubagentStart", "subagent_start", 10),
        HookEvent("SubagentStop", "subagent_stop", 10),
        HookEvent("PreCompact", "compact_pre", 10),
        HookEvent("PostCompact", "compact_post", 10),
        HookEvent("Stop", "turn_end", 10),
        HookEvent("Interrupt", "turn_failure", 3),
        HookEvent("SessionEnd", "session_end", 3),
    ),
    wiring=SettingsWiring(
        places={
            "user": lambda env, _project: config_home(env) / "hooks.json",
            "project": lambda _env, project: project / ".codex" / "hooks.json",
        },
        schema="codex-hooks",
        positional=True,
    ),
    config_home=config_home,
    turn_field="turn_id",
    call_field="tool_use_id",
    trust="Each hook must be trusted once, in Codex: `/hooks`, or `hookkit install codex-cli --trust`.",
    probe="hookkit.installer.codex_trust:probe",
    writes=_writes,
    containers=frozenset({"exec", "wait"}),
    background=_background,
    brings_back=lambda _tool, given: brings_back(_command(given)),
    transcripts=lambda env: config_home(env) / "sessions",
    parser="hookkit.capture.codex_cli.parser:CodexCliParser",
    resuming=Resuming(lambda session: ["resume", session], same_folder=False),
    skills=lambda env: config_home(env) / "skills",
    telemetry=TelemetryWiring(
        file=lambda env: config_home(env) / "config.toml",
        values=_telemetry,
        protocols=("http/protobuf", "http/json", "grpc"),
        syntax="toml",
        unset=("none",),
    ),
    evidence=Evidence("run", "0.171.0", "2026-11-28"),
)
