"""Wires agents, git and the service manager to hookkit, and takes that back: plan, install, remove, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hookkit import agents
from hookkit.agents.contract import AgentContract, ExtensionWiring
from hookkit.errors import UsageError
from hookkit.installer.extension_installer import ExtensionInstaller
from hookkit.installer.git_hooks import GitHookInstaller
from hookkit.installer.protocol import Installer
from hookkit.installer.result import Action, HookInstallResult, Preview
from hookkit.installer.settings_installer import SettingsHookInstaller
from hookkit.installer.skill import SkillInstaller
from hookkit.installer.watcher import WatcherInstaller

HookInstallerFactory = Callable[..., Installer]
_OTHERS: Mapping[str, HookInstallerFactory] = {
    "git": GitHookInstaller,
    "watcher": WatcherInstaller,
    "skill": SkillInstaller,
}


def agent_installer(contract: AgentContract) -> Callable[..., SettingsHookInstaller | ExtensionInstaller]:
    """What makes the installer of an agent, by the way in which it is wired."""
    kind = ExtensionInstaller if isinstance(contract.wiring, ExtensionWiring) else SettingsHookInstaller
    return partial(kind, contract)


def get_hook_installers() -> Mapping[str, HookInstallerFactory]:
    """Name of an agent, ``git``, ``watcher`` or ``skill`` -> what makes its installer.

    All take scope, project, settings_file and hooks_dir; a UsageError says which of them mean nothing there.
    """
    return {**{name: agent_installer(contract) for name, contract in agents.AGENTS.items()}, **_OTHERS}


def get_hook_installer(name: str) -> HookInstallerFactory:
    """What makes the installer ``name``; UsageError names the known ones."""
    if name in _OTHERS:
        return _OTHERS[name]
    contract = agents.AGENTS.get(name)
    if contract is None:
        raise UsageError(
            "UNKNOWN_AGENT",
            f"hookkit does not know an agent named {name!r}.",
            f"Known agents: {', '.join(agents.AGENTS)}; besides them, {', '.join(_OTHERS)}.",
        )
    return agent_installer(contract)


#: The installer of Claude Code.
ClaudeCodeHookInstaller: Callable[..., SettingsHookInstaller] = partial(
    SettingsHookInstaller, agents.AGENTS["claude-code"]
)

__all__ = [
    "Action",
    "ClaudeCodeHookInstaller",
    "ExtensionInstaller",
    "GitHookInstaller",
    "HookInstallResult",
    "HookInstallerFactory",
    "Installer",
    "Preview",
    "SettingsHookInstaller",
    "WatcherInstaller",
    "agent_installer",
    "get_hook_installer",
    "get_hook_installers",
]
