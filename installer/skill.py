"""The HookInstaller of the skill: a folder that teaches an agent to ask hookkit, linked into the agents' folders."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hookkit import agents, paths
from hookkit.agents.contract import Scope
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import files
from hookkit.installer.envelope import Warn, file_left
from hookkit.installer.file_installer import Draft, FileInstaller, Step
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import Action, HookInstallResult, Verb
from hookkit.installer.settings_installer import refuse_platform

NAME = "hookkit"
_FILE = "SKILL.md"


class SkillInstaller(FileInstaller):
    """Links the skill into the skill folders of agents.

    harnesses: names of agents; none means those that are found here and have such a folder. What is linked is a copy in
    hookkit's data folder, so that an upgrade of hookkit changes it everywhere. Something else of that name is never
    touched: for a named agent that is an error, for the others it is said. scope, project, settings_file, hooks_dir:
    not for the skill, which serves all projects.
    """

    installer_name = "skill"
    title = "skill"
    subject = "skill links"
    unit = "links"

    def __init__(
        self,
        *,
        scope: Scope | None = None,
        project: Path | None = None,
        settings_file: Path | None = None,
        hooks_dir: Path | None = None,
        harnesses: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        refuse_platform(os.name)
        if settings_file or hooks_dir or scope in ("project", "local"):
            raise UsageError(
                "NOT_FOR_SKILL",
                "The skill serves all projects: it has no scope, no settings file and no folder of scripts.",
                "hookkit install skill",
            )
        self.env = os.environ if env is None else env
        self.harnesses = tuple(dict.fromkeys(harnesses))
        for name in self.harnesses:
            if agents.get(name).skills is None:
                raise UsageError(
                    "NO_SKILLS",
                    f"{agents.get(name).title} has no folder of skills that hookkit knows.",
                    f"Agents that have one: {', '.join(_folders(self.env))}.",
                )

    @property
    def folder(self) -> Path:
        """Where the copy is that all links lead to."""
        return paths.home() / "skills" / NAME

    def links(self) -> dict[str, Path]:
        """Agent -> where its link belongs: the named ones, or those found here, and always those that have one."""
        known = _folders(self.env)
        if self.harnesses:
            return {name: known[name] / NAME for name in self.harnesses}
        here = (name for name in known if os.path.isdir(agents.get(name).config_home(self.env)))
        return {name: known[name] / NAME for name in here}

    def folders(self) -> Sequence[Path]:
        return (self.folder, *dict.fromkeys(link.parent for link in self.links().values()))

    def draft_install(self) -> Draft:
        known, links = self.known(), self.links()
        if not links:
            raise HookInstallError(
                "NO_AGENT_FOUND",
                "No agent with a folder of skills was found here.",
                f"Name one: hookkit install skill --harness {next(iter(_folders(self.env)))}",
            )
        taken = {name: link for name, link in links.items() if os.path.lexists(link) and not self._ours(link)}
        for link in taken.values():
            if self.harnesses:
                raise HookInstallError(
                    "SKILL_IN_THE_WAY",
                    f"{link} is there, and not hookkit's.",
                    "Rename it, then run the same command again.",
                )
        free = {name: link for name, link in links.items() if name not in taken}
        copy, wanted = self.folder / _FILE, _skill()
        before = files.read(copy).data
        folders = list(files.missing_folders(self.folder))
        for link in free.values():
            folders += [folder for folder in files.missing_folders(link.parent) if folder not in folders]
        entry = InstallRecord(
            agent=self.installer_name,
            settings=self.folder,
            hooks_dir=self.folder,
            created_hook_folders=tuple(dict.fromkeys((*folders, *(known.created_hook_folders if known else ())))),
            scripts={_FILE: tuple(dict.fromkeys((*(known.scripts.get(_FILE, ()) if known else ()), _hash(wanted))))},
            kept={**(known.kept if known else {}), **{name: str(link) for name, link in free.items()}},
        )
        steps = [self.record_step(entry), *self.folder_steps(folders, 0o755)]
        verb: Verb = "keep" if before == wanted else "write"
        write = partial(files.replace, copy, wanted, 0o644)
        steps.append(Step(Action(verb, "script", str(_source()), str(copy)), write, before, wanted))
        for name, link in free.items():
            there = os.path.lexists(link)
            add = Action("keep" if there else "add", name, str(self.folder), str(link))
            steps.append(Step(add, partial(_link, self.folder, link)))
        return Draft(tuple(steps), tuple(free), tuple(_kept(link) for link in taken.values()))

    def draft_remove(self) -> Draft:
        known = self.known()
        links = {name: Path(link) for name, link in (known.kept.items() if known else ())}
        links |= {name: link for name, link in self.links().items() if name not in links}
        if self.harnesses:
            links = {name: link for name, link in links.items() if name in self.harnesses}
        others = {} if known is None else {name: Path(link) for name, link in known.kept.items() if name not in links}
        used = {os.path.realpath(link.parent) for link in others.values()}  # agents may share a folder through a link
        ours = {
            name: link for name, link in links.items() if self._ours(link) and os.path.realpath(link.parent) not in used
        }
        steps = [
            Step(Action("delete", name, str(self.folder), str(link)), partial(_unlink, link))
            for name, link in ours.items()
        ]
        rest = {} if known is None else {name: link for name, link in known.kept.items() if name not in links}
        if rest and known is not None:  # other agents still have it
            entry = InstallRecord(**{f: getattr(known, f) for f in known.__dataclass_fields__} | {"kept": rest})
            return Draft((*steps, self.record_step(entry)), tuple(ours))
        copy = self.folder / _FILE
        data = files.read(copy).data if os.path.lexists(copy) else None
        left: tuple[Warn, ...] = ()
        if data is not None and (data == _skill() or (known and _hash(data) in known.scripts.get(_FILE, ()))):
            steps.append(Step(Action("delete", "script", str(_source()), str(copy)), partial(files.delete, copy), data))
        elif data is not None:
            left = (file_left(copy),)
        steps += self.drop_record_steps(known)
        return Draft(tuple(steps), tuple(ours), left)

    def status(self) -> dict[str, object]:
        links, copy = self.links(), self.folder / _FILE
        present = {name: self._ours(link) for name, link in links.items()}
        current = copy.is_file() and copy.read_bytes() == _skill()
        known = self.known()
        warnings = [_kept(link) for link in links.values() if os.path.lexists(link) and not self._ours(link)]
        if any(present.values()) and not current:
            message = f"{copy} is missing or not that of this hookkit."
            warnings.append(Warn("SKILL_STALE", str(copy), "$", message, "hookkit install skill", blocks=False))
        installed = any(present.values()) and copy.is_file()
        return {
            "installer": self.installer_name,
            "title": self.title,
            "scope": None,
            "installed": installed,
            "active": installed,
            "agent_dir_exists": bool(links),
            "agent_program": None,
            "settings_path": str(self.folder),
            "settings_exists": self.folder.is_dir(),
            "settings_readable": True,
            "entries_present": present,
            "commands": [],
            "hooks_dir": str(self.folder),
            "script_paths": {_FILE: str(copy)},
            "scripts_present": {_FILE: copy.is_file()},
            "scripts_current": current,
            "ingest_ok": True,
            "interpreter": "",
            "interpreter_ok": True,
            "duplicates": [],
            "stale": [] if current or not installed else [_FILE],
            "recorded": known is not None,
            "warnings": [warn.to_dict() for warn in warnings],
        }

    def next_step(self, result: HookInstallResult) -> str:
        return "Next: ask your agent why a line exists." if result.events else ""

    def _ours(self, link: Path) -> bool:
        """Whether a path is a link of ours: to the copy here."""
        return link.is_symlink() and os.readlink(link) == str(self.folder)


def _folders(env: Mapping[str, str]) -> dict[str, Path]:
    """Agent -> its folder of skills, of every agent that has one."""
    found = {name: contract.skills for name, contract in agents.AGENTS.items()}
    return {name: skills(env) for name, skills in found.items() if skills is not None}


def _link(target: Path, link: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(target):
        return  # made a moment ago, for an agent that shares this folder
    try:
        link.symlink_to(target)
    except OSError as error:
        raise files.unusable(link, error) from error


def _unlink(link: Path) -> None:
    if os.path.lexists(link):  # else it went with that of an agent that shares this folder
        files.delete(link)


def _kept(path: Path) -> Warn:
    message = f"{path} is there, and not hookkit's, so it was left."
    return Warn("SKILL_IN_THE_WAY", str(path), "$", message, "Rename it, then: hookkit install skill", blocks=False)


def _source() -> object:
    return importlib.resources.files("hookkit") / "skill" / _FILE


def _skill() -> bytes:
    return (importlib.resources.files("hookkit") / "skill" / _FILE).read_bytes()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
