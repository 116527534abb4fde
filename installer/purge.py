"""Delete what hookkit recorded: traces, state, and what the hooks left in worktrees. Files of others stay."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hookkit import git, paths
from hookkit.errors import HookInstallError, HookkitError
from hookkit.installer import files, record
from hookkit.store.index import Index, index_path
from hookkit.trails import log_purge

# $HOOKKIT_HOME may be a folder that holds more than hookkit: only names that are ours are touched in it.
_DATA = {
    "traces": ("????????-????-????-????-????????????.json", ".????????-????-????-????-????????????.json.*.tmp"),
    "hooks": ("hookkit_*.py", "runtime.json", ".*.hookkit-*.tmp", "__pycache__/hookkit_*.pyc"),
    "runs": ("????-??-??_*.jsonl",),
    "": ("index.sqlite", "index.sqlite-*"),
}
_NESTED = "agents"  # the sidecars that are named by subagents
_STATE = ("worktrees", "installs", "ingest", "sidecars", "ingest.log", "ingest.log.1", "crash.log", files.MADE, "locks")
_IGNORE_ALL = b"*\n"
# Far more than one line may hold; what comes first tells whose file it is.
_HEAD_BYTES = 64 * 1024


def recorded() -> tuple[Path, ...]:
    """Everything that ``purge`` would delete now, files and folders, in the order in which it goes."""
    found = [path for root in _worktrees() for path in _in_worktree(root)]
    found += (paths.home() / name / file.name if not name else paths.home() / name for name, file in _data())
    found += (path for name in _STATE if (path := paths.state() / name).exists())
    return tuple(dict.fromkeys(found))


def purge() -> tuple[Path, ...]:
    """Delete what was recorded; give what went. HookInstallError while installed hooks would go on recording."""
    refuse_while_installed()
    doomed = recorded()
    if not doomed:
        return ()
    roots, made = _worktrees(), files.made_folders()
    with files.exclusive():
        for root in roots:
            _drop_log(root)
            for path in _in_worktree(root):
                _delete(path)
            drop_sidecar_folders(root)
        for _, file in list(_data()):
            _delete(file)
        for name in _STATE[:-1]:
            _delete(paths.state() / name)
    # The lock goes last: until then nobody else installs.
    _delete(paths.state() / _STATE[-1])
    hooks = paths.hooks()
    files.drop_folders((hooks / "__pycache__", hooks, paths.traces(), paths.runs(), paths.state(), paths.home(), *made))
    return doomed


def refuse_while_installed() -> None:
    """Raise HookInstallError while a settings file is recorded as running our hooks."""
    installed = sorted(str(entry.settings) for entry in record.load_all())
    if installed:
        raise HookInstallError(
            "STILL_INSTALLED",
            f"hookkit is still installed in {', '.join(installed)}, and would go on recording.",
            "Run `hookkit remove --purge` without naming an agent: it removes all hooks first.",
        )


def _data() -> Iterator[tuple[str, Path]]:
    """The files of ours in the data folder, each with the name of the folder in it that they are in."""
    for name, patterns in _DATA.items():
        folder = paths.home() / name
        for pattern in patterns:
            yield from ((name, path) for path in sorted(folder.glob(pattern)) if path.is_file() or path.is_symlink())


def _worktrees() -> tuple[Path, ...]:
    try:
        lines = (paths.state() / "worktrees").read_bytes().split(b"\n")
    except OSError:
        lines = []
    roots = dict.fromkeys(Path(os.fsdecode(line)) for line in lines if line.startswith(b"/"))
    # A repository that was moved since its first session is listed by its old name only.
    roots |= dict.fromkeys(_projects())
    return tuple(root for root in roots if os.path.isdir(root))


def _projects() -> Iterator[Path]:
    """The folders that recorded sessions belong to, as far as the index knows them."""
    if not index_path().is_file():
        return
    with contextlib.suppress(OSError, sqlite3.Error), Index() as index:
        for row in index.rows():
            project = json.loads(row.summary).get("project") if row.summary else None
            if isinstance(project, str) and os.path.isabs(project):
                yield Path(project)


def _in_worktree(root: Path) -> Iterator[Path]:
    yield from _sidecars(root)
    worktree = _found(root)
    if worktree is None:
        return
    yield from log_purge.what(worktree)
    for folder in dict.fromkeys((worktree.private_dir, worktree.common_dir / "hookkit")):
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _found(root: Path) -> git.Worktree | None:
    try:
        worktree = git.find(root)
    except HookkitError:
        return None
    return worktree if worktree is not None and worktree.root == root.resolve() else None


def _drop_log(root: Path) -> None:
    """Before the private folders go: what is left of the log's packs is known only there."""
    worktree = _found(root)
    if worktree is not None:
        log_purge.purge(worktree)
        files.step("purged the event log")


def _sidecars(root: Path) -> Iterator[Path]:
    """Sidecar files of ours. A repository can hold links that lead elsewhere: none is followed."""
    for hooks in _hook_folders(root):
        for path in sorted(hooks.glob("*.jsonl")):
            if not path.is_symlink() and path.is_file() and _is_ours(path):
                yield path


def _hook_folders(root: Path) -> Iterator[Path]:
    base = root / ".opentraces"
    if os.path.islink(base) or not os.access(base, os.R_OK | os.X_OK):
        return
    for agent in sorted(base.iterdir()):
        hooks = agent / "hooks"
        if not os.path.islink(agent) and not os.path.islink(hooks) and os.path.isdir(hooks):
            nested = hooks / _NESTED
            if not os.path.islink(nested) and os.path.isdir(nested):
                yield nested
            yield hooks


def _is_ours(path: Path) -> bool:
    """Other programs write hook lines into such folders too; only ours always name the agent."""
    try:
        with path.open("rb") as stream:
            lines = stream.read(_HEAD_BYTES).split(b"\n")
    except OSError:
        return False
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["type"] == "opentraces_hook" and isinstance(entry["data"]["agent"], str):
                return True
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return False


def drop_sidecar_folders(root: Path) -> None:
    """Take ``.opentraces`` out of a worktree, as far as nothing but our own .gitignore is left in it."""
    base = root / ".opentraces"
    for hooks in list(_hook_folders(root)):
        files.drop_folders((hooks, hooks.parent))
    with contextlib.suppress(OSError):
        ignore = base / ".gitignore"
        alone = [entry.name for entry in base.iterdir()] == [ignore.name]
        if alone and not ignore.is_symlink() and ignore.read_bytes() == _IGNORE_ALL:
            ignore.unlink()
        base.rmdir()


def _delete(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise files.unusable(path, error) from error
    files.step(f"purged {path.name}")
