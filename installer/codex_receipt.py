"""What registering a trust did to Codex's config.toml, kept beside the record of the install, to take it back exactly.

Codex rewrites the file itself, and drops what it has no place for (line ends of Windows, a missing last one): so the
difference is kept, and undone where the file, or that part of it, is still what Codex wrote.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.errors import HookkitError
from hookkit.installer import files, record
from hookkit.installer.files import Found
from hookkit.installer.target import Target

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One rewriting of the file: at a place, ``removed`` became ``added``. before, after: hashes of the whole file."""

    at: int
    removed: bytes
    added: bytes
    before: str
    after: str

    def undo(self, data: bytes) -> bytes | None:
        """The file without the change; None where what it did is not to be found as it was."""
        if _sha256(data) == self.after:
            back = data[: self.at] + self.removed + data[self.at + len(self.added) :]
            return back if _sha256(back) == self.before else None
        if self.removed or not self.added or data.count(self.added) != 1:
            return None
        return data.replace(self.added, b"")


@dataclass(frozen=True, slots=True)
class Receipt:
    """hashes: key of a hook -> (the hash that Codex trusts since then, the one that was computed here).

    mode: of the file before the first change, None where there was no file. config: the file, links followed.
    """

    config: Path
    mode: int | None
    hashes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    def with_change(self, hashes: Mapping[str, tuple[str, str]], before: bytes, after: bytes) -> Receipt:
        """The receipt of one more rewriting."""
        changes = (*self.changes, _difference(before, after)) if before != after else self.changes
        return Receipt(self.config, self.mode, {**self.hashes, **hashes}, changes)

    def take_back(self, current: Found) -> bool:
        """Undo all in the file itself; False, and nothing is written, where it was changed too much since then."""
        data = current.data
        for change in reversed(self.changes):
            data = None if data is None else change.undo(data)
        if data is None or not self._says_the_same(current.data or b"", data):
            return False
        if not data and self.mode is None:
            files.delete(current.path)
            return True
        return files.replace(current.path, data, self.mode, expect=current)

    def tidy(self) -> None:
        """What Codex leaves after it took the trust back itself: an empty file where there was none, another mode."""
        now = files.read(self.config)
        if now.data == b"" and self.mode is None:
            files.delete(self.config)
        elif now.data is not None and self.mode is not None:
            os.chmod(now.path, self.mode)

    def _says_the_same(self, now: bytes, after: bytes) -> bool:
        """Whether nothing but our keys, with the hashes that we know, is gone."""
        try:
            left, wanted = (_plain(tomllib.loads(text.decode("utf-8-sig"))) for text in (now, after))
        except (ValueError, RecursionError):
            return False
        state = left.get("hooks", {}).get("state", {})
        for key, (trusted, _) in self.hashes.items():
            if state.get(key) == {"trusted_hash": trusted}:
                del state[key]
        return _plain(left) == wanted


def location(target: Target) -> Path:
    """Where the receipt of a settings file is."""
    return record.location(target.contract.name, target.file).with_suffix(".trust")


def load(target: Target) -> Receipt | None:
    """The receipt, if there is one that can be read."""
    try:
        data = json.loads(location(target).read_bytes())
        if data["version"] != _FORMAT:
            return None
        return Receipt(
            config=Path(data["config"]),
            mode=None if data["mode"] is None else int(data["mode"]),
            hashes={str(key): (str(codex), str(ours)) for key, (codex, ours) in data["hashes"].items()},
            changes=tuple(
                Change(
                    int(change["at"]),
                    base64.b64decode(change["removed"]),
                    base64.b64decode(change["added"]),
                    str(change["before"]),
                    str(change["after"]),
                )
                for change in data["changes"]
            ),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def begin(target: Target, found: Found) -> Receipt:
    """The receipt to go on with, before the file is changed."""
    return load(target) or Receipt(found.path, found.mode if found.mode is None else stat.S_IMODE(found.mode))


def save(target: Target, receipt: Receipt) -> None:
    """Keep a receipt."""
    path = location(target)
    data = {
        "version": _FORMAT,
        "config": str(receipt.config),
        "mode": receipt.mode,
        "hashes": {key: list(hashes) for key, hashes in receipt.hashes.items()},
        "changes": [
            {
                "at": change.at,
                "removed": base64.b64encode(change.removed).decode(),
                "added": base64.b64encode(change.added).decode(),
                "before": change.before,
                "after": change.after,
            }
            for change in receipt.changes
        ],
    }
    try:
        paths.private_dir(path.parent)
    except OSError as error:
        raise files.unusable(path.parent, error) from error
    files.replace(path, json.dumps(data, indent=1).encode())


def drop(target: Target) -> None:
    """Forget a receipt."""
    try:
        files.delete(location(target))
    except HookkitError:
        return


def _difference(before: bytes, after: bytes) -> Change:
    shorter = min(len(before), len(after))
    head = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    limit = shorter - head
    tail = next((at for at in range(limit) if before[-1 - at] != after[-1 - at]), limit)
    return Change(
        head, before[head : len(before) - tail], after[head : len(after) - tail], _sha256(before), _sha256(after)
    )


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without tables of hooks that hold nothing."""
    hooks = config.get("hooks")
    if isinstance(hooks, dict) and hooks.get("state") == {}:
        hooks = {key: value for key, value in hooks.items() if key != "state"}
        config = {**config, "hooks": hooks}
    return {key: value for key, value in config.items() if key != "hooks" or value != {}}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
