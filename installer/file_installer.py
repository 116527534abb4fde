"""The installer of whole files in a folder of somebody else's: git hooks, units of a service manager, extensions.

What is to be done is decided first, as a list of steps that can be shown; then it is done in that order. Every step
leaves a state from which a later install or remove goes on, so a kill between any two loses nothing.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

from hookkit.errors import HookInstallError
from hookkit.installer import files, record
from hookkit.installer.envelope import Warn
from hookkit.installer.record import InstallRecord
from hookkit.installer.result import Action, HookInstallResult, Preview, unified_diff


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. before, after: content of ``action.dest``, where it is text that changes; None: no file."""

    action: Action
    do: Callable[[], object] = _nothing
    before: bytes | None = None
    after: bytes | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An install or a remove, decided and not yet done. events: the hooks or units that it is about."""

    steps: tuple[Step, ...]
    events: tuple[str, ...]
    warnings: tuple[Warn, ...] = ()

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(step.action for step in self.steps)

    @property
    def changes(self) -> bool:
        return any(action.action != "keep" for action in self.actions)

    @property
    def diff(self) -> str:
        texts = [(s.action.dest, s.before, s.after) for s in self.steps if s.before != s.after]
        return "".join(unified_diff(Path(dest), _text(before), _text(after)) for dest, before, after in texts)

    def run(self) -> None:
        for step in self.steps:
            if step.action.action != "keep":
                step.do()


class FileInstaller(ABC):
    """What the installers of files share."""

    installer_name: str
    title: str
    subject: str
    unit: str

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the files are, links followed."""

    @property
    def place(self) -> Path:
        return self.folder

    @abstractmethod
    def draft_install(self) -> Draft:
        """Decide an install. Raises HookInstallError where it is refused; nothing is written either way."""

    @abstractmethod
    def draft_remove(self) -> Draft:
        """Decide a remove; likewise."""

    @abstractmethod
    def status(self) -> dict[str, object]:
        """The state of things as they are now (schemas/install-status.schema.json)."""

    def folders(self) -> Sequence[Path]:
        """Every folder in which something is written."""
        return (self.folder,)

    def known(self) -> InstallRecord | None:
        """The record of this install."""
        return record.load(self.installer_name, self.folder)

    def is_present(self) -> bool:
        return self.known() is not None or any(cast("dict[str, bool]", self.status()["entries_present"]).values())

    def plan(self) -> list[dict[str, object]]:
        """Every action that install() would take now (schemas/install-plan.schema.json)."""
        return [action.to_dict() for action in self.draft_install().actions]

    def preview_install(self) -> Preview:
        """What install() would do, with a diff."""
        draft = self.draft_install()
        return Preview(draft.actions, draft.diff, draft.warnings)

    def preview_remove(self) -> Preview:
        """What remove() would do, with a diff."""
        draft = self.draft_remove()
        return Preview(draft.actions, draft.diff, draft.warnings)

    def install(self) -> HookInstallResult:
        """Put the files there, or put them right. A second call changes nothing."""
        self.draft_install()  # refusals come before the lock, which is a file too
        with files.exclusive():
            self._sweep()
            first = self.known() is None
            draft = self.draft_install()
            try:
                draft.run()
            except HookInstallError:
                if first:  # one that failed half way leaves nothing; what a later one leaves, the next run puts right
                    with contextlib.suppress(HookInstallError):
                        self.draft_remove().run()
                raise
        state = self.status()
        return self._result("install", draft, bool(state["active"]), (*draft.warnings, *self.after_install()))

    def remove(self) -> HookInstallResult:
        """Give back what was there before; do nothing where nothing is ours."""
        draft = self.draft_remove()
        self._sweep()
        if draft.changes:
            with files.exclusive():
                draft = self.draft_remove()
                draft.run()
        return self._result("remove", draft, False, draft.warnings)

    def after_install(self) -> Sequence[Warn]:
        """What is to be known once everything is there."""
        return ()

    def next_step(self, result: HookInstallResult) -> str:
        return ""

    def details(self, result: HookInstallResult) -> Iterator[str]:
        yield from ()

    def left_alone(self, done: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        yield from ()

    def _sweep(self) -> None:
        files.sweep((*self.folders(), record.folder()))

    def _result(
        self, action: Literal["install", "remove"], draft: Draft, active: bool, warnings: Sequence[Warn]
    ) -> HookInstallResult:
        return HookInstallResult(
            installer=self.installer_name,
            action=action,
            changed=draft.changes,
            active=active,
            events=draft.events,
            settings_path=self.place,
            hooks_dir=self.folder,
            actions=draft.actions,
            warnings=tuple(warnings),
        )

    # The steps that the installers have in common.

    def folder_steps(self, folders: Sequence[Path], mode: int) -> Iterator[Step]:
        for folder in folders:
            make = partial(files.make_folders, (folder,), mode)
            yield Step(Action("make", "folder", "<generated>", str(folder)), make)

    def record_step(self, entry: InstallRecord) -> Step:
        path = record.location(entry.agent, entry.settings)
        verb: Literal["keep", "write"] = "keep" if entry == self.known() else "write"
        return Step(Action(verb, "record", "<generated>", str(path)), partial(record.save, entry))

    def drop_record_steps(self, entry: InstallRecord | None) -> Iterator[Step]:
        """Forget the install, and take away the folders that were made for it, as far as they are empty."""
        if entry is None:
            return
        made = (*entry.created_folders, *entry.created_hook_folders)
        for folder in sorted(made, key=lambda f: len(f.parts), reverse=True):
            if os.path.isdir(folder):
                drop = partial(files.drop_folders, (folder,))
                yield Step(Action("delete", "folder", "<generated>", str(folder)), drop)
        path = record.location(entry.agent, entry.settings)
        yield Step(Action("delete", "record", "<generated>", str(path)), partial(record.drop, entry))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")
