"""From a folder of ``~/.cursor/projects`` to the workspace that it is of, and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

_TRUSTED = ".workspace-trusted"
_MOST = 64 << 10  # bytes
_DEPTH = 40


def slug(folder: Path) -> str:
    """The name of a workspace's folder: its path with a ``-`` for every run of signs that are no letter or digit."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(folder)).strip("-")


def project_folder(session_path: Path) -> Path | None:
    """The folder ``projects/<slug>`` that a transcript is below."""
    return next((above.parent for above in session_path.parents if above.name == "agent-transcripts"), None)


def workspace_of(session_path: Path) -> str | None:
    """The workspace of a session: as Cursor noted it, or the only folder there is whose path gives that name."""
    project = project_folder(session_path)
    if project is None:
        return None
    told = _told(project / _TRUSTED)
    if told:
        return told
    found = [path for path, _ in zip(_folders("/", _plain(project.name), 0), range(2), strict=False)]
    return found[0] if len(found) == 1 else None


def _told(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            noted = json.loads(file.read(_MOST))
    except (OSError, ValueError, RecursionError):
        return None
    values = noted.values() if isinstance(noted, dict) else [noted]
    paths = [value for value in values if isinstance(value, str) and os.path.isabs(value) and "\0" not in value]
    return os.path.normpath(paths[0]) if len(paths) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _folders(above: str, rest: str, depth: int) -> Iterator[str]:
    """The folders below one whose path from there on gives ``rest``."""
    if not rest or depth > _DEPTH:
        return
    try:
        with os.scandir(above) as entries:
            names = sorted(entry.name for entry in entries if rest.startswith(_plain(entry.name)) and entry.is_dir())
    except OSError:
        return
    for name in names:
        mine = _plain(name)
        path = os.path.join(above, name)
        if mine and rest == mine:
            yield path
        elif mine and rest.startswith(mine + "-"):
            yield from _folders(path, rest[len(mine) + 1 :], depth + 1)
