"""The probe of Pi: whether something beside our extension keeps Pi from loading it."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

from hookkit.installer.envelope import Warn
from hookkit.installer.probes import Probe
from hookkit.installer.target import Target

_ALONE = ("index.ts", "index.js")  # where the folder holds one of these, Pi takes the folder for one extension
_IGNORES = (".gitignore", ".ignore", ".fdignore")


class PiFolder(Probe):
    """The probe of Pi; see installer.probes."""

    def warnings(self, target: Target) -> tuple[Warn, ...]:
        """What hides our extension from Pi."""
        if not target.registered():
            return ()
        folder, name = target.link.parent, target.link.name
        for other in (*_ALONE, "package.json"):
            path = folder / other
            if path.is_file() and (other in _ALONE or _names_extensions(path)):
                message = f"Pi loads {path} and none of the files beside it."
                hint = f"Move it into a folder of its own below {folder}."
                return (Warn("EXTENSION_HIDDEN", str(path), "$", message, hint, blocks=True),)
        for other in _IGNORES:
            if _ignores(folder / other, name):
                message = f"{folder / other} makes Pi pass over {name}."
                hint = f"Add a last line to it: !{name}"
                return (Warn("EXTENSION_HIDDEN", str(folder / other), "$", message, hint, blocks=True),)
        return ()


def _names_extensions(path: Path) -> bool:
    """Whether a package.json says which extensions the folder has."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    own = found.get("pi") if isinstance(found, dict) else None
    return isinstance(own, dict) and bool(own.get("extensions"))


def _ignores(path: Path, name: str) -> bool:
    """Whether a file of patterns, as git has them, hides a file beside it; the last pattern that fits counts."""
    hidden = False
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in map(str.rstrip, lines):
        pattern = line.removeprefix("!").removeprefix("/").removeprefix("**/")
        if pattern and not line.startswith("#") and fnmatchcase(name, pattern):
            hidden = not line.startswith("!")
    return hidden
