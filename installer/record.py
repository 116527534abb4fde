"""What an install did to one settings file, kept until it is removed, so that removing it is exact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hookkit import paths
from hookkit.installer import files
from hookkit.installer.jsonedit import Splice, apply
from hookkit.installer.settings_edit import Created

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Result:
    """One text that an install wrote: its hash, the way back, and the containers that we made in it."""

    sha256: str
    undo: tuple[Splice, ...]
    created: Created


@dataclass(frozen=True, slots=True)
class InstallRecord:
    """Everything needed to take an install back. ``settings`` is the file itself, links followed.

    agent: the name of the installer. Where it owns whole files instead of entries in one, settings is their folder.
    scripts: file name -> the hashes of all contents that we have written under that name.
    kept: file name -> what the file of another that was there is called now. project: the repository it is about.
    values: what stands in the settings by us besides hooks, keys joined by a dot -> JSON text; ``kept`` then says what
    else is to be known of them.
    """

    agent: str
    settings: Path
    hooks_dir: Path
    created_file: bool = False
    created_folders: tuple[Path, ...] = ()
    created_hook_folders: tuple[Path, ...] = ()
    results: tuple[Result, ...] = ()
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    project: Path | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def result_for(self, text: str) -> Result | None:
        """What we know of exactly this text."""
        digest = text_hash(text)
        return next((r for r in reversed(self.results) if r.sha256 == digest), None)

    def base_of(self, text: str) -> str | None:
        """The text without our hooks, if ``text`` is one that we wrote."""
        result = self.result_for(text)
        return None if result is None else apply(text, result.undo)

    def created_in(self, text: str) -> Created | None:
        """The containers of ours that may be in a text; None where nothing is known."""
        known = self.result_for(text) or (self.results[-1] if self.results else None)
        return known.created if known else None


def text_hash(text: str) -> str:
    """SHA-256 (hex) of a text's bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def location(agent: str, settings: Path, state: Path | None = None) -> Path:
    """The file that holds the record of one agent's settings file; state: instead of the user's state folder."""
    key = hashlib.sha256(f"{agent}\0{settings}".encode("utf-8", "surrogateescape")).hexdigest()
    return folder(state) / f"{key[:32]}.json"


def folder(state: Path | None = None) -> Path:
    """Where records are kept."""
    return (state or paths.state()) / "installs"


def load(agent: str, settings: Path, state: Path | None = None) -> InstallRecord | None:
    """The record of a settings file; None where there is none, or none that can be read."""
    return _load(location(agent, settings, state))


def load_all() -> tuple[InstallRecord, ...]:
    """Every record, in a stable order."""
    found = sorted(folder().glob("*.json")) if folder().is_dir() else []
    return tuple(record for path in found if (record := _load(path)) is not None)


def save(record: InstallRecord) -> None:
    """Write a record in one step. HookInstallError where that is refused."""
    path = location(record.agent, record.settings)
    data = {
        "version": _FORMAT,
        "agent": record.agent,
        "settings": str(record.settings),
        "hooks_dir": str(record.hooks_dir),
        "created_file": record.created_file,
        "created_folders": [str(folder) for folder in record.created_folders],
        "created_hook_folders": [str(folder) for folder in record.created_hook_folders],
        "results": [
            {
                "sha256": result.sha256,
                "undo": [[s.start, s.end, s.text] for s in result.undo],
                "created": sorted(list(path) for path in result.created),
            }
            for result in record.results
        ],
        "scripts": {name: list(hashes) for name, hashes in record.scripts.items()},
    }
    if record.kept or record.project:
        data |= {"kept": dict(record.kept), "project": str(record.project) if record.project else None}
    if record.values:
        data["values"] = dict(record.values)
    try:
        paths.private_dir(path.parent)
    except OSError as error:
        raise files.unusable(path.parent, error) from error
    files.replace(path, json.dumps(data, indent=1).encode())


def folders_made(entry: InstallRecord, known: InstallRecord | None, live: InstallRecord | None) -> InstallRecord:
    """A record that names, besides the folders to be made now, those that were made before, also for others beside it.

    known: the record before. live: the same, unless what it is about is gone: then it says nothing about who made it.
    """
    others = [record for record in load_all() if record.settings != entry.settings]
    beside = [r for r in others if r.settings.parent == entry.settings.parent]
    sharing = [r for r in (known, *others) if r is not None and r.hooks_dir == entry.hooks_dir]
    settings = [f for r in (entry, *([live] if live else []), *beside) for f in r.created_folders]
    scripts = [f for r in (entry, *sharing) for f in r.created_hook_folders]
    return replace(
        entry, created_folders=tuple(dict.fromkeys(settings)), created_hook_folders=tuple(dict.fromkeys(scripts))
    )


def drop(record: InstallRecord) -> None:
    """Forget a record."""
    files.delete(location(record.agent, record.settings))


def _load(path: Path) -> InstallRecord | None:
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != _FORMAT:
            return None
        return InstallRecord(
            agent=str(data["agent"]),
            settings=Path(data["settings"]),
            hooks_dir=Path(data["hooks_dir"]),
            created_file=bool(data["created_file"]),
            created_folders=tuple(Path(folder) for folder in data["created_folders"]),
            created_hook_folders=tuple(Path(folder) for folder in data["created_hook_folders"]),
            results=tuple(
                Result(
                    sha256=str(result["sha256"]),
                    undo=tuple(Splice(int(start), int(end), str(text)) for start, end, text in result["undo"]),
                    created=frozenset(tuple(str(key) for key in path) for path in result["created"]),
                )
                for result in data["results"]
            ),
            scripts={str(name): tuple(str(h) for h in hashes) for name, hashes in data["scripts"].items()},
            kept={str(name): str(kept) for name, kept in data.get("kept", {}).items()},
            project=Path(data["project"]) if data.get("project") else None,
            values={str(keys): str(value) for keys, value in data.get("values", {}).items()},
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
