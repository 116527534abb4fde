"""What the installers of agents share, whether the agent runs commands or loads an extension."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar, Unpack

from hookkit import paths
from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError
from hookkit.installer import files, probes
from hookkit.installer.envelope import Warn
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import HookInstallResult, short
from hookkit.installer.target import Choices, Target
from hookkit.installer.users import still_needed

T = TypeVar("T", bound=Target)


class AgentInstaller(ABC, Generic[T]):
    """An installer that wires one agent through one file. chosen: see ``installer.target.Choices``.

    ``install(trust=True)`` also makes the agent trust the hooks, where it can be told to; see installer.probes.
    Every method raises HookInstallError, with nothing written, where the file cannot be edited safely.
    """

    kind: type[T]

    installer_name: str
    title: str
    subject: str
    unit: str
    target: T

    def __init__(self, contract: AgentContract, **chosen: Unpack[Choices]) -> None:
        refuse_platform(os.name)
        self.installer_name = contract.name
        self.title, self.subject, self.unit = contract.title, f"{contract.title} hooks", "events"
        self.target = self.kind.resolve(contract, **chosen)

    @abstractmethod
    def install(self, *, trust: bool = False) -> HookInstallResult:
        """Put in what is missing, and put right what is wrong. A second call changes nothing."""

    def registered(self) -> Mapping[str, str | Sequence[str]]:
        """Event -> our command as it stands there now: a line for a shell, or words."""
        return self.target.registered()

    @property
    def place(self) -> Path:
        return self.target.link

    def ask(self, target: T, trust: bool) -> tuple[tuple[str, ...], tuple[Warn, ...]]:
        """What to say after an install, and the warnings of the agent itself. trust: the user wants it to trust us."""
        done, failed = probes.trust(target) if trust else ((), ())
        warnings = (*failed, *probes.warnings(target))
        return (*done, *(() if trust and not failed else probes.after_install(target))), warnings

    def details(self, result: HookInstallResult) -> Iterator[str]:
        yield f"Scripts:   {short(result.hooks_dir)}"
        lines = {
            "transcript": f", the transcripts of {self.title}, and .opentraces/ in each worktree",
            "worktree": " and .opentraces/ in each worktree",
            "state": f" and {short(paths.state())}",  # what lies in a worktree would be shown to the model
        }
        yield f"Sessions:  {short(paths.home())}{lines[self.target.contract.lines]}; nothing leaves this machine."

    def next_step(self, result: HookInstallResult) -> str:
        program = self.target.contract.program
        if not result.active:
            return f"{self.title} does not run these hooks yet: see above."
        return f"Next: start {program} as always, then `hookkit list`. `hookkit doctor` proves that hooks fire."

    def left_alone(self, done: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Hooks that nobody asked to remove: in this project's own settings, and not put there from here."""
        for scope in self.target.contract.places:
            target = replace(self.target, scope=scope, link=self.target.place_of(scope))
            if target.file not in done and target.folders_named():
                yield target.link, target.command("remove")

    def remove_scripts(self, folder: Path, known: InstallRecord | None) -> tuple[Path, ...]:
        """Delete those of our scripts in a folder that nobody else needs; give those that are not ours."""
        target = replace(self.target, hooks_dir=folder)
        left = target.scripts.remove(known.scripts if known else {}, keep=still_needed(folder, target))
        files.drop_folders((folder,) if folder == paths.hooks() else ())
        files.drop_folders(known.created_hook_folders if known else ())
        return left


def refuse_platform(name: str) -> None:
    """Raise HookInstallError on a platform (``os.name``) whose shell the hooks are not made for."""
    if name == "nt":
        raise HookInstallError(
            "WINDOWS_UNSUPPORTED",
            "hookkit installs hooks on Linux and macOS only; the hook command needs a POSIX shell.",
            "Run the agent and hookkit inside WSL.",
        )
