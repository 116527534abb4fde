"""The hook scripts beside an agent: copied from the package, compared by content, removed only where they are ours."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.resources
import json
import os
import stat
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from hookkit import __version__, paths
from hookkit.errors import HookInstallError
from hookkit.installer import files

RUNTIME = "runtime.json"
_SHARED = "hookkit.hooks"


@dataclass(frozen=True, slots=True)
class ScriptSet:
    """The files that one agent's hooks need in ``folder``: scripts, some of them shared with others, and runtime.json.

    scripts: file names, in the order in which they are written. package: holds the agent's own; the others are those
    that all agents share. source: a folder that holds them all, instead.
    """

    folder: Path
    scripts: tuple[str, ...]
    source: Traversable | None = None
    package: str = _SHARED

    @property
    def names(self) -> tuple[str, ...]:
        return (RUNTIME, *self.scripts)

    def origin(self, name: str) -> str:
        """Where the content of a file comes from, to be shown."""
        return "<generated>" if name == RUNTIME else str(self._find(name))

    def wanted(self) -> dict[str, bytes]:
        """File name -> content. HookInstallError where the package does not hold a script."""
        return {RUNTIME: runtime(), **{name: self.content(name) for name in self.scripts}}

    def content(self, name: str) -> bytes:
        """What a file of the package holds. HookInstallError where it is missing."""
        try:
            return self._find(name).read_bytes()
        except (OSError, ModuleNotFoundError) as error:
            which = "hookkit" if self.package == _SHARED else self.package.split(".")[0]
            raise HookInstallError(
                "MISSING_HOOK_SCRIPT",
                f"This {which} lacks a hook script that it should hold ({error}).",
                f"Install {which} again: pip install --force-reinstall {which}.",
            ) from error

    def _find(self, name: str) -> Traversable:
        if self.source is not None:
            return self.source / name
        own = importlib.resources.files(self.package) / name
        return own if own.is_file() else importlib.resources.files(_SHARED) / name

    def check(self) -> None:
        """Refuse, before anything is written, a folder or a file that cannot be replaced without harm."""
        files.missing_folders(self.folder)
        for name in self.names:
            path = self.folder / name
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            except OSError as error:
                raise files.unusable(path, error) from error
            if not stat.S_ISREG(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "not a regular file"
                raise HookInstallError(
                    "SCRIPT_IN_THE_WAY",
                    f"{path} is {kind}; hookkit does not write through it.",
                    "Move it away, or choose another folder with --hooks-dir.",
                )

    def stale(self) -> tuple[str, ...]:
        """The files that are missing or differ from this version's."""
        wanted = self.wanted()
        return tuple(name for name in self.names if not self._same(name, wanted[name]))

    def hashes(self) -> dict[str, str]:
        """Script name -> SHA-256 of this version's content."""
        return {name: _hash(data) for name, data in self.wanted().items() if name != RUNTIME}

    def hashes_after(self, known: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Script name -> the hashes of all contents that were ever written, once this version's are."""
        hashes = dict(known)
        for name, digest in self.hashes().items():
            hashes[name] = (*(h for h in hashes.get(name, ()) if h != digest), digest)
        return hashes

    def ingest(self) -> tuple[str, ...]:
        """The command that runtime.json names for the ingest; empty where it names none."""
        words = self._runtime().get("ingest")
        return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else ()

    def runs_ingest(self) -> bool:
        """Whether the Python that is named for the ingest still exists."""
        return bool(self.ingest()) and os.access(self.ingest()[0], os.X_OK)

    def keeps(self) -> tuple[Path, Path] | None:
        """The data and the state folder that the hooks in this folder write to; None where they do not say."""
        home, state = (self._runtime().get(key) for key in ("home", "state"))
        return (Path(home), Path(state)) if isinstance(home, str) and isinstance(state, str) else None

    def _runtime(self) -> Mapping[str, object]:
        try:
            data = json.loads(_read(self.folder / RUNTIME) or b"")
        except (ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def write(self) -> None:
        """Bring every file up to date, each in one step."""
        for name, data in self.wanted().items():
            self._put(name, data)

    def put(self, name: str) -> None:
        """Bring one file up to date, in one step."""
        self._put(name, runtime() if name == RUNTIME else self.content(name))

    def _put(self, name: str, data: bytes) -> None:
        if not self._same(name, data):
            files.replace(self.folder / name, data, mode=_mode(name))

    def remove(self, known: Mapping[str, tuple[str, ...]], keep: Collection[str] = ()) -> tuple[Path, ...]:
        """Delete our files and what Python compiled of them. Returns those left, because they are not ours.

        known: file name -> hashes of contents that we wrote there, in this version or an earlier one.
        keep: file names that somebody still needs.
        """
        wanted = self.wanted()
        left: list[Path] = []
        names = [name for name in dict.fromkeys((*wanted, *known)) if name not in keep]
        for name in names:
            path = self.folder / name
            content = _read(path)
            if content is None:
                if os.path.lexists(path):
                    left.append(path)
            elif name == RUNTIME or content == wanted.get(name) or _hash(content) in known.get(name, ()):
                files.delete(path)
            else:
                left.append(path)
        self._drop_compiled({Path(name).stem for name in names if name.endswith(".py")} - {p.stem for p in left})
        return tuple(left)

    def _drop_compiled(self, stems: set[str]) -> None:
        cache = self.folder / "__pycache__"
        if cache.is_symlink() or not cache.is_dir():
            return
        for path in cache.glob("*.pyc"):
            if path.name.split(".")[0] in stems:
                with contextlib.suppress(OSError):
                    path.unlink()
        files.drop_folders((cache,))

    def _same(self, name: str, data: bytes) -> bool:
        path = self.folder / name
        try:
            return stat.S_IMODE(path.lstat().st_mode) == _mode(name) and _read(path) == data
        except OSError:  # gone, perhaps at this moment: another hookkit may be removing it
            return False


def runtime() -> bytes:
    """What a hook must know of the hookkit that installed it: how to start ingest, and where its files are."""
    data = {
        "version": __version__,
        # Not the current folder, and no PYTHONPATH of a project: they could hold another click, or another hookkit.
        "ingest": [sys.executable, "-E", "-P", "-m", "hookkit"],
        "home": str(paths.home()),
        "state": str(paths.state()),
    }
    return (json.dumps(data, indent=1) + "\n").encode()


def _mode(name: str) -> int:
    return 0o600 if name == RUNTIME else 0o755


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes | None:
    """The content of a regular file, no link followed."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        return path.read_bytes()
    except OSError:
        return None
