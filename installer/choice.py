"""Which installs a command is about: the ones that are named, or all that are known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hookkit import agents, git
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookInstallError
from hookkit.installer import get_hook_installer, git_hooks, record
from hookkit.installer.git_hooks import GitHookInstaller
from hookkit.installer.protocol import Installer
from hookkit.installer.settings_installer import SettingsHookInstaller
from hookkit.installer.watcher import WatcherInstaller

_GIT, _WATCHER = GitHookInstaller.installer_name, WatcherInstaller.installer_name


def chosen(
    names: Sequence[str], scope: Scope | None, project: Path | None, settings_file: Path | None, hooks_dir: Path | None
) -> list[Installer]:
    """An installer for each install that is meant.

    names: agents, git, watcher; none means all. Where neither a scope nor a file is named, every agent's user settings
    come first and then whatever else it was installed in: a project's settings may hold hooks that somebody else put
    there, so only those that are recorded here count. So it is with the repositories that git hooks were put into; git
    and the watcher, where nobody names them, are meant only where they were installed.
    """
    for name in names:
        get_hook_installer(name)  # refuses what nobody knows
    narrowed = scope is not None or settings_file is not None or hooks_dir is not None
    found: list[Installer] = []
    for name in dict.fromkeys(names or (*agents.AGENTS, *(() if narrowed else (_GIT, _WATCHER)))):
        if name == _GIT:
            found += _repositories(scope, project, settings_file, hooks_dir, named=name in names)
        elif name == _WATCHER:
            watcher = WatcherInstaller(scope=scope, settings_file=settings_file, hooks_dir=hooks_dir)
            found += [watcher] if name in names or watcher.is_present() else []
        else:
            found += _settings(agents.get(name), scope, project, settings_file, hooks_dir)
    return found


def _settings(
    contract: AgentContract,
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
) -> Iterator[SettingsHookInstaller]:
    own = SettingsHookInstaller(
        contract, scope=scope or "user", project=project, settings_file=settings_file, hooks_dir=hooks_dir
    )
    yield own
    if scope is None and settings_file is None:
        for entry in record.load_all():
            if entry.agent == contract.name and entry.settings != own.target.file:
                yield SettingsHookInstaller(
                    contract, settings_file=entry.settings, project=project, hooks_dir=hooks_dir
                )


def _repositories(
    scope: Scope | None, project: Path | None, settings_file: Path | None, hooks_dir: Path | None, *, named: bool
) -> Iterator[GitHookInstaller]:
    """The repository here, and, unless one is named, all that hooks were put into."""
    recorded = [] if project else list(git_hooks.installed())
    here = None
    if git.worktree_root(project or Path.cwd()) is not None or (named and not recorded):
        # Where nobody asked for git, a repository that git itself refuses must not be in the way of the rest.
        with contextlib.suppress(*(() if named else (HookInstallError,))):
            own = GitHookInstaller(scope=scope, project=project, settings_file=settings_file, hooks_dir=hooks_dir)
            if named or own.is_present():
                here = own.folder
                yield own
    yield from (installer for installer in recorded if installer.folder != here)


def present(installers: Sequence[Installer]) -> list[Installer]:
    """Those that have, or had, something of ours; of a name that has none, its first one."""
    kept = [i for i in installers if i.is_present()]
    served = {i.installer_name for i in kept}
    rest = {i.installer_name: i for i in reversed(installers) if i.installer_name not in served}
    return [i for i in installers if i in kept or rest.get(i.installer_name) is i]
