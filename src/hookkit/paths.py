"""Where hookkit keeps its own files. Every path is computed at call time, so tests and users can move it.

``$HOOKKIT_HOME`` moves everything. Without it, data is in the platform's data folder and state in its state folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The data folder: hook scripts, traces, index."""
    return Path(os.environ.get("HOOKKIT_HOME") or platformdirs.user_data_dir("hookkit", appauthor=False)).absolute()


def state() -> Path:
    """The state folder: locks, install records, sidecars that belong in no worktree, the list of worktrees."""
    if os.environ.get("HOOKKIT_HOME"):
        return home() / "state"
    return Path(platformdirs.user_state_dir("hookkit", appauthor=False)).absolute()


def hooks() -> Path:
    """Where hook scripts are installed unless ``--hooks-dir`` says otherwise."""
    return home() / "hooks"


def traces() -> Path:
    """One file per trace, ``<trace_id>.json``."""
    return home() / "traces"


def runs() -> Path:
    """The logs of programs on an agent framework, unless they are told otherwise; see ``runlog.settings``."""
    return home() / "runs"


def is_excluded(folder: Path) -> bool:
    """Whether the user switched capture off for ``folder`` or one above it."""
    return any(os.path.lexists(up / ".opentraces" / "excluded") for up in (folder, *folder.parents))


def private_dir(path: Path) -> Path:
    """Make ``path`` and its missing parents, readable by the user alone (0700)."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path
