"""Which installs a command is about: the ones that are named, or all that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hookkit import agents
from hookkit.agents.contract import Scope
from hookkit.installer import record
from hookkit.installer.settings_installer import SettingsHookInstaller


def chosen(
    names: Sequence[str], scope: Scope | None, project: Path | None, settings_file: Path | None, hooks_dir: Path | None
) -> list[SettingsHookInstaller]:
    """An installer for each install that is meant.

    names: agents; none means all. Where neither a scope nor a file is named, every agent's user settings come first and
    then whatever else it was installed in: a project's settings may hold hooks that somebody else put there, so only
    those that are recorded here count.
    """
    found: list[SettingsHookInstaller] = []
    for contract in [agents.get(name) for name in dict.fromkeys(names)] or list(agents.AGENTS.values()):
        own = SettingsHookInstaller(
            contract, scope=scope or "user", project=project, settings_file=settings_file, hooks_dir=hooks_dir
        )
        found.append(own)
        if scope is None and settings_file is None:
            others = [e for e in record.load_all() if e.agent == contract.name and e.settings != own.target.file]
            found += [
                SettingsHookInstaller(contract, settings_file=e.settings, project=project, hooks_dir=hooks_dir)
                for e in others
            ]
    return found


def present(installers: Sequence[SettingsHookInstaller]) -> list[SettingsHookInstaller]:
    """Of each agent those that have, or had, hooks of ours; its first one where there are none."""
    kept = [i for i in installers if i.target.record() or i.target.entries()]
    served = {i.installer_name for i in kept}
    rest = {i.installer_name: i for i in reversed(installers) if i.installer_name not in served}
    return [i for i in installers if i in kept or rest.get(i.installer_name) is i]
