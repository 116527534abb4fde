"""What one installer works on: an agent's contract, the file that wires it, one folder of scripts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self, TypedDict

from hookkit import paths
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import command, files, record
from hookkit.installer.envelope import Warn
from hookkit.installer.record import InstallRecord
from hookkit.installer.scripts import RUNTIME, ScriptSet


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Data and state folders that are not those of this process: $HOOKKIT_HOME is another one, or set here only."""

    home: Path
    state: Path

    @property
    def variable(self) -> str | None:
        """The value of $HOOKKIT_HOME that leads there; None where it leads there unset."""
        return str(self.home) if self.state == self.home / "state" else None

    def command(self, arguments: str) -> str:
        """The shell command that runs hookkit there."""
        prefix = f"HOOKKIT_HOME={shlex.quote(self.variable)}" if self.variable else "env -u HOOKKIT_HOME"
        return f"{prefix} hookkit {arguments}"


class Choices(TypedDict, total=False):
    """What ``Target.resolve`` may be told, for those who pass it on.

    scope: whose file. project: instead of the current folder. settings_file, hooks_dir: instead of the agent's and
    hookkit's own places. env: the environment that the paths come from. interpreter: instead of the base interpreter of
    this Python. source: the folder of the scripts, instead of the package's.
    """

    scope: Scope | None
    project: Path | None
    settings_file: Path | None
    hooks_dir: Path | None
    env: Mapping[str, str] | None
    interpreter: str | None
    source: Traversable | None


@dataclass(frozen=True, slots=True)
class Target:
    """link: the settings file, or our extension, as it was named. hooks_dir: None where nobody chose one."""

    contract: AgentContract
    scope: Scope | None
    project: Path
    link: Path
    hooks_dir: Path | None
    interpreter: str
    env: Mapping[str, str] = field(repr=False)
    source: Traversable | None = None

    @property
    def file(self) -> Path:
        """The file itself, links followed."""
        return files.follow(self.link)

    @property
    def folder(self) -> Path:
        return (self.hooks_dir or paths.hooks()).absolute()

    @property
    def script(self) -> Path:
        """What the agent runs."""
        return self.folder / self.contract.hook_entry

    @property
    def scripts(self) -> ScriptSet:
        return ScriptSet(self.folder, self._scripts, self.source, self.contract.hooks_package)

    @property
    def _scripts(self) -> tuple[str, ...]:
        """The entry last: what it imports is there before it is."""
        entry = self.contract.hook_entry
        return (*(name for name in self.contract.hook_files if name != entry), entry)

    def command(self, verb: str) -> str:
        """The shell command that does ``verb`` to this target."""
        words = ["hookkit", verb, self.contract.name]
        if self.scope is None:
            words += ["--settings-file", str(self.link)]
        elif self.scope != "user":
            words += ["--scope", self.scope, "--project", str(self.project)]
        return shlex.join(words)

    def as_recorded(self) -> Self:
        """The same target with the folder of scripts that was chosen at install, unless one is named now."""
        known = self.record()
        return self if known is None or self.hooks_dir is not None else replace(self, hooks_dir=known.hooks_dir)

    def as_found(self) -> Self:
        """As recorded; where no record is left, with the folder that is named by what we registered, if it is there."""
        recorded = self.as_recorded()
        if recorded.hooks_dir is not None:
            return recorded
        folders = self.folders_named()
        named = folders.pop() if len(folders) == 1 else None
        return replace(self, hooks_dir=named) if named and os.path.isfile(named / RUNTIME) else self

    def registered(self) -> Mapping[str, str | Sequence[str]]:
        """Event -> our command as it stands there now: a line for a shell, or words."""
        return {}

    def folders_named(self) -> set[Path]:
        """The folders of scripts that what we registered names."""
        return set()

    def elsewhere(self) -> Elsewhere | None:
        """The other place where these hooks keep what they record, if it is not that of this process."""
        kept = self.scripts.keeps()
        here = (paths.home(), paths.state())
        return None if kept is None or kept == here else Elsewhere(*kept)

    def record(self) -> InstallRecord | None:
        return record.load(self.contract.name, self.file)

    def refuse_if_elsewhere(self) -> None:
        """Raise HookInstallError where a hookkit of another home has the record: only it can take its install back."""
        other = self.elsewhere()
        if self.record() is None and other and record.load(self.contract.name, self.file, other.state):
            raise HookInstallError(
                "INSTALLED_ELSEWHERE",
                f"The hooks in {self.link} were put there by a hookkit whose home is {other.home}.",
                other.command(f"remove {self.contract.name} --settings-file {shlex.quote(str(self.link))}"),
            )

    def place_of(self, scope: Scope) -> Path:
        """The file of a scope, as seen from here."""
        return self.contract.places[scope](self.env, self.project)

    def other_sources(self) -> Iterator[Path]:
        """The files of the other scopes, which the agent reads here too."""
        seen = {files.follow(self.link)}
        for scope in self.contract.places:
            path = self.place_of(scope)
            if files.follow(path) not in seen:
                seen.add(files.follow(path))
                yield path

    def not_run_warnings(self) -> tuple[Warn, ...]:
        """What is to be known of an agent that hookkit was never tried with."""
        if self.contract.evidence.level == "run":
            return ()
        message = f"{self.contract.title} is {self.contract.evidence}: hookkit follows its documentation."
        hint = f"See what a first session gives: {self.command('doctor')}, then hookkit list."
        return (Warn("NOT_RUN", str(self.link), "$", message, hint, blocks=False),)

    @classmethod
    def resolve(
        cls,
        contract: AgentContract,
        *,
        scope: Scope | None = "user",
        project: Path | None = None,
        settings_file: Path | None = None,
        hooks_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        interpreter: str | None = None,
        source: Traversable | None = None,
    ) -> Self:
        """Find the file of a scope, unless one is named. HookkitError for a scope the agent does not have."""
        environment = os.environ if env is None else env
        folder = (project or Path.cwd()).absolute()
        chosen = scope or "user"
        if settings_file is None and chosen not in contract.places:
            raise UsageError(
                "UNKNOWN_SCOPE",
                f"{contract.title} has no {chosen} settings.",
                f"Use one of: {', '.join(contract.places)}.",
            )
        link = settings_file or contract.places[chosen](environment, folder)
        target = cls(
            contract,
            None if settings_file else chosen,
            folder,
            link.absolute(),
            hooks_dir.absolute() if hooks_dir else None,
            interpreter or command.stable_interpreter(),
            environment,
            source,
        )
        for path in (target.folder, target.interpreter):
            _check_text(str(path))
        return target


def _check_text(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise HookInstallError(
            "UNUSABLE_PATH",
            f"The path {path!r} is not UTF-8 text, so it cannot stand in a settings file.",
            "Choose a folder with a plain name: --hooks-dir.",
        ) from None
