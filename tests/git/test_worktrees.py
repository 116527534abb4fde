"""Finding worktrees, and the tree id by plain git that everything else is held against."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pytest_subprocess import FakeProcess

from hookkit import git
from hookkit.git.worktree import quoted


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = (tmp_path / "a repository").resolve()
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    (root / "kept.txt").write_text("kept\n")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "Start")
    return root


def test_a_subfolder_belongs_to_the_worktree_above_it(repository: Path) -> None:
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    found = git.find(below)
    assert found is not None
    assert (found.root, found.git_dir, found.common_dir) == (repository, repository / ".git", repository / ".git")


def test_outside_a_worktree_there_is_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # an empty folder of that name is no repository; git walks past it too
    assert git.find(tmp_path) is None


def test_a_linked_worktree_has_a_git_dir_of_its_own_and_shares_the_objects(repository: Path, tmp_path: Path) -> None:
    linked = (tmp_path / "linked").resolve()
    _git(repository, "worktree", "add", "-q", str(linked))
    found = git.find(linked)
    assert found is not None
    assert found.root == linked
    assert found.git_dir == repository / ".git" / "worktrees" / "linked"
    assert found.objects == repository / ".git" / "hookkit" / "objects"


def test_the_yardstick_tree_is_that_of_a_commit_of_everything(repository: Path) -> None:
    (repository / "new.txt").write_text("new\n")
    (repository / "kept.txt").unlink()
    worktree = git.find(repository)
    assert worktree is not None
    index = (repository / ".git" / "index").read_bytes()
    objects = sorted((repository / ".git" / "objects").rglob("*"))
    tree = git.snapshot(worktree)
    assert (repository / ".git" / "index").read_bytes() == index
    assert sorted((repository / ".git" / "objects").rglob("*")) == objects
    _git(repository, "add", "-A")
    _git(repository, "commit", "-qm", "All of it")
    assert tree == _git(repository, "rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("name", ["plain", "with:colon", 'with:"both"', "back\\slash:and colon"])
def test_git_reads_objects_from_an_alternate_of_any_name(repository: Path, tmp_path: Path, name: str) -> None:
    store = tmp_path / name
    store.mkdir()
    blob = tmp_path / "blob"
    blob.write_text("only in the store\n")
    written = git.run(repository, "hash-object", "-w", str(blob), extra={"GIT_OBJECT_DIRECTORY": str(store)})
    read = git.run(
        repository,
        "cat-file",
        "-p",
        written.decode().strip(),
        extra={"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(store)},
    )
    assert read == b"only in the store\n"


def test_variables_that_point_elsewhere_are_not_passed_on(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git.run(repository, "rev-parse", "--show-toplevel").decode().strip() == str(repository)


def test_a_failing_git_says_what_it_said(repository: Path) -> None:
    with pytest.raises(git.GitError, match="single revision") as caught:
        git.run(repository, "rev-parse", "--verify", "not-a-revision^{commit}", "--")
    assert caught.value.code == "GIT_FAILED"
    assert caught.value.hint


def test_a_missing_git_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(git.GitError) as caught:
        git.run(repository, "status")
    assert caught.value.code == "GIT_MISSING"


def test_a_git_that_takes_too_long_is_given_up(repository: Path, fp: FakeProcess) -> None:
    def slow(process: object) -> None:
        raise subprocess.TimeoutExpired("git", 1)

    fp.register([fp.any()], callback=slow)
    with pytest.raises(git.GitError) as caught:
        git.run(repository, "status", timeout=1)
    assert caught.value.code == "GIT_TIMEOUT"
