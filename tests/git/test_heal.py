"""A worktree whose capture was limited comes back to whole captures, without what is too large."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path

import pytest

from hookkit import git, paths


@pytest.fixture
def worktree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> git.Worktree:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home of hookkit"))
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    (root / "small.txt").write_text("small\n")
    found = git.find(root)
    assert found is not None
    found.objects.mkdir(parents=True)
    found.private_dir.mkdir(exist_ok=True)
    return found


def _limit(worktree: git.Worktree, **limit: object) -> Path:
    path = worktree.private_dir / "limited.json"
    path.write_text(json.dumps(limit))
    return path


def _allow(**limits: int) -> None:
    paths.home().mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {value}" for key, value in limits.items()]
    (paths.home() / "config.toml").write_text("\n".join(["[capture]", *lines, ""]))


def _names(worktree: git.Worktree) -> list[str]:
    """What the scratch index holds."""
    listed = git.run(worktree.root, "ls-files", extra={"GIT_INDEX_FILE": str(worktree.private_dir / "index")})
    return listed.decode().splitlines()


def test_a_worktree_without_anything_large_is_captured_whole_again(worktree: git.Worktree) -> None:
    limit = _limit(worktree, level="tracked")
    git.heal(worktree.root)
    assert not limit.exists()
    assert _names(worktree) == ["small.txt"]


def test_only_the_files_over_the_limit_are_left_out(worktree: git.Worktree) -> None:
    _allow(max_untracked_file_bytes=1000)
    (worktree.root / "large * [file].bin").write_bytes(b"x" * 1001)
    (worktree.root / "fits.bin").write_bytes(b"x" * 1000)
    limit = _limit(worktree, level="tracked")
    git.heal(worktree.root)
    assert json.loads(limit.read_text()) == {"level": "without", "without": ["large * [file].bin"]}
    assert _names(worktree) == ["fits.bin", "small.txt"]


def test_the_limit_is_lifted_when_the_large_file_is_gone(worktree: git.Worktree) -> None:
    _allow(max_untracked_file_bytes=1000)
    large = worktree.root / "large.bin"
    large.write_bytes(b"x" * 2000)
    limit = _limit(worktree, level="tracked")
    git.heal(worktree.root)
    large.unlink()
    git.heal(worktree.root)
    assert not limit.exists()


@pytest.mark.parametrize("limits", [{"max_untracked_files": 3}, {"max_untracked_bytes": 10}])
def test_too_much_that_is_untracked_stays_left_out(worktree: git.Worktree, limits: dict[str, int]) -> None:
    _allow(**limits)
    for number in range(4):
        (worktree.root / f"{number}.txt").write_text("four bytes each")
    limit = _limit(worktree, level="tracked")
    git.heal(worktree.root)
    assert json.loads(limit.read_text()) == {"level": "tracked"}


def test_a_config_that_is_no_toml_means_the_defaults(worktree: git.Worktree) -> None:
    paths.home().mkdir(parents=True)
    (paths.home() / "config.toml").write_text("[capture\nmax = ")
    limit = _limit(worktree, level="off")
    git.heal(worktree.root)
    assert not limit.exists()


def test_a_scratch_index_in_use_is_left_alone(worktree: git.Worktree) -> None:
    limit = _limit(worktree, level="tracked")
    with (worktree.private_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        git.heal(worktree.root)
    assert limit.exists()
    assert not (worktree.private_dir / "index").exists()


def test_the_warm_index_starts_as_the_users_index_of_now(worktree: git.Worktree) -> None:
    """A tracked file that is ignored is in the user's index only; a warm index of before would not have it."""
    (worktree.private_dir / "index.seed").write_text("stamp of an index of before")
    (worktree.root / ".gitignore").write_text("kept.log\n")
    (worktree.root / "kept.log").write_text("tracked all the same\n")
    git.run(worktree.root, "add", "-f", "kept.log")
    _limit(worktree, level="tracked")
    git.heal(worktree.root)
    assert _names(worktree) == [".gitignore", "kept.log", "small.txt"]
    user = (worktree.git_dir / "index").stat()
    seed = (worktree.private_dir / "index.seed").read_text()
    assert seed == f"{user.st_mtime_ns}-{user.st_size}-{user.st_ino}"


def test_a_folder_without_anything_of_ours_is_not_touched(tmp_path: Path) -> None:
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    before = sorted(tmp_path.rglob("*"))
    git.heal(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
