"""The HookInstaller of every agent that loads extensions: one file of ours, and the scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError
from hookkit.installer import files, probes, record, status
from hookkit.installer.agent_installer import AgentInstaller
from hookkit.installer.drafts import doomed_scripts, script_actions
from hookkit.installer.envelope import Warn, file_left
from hookkit.installer.extension_target import ExtensionTarget
from hookkit.installer.file_installer import Draft, FileInstaller, Step
from hookkit.installer.record import InstallRecord, Result, text_hash
from hookkit.installer.result import Action, HookInstallResult, Preview, Verb
from hookkit.installer.target import Choices


class ExtensionInstaller(AgentInstaller[ExtensionTarget], FileInstaller):
    """Wires one agent through one file that it loads by itself: settings_file is the extension.

    HookInstallError, with nothing written, where a file of somebody else is in its place.
    """

    kind = ExtensionTarget

    def __init__(self, contract: AgentContract, **chosen: Unpack[Choices]) -> None:
        super().__init__(contract, **chosen)
        self._left: list[Path] = []  # the scripts that the last remove found changed by somebody

    @property
    def folder(self) -> Path:
        """Where the scripts are."""
        return self.target.as_found().folder

    def folders(self) -> Sequence[Path]:
        return self.target.file.parent, self.folder

    def known(self) -> InstallRecord | None:
        return self.target.record()

    def is_present(self) -> bool:
        return self.known() is not None or self.target.runs() is not None

    def install(self, *, trust: bool = False) -> HookInstallResult:
        """Put the file and the scripts there, or put them right. trust: see ``AgentInstaller``."""
        result = FileInstaller.install(self)
        target = self.target.as_recorded()
        notes, asked = self.ask(target, trust)
        warnings = (*target.outside_warnings(), *asked, *target.not_run_warnings())
        active = bool(self.status()["active"]) and not any(warn.blocks for warn in warnings)
        return replace(result, active=active, warnings=warnings, notes=notes)

    def remove(self) -> HookInstallResult:
        """Delete our file and the scripts that nobody else needs; do nothing where nothing is ours."""
        self._left.clear()
        target = self.target.as_found()
        done, failed = probes.untrust(target) if self.draft_remove().events else ((), ())
        result = FileInstaller.remove(self)
        warnings = (*failed, *result.warnings, *(file_left(path) for path in self._left))
        return replace(result, hooks_dir=target.folder, warnings=warnings, notes=done)

    def preview_install(self) -> Preview:
        """What install() would do, with a diff."""
        draft = self.draft_install()
        target = self.target.as_recorded()
        return Preview(draft.actions, draft.diff, (*target.outside_warnings(), *target.not_run_warnings()))

    def draft_install(self) -> Draft:
        target = self.target.as_recorded()
        found, text = target.read()
        known = target.record()
        if text is not None and not target.is_ours(text, known):
            raise HookInstallError(
                "EXTENSION_IN_THE_WAY",
                f"{target.link} is there, and not as hookkit wrote it.",
                f"Keep what you need of it under another name, delete it, then: {target.command('install')}",
            )
        target.scripts.check()
        wanted = target.wanted
        folders, hook_folders = files.missing_folders(found.path.parent), files.missing_folders(target.folder)
        entry = self._record(target, found, text, known, (folders, hook_folders))
        shared = target.scope == "project"
        steps = [
            self.record_step(entry),  # first: it says what is to go again
            *self.folder_steps(folders, 0o755 if shared else 0o700),
            *self.folder_steps(hook_folders, 0o700),
        ]
        for script in script_actions(target):
            steps.append(Step(script, partial(target.scripts.put, os.path.basename(script.dest))))
        verb: Verb = "create" if text is None else "keep" if text == wanted else "replace"
        write = partial(_write, target, found, wanted, 0o644 if shared else None)
        action = Action(verb, "extension", target.scripts.origin(target.template_name), str(target.link))
        steps.append(Step(action, write, found.data, wanted.encode()))
        if known and known.hooks_dir != target.folder:
            moved = Action("delete", "script", "<generated>", str(known.hooks_dir))
            steps.append(Step(moved, partial(self._remove_scripts, known.hooks_dir, known)))
        return Draft(tuple(steps), self._events())

    def _record(
        self,
        target: ExtensionTarget,
        found: files.Found,
        text: str | None,
        known: InstallRecord | None,
        made: tuple[tuple[Path, ...], tuple[Path, ...]],
    ) -> InstallRecord:
        """It must serve whether or not the rest of the install happens: both texts are ours."""
        results = tuple(r for r in (known.results if known else ()) if text is not None and r.sha256 == text_hash(text))
        wanted = Result(text_hash(target.wanted), (), frozenset())
        entry = InstallRecord(
            agent=self.installer_name,
            settings=found.path,
            hooks_dir=target.folder,
            created_file=True,
            created_folders=made[0],
            created_hook_folders=made[1],
            results=(*(r for r in results if r != wanted), wanted),
            scripts=target.scripts.hashes_after(known.scripts if known else {}),
        )
        return record.folders_made(entry, known, known)

    def draft_remove(self) -> Draft:
        target = self.target.as_found()
        found, text = target.read()
        known = target.record()
        mine = text is not None and target.is_ours(text, known)
        if mine:
            target.refuse_if_elsewhere()
        steps: list[Step] = []
        if text is not None and mine:
            action = Action("delete", "extension", "<generated>", str(target.link))
            steps.append(Step(action, partial(_delete, found), found.data, None))
        if mine or known:
            steps += self._script_steps(target, known)
        steps += self.drop_record_steps(replace(known, created_hook_folders=()) if known else None)
        left = (file_left(target.link),) if known and text is not None and not mine else ()
        return Draft(tuple(steps), self._events() if mine else (), left)

    def _script_steps(self, target: ExtensionTarget, known: InstallRecord | None) -> Iterator[Step]:
        """The last one deletes them all, as it must know at that moment who needs them; the others say what that is."""
        doomed = doomed_scripts(target)
        for name in doomed:
            yield Step(Action("delete", "script", target.scripts.origin(name), str(target.folder / name)))
        if doomed or known:
            action = Action("delete", "folder", "<generated>", str(target.folder))
            yield Step(action, partial(self._remove_scripts, target.folder, known))

    def _remove_scripts(self, folder: Path, known: InstallRecord | None) -> None:
        self._left += self.remove_scripts(folder, known)

    def status(self) -> dict[str, object]:
        """The state of things as they are now, read anew at every call (schemas/install-status.schema.json)."""
        target = self.target.as_found()
        warnings: list[Warn] = []
        runs = target.runs()
        text, readable = None, True
        try:
            _, text = target.read()
            if text is not None and runs is None:
                message = f"{target.link} is there, and not as hookkit wrote it."
                hint = f"If you do not need it, delete it, then: {target.command('install')}"
                warnings.append(Warn("EXTENSION_IN_THE_WAY", str(target.link), "$", message, hint, blocks=True))
        except HookInstallError as refusal:
            readable = False
            warnings.append(status.refused(target, refusal))
        state = status.report(
            target,
            present=dict.fromkeys(self._events(), runs is not None),
            stale=[] if runs is None or text == target.wanted else list(self._events()),
            duplicates=[],
            commands=[" ".join(runs.command)] if runs else [],
            interpreters=[runs.interpreter if runs else target.interpreter],
            settings=(os.path.lexists(target.link), readable),
            warnings=[*warnings, *target.outside_warnings()],
        )
        current = not state["stale"] and bool(state["scripts_current"])
        return {**state, "active": bool(state["active"]) and current}

    def _events(self) -> tuple[str, ...]:
        return tuple(event.name for event in self.target.contract.events)


def _write(target: ExtensionTarget, found: files.Found, text: str, mode: int | None) -> None:
    mode = mode if found.data is None else None
    if not files.replace(found.path, text.encode(), mode, expect=found):
        raise _changing(target.link)


def _delete(found: files.Found) -> None:
    files.step("about to delete the extension")
    if files.read(found.path).data not in (found.data, None):
        raise _changing(found.path)
    files.delete(found.path)


def _changing(path: Path) -> HookInstallError:
    return HookInstallError(
        "SETTINGS_CHANGING", f"{path} changed while it was looked at.", "Run the same command again."
    )
