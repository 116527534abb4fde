"""`hookkit doctor` for every kind of installer: which checks belong to which."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from hookkit.errors import HookInstallError
from hookkit.installer import doctor, git_files, git_script, telemetry_checks
from hookkit.installer.extension_installer import ExtensionInstaller
from hookkit.installer.git_files import HOOKS
from hookkit.installer.git_hooks import GitHookInstaller
from hookkit.installer.protocol import Check, Installer
from hookkit.installer.rehearsal import scratch_folder
from hookkit.installer.settings_installer import SettingsHookInstaller
from hookkit.installer.skill import SkillInstaller
from hookkit.installer.telemetry import TelemetryInstaller
from hookkit.installer.watcher import WatcherInstaller

_START_WAIT = 30.0  # seconds until the background run of a hook has begun its work


def examine(installer: Installer, folder: Path) -> Iterator[Check]:
    """All checks of one install, as seen from ``folder``."""
    if isinstance(installer, SettingsHookInstaller | ExtensionInstaller):
        yield from doctor.examine(installer.target.contract, installer, folder)
    elif isinstance(installer, GitHookInstaller):
        yield doctor.git_check()
        yield from _standing(installer)
        yield from _commits(installer)
    elif isinstance(installer, TelemetryInstaller):
        yield from _standing(installer)
        yield from telemetry_checks.examine(installer, folder)
    elif isinstance(installer, WatcherInstaller | SkillInstaller):
        yield from _standing(installer)


def fix(installer: Installer, folder: Path) -> list[str]:
    """Put right what can be put right without asking. Returns what was done, one sentence each."""
    if isinstance(installer, SettingsHookInstaller | ExtensionInstaller):
        return doctor.fix(installer.target.contract, installer, folder)
    if installer.is_present() and installer.install().changed:
        return [
            f"{installer.subject[:1].upper()}{installer.subject[1:]} in {installer.place} are as hookkit writes them."
        ]
    return []


def _standing(installer: Installer) -> Iterator[Check]:
    state = installer.status()
    present = cast("Mapping[str, bool]", state["entries_present"])
    place = state["settings_path"]
    if not any(present.values()):
        again = f"hookkit install {installer.installer_name}"
        yield Check(installer.unit, "failed", f"Nothing of hookkit is in {place}.", again)
    elif state["active"]:
        yield Check(installer.unit, "ok", f"{', '.join(present)} in {place}.")
    for warn in cast("Sequence[Mapping[str, object]]", state["warnings"]):
        yield Check(installer.unit, "failed" if warn["blocks"] else "warning", str(warn["message"]), str(warn["hint"]))


def _commits(installer: GitHookInstaller) -> Iterator[Check]:
    """Commit, and amend, in a scratch repository that has our lines of the hooks, and nobody else's."""
    try:
        found = {name: git_files.working(installer.folder, name) for name in HOOKS}
    except HookInstallError:  # told already
        return
    ours = {name: git_script.alone(file.data) for name, file in found.items() if file}
    if len(ours) < len(HOOKS):
        return
    again = installer.command_line("install")
    with scratch_folder("hookkit-doctor-") as scratch:
        root = scratch / "project"
        kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        who = {f"GIT_{role}_{key}": "hookkit" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        env = kept | who | {"HOME": str(scratch), "GIT_CONFIG_NOSYSTEM": "1", "HOOKKIT_HOME": str(scratch / "home")}
        _git(scratch, env, "init", "--quiet", "--template=", str(root))
        (root / ".git" / "hookkit").mkdir()
        hooks = root / ".git" / "hooks"
        hooks.mkdir(exist_ok=True)
        for name, data in ours.items():
            (hooks / name).write_bytes(data)
            (hooks / name).chmod(0o755)
        seconds, said, code = 0.0, "", 0
        for how in (["-m", "one"], ["--amend", "-m", "two"]):
            started = time.monotonic()
            done = _git(root, env, "commit", "--quiet", "--allow-empty", *how)
            seconds = max(seconds, time.monotonic() - started)
            said, code = said + done.stdout + done.stderr, code or done.returncode
        if code or said:
            yield Check("silence", "failed", f"A commit did not go as without hooks: {said or code}", again)
        else:
            yield Check("silence", "ok", f"A commit took {seconds * 1000:.0f} ms, and not a word was said.")
        private = root / ".git" / "hookkit"
        if not (private / "rewritten").exists():
            yield Check("post-rewrite", "failed", "An amended commit was not noted.", again)
        else:
            yield Check("post-rewrite", "ok", "An amended commit was noted.")
        yield _begins(private, scratch / "home" / "state" / "ingest.log", again)


def _begins(private: Path, log: Path, again: str) -> Check:
    """Wait for the run in the background to come to its end."""
    from filelock import FileLock, Timeout

    deadline = time.monotonic() + _START_WAIT
    while time.monotonic() < deadline:
        if (private / "commit.lock").exists() and not (private / "commit.request").exists():
            break
        time.sleep(0.05)
    else:
        return Check("post-commit", "failed", "Nothing was started by a commit.", again)
    with contextlib.suppress(Timeout), FileLock(private / "commit.lock", timeout=_START_WAIT):
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
        if said:
            return Check("post-commit", "failed", f"The run in the background failed: {said[0]}", again)
    return Check("post-commit", "ok", "The run in the background came to its end.")


def _git(folder: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=dict(env), capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace", check=False,
    )  # fmt: skip
