"""The HookInstaller of every agent whose hooks are registered in a JSON settings file; the contract says the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hookkit.errors import HookInstallError
from hookkit.installer import files, probes, record, status
from hookkit.installer.agent_installer import AgentInstaller, refuse_platform
from hookkit.installer.drafts import InstallDraft, RemoveDraft, draft_install, draft_remove
from hookkit.installer.envelope import Warn, file_left
from hookkit.installer.result import HookInstallResult, Preview, unified_diff
from hookkit.installer.settings_target import SettingsTarget

__all__ = ["SettingsHookInstaller", "refuse_platform"]

# Somebody who saves the file again within the same millisecond, eight times in a row, is a program gone wild.
_ATTEMPTS = 8

_Draft = TypeVar("_Draft", InstallDraft, RemoveDraft)


class SettingsHookInstaller(AgentInstaller[SettingsTarget]):
    """Wires one agent through one settings file."""

    kind = SettingsTarget

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
        warnings = (*draft.warnings, *target.outside_warnings(), *target.not_run_warnings())
        return Preview(draft.actions, diff, warnings)

    def preview_remove(self) -> Preview:
        """What remove() would do, with a diff."""
        draft = draft_remove(self.target.as_found())
        return Preview(draft.actions, unified_diff(self.target.link, draft.text, draft.result), ())

    def install(self, *, trust: bool = False) -> HookInstallResult:
        """Put the hooks in, or put them right. A second call changes nothing. trust: see ``AgentInstaller``."""
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
        notes, asked = self.ask(target, trust)
        warnings = (*draft.warnings, *target.outside_warnings(), *asked, *target.not_run_warnings())
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
            notes=notes,
        )

    def remove(self) -> HookInstallResult:
        """Take out what install() put in, to the byte where nobody edited since; do nothing where nothing is ours."""
        target = self.target.as_found()
        draft = draft_remove(target)  # refusals come before the lock, which is a file too
        left: tuple[Path, ...] = ()
        notes: tuple[str, ...] = ()
        failed: tuple[Warn, ...] = ()
        self._sweep()
        if _changes(draft):
            with files.exclusive():
                notes, failed = probes.untrust(target) if draft.events else ((), ())
                draft = self._until_done(lambda: draft_remove(target), self._commit_remove)
                left = self.remove_scripts(target.folder, draft.known)
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
            warnings=(*failed, *(file_left(path) for path in left)),
            notes=notes,
        )

    def status(self) -> dict[str, object]:
        """The state of things as they are now, read anew at every call (schemas/install-status.schema.json)."""
        return status.status(self.target.as_found())

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

    def _commit_install(self, target: SettingsTarget, draft: InstallDraft) -> bool:
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
            self.remove_scripts(draft.known.hooks_dir, draft.known)
        return True

    def _back_out(self, target: SettingsTarget, first: InstallDraft) -> None:
        """A first install that failed half way leaves nothing; what a later one leaves, the next run puts right."""
        written = first.edit.text.encode("utf-8", "surrogateescape")
        if first.known is not None or files.read(first.found.path).data == written:
            return
        if first.hook_folders:
            self.remove_scripts(target.folder, first.record)
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


def _changes(draft: InstallDraft | RemoveDraft) -> bool:
    return any(action.action != "keep" for action in draft.actions)
