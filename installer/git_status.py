"""How the hooks of a repository stand, and what is to be said about them."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from hookkit.errors import HookInstallError
from hookkit.installer import command, git_files
from hookkit.installer.envelope import Warn
from hookkit.installer.git_files import HOOKS, HookFile
from hookkit.installer.git_location import Location
from hookkit.installer.git_script import Command


def status(
    folder: Path,
    location: Location | None,
    starts: Command,
    wanted: Callable[[str, HookFile], bytes],
    recorded: bool,
    again: str,
) -> dict[str, object]:
    """The machine-readable state, with the keys of schemas/install-status.schema.json.

    location: what git says now; None where there is no repository any more. wanted: what a hook of ours should hold.
    """
    warnings: list[Warn] = []
    try:
        found = {name: git_files.working(folder, name) for name in HOOKS}
        warnings += _of_files(folder, again)
    except HookInstallError as refusal:
        found = dict.fromkeys(HOOKS)
        warnings.append(Warn(refusal.code, str(folder), "$", refusal.message, refusal.hint, blocks=True))
    there = {name: file for name, file in found.items() if file}
    stale = [name for name, file in there.items() if wanted(name, file) != file.data]
    runs = [file.block.command if file.block else () for file in there.values()]
    interpreters = sorted({words[0] for words in runs if words}) or [starts.run[0]]
    interpreter_ok = all(command.interpreter_works(path) for path in interpreters)
    installed = len(there) == len(HOOKS) and all(file.runs for file in there.values()) and interpreter_ok
    if there:
        warnings += _of_install(folder, there, stale, interpreters, interpreter_ok, again)
    if there or recorded:
        warnings += place_warnings(folder, location)
    return {
        "installer": "git",
        "title": "git",
        "scope": None,
        "installed": installed,
        "active": installed and not any(warn.blocks for warn in warnings),
        "agent_dir_exists": location is not None,
        "agent_program": shutil.which("git"),
        "settings_path": str(folder),
        "settings_exists": folder.is_dir(),
        "settings_readable": os.access(folder, os.R_OK | os.X_OK) or not folder.exists(),
        "entries_present": {name: name in there for name in HOOKS},
        "commands": sorted({shlex.join(words) for words in runs if words}),
        "hooks_dir": str(folder),
        "script_paths": {name: str(file.path if (file := found[name]) else folder / name) for name in HOOKS},
        "scripts_present": {name: name in there for name in HOOKS},
        "scripts_current": not stale,
        "ingest_ok": interpreter_ok,
        "interpreter": interpreters[0],
        "interpreter_ok": interpreter_ok,
        "duplicates": [],
        "stale": stale,
        "recorded": recorded,
        "warnings": [warn.to_dict() for warn in warnings],
    }


def _of_files(folder: Path, again: str) -> Iterator[Warn]:
    for name in HOOKS:
        spots = git_files.spots(folder, name)
        taken = {file.block.kept for file in spots if file.block}
        now = git_files.look(folder / name)
        yield from (edited(file.path, again) for file in spots if not file.is_ours)
        for kept in git_files.kept_files(folder, name):
            if kept.path.name not in taken:
                yield kept_left(name, kept.path, now.path)


def _of_install(
    folder: Path,
    there: dict[str, HookFile],
    stale: list[str],
    interpreters: list[str],
    interpreter_ok: bool,
    again: str,
) -> Iterator[Warn]:
    missing = [name for name in HOOKS if name not in there]
    if missing:
        message = f"Not installed, or overwritten by another tool: {', '.join(missing)}."
        yield Warn("ENTRY_MISSING", str(folder), "$", message, again, blocks=False)
    idle = [name for name, file in there.items() if not file.runs]
    if idle:
        message = f"Not executable, so git ignores it: {', '.join(idle)}."
        yield Warn("NOT_EXECUTABLE", str(folder), "$", message, again, blocks=True)
    if stale:
        message = f"Not as this hookkit writes it: {', '.join(stale)}."
        yield Warn("ENTRY_STALE", str(folder), "$", message, again, blocks=False)
    if not interpreter_ok:
        message = f"The Python that the hooks start is gone: {', '.join(interpreters)}."
        yield Warn("INTERPRETER_GONE", str(folder), "$", message, again, blocks=True)


def place_warnings(folder: Path, location: Location | None) -> Iterator[Warn]:
    """What is to be known of the folder: git looks elsewhere, or others share it."""
    if location is None:
        message = f"The repository that {folder} was for is gone."
        yield Warn("NOT_A_REPOSITORY", str(folder), "$", message, "hookkit remove git", blocks=True)
    elif location.folder != folder:
        message = f"git looks for the hooks of {location.root} in {location.link}, not in {folder}."
        hint = f"hookkit install git --project {shlex.quote(str(location.root))}"
        yield Warn("HOOKS_ELSEWHERE", str(folder), "$", message, hint, blocks=True)
    elif location.is_shared:
        message = f"{folder} is outside this repository: every repository that uses it runs these hooks."
        hint = "Nothing is done in repositories where nothing was recorded."
        yield Warn("SHARED_HOOKS", str(folder), "$", message, hint, blocks=False)


def edited(path: Path, again: str) -> Warn:
    """Lines of ours that somebody changed: not ours to touch any more."""
    message = f"Somebody changed the lines of hookkit in {path}, so they are left as they are."
    hint = f"Delete them, from `# >>> hookkit` to `# <<< hookkit`, then: {again}"
    return Warn("HOOK_EDITED", str(path), "$", message, hint, blocks=True)


def edited_and_kept(path: Path, kept: Path) -> Warn:
    """A hook that others have added to since, while another hook waits for its place."""
    message = f"{path} holds lines of others now, so it stays; it still runs {kept.name}, and nothing else of hookkit."
    hint = f"Move those lines into {kept}, then rename that file to {path.name}."
    return Warn("HOOK_LEFT", str(path), "$", message, hint, blocks=False)


def kept_left(name: str, kept: Path, now: Path) -> Warn:
    """A hook that was kept, and whose place another one has taken."""
    message = f"{kept} is a {name} hook from before hookkit that nothing runs: another hook is in its place."
    hint = f"Compare it with {now}; if you do not need it: rm {shlex.quote(str(kept))}"
    return Warn("KEPT_LEFT", str(kept), "$", message, hint, blocks=False)
