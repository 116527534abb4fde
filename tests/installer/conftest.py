"""An installer of Claude Code in a home of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract, SettingsWiring
from hookkit.installer import SettingsHookInstaller
from tests.installer.repositories import repository, spy  # noqa: F401  fixtures

Install = Callable[..., SettingsHookInstaller]


@pytest.fixture
def contract(tmp_path: Path) -> AgentContract:
    """Claude Code, on a machine whose managed policy is in the test's hands."""
    claude = AGENTS["claude-code"]
    assert isinstance(claude.wiring, SettingsWiring)
    managed = (tmp_path / "managed.json", tmp_path / "managed.d")
    return dataclasses.replace(claude, wiring=dataclasses.replace(claude.wiring, managed=managed))


@pytest.fixture
def installer(contract: AgentContract, tmp_path: Path) -> Install:
    project = tmp_path / "project"
    project.mkdir()

    def make(**arguments: Any) -> SettingsHookInstaller:
        return SettingsHookInstaller(contract, **{"project": project, **arguments})

    return make


@pytest.fixture
def settings(isolated_home: Path) -> Path:
    """The user's settings file; its folder exists, it does not."""
    path = isolated_home / ".claude" / "settings.json"
    path.parent.mkdir()
    return path


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushing to the disk is slow, and nothing here looks at a disk after a power cut."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@dataclasses.dataclass(frozen=True)
class Unprivileged:
    """A user whom the system refuses things, with a home of their own: as root, somebody else."""

    home: Path

    def own(self) -> None:
        """Give all that is in the home to that user."""
        if os.geteuid() == 0:
            for path in (self.home, *self.home.rglob("*")):
                os.lchown(path, 65534, 65534)

    def run(self, code: str, *arguments: str) -> str:
        """stdout of Python code run by that user. arguments: sys.argv[1:] of the code."""
        # Everything is imported before: the interpreter may be in a folder that only root can enter.
        imports = "import os, sys, jsonschema, hookkit.installer.doctor, hookkit.installer.purge\n"
        warm = "hookkit.installer.envelope._validator('claude-settings', 'hookkit.hooks')\n"
        warm += "list(hookkit.agents.AGENTS.values())\n"
        drop = "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        done = subprocess.run(
            [sys.executable, "-c", imports + warm + drop + code, *arguments],
            env={**os.environ, "HOME": str(self.home), "HOOKKIT_HOME": str(self.home / "hookkit")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def unprivileged() -> Iterator[Unprivileged]:
    # Not in tmp_path, which only root may enter where root runs the tests.
    with tempfile.TemporaryDirectory(prefix="hookkit-test-", dir="/tmp") as folder:
        home = Path(folder)
        (home / ".claude").mkdir()
        (home / ".claude" / "settings.json").write_text("{}")
        yield Unprivileged(home)
        for path in (home, home / ".claude"):
            path.chmod(0o700)


def everything(*roots: Path) -> dict[str, str]:
    """Every path below the roots, with its kind, mode and content; hookkit's own state is left out."""
    found: dict[str, str] = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            if "state" in path.parts:
                continue
            mode = oct(path.lstat().st_mode)
            if path.is_symlink():
                found[str(path)] = f"{mode} -> {os.readlink(path)}"
            elif path.is_file():
                found[str(path)] = f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            else:
                found[str(path)] = mode
    return found


@pytest.fixture
def snapshot(isolated_home: Path, tmp_path: Path) -> Callable[[], dict[str, str]]:
    """What is in the home and the test's folder, whenever it is called."""
    (isolated_home / ".local").mkdir()  # holds the state, which stays
    return lambda: everything(isolated_home, tmp_path)
