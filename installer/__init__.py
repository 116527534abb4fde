"""Wires agents, git and the service manager to hookkit, and takes that back: plan, install, remove, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hookkit import agents
from hookkit.errors import UsageError
from hookkit.installer.git_hooks import GitHookInstaller
from hookkit.installer.protocol import Installer
from hookkit.installer.result import Action, HookInstallResult, Preview
from hookkit.installer.settings_installer import SettingsHookInstaller
from hookkit.installer.watcher import WatcherInstaller

HookInstallerFactory = Callable[..., Installer]


def get_hook_installers() -> Mapping[str, HookInstallerFactory]:
    """Name of an agent, ``git`` or ``watcher`` -> what makes its installer.

    All take scope, project, settings_file and hooks_dir; a UsageError says which of them mean nothing there.
    """
    settings = {name: partial(SettingsHookInstaller, contract) for name, contract in agents.AGENTS.items()}
    return {**settings, "git": GitHookInstaller, "watcher": WatcherInstaller}


def get_hook_installer(name: str) -> HookInstallerFactory:
    """What makes the installer ``name``; UsageError names the known ones."""
    known = get_hook_installers()
    if name not in known:
        raise UsageError(
            "UNKNOWN_AGENT",
            f"hookkit does not know an agent named {name!r}.",
            f"Known agents: {', '.join(agents.AGENTS)}; besides them, git and watcher.",
        )
    return known[name]


#: The installer of Claude Code.
ClaudeCodeHookInstaller: Callable[..., SettingsHookInstaller] = partial(
    SettingsHookInstaller, agents.AGENTS["claude-code"]
)

__all__ = [
    "Action",
    "ClaudeCodeHookInstaller",
    "GitHookInstaller",
    "HookInstallResult",
    "HookInstallerFactory",
    "Installer",
    "Preview",
    "SettingsHookInstaller",
    "WatcherInstaller",
    "get_hook_installer",
    "get_hook_installers",
]
