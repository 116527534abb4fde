"""What a session left behind, seen from outside: the agent's answers, the worktree, and everything git keeps.

Two sandboxes that ran the same script must be equal in all of it, whether hookkit was installed or not.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from .sandbox import Run, Sandbox

# Where the APIs say which call a result is of, and how the wires spell the ids that they derive.
_CALL = ("tool_use_id", "tool_call_id", "call_id")
_DERIVED = re.compile(r"\b(?:(?:toolu|call|fc|ctc|msg|resp|req)_(?:aside_)?|chatcmpl-)[0-9a-f]{24}\b")
# hookkit's own: ignored by git, private to it below the git dir, and its event log's ref.
_OURS = frozenset({".opentraces", "hookkit", "opentraces"})
_LOG = "refs/opentraces/local/events/v1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent gave back for one prompt."""

    returncode: int
    stderr: str
    result: Any


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder's files, and the state of git in it; git is empty outside a worktree.

    files: path -> (kind and permission bits, content); git: name of a command or file -> its text.
    """

    files: dict[str, tuple[str, bytes]]
    git: dict[str, str]


@dataclass(frozen=True, slots=True)
class Observation:
    """conversation: what the model was shown, word for word: (run, conversation, turn) and the messages."""

    answers: list[Answer]
    repositories: dict[str, Repository]
    conversation: list[tuple[int, str, int, Any]]


def observe(box: Sandbox, runs: list[Run], folders: list[Path]) -> Observation:
    driver = box.driver
    shown = [
        (number, one.position.conversation, one.position.answered, _Neutral(box).form(driver.shown(one.request)))
        for number, run in enumerate(runs)
        for one in run.requests
    ]
    return Observation(
        [
            Answer(run.returncode, _Neutral(box).text(run.stderr), _Neutral(box).form(driver.stable_answer(run.stdout)))
            for run in runs
        ],
        {folder.name: _repository(box, folder) for folder in folders},
        sorted(shown, key=lambda one: one[:3]),
    )


class _Neutral:
    """The form of one document without the sandbox's own paths and without what the agent drew or measured.

    Where the agent draws the session's id, and so the wire derives other ids in each session, ids are counted instead.
    """

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._ids: dict[str, str] = {}

    def form(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.form(item) for item in self._in_order(value)]
            case dict():
                # The mark that everything up to here can be cached moves with the last result.
                return {key: self.form(item) for key, item in value.items() if key != "cache_control"}
            case _:
                return value

    def text(self, text: str) -> str:
        box = self._box
        slug = re.sub(r"[^A-Za-z0-9]", "-", str(box.base))
        placed = text.replace(str(box.base), "/box").replace(slug, "-box")
        placed = placed.replace(box.server.url.removeprefix("http://"), "model")
        if not box.driver.chooses_session:
            placed = placed.replace(box.session_id, "session") if box.session_id else placed
            placed = _DERIVED.sub(self._counted, placed)
        return box.driver.neutral(placed)

    def _in_order(self, items: list[Any]) -> Iterator[Any]:
        """Results of parallel calls come in the order in which they happened to end: here, in that of their ids."""
        for is_result, group in groupby(items, key=lambda item: bool(_call_of(item))):
            found = list(group)
            yield from sorted(found, key=lambda item: self.text(_call_of(item))) if is_result else found

    def _counted(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found.group(), f"id-{len(self._ids):04}")


def _call_of(item: Any) -> str:
    """The call that an item of a conversation is the result of, else ""."""
    if not isinstance(item, dict) or str(item.get("type", "")).endswith("_call"):
        return ""
    response = item.get("functionResponse") or {}
    return str(next((item[key] for key in _CALL if key in item), response.get("id") or ""))


def _repository(box: Sandbox, folder: Path) -> Repository:
    files = _files(folder, frozenset({".git", *_OURS}))
    try:
        root = box.git("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=folder).strip()
    except subprocess.CalledProcessError:
        return Repository(files, {})
    commands = {
        "status": ("status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z"),
        "index": ("ls-files", "--stage", "-v", "-z"),
        "stash": ("stash", "list"),
    }
    git = {name: box.git(*command, cwd=folder) for name, command in commands.items()}
    refs = box.git("for-each-ref", cwd=folder).splitlines(keepends=True)
    git["refs"] = "".join(line for line in refs if not line.endswith(f"\t{_LOG}\n"))
    git["objects"] = "".join(sorted(_objects(box, folder, Path(root))))
    # The index holds times and inodes: its meaning was compared above.
    kept = _files(Path(root), frozenset({"objects", "index", *_OURS}))
    git.update({name: _Neutral(box).text(content.decode()) for name, (_, content) in kept.items()})
    return Repository(files, git)


def _objects(box: Sandbox, folder: Path, root: Path) -> list[str]:
    """The user's objects: those that are loose, and those of packs that do not hold the event log."""
    log = set(box.git("rev-list", "--ignore-missing", _LOG, "--", cwd=folder).split()) if _logged(root) else set()
    found = {path.parent.name + path.name for path in (root / "objects").glob("[0-9a-f][0-9a-f]/*")}
    for index in (root / "objects" / "pack").glob("*.idx"):
        listed = {
            line.split()[0] for line in box.git("verify-pack", "-v", str(index), cwd=folder).splitlines() if " " in line
        }
        found |= listed if not listed & log else set()
    facts = box.git("cat-file", "--batch-all-objects", "--batch-check", cwd=folder).splitlines(keepends=True)
    return [line for line in facts if line.split()[0] in found]


def _logged(root: Path) -> bool:
    return (root / _LOG).exists()


def _files(root: Path, without: frozenset[str]) -> dict[str, tuple[str, bytes]]:
    found = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in without]
        for name in files:
            path = Path(folder, name)
            if name in without:
                continue
            if path.is_symlink():
                kind, content = "link", os.fsencode(path.readlink())
            elif path.is_file():
                kind, content = f"file {path.stat().st_mode & 0o777:o}", path.read_bytes()
            else:
                kind, content = "neither", b""
            found[str(path.relative_to(root))] = (kind, content)
    return found
