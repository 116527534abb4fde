"""The HookInstaller of the watcher: a timer of systemd, or an agent of launchd, that runs `hookkit watch --once`."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from hookkit.agents.contract import Scope
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import command, files, watcher_units
from hookkit.installer.envelope import Warn, file_left
from hookkit.installer.file_installer import Draft, FileInstaller, Step
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import Action, HookInstallResult, Verb
from hookkit.installer.settings_installer import refuse_platform
from hookkit.installer.watcher_service import Service
from hookkit.installer.watcher_units import Manager, Units

_AGAIN = "hookkit install watcher"
_BY_HAND = "Run `hookkit watch` in a terminal, or `hookkit watch --once` from cron."


class WatcherInstaller(FileInstaller):
    """Lets the service manager of this user look for unreported sessions every few minutes.

    manager: instead of the one that this platform has. env: the environment that the paths come from. scope, project,
    settings_file, hooks_dir: not for the watcher, which serves all projects.
    """

    installer_name = "watcher"
    title = "watcher"
    subject = "watcher units"
    unit = "files"

    def __init__(
        self,
        *,
        scope: Scope | None = None,
        project: Path | None = None,
        settings_file: Path | None = None,
        hooks_dir: Path | None = None,
        manager: Manager | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        refuse_platform(os.name)
        if settings_file or hooks_dir or scope in ("project", "local"):
            raise UsageError(
                "NOT_FOR_WATCHER",
                "The watcher serves all projects: it has no scope, no settings file and no folder of scripts.",
                _AGAIN,
            )
        self.env = os.environ if env is None else env
        self.manager: Manager = manager or ("launchd" if sys.platform == "darwin" else "systemd")
        self._told: list[Warn] = []

    @property
    def units(self) -> Units:
        return watcher_units.units(self.manager, self.env)

    @property
    def folder(self) -> Path:
        return files.follow(self.units.folder)

    @property
    def service(self) -> Service:
        return Service(self.manager, self.folder / next(iter(self.units.files)))

    def folders(self) -> Sequence[Path]:
        return tuple(dict.fromkeys((self.folder, *((self.folder / name).parent for name in self.units.links))))

    def draft_install(self) -> Draft:
        units, known = self.units, self.known()
        self._told = []
        folders = self._folders_to_make()
        edited = [path for name in units.files if (path := self.folder / name).exists() and not self._ours(name)]
        if edited:
            raise HookInstallError(
                "UNIT_EDITED",
                f"{edited[0]} is there, and not as hookkit wrote it.",
                f"Keep what you need of it elsewhere, delete it, then: {_AGAIN}",
            )
        entry = InstallRecord(
            agent=self.installer_name,
            settings=self.folder,
            hooks_dir=self.folder,
            created_hook_folders=tuple(dict.fromkeys((*folders, *(known.created_hook_folders if known else ())))),
            scripts={name: self._hashes(name, data) for name, data in units.files.items()},
        )
        # The record comes first: it says which folders are to go again.
        steps = [self.record_step(entry), *self.folder_steps(folders, 0o755), *self._file_steps(units)]
        if self.service.program:
            changed = any(step.action.action != "keep" for step in steps)
            verb: Verb = "keep" if not changed and self.service.is_running() else "add"
            line = " && ".join(shlex.join(words) for words in self.service.start_commands)
            steps.append(Step(Action(verb, "service", "<generated>", units.name, line), self._start))
        else:
            self._told.append(_no_manager(self.folder))
        return Draft(tuple(steps), tuple(units.files))

    def draft_remove(self) -> Draft:
        units, known = self.units, self.known()
        there = [name for name in units.files if os.path.lexists(self.folder / name)]
        steps: list[Step] = []
        if self.service.program and (there or known):
            line = " && ".join(shlex.join(words) for words in self.service.stop_commands)
            steps.append(Step(Action("delete", "service", "<generated>", units.name, line), self.service.stop))
        for name, target in units.links.items():
            link = self.folder / name
            if link.is_symlink() and os.readlink(link) in (target, str(self.folder / units.name)):
                steps.append(Step(Action("delete", "link", "<generated>", str(link)), partial(files.delete, link)))
        mine = [name for name in there if self._ours(name)]
        for name in mine:
            path = self.folder / name
            action = Action("delete", name, "<generated>", str(path))
            steps.append(Step(action, partial(files.delete, path), path.read_bytes(), None))
        if mine and self.service.program and self.manager == "systemd":
            action = Action("edit", "service", "<generated>", units.name, "systemctl --user daemon-reload")
            steps.append(Step(action, self.service.forget))
        steps += self.drop_record_steps(known)
        left = tuple(file_left(self.folder / name) for name in there if name not in mine)
        return Draft(tuple(steps), tuple(mine), left)

    def after_install(self) -> Sequence[Warn]:
        return self._told

    def next_step(self, result: HookInstallResult) -> str:
        if result.active:
            return f"It runs every {watcher_units.MINUTES} minutes, for all worktrees in which agents were recorded."
        return "It does not run yet: see above."

    def status(self) -> dict[str, object]:
        units, known, warnings = self.units, self.known(), []
        there = {name: (self.folder / name).is_file() for name in units.files}
        there |= {name: (self.folder / name).is_symlink() for name in units.links}
        stale = [n for n, data in units.files.items() if there[n] and (self.folder / n).read_bytes() != data]
        program = sys.executable
        works = command.interpreter_works(program)
        installed = all(there.values()) and works
        running = installed and self.service.is_running()
        if any(there.values()):
            warnings = list(self._warnings([n for n, found in there.items() if not found], stale, running))
        return {
            "installer": self.installer_name,
            "title": self.title,
            "scope": None,
            "installed": installed,
            "active": running,
            "agent_dir_exists": units.folder.is_dir(),
            "agent_program": self.service.program,
            "settings_path": str(self.folder),
            "settings_exists": self.folder.is_dir(),
            "settings_readable": True,
            "entries_present": there,
            "commands": [shlex.join([program, "-E", "-P", "-m", "hookkit", "watch", "--once"])],
            "hooks_dir": str(self.folder),
            "script_paths": {name: str(self.folder / name) for name in units.files},
            "scripts_present": {name: there[name] for name in units.files},
            "scripts_current": not stale,
            "ingest_ok": works,
            "interpreter": program,
            "interpreter_ok": works,
            "duplicates": [],
            "stale": stale,
            "recorded": known is not None,
            "warnings": [warn.to_dict() for warn in warnings],
        }

    def _warnings(self, missing: list[str], stale: list[str], running: bool) -> Iterator[Warn]:
        place = str(self.folder)
        if missing:
            yield Warn("ENTRY_MISSING", place, "$", f"Not there: {', '.join(missing)}.", _AGAIN, blocks=True)
        if stale:
            message = f"Not as this hookkit writes it: {', '.join(stale)}."
            yield Warn("ENTRY_STALE", place, "$", message, _AGAIN, blocks=False)
        if self.service.program is None:
            yield _no_manager(self.folder)
        elif not missing and not running:
            yield Warn("SERVICE_STOPPED", place, "$", f"{self.units.name} does not run.", _AGAIN, blocks=True)

    def _folders_to_make(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(folder for place in self.folders() for folder in files.missing_folders(place)))

    def _file_steps(self, units: Units) -> Iterator[Step]:
        for name, data in units.files.items():
            path = self.folder / name
            before = path.read_bytes() if path.exists() else None
            verb: Verb = "add" if before is None else "keep" if before == data else "replace"
            action = Action(verb, name, "<generated>", str(path))
            yield Step(action, partial(files.replace, path, data, 0o644), before, data)
        for name, target in units.links.items():
            link = self.folder / name
            there = os.readlink(link) if link.is_symlink() else None
            # systemctl writes the whole path where `enable` is used; that is the same to it, and to us.
            same = there in (target, str(self.folder / units.name))
            action = Action("keep" if same else "make", "link", "<generated>", str(link))
            yield Step(action, partial(files.make_link, link, target))

    def _ours(self, name: str) -> bool:
        """Whether a file is as this hookkit writes it, or as one wrote it that was installed here."""
        path, known = self.folder / name, self.known()
        try:
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        except OSError:
            return False
        return data is not None and (
            data == self.units.files[name] or (known is not None and _hash(data) in known.scripts.get(name, ()))
        )

    def _hashes(self, name: str, data: bytes) -> tuple[str, ...]:
        known = self.known()
        before = known.scripts.get(name, ()) if known else ()
        return (*(digest for digest in before if digest != _hash(data)), _hash(data))

    def _start(self) -> None:
        refused = self.service.start()
        if refused:
            message = f"The service manager would not start it now: {refused}."
            hint = f"It starts at the next login. {_BY_HAND}"
            self._told.append(Warn("SERVICE_FAILED", str(self.folder), "$", message, hint, blocks=True))


def _no_manager(folder: Path) -> Warn:
    message = "No service manager was found here, so nothing runs the watcher."
    return Warn("SERVICE_MISSING", str(folder), "$", message, _BY_HAND, blocks=True)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
