"""The HookInstaller of git: post-commit and post-rewrite of one repository, in the folder that git really uses."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

from hookkit import paths
from hookkit.agents.contract import Scope
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import files, git_files, git_location, git_script, git_status, record
from hookkit.installer.envelope import Warn
from hookkit.installer.file_installer import Draft, FileInstaller, Step
from hookkit.installer.git_files import HOOKS, HookFile
from hookkit.installer.git_script import Command, Kept
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import Action, HookInstallResult, Verb
from hookkit.installer.settings_installer import refuse_platform


class GitHookInstaller(FileInstaller):
    """Tells hookkit of new and rewritten commits.

    project: a folder in the repository. scope: ``project`` allows to write into a hooks folder that git tracks.
    folder: a hooks folder that was installed in, whatever git uses now. settings_file, hooks_dir: not for git.
    HookInstallError, with nothing written, where there is no repository or the folder cannot be used.
    """

    installer_name = "git"
    title = "git"
    subject = "git hooks"
    unit = "hooks"

    def __init__(
        self,
        *,
        project: Path | None = None,
        scope: Scope | None = "user",
        settings_file: Path | None = None,
        hooks_dir: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        refuse_platform(os.name)
        if settings_file or hooks_dir or scope == "local":
            raise UsageError(
                "NOT_FOR_GIT",
                "git hooks have no settings file, no folder of scripts and no local scope.",
                "Use --project to say which repository; --scope project for a hooks folder that is tracked.",
            )
        self.project = (project or Path.cwd()).absolute()
        self.tracked_too = scope == "project"
        self._folder = folder

    @cached_property
    def location(self) -> git_location.Location | None:
        """What git says now. None where an install is left of a repository that is gone."""
        try:
            return git_location.locate(self.project)
        except HookInstallError:
            if self._folder is None:
                raise
            return None

    @property
    def folder(self) -> Path:
        if self._folder is not None:
            return self._folder
        assert self.location
        return self.location.folder

    def folders(self) -> Sequence[Path]:
        return self.folder, self.folder / git_script.LINKS

    def command_line(self, verb: str) -> str:
        """The shell command that does ``verb`` here."""
        return shlex.join(["hookkit", verb, "git", "--project", str(self.project)])

    def starts(self) -> Command:
        """What the hooks start."""
        # As for the ingest: neither the current folder nor a project's PYTHONPATH may bring in another hookkit.
        return Command(
            (sys.executable, "-E", "-P", "-m", "hookkit"), str(paths.home()) if os.environ.get("HOOKKIT_HOME") else None
        )

    def draft_install(self) -> Draft:
        here = self.location
        if here is None:
            raise HookInstallError(
                "NOT_A_REPOSITORY", f"The repository that {self.folder} was for is gone.", "hookkit remove git"
            )
        if self.folder == Path(os.devnull):
            raise HookInstallError(
                "HOOKS_OFF",
                f"core.hooksPath is {os.devnull}: git runs no hooks here.",
                "git config --unset core.hooksPath",
            )
        missing = files.missing_folders(self.folder)
        known = self.known()
        if known is None and not self.tracked_too:
            self._refuse_tracked()
        drafts = {name: self._install_hook(name) for name in HOOKS}
        entry = InstallRecord(
            agent=self.installer_name,
            settings=self.folder,
            hooks_dir=self.folder,
            created_hook_folders=tuple(dict.fromkeys((*missing, *(known.created_hook_folders if known else ())))),
            kept={name: kept.file for name, (kept, _) in drafts.items() if kept},
            project=here.root,
        )
        steps = (
            self.record_step(entry),  # first: it says which folders are to go again
            *self.folder_steps(missing, 0o755),
            *(step for _, steps in drafts.values() for step in steps),
        )
        return Draft(steps, HOOKS, tuple(git_status.place_warnings(self.folder, here)))

    def draft_remove(self) -> Draft:
        known = self.known()
        steps: list[Step] = []
        warnings: list[Warn] = []
        events = [name for name in HOOKS if git_files.spots(self.folder, name)]
        for name in HOOKS:
            taken: set[str] = set()
            for file in git_files.spots(self.folder, name):
                steps += self._remove_steps(name, file, taken, warnings)
            steps += self._leftover_steps(name, known, taken, warnings)
            link = self.folder / git_script.LINKS / name
            if link.is_symlink() and not any(warn.code == "HOOK_LEFT" for warn in warnings):
                steps.append(Step(Action("delete", "link", "<generated>", str(link)), partial(files.delete, link)))
        links = self.folder / git_script.LINKS
        if links.is_dir() and not links.is_symlink() and not any(warn.code == "HOOK_LEFT" for warn in warnings):
            gone = partial(files.drop_folders, (links,))
            steps.append(Step(Action("delete", "folder", "<generated>", str(links)), gone))
        steps += self.drop_record_steps(known)
        return Draft(tuple(steps), tuple(events), tuple(warnings))

    def status(self) -> dict[str, object]:
        return git_status.status(
            self.folder,
            self.location,
            self.starts(),
            self.wanted,
            self.known() is not None,
            self.command_line("install"),
        )

    def wanted(self, name: str, file: HookFile) -> bytes:
        """What a file with a block of ours should hold: others' lines as they are, ours as this hookkit writes them."""
        assert file.block
        kept = self._kept(file.block.kept)
        if file.block.alone:
            return git_script.hook(name, self.starts(), kept)
        return file.block.before + git_script.block(name, self.starts(), kept) + file.block.after

    def _kept(self, file: str | None) -> Kept | None:
        return git_script.keep(file, self.folder / file) if file and os.path.lexists(self.folder / file) else None

    def _install_hook(self, name: str) -> tuple[Kept | None, list[Step]]:
        """What to do for one hook, and the hook that was there before, if there was one."""
        file = git_files.working(self.folder, name) or git_files.look(self.folder / name)
        kept: Kept | None = None
        steps: list[Step] = []
        verb: Verb = "add"
        if file.block and not file.is_ours:
            warn = git_status.edited(file.path, self.command_line("install"))
            raise HookInstallError(warn.code, warn.message, warn.hint)
        if file.is_ours:
            assert file.block
            kept, data = self._kept(file.block.kept), self.wanted(name, file)
            verb = "keep" if data == file.data and file.runs else "replace"
        else:
            if file.exists:
                kept, verb = git_script.keep(self._free_name(name, file), file.path), "replace"
                aside = self.folder / kept.file
                if not os.path.lexists(aside):
                    action = Action("move", name, str(file.path), str(aside))
                    steps.append(Step(action, partial(files.keep_aside, file.path, aside)))
            data = git_script.hook(name, self.starts(), kept)
        steps += self._link_steps(name, kept)
        action = Action(verb, name, "<generated>", str(file.path), self.starts().line())
        before = file.data if file.exists else None
        steps.append(Step(action, partial(files.replace, file.path, data, 0o755), before, data))
        return kept, steps

    def _link_steps(self, name: str, kept: Kept | None) -> Iterator[Step]:
        """The link by which a kept hook is run under its own name."""
        folder = self.folder / git_script.LINKS
        link, wanted = folder / name, f"../{kept.file}" if kept and kept.manner == "link" else None
        there = os.readlink(link) if link.is_symlink() else None
        if wanted is None and there is not None:
            yield Step(Action("delete", "link", "<generated>", str(link)), partial(files.delete, link))
        elif wanted is not None:
            yield from self.folder_steps(files.missing_folders(folder)[-1:], 0o755)
            action = Action("keep" if there == wanted else "make", "link", "<generated>", str(link))
            yield Step(action, partial(files.make_link, link, wanted))

    def _free_name(self, name: str, file: HookFile) -> str:
        """A name to keep a hook under: one that nothing has, or that exactly this hook has already."""
        number = 0
        while True:
            candidate = git_script.kept_name(name, number)
            there = git_files.look(self.folder / candidate)
            if not there.exists or there.same_as(file):
                return candidate
            number += 1

    def _remove_steps(self, name: str, file: HookFile, taken: set[str], warnings: list[Warn]) -> Iterator[Step]:
        """Take our lines out of one file. taken: the kept hooks that have a place by now; this one's is added."""
        block, path = file.block, file.path
        assert block
        if not block.intact:
            warnings.append(git_status.edited(path, self.command_line("remove")))
            taken |= {block.kept} if block.kept else set()
            return
        kept = git_files.look(self.folder / block.kept) if block.kept and block.kept not in taken else None
        if kept and kept.exists:
            taken.add(kept.path.name)
            if block.alone and path.name != name and git_files.replaces(git_files.look(self.folder / name), kept):
                # A hook manager was installed a second time: what waits here is what it has written anew.
                for gone in (path, kept.path):
                    yield Step(Action("delete", name, "<generated>", str(gone)), partial(files.delete, gone))
                return
            if block.alone:
                action = Action("replace", name, str(kept.path), str(path))
                yield Step(action, partial(files.give_back, kept.path, path), file.data, kept.data)
                return
            warnings.append(git_status.edited_and_kept(path, kept.path))
            if block.command:  # what others wrote stays, and so does what runs the hook that was there before
                data = block.before + git_script.block(name, None, self._kept(kept.path.name)) + block.after
                cut = Action("cut", name, "<generated>", str(path))
                yield Step(cut, partial(files.replace, path, data), file.data, data)
            return
        rest = block.before + block.after
        if block.alone or (not rest.split(b"\n", 1)[-1].strip() and rest.startswith(b"#!")):
            yield Step(Action("delete", name, "<generated>", str(path)), partial(files.delete, path), file.data, None)
        else:
            yield Step(
                Action("cut", name, "<generated>", str(path)), partial(files.replace, path, rest), file.data, rest
            )

    def _leftover_steps(
        self, name: str, known: InstallRecord | None, taken: set[str], warnings: list[Warn]
    ) -> Iterator[Step]:
        """Kept hooks that no file of ours runs: another tool has overwritten it, or it was deleted, or a kill came."""
        now = git_files.look(self.folder / name)
        recorded = known.kept.get(name) if known else None
        for kept in git_files.kept_files(self.folder, name):
            if kept.path.name in taken:
                continue
            if kept.path.name == recorded and not now.exists:
                action = Action("replace", name, str(kept.path), str(now.path))
                yield Step(action, partial(files.give_back, kept.path, now.path), None, kept.data)
            elif kept.path.name == recorded and now.same_as(kept):
                action = Action("delete", name, "<generated>", str(kept.path))
                yield Step(action, partial(files.delete, kept.path))
            else:
                warnings.append(git_status.kept_left(name, kept.path, now.path))

    def _refuse_tracked(self) -> None:
        names = [file for name in HOOKS for file in (name, git_script.kept_name(name))]
        root = git_location.seen_by_git(self.folder, names)
        if root is not None:
            raise HookInstallError(
                "TRACKED_HOOKS",
                f"The hooks folder {self.folder} is in the worktree {root}, where new hooks would show up as changes.",
                f"To write there all the same: {self.command_line('install')} --scope project",
            )

    def details(self, result: HookInstallResult) -> Iterator[str]:
        for action in result.actions:
            if action.action == "move":
                yield f"Kept:      {action.event} as {Path(action.dest).name}; it runs first, and its exit code counts."

    def next_step(self, result: HookInstallResult) -> str:
        if not result.active:
            return "git does not run these hooks yet: see above."
        return (
            "Next: commit as always; `hookkit blame` then knows at once. `hookkit doctor git` proves that hooks fire."
        )


def installed() -> Iterator[GitHookInstaller]:
    """An installer for every hooks folder that is recorded."""
    for entry in record.load_all():
        if entry.agent == GitHookInstaller.installer_name:
            yield GitHookInstaller(folder=entry.settings, project=entry.project)
