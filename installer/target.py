"""What one installer works on: an agent's contract, one settings file, one folder of scripts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path

from hookkit import agents, paths
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookInstallError, HookkitError, UsageError
from hookkit.installer import command, envelope, files, record, settings_edit
from hookkit.installer.envelope import Warn
from hookkit.installer.jsontext import Document, JsonTextError, parse
from hookkit.installer.record import InstallRecord
from hookkit.installer.scripts import RUNTIME, ScriptSet
from hookkit.installer.settings_edit import Entry, Ours


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


@dataclass(frozen=True, slots=True)
class Target:
    """link: the settings file as it was named. hooks_dir: None where nobody chose one."""

    contract: AgentContract
    scope: Scope | None
    project: Path
    link: Path
    hooks_dir: Path | None
    interpreter: str
    env: Mapping[str, str] = field(repr=False)
    source: Traversable | None = None

    @property
    def ours(self) -> Ours:
        """What belongs in the settings."""
        line = command.command_for(self.interpreter, self.folder / self.contract.hook_entry)
        return Ours(
            self.contract.hook_entry,
            {e.name: {"type": "command", "command": line, "timeout": e.timeout} for e in self.contract.events},
        )

    @property
    def file(self) -> Path:
        """The settings file itself, links followed."""
        return files.follow(self.link)

    @property
    def folder(self) -> Path:
        return (self.hooks_dir or paths.hooks()).absolute()

    @property
    def scripts(self) -> ScriptSet:
        return ScriptSet(self.folder, self._scripts, self.source)

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

    def read(self) -> tuple[files.Found, str | None]:
        """The settings file and its text (None: there is none). HookInstallError where it cannot be read."""
        found = files.read(self.link)
        return found, None if found.data is None else envelope.read_settings(self.link, found.data)

    def as_recorded(self) -> Target:
        """The same target with the folder of scripts that was chosen at install, unless one is named now."""
        known = self.record()
        return self if known is None or self.hooks_dir is not None else replace(self, hooks_dir=known.hooks_dir)

    def as_found(self) -> Target:
        """As recorded; where no record is left, with the folder that the entries name, if our scripts are in it."""
        recorded = self.as_recorded()
        if recorded.hooks_dir is not None:
            return recorded
        folders = {entry.command.folder for entry in self.entries()}
        named = folders.pop() if len(folders) == 1 else None
        return replace(self, hooks_dir=named) if named and os.path.isfile(named / RUNTIME) else self

    def entries(self) -> tuple[Entry, ...]:
        """The hooks of ours in the settings; none where the file cannot be read."""
        doc = _readable(self.link)
        return settings_edit.entries(doc, self.ours) if doc else ()

    def elsewhere(self) -> Elsewhere | None:
        """The other place where these hooks keep what they record, if it is not that of this process."""
        kept = self.scripts.keeps()
        here = (paths.home(), paths.state())
        return None if kept is None or kept == here else Elsewhere(*kept)

    def record(self) -> InstallRecord | None:
        return record.load(self.contract.name, self.file)

    def settings_of(self, scope: Scope) -> Path:
        """The settings file of a scope, as seen from here."""
        return self.contract.settings[scope](self.env, self.project)

    def other_sources(self) -> Iterator[Path]:
        """The other settings files that the agent reads here; one that switches hooks off does so for all of them."""
        seen = {files.follow(self.link)}
        for scope in self.contract.settings:
            path = self.settings_of(scope)
            if files.follow(path) not in seen:
                seen.add(files.follow(path))
                yield path

    def outside_warnings(self) -> tuple[Warn, ...]:
        """What other settings files do to our hooks: switch them off, or run another copy of them."""
        found: list[Warn] = []
        mine = {str(handler["command"]) for handler in self.ours.handlers.values()}
        for path in self.other_sources():
            doc = _readable(path)
            if doc is None:
                continue
            found += (w for w in envelope.warnings(self.contract, path, doc) if w.code == "HOOKS_DISABLED")
            entries = settings_edit.entries(doc, self.ours)
            others = [e for e in entries if not isinstance(e.data, Mapping) or e.data.get("command") not in mine]
            if others:
                found.append(
                    Warn(
                        "REGISTERED_TWICE",
                        str(path),
                        others[0].path,
                        f"hookkit is also registered in {path}, with another command: every call is recorded twice.",
                        f"hookkit remove {self.contract.name} --settings-file {path}",
                        blocks=False,
                    )
                )
        return tuple(found)


def _readable(path: Path) -> Document | None:
    try:
        found = files.read(path)
        return None if found.data is None else parse(envelope.read_settings(path, found.data))
    except (HookkitError, JsonTextError):
        return None


def resolve(
    contract: AgentContract,
    *,
    scope: Scope = "user",
    project: Path | None = None,
    settings_file: Path | None = None,
    hooks_dir: Path | None = None,
    env: Mapping[str, str] | None = None,
    interpreter: str | None = None,
    source: Traversable | None = None,
) -> Target:
    """Find the settings file of a scope, unless one is named. HookkitError for a scope the agent does not have."""
    environment = os.environ if env is None else env
    folder = (project or Path.cwd()).absolute()
    if settings_file is None and scope not in contract.settings:
        raise UsageError(
            "UNKNOWN_SCOPE",
            f"{contract.title} has no {scope} settings.",
            f"Use one of: {', '.join(contract.settings)}.",
        )
    link = settings_file or contract.settings[scope](environment, folder)
    target = Target(
        contract,
        None if settings_file else scope,
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


def still_needed(folder: Path, but: Target) -> frozenset[str]:
    """The files in ``folder`` that agents still run by any settings file other than that of ``but``."""
    users = _users_of(folder, but)
    contracts = [but.contract if name == but.contract.name else agents.AGENTS.get(name) for name in users]
    if None in contracts:  # an agent of a later hookkit: what it needs is not known
        return frozenset(path.name for path in folder.glob("*"))
    return frozenset(name for c in contracts if c is not None for name in (*c.hook_files, RUNTIME))


def _users_of(folder: Path, but: Target) -> frozenset[str]:
    mine = files.follow(but.link)
    # Git hooks and the watcher are recorded too; what they need is in folders of their own.
    known = {(r.agent, r.settings) for r in record.load_all() if r.agent in agents.AGENTS or r.hooks_dir == folder}
    known |= {(but.contract.name, files.follow(path)) for path in but.other_sources()}
    return frozenset(agent for agent, path in known if path != mine and _runs_from(agent, path, folder, but))


def _runs_from(agent: str, path: Path, folder: Path, but: Target) -> bool:
    contract = but.contract if agent == but.contract.name else agents.AGENTS.get(agent)
    try:
        found = files.read(path)
        if found.data is None:
            return False
        if contract is None:
            return True
        doc = parse(envelope.read_settings(path, found.data))
    except (HookkitError, JsonTextError):
        return True  # not known: what may be in use stays
    return any(entry.command.folder == folder for entry in settings_edit.entries(doc, Ours(contract.hook_entry, {})))
