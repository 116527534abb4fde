"""Wires agents to hookkit's hooks, and takes that back: plan, install, remove, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hookkit.agents import AGENTS
from hookkit.installer.result import Action, HookInstallResult, Preview
from hookkit.installer.settings_installer import SettingsHookInstaller

HookInstallerFactory = Callable[..., SettingsHookInstaller]


def get_hook_installers() -> Mapping[str, HookInstallerFactory]:
    """Agent name -> what makes its installer; all arguments of SettingsHookInstaller but the contract are optional."""
    return {name: partial(SettingsHookInstaller, contract) for name, contract in AGENTS.items()}


#: The installer of Claude Code.
ClaudeCodeHookInstaller: HookInstallerFactory = partial(SettingsHookInstaller, AGENTS["claude-code"])

__all__ = [
    "Action",
    "ClaudeCodeHookInstaller",
    "HookInstallResult",
    "HookInstallerFactory",
    "Preview",
    "SettingsHookInstaller",
    "get_hook_installers",
]
