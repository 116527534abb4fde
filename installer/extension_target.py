"""What an installer of an extension works on: one file of ours, made of a template, that the agent loads by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from hookkit.agents.contract import ExtensionWiring
from hookkit.errors import HookkitError
from hookkit.installer import files
from hookkit.installer.envelope import Warn
from hookkit.installer.record import InstallRecord
from hookkit.installer.target import Target

_PLACE = re.compile(r"\{\{(interpreter|script)\}\}")
_STRING = r'"(?:[^"\\]|\\.)*"'


@dataclass(frozen=True, slots=True)
class Runs:
    """What an extension of ours starts at each event."""

    interpreter: str
    script: str

    @property
    def command(self) -> tuple[str, ...]:
        return (self.interpreter, "-I", "-S", self.script)


def render(template: str, runs: Runs) -> str:
    """The extension: the template with the paths in it, as strings of JSON, which those of JavaScript are too."""
    values = {"interpreter": json.dumps(runs.interpreter), "script": json.dumps(runs.script)}
    return _PLACE.sub(lambda place: values[place[1]], template)


def read_back(template: str, text: str) -> Runs | None:
    """What a file starts that is this template with any paths in it; None for any other file."""
    found = _pattern(template).fullmatch(text)
    if not found:
        return None
    try:
        return Runs(json.loads(found["interpreter"]), json.loads(found["script"]))
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _pattern(template: str) -> re.Pattern[str]:
    pieces, seen, at = [], set[str](), 0
    for place in _PLACE.finditer(template):
        name = place[1]
        pieces += [
            re.escape(template[at : place.start()]),
            f"(?P={name})" if name in seen else f"(?P<{name}>{_STRING})",
        ]
        seen.add(name)
        at = place.end()
    missing = {"interpreter", "script"} - seen
    if missing:
        raise ValueError(f"the template does not name {' and '.join(sorted(missing))}")
    return re.compile("".join((*pieces, re.escape(template[at:]))))


@dataclass(frozen=True, slots=True)
class ExtensionTarget(Target):
    """link: the extension."""

    @property
    def template_name(self) -> str:
        wiring = self.contract.wiring
        assert isinstance(wiring, ExtensionWiring)
        return wiring.template

    @property
    def template(self) -> str:
        return self.scripts.content(self.template_name).decode("utf-8")

    @property
    def wanted(self) -> str:
        """What belongs in the file."""
        return render(self.template, Runs(self.interpreter, str(self.script)))

    def read(self) -> tuple[files.Found, str | None]:
        """The file and its text (None: there is none). HookInstallError where it cannot be read."""
        found = files.read(self.link)
        return found, None if found.data is None else found.data.decode("utf-8", "surrogateescape")

    def is_ours(self, text: str, known: InstallRecord | None) -> bool:
        """Whether a text is one that a hookkit wrote: this one, with any paths in it, or the one that is recorded."""
        recorded = known is not None and known.result_for(text) is not None
        return recorded or read_back(self.template, text) is not None

    def runs(self) -> Runs | None:
        """What the file starts, if it is ours; of one that an earlier hookkit wrote, what was recorded of it."""
        try:
            _, text = self.read()
        except HookkitError:
            return None
        known = self.record()
        if text is None or not self.is_ours(text, known):
            return None
        return read_back(self.template, text) or Runs(self.interpreter, str(self.as_recorded().script))

    def folders_named(self) -> set[Path]:
        runs = self.runs()
        return {Path(runs.script).parent} if runs else set()

    def registered(self) -> Mapping[str, Sequence[str]]:
        """Event -> the command that our file starts for it."""
        runs = self.runs()
        return {event.name: runs.command for event in self.contract.events} if runs else {}

    def outside_warnings(self) -> tuple[Warn, ...]:
        """Another copy of the extension that the agent loads here too."""
        found: list[Warn] = []
        for path in self.other_sources():
            other = replace(self, scope=None, link=path, hooks_dir=None)
            if other.runs() is not None:
                message = f"hookkit is also in {path}: every call is recorded twice."
                hint = f"hookkit remove {self.contract.name} --settings-file {path}"
                found.append(Warn("REGISTERED_TWICE", str(path), "$", message, hint, blocks=False))
        return tuple(found)
