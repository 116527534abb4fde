"""What an installer reports: planned actions and outcomes, as stable data."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hookkit.installer.envelope import Warn

Verb = Literal["create", "edit", "add", "replace", "cut", "write", "make", "move", "delete", "keep"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    event: its name, or ``settings``, ``extension``, ``script``, ``folder``, ``link``, ``service``, ``record``.
    """

    action: Verb
    event: str
    source: str
    dest: str
    command: str | None = None

    def to_dict(self) -> dict[str, object]:
        data: dict[str, object] = {
            "action": self.action,
            "event": self.event,
            "source": self.source,
            "dest": self.dest,
        }
        return data if self.command is None else {**data, "command": self.command}


@dataclass(frozen=True, slots=True)
class Preview:
    """What an install or remove would do: its actions, the unified diff of the settings, what to know first."""

    actions: tuple[Action, ...]
    diff: str
    warnings: tuple[Warn, ...]


@dataclass(frozen=True, slots=True)
class HookInstallResult:
    """What an install or remove did. active: whether the agent will run the hooks as things are now.

    notes: what was done besides, and what is left to the user, a sentence each.
    """

    installer: str
    action: Literal["install", "remove"]
    changed: bool
    active: bool
    events: tuple[str, ...]
    settings_path: Path
    hooks_dir: Path
    actions: tuple[Action, ...]
    warnings: tuple[Warn, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The JSON form (schemas/install-result.schema.json)."""
        return {
            "installer": self.installer,
            "action": self.action,
            "changed": self.changed,
            "active": self.active,
            "events": list(self.events),
            "settings_path": str(self.settings_path),
            "hooks_dir": str(self.hooks_dir),
            "actions": [action.to_dict() for action in self.actions],
            "warnings": [warn.to_dict() for warn in self.warnings],
            "notes": list(self.notes),
        }


def short(path: Path | str) -> str:
    """A path as people write it: ``~`` for the home folder."""
    home = str(Path.home())
    text = str(path)
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def unified_diff(path: Path, old: str | None, new: str | None) -> str:
    """A unified diff of a file; None stands for a file that does not exist."""
    lines = difflib.unified_diff(
        _lines(old),
        _lines(new),
        "/dev/null" if old is None else str(path),
        "/dev/null" if new is None else str(path),
    )
    return "".join(lines)


def _lines(text: str | None) -> list[str]:
    lines = (text or "").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ No newline at end of file\n"
    return lines
