"""A session of Claude Code with the hooks installed, in a repository with one commit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .rig import Rig, commit, make_repository


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds a.txt, to be copied: most of the time of a test would go into making it."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))  # no test has made a home yet
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        project = make_repository(folder / "project")
        (project / "a.txt").write_text("one\ntwo\nthree\n")
        commit(project)
    return project


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A repository that holds a.txt."""
    return Path(shutil.copytree(template, tmp_path / "project"))


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
