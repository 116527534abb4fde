"""What a session left behind, seen from outside: the agent's answers, the worktree, and everything git keeps.

Two sandboxes that ran the same script must be equal in all of it, whether hookkit was installed or not.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .sandbox import Json, Run, Sandbox

# Measured by the agent's clock or drawn by its dice.
_VOLATILE = frozenset({"duration_ms", "duration_api_ms", "ttft_ms", "ttft_stream_ms", "time_to_request_ms", "uuid"})
# After /compact the agent itself lists every PreCompact and PostCompact hook that ran, for the user and for the model.
_ROLL_CALL = re.compile(r"\n(?:Pre|Post)Compact \[[^\n]*hookkit_claude_code\.py[^\n]*\] completed successfully")
_DICE = re.compile(r"\ba[0-9a-f]{16}\b|(?<=duration_ms: )\d+")
# hookkit's own: ignored by git, private to it below the git dir, and its event log's ref.
_OURS = frozenset({".opentraces", "hookkit", "opentraces"})
_LOG = "refs/opentraces/local/events/v1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent gave back for one prompt."""

    returncode: int
    stderr: str
    result: Json


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
    shown = [
        (number, one.position.conversation, one.position.answered, _neutral(box, one.request["messages"]))
        for number, run in enumerate(runs)
        for one in run.requests
    ]
    return Observation(
        [Answer(run.returncode, run.stderr, _neutral(box, _stable(run))) for run in runs],
        {folder.name: _repository(box, folder) for folder in folders},
        sorted(shown, key=lambda one: one[:3]),
    )


def _stable(run: Run) -> Json:
    if not run.stdout:
        return {}
    return {key: value for key, value in run.records[-1].items() if key not in _VOLATILE}


def _neutral(box: Sandbox, value: Any) -> Any:
    """The same value without the sandbox's own paths and without what the agent drew or measured."""
    match value:
        case str():
            slug = re.sub(r"[^A-Za-z0-9]", "-", str(box.base))
            placed = _ROLL_CALL.sub("", value).replace(str(box.base), "/box").replace(slug, "-box")
            return _DICE.sub("#", placed.replace(box.server.url.removeprefix("http://"), "model"))
        case list():
            # Results of parallel calls come in the order in which they happened to end.
            return [_neutral(box, item) for item in sorted(value, key=_call_of)]
        case dict():
            # The mark that everything up to here can be cached moves with the last result.
            return {key: _neutral(box, item) for key, item in value.items() if key != "cache_control"}
        case _:
            return value


def _call_of(block: Any) -> str:
    return str(block.get("tool_use_id", "")) if isinstance(block, dict) else ""


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
    git.update({name: _neutral(box, content.decode()) for name, (_, content) in kept.items()})
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
