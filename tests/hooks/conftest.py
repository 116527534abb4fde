"""A session of Claude Code with the hooks installed, in a repository with one commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .rig import Rig, commit, make_repository


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """In a repository that holds a.txt and sub/b.txt."""
    project = make_repository(tmp_path / "project")
    (project / "a.txt").write_text("one\ntwo\nthree\n")
    (project / "sub").mkdir()
    (project / "sub" / "b.txt").write_text("b\n")
    commit(project)
    return Rig(tmp_path, project)


@pytest.fixture
def plain(tmp_path: Path) -> Rig:
    """Outside any repository."""
    return Rig(tmp_path)


@pytest.fixture
def root_only() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
