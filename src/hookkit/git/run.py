"""Run git the same way everywhere: no inherited GIT_* variables, no optional locks, no user hooks, no fsmonitor."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hookkit.errors import HookkitError

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")


class GitError(HookkitError):
    """git could not be run, or said no."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a git child: the caller's, without what would point git at another repository."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return clean | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | dict(extra or {})


def run(
    root: Path, *arguments: str, extra: Mapping[str, str] | None = None, timeout: float = 60, check: bool = True
) -> bytes:
    """stdout of ``git -C root ARGUMENTS``; GitError when git is missing, too slow or (if ``check``) exits non-zero."""
    command = ["git", "-C", str(root), *_QUIET, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, env=environment(extra), timeout=timeout, check=False
        )
    except FileNotFoundError:
        raise GitError("GIT_MISSING", "git was not found on PATH.", "Install git 2.20 or newer.") from None
    except subprocess.TimeoutExpired:
        raise GitError(
            "GIT_TIMEOUT", f"git {arguments[0]} took longer than {timeout:g} s in {root}.", "Try again."
        ) from None
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise GitError("GIT_FAILED", f"git {arguments[0]} failed in {root}: {said}", "Run the same command by hand.")
    return done.stdout
