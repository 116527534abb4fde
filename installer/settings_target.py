"""What an installer of registered commands works on: one settings file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hookkit.agents.contract import AgentContract, SettingsWiring
from hookkit.errors import HookkitError
from hookkit.installer import command, envelope, files, settings_edit
from hookkit.installer.envelope import Warn
from hookkit.installer.jsontext import Document, JsonTextError, parse
from hookkit.installer.settings_edit import Entry, Ours
from hookkit.installer.target import Target


def ours(contract: AgentContract, line: str = "") -> Ours:
    """What belongs into a settings file of the agent, where ``line`` is the command."""
    wiring = contract.wiring
    assert isinstance(wiring, SettingsWiring)
    handlers = {event.name: wiring.handler(line, event) for event in contract.events} if line else {}
    return Ours(contract.hook_entry, handlers, wiring.command_key, wiring.flat, wiring.root, wiring.positional)


def readable(path: Path) -> Document | None:
    """A settings file as a document; None where there is none, or none that can be read."""
    try:
        found = files.read(path)
        return None if found.data is None else parse(envelope.read_settings(path, found.data))
    except (HookkitError, JsonTextError):
        return None


@dataclass(frozen=True, slots=True)
class SettingsTarget(Target):
    """link: the settings file."""

    @property
    def line(self) -> str:
        """The command to be registered."""
        return command.command_for(self.interpreter, self.script)

    @property
    def ours(self) -> Ours:
        """What belongs in the settings."""
        return ours(self.contract, self.line)

    def read(self) -> tuple[files.Found, str | None]:
        """The settings file and its text (None: there is none). HookInstallError where it cannot be read."""
        found = files.read(self.link)
        return found, None if found.data is None else envelope.read_settings(self.link, found.data)

    def folders_named(self) -> set[Path]:
        return {entry.command.folder for entry in self.entries()}

    def entries(self) -> tuple[Entry, ...]:
        """The hooks of ours in the settings; none where the file cannot be read."""
        doc = readable(self.link)
        return settings_edit.entries(doc, self.ours) if doc else ()

    def registered(self) -> Mapping[str, str]:
        """Event -> our command, as it stands in the settings."""
        return {entry.event: entry.text for entry in self.entries()}

    def outside_warnings(self) -> tuple[Warn, ...]:
        """What other settings files do to our hooks: switch them off, or run another copy of them."""
        found: list[Warn] = []
        for path in self.other_sources():
            doc = readable(path)
            if doc is None:
                continue
            found += (w for w in envelope.warnings(self.contract, path, doc) if w.code == "HOOKS_DISABLED")
            others = [entry for entry in settings_edit.entries(doc, self.ours) if entry.text != self.line]
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
