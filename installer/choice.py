"""Which installs a command is about: the ones that are named, or all that are known."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hookkit import agents, git
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookInstallError
from hookkit.installer import agent_installer, get_hook_installer, git_hooks, record
from hookkit.installer.agent_installer import AgentInstaller
from hookkit.installer.git_hooks import GitHookInstaller
from hookkit.installer.protocol import Installer
from hookkit.installer.skill import SkillInstaller
from hookkit.installer.telemetry import TelemetryInstaller
from hookkit.installer.watcher import WatcherInstaller

_GIT = GitHookInstaller.installer_name
# Installers of which there is one for all projects.
_SINGLE: Mapping[str, Callable[..., Installer]] = {
    WatcherInstaller.installer_name: WatcherInstaller,
    SkillInstaller.installer_name: SkillInstaller,
}


def chosen(
    names: Sequence[str],
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
    harnesses: Sequence[str] = (),
) -> list[Installer]:
    """An installer for each install that is meant.

    harnesses: the agents that the skill is meant for; none means all of them.
    names: agents, git, watcher, skill; none means all, but for agents without such a scope. Where neither scope nor
    file is named, every agent's user settings come first and then whatever else it was installed in: a project's
    settings may hold hooks that somebody else put there, so only those that are recorded here count. So it is with the
    repositories that git hooks were put into; git, the watcher and the skill, where nobody names them, count only where
    they were installed.
    """
    for name in names:
        get_hook_installer(name)  # refuses what nobody knows
    narrowed = scope is not None or settings_file is not None or hooks_dir is not None
    found: list[Installer] = []
    for name in dict.fromkeys(names or (*agents.AGENTS, *(() if narrowed else (_GIT, *_SINGLE)))):
        if name == _GIT:
            found += _repositories(scope, project, settings_file, hooks_dir, named=name in names)
        elif name in _SINGLE:
            more = {"harnesses": harnesses} if name == SkillInstaller.installer_name else {}
            single = _SINGLE[name](scope=scope, settings_file=settings_file, hooks_dir=hooks_dir, **more)
            found += [single] if name in names or present((single,)) else []
        else:
            contract = agents.get(name)
            if names or scope is None or scope in contract.places:
                found += _agent(contract, scope, project, settings_file, hooks_dir)
    return found


def _agent(
    contract: AgentContract,
    scope: Scope | None,
    project: Path | None,
    settings_file: Path | None,
    hooks_dir: Path | None,
) -> Iterator[Installer]:
    if scope in (None, "user") and settings_file is None and contract.telemetry and contract.telemetry.file:
        telemetry = TelemetryInstaller(contract)  # first: hooks were put in before it, and are taken out after it
        if telemetry.is_present():
            yield telemetry
    make = agent_installer(contract)
    own = make(scope=scope or "user", project=project, settings_file=settings_file, hooks_dir=hooks_dir)
    yield own
    if scope is None and settings_file is None:
        for entry in record.load_all():
            if entry.agent == contract.name and entry.settings != own.target.file:
                yield make(settings_file=entry.settings, project=project, hooks_dir=hooks_dir)


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
    """Those that have, or had, something of ours."""
    return [installer for installer in installers if installer.is_present()]


def shown(installers: Sequence[Installer], names: Sequence[str]) -> list[Installer]:
    """Those that there is something to say of: what is present, what is named, and agents that are here."""
    kept = present(installers)
    served = {installer.installer_name for installer in kept}
    first = {i.installer_name: i for i in reversed(installers) if i.installer_name not in served}
    rest = [i for name, i in first.items() if name in names or _is_here(i)]
    return [installer for installer in installers if installer in kept or installer in rest]


def _is_here(installer: Installer) -> bool:
    return isinstance(installer, AgentInstaller) and is_here(installer.target.contract)


def is_here(contract: AgentContract) -> bool:
    """Whether an agent is on this machine, as far as its program or its folder tells."""
    return shutil.which(contract.program) is not None or os.path.isdir(contract.config_home(os.environ))
