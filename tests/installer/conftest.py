"""An installer of Claude Code in a home of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents import AGENTS
from hookkit.agents.contract import AgentContract
from hookkit.installer import SettingsHookInstaller

Install = Callable[..., SettingsHookInstaller]


@pytest.fixture
def contract(tmp_path: Path) -> AgentContract:
    """Claude Code, on a machine whose managed policy is in the test's hands."""
    return dataclasses.replace(AGENTS["claude-code"], managed=(tmp_path / "managed.json", tmp_path / "managed.d"))


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
