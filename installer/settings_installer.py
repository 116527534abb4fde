"""The HookInstaller of every agent whose hooks are registered in a JSON settings file; the contract says the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from hookkit import paths
from hookkit.agents.contract import AgentContract, Scope
from hookkit.errors import HookInstallError
from hookkit.installer import files, record, status
from hookkit.installer.drafts import InstallDraft, RemoveDraft, draft_install, draft_remove
from hookkit.installer.envelope import file_left
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import HookInstallResult, Preview, short, unified_diff
from hookkit.installer.target import Target, resolve, still_needed

# Somebody who saves the file again within the same millisecond, eight times in a row, is a program gone wild.
_ATTEMPTS = 8

_Draft = TypeVar("_Draft", InstallDraft, RemoveDraft)


class SettingsHookInstaller:
    """Wires one agent through one settings file.

    contract: which events, which file, which envelope. scope: whose settings. settings_file, hooks_dir: instead of the
    agent's and hookkit's own places. env: the environment that the paths come from. interpreter: instead of the base
    interpreter of this Python. source: the folder of the scripts, instead of the package's.
    Every method raises HookInstallError, with nothing written, where the settings cannot be edited safely.
    """

    def __init__(
        self,
        contract: AgentContract,
        *,
        scope: Scope = "user",
        project: Path | None = None,
        settings_file: Path | None = None,
        hooks_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        interpreter: str | None = None,
        source: Traversable | None = None,
    ) -> None:
        refuse_platform(os.name)
        self.installer_name = contract.name
        self.title, self.subject, self.unit = contract.title, f"{contract.title} hooks", "events"
        self.target = resolve(
            contract,
            scope=scope,
            project=project,
            settings_file=settings_file,
            hooks_dir=hooks_dir,
            env=env,
            interpreter=interpreter,
            source=source,
        )

    @property
    def place(self) -> Path:
        return self.target.link

    def is_present(self) -> bool:
        """Whether the settings hold hooks of ours, or did by our records."""
        return bool(self.target.record() or self.target.entries())

    def plan(self) -> list[dict[str, object]]:
        """Every action that install() would take now (schemas/install-plan.schema.json)."""
        return [action.to_dict() for action in draft_install(self.target.as_recorded()).actions]

    def preview_install(self) -> Preview:
        """What install() would do, with a diff."""
        target = self.target.as_recorded()
        draft = draft_install(target)
        diff = unified_diff(target.link, draft.text, draft.edit.text)
        return Preview(draft.actions, diff, (*draft.warnings, *target.outside_warnings()))

    def preview_remove(self) -> Preview:
        """What remove() would do, with a diff."""
        draft = draft_remove(self.target.as_found())
        return Preview(draft.actions, unified_diff(self.target.link, draft.text, draft.result), ())

    def install(self) -> HookInstallResult:
        """Put the hooks in, or put them right. A second call changes nothing."""
        target = self.target.as_recorded()
        draft_install(target)  # refusals come before the lock, which is a file too
        with files.exclusive():
            self._sweep()
            first = draft_install(target)
            try:
                draft = self._until_done(lambda: draft_install(target), lambda d: self._commit_install(target, d))
            except HookInstallError:
                self._back_out(target, first)
                raise
        warnings = (*draft.warnings, *target.outside_warnings())
        return HookInstallResult(
            installer=self.installer_name,
            action="install",
            changed=_changes(draft),
            active=not any(warn.blocks for warn in warnings),
            events=tuple(target.ours.handlers),
            settings_path=target.link,
            hooks_dir=target.folder,
            actions=draft.actions,
            warnings=warnings,
        )

    def remove(self) -> HookInstallResult:
        """Take out what install() put in, to the byte where nobody edited since; do nothing where nothing is ours."""
        target = self.target.as_found()
        draft = draft_remove(target)  # refusals come before the lock, which is a file too
        left: tuple[Path, ...] = ()
        self._sweep()
        if _changes(draft):
            with files.exclusive():
                draft = self._until_done(lambda: draft_remove(target), self._commit_remove)
                left = self._remove_scripts(target.folder, draft.known)
                if draft.known:
                    record.drop(draft.known)
        return HookInstallResult(
            installer=self.installer_name,
            action="remove",
            changed=_changes(draft),
            active=False,
            events=draft.events,
            settings_path=self.target.link,
            hooks_dir=target.folder,
            actions=draft.actions,
            warnings=tuple(file_left(path) for path in left),
        )

    def status(self) -> dict[str, object]:
        """The state of things as they are now, read anew at every call (schemas/install-status.schema.json)."""
        return status.status(self.target.as_found())

    def details(self, result: HookInstallResult) -> Iterator[str]:
        yield f"Scripts:   {short(result.hooks_dir)}"
        yield f"Sessions:  {short(paths.home())} and .opentraces/ in each worktree; nothing leaves this machine."

    def next_step(self, result: HookInstallResult) -> str:
        program = self.target.contract.program
        if not result.active:
            return f"{self.title} does not run these hooks yet: see above."
        return f"Next: start {program} as always, then `hookkit list`. `hookkit doctor` proves that hooks fire."

    def left_alone(self, done: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Hooks that nobody asked to remove: in this project's own settings, and not put there from here."""
        for scope in self.target.contract.settings:
            target = replace(self.target, scope=scope, link=self.target.settings_of(scope))
            if target.file not in done and target.entries():
                yield target.link, target.command("remove")

    def _sweep(self) -> None:
        """Delete what killed runs left half written."""
        files.sweep((files.follow(self.target.link).parent, self.target.as_found().folder, record.folder()))

    def _until_done(self, decide: Callable[[], _Draft], commit: Callable[[_Draft], bool]) -> _Draft:
        """Decide and commit, again for as long as somebody changes the settings in between."""
        for _ in range(_ATTEMPTS):
            draft = decide()
            if commit(draft):
                return draft
        raise HookInstallError(
            "SETTINGS_CHANGING",
            f"{self.target.link} kept changing while it was edited.",
            "Close what writes to it, then run the same command again.",
        )

    def _commit_install(self, target: Target, draft: InstallDraft) -> bool:
        shared = target.scope == "project"
        if draft.record != draft.known:
            record.save(draft.record)
        files.make_folders(draft.hook_folders, 0o700)
        target.scripts.write()
        if draft.edit.changed:
            files.make_folders(draft.folders, 0o755 if shared else 0o700)
            data = draft.edit.text.encode("utf-8", "surrogateescape")
            mode = 0o644 if shared and draft.text is None else None
            if not files.replace(draft.found.path, data, mode, expect=draft.found):
                return False
        if draft.known and draft.known.hooks_dir != target.folder:
            self._remove_scripts(draft.known.hooks_dir, draft.known)
        return True

    def _back_out(self, target: Target, first: InstallDraft) -> None:
        """A first install that failed half way leaves nothing; what a later one leaves, the next run puts right."""
        written = first.edit.text.encode("utf-8", "surrogateescape")
        if first.known is not None or files.read(first.found.path).data == written:
            return
        if first.hook_folders:
            self._remove_scripts(target.folder, first.record)
        files.drop_folders(first.folders)
        record.drop(first.record)

    def _commit_remove(self, draft: RemoveDraft) -> bool:
        path = draft.found.path
        if draft.result is None and draft.text is not None:
            files.step("about to delete the settings")
            if files.read(path).data != draft.found.data:
                return False
            files.delete(path)
        elif draft.result is not None and draft.result != draft.text:
            data = draft.result.encode("utf-8", "surrogateescape")
            if not files.replace(path, data, expect=draft.found):
                return False
        if draft.result is None and draft.known:
            files.drop_folders(draft.known.created_folders)
        return True

    def _remove_scripts(self, folder: Path, known: InstallRecord | None) -> tuple[Path, ...]:
        """Delete those of our scripts in a folder that no other settings file needs; give those that are not ours."""
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


def _changes(draft: InstallDraft | RemoveDraft) -> bool:
    return any(action.action != "keep" for action in draft.actions)
