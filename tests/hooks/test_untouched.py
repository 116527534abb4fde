"""Nothing of the user's changes: index, HEAD, refs, objects, config and status are the same before and after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .rig import EVENTS, Rig, fake_git, git, make_repository, snapshot


def _stir(root: Path) -> None:
    """Something of everything: staged, changed, untracked, deleted."""
    (root / "a.txt").write_text("changed\n")
    (root / "staged").write_text("staged\n")
    git(root, "add", "staged")
    (root / "untracked").write_text("new\n")
    (root / "sub" / "b.txt").unlink()


def test_a_session_leaves_the_repository_as_it_is(rig: Rig) -> None:
    _stir(rig.project)
    git(rig.project, "status")
    before = snapshot(rig.project)
    for event in EVENTS:
        rig.fire(event)
    assert snapshot(rig.project) == before


def test_an_index_that_git_would_refresh_is_not_refreshed(rig: Rig) -> None:
    os.utime(rig.project / "a.txt", (1e9, 1e9))
    before = snapshot(rig.project)
    rig.fire("PreToolUse")
    rig.fire("Stop")
    assert snapshot(rig.project) == before


def test_a_linked_worktree_and_its_main_one_stay_as_they_are(rig: Rig) -> None:
    git(rig.project, "worktree", "add", "-q", str(rig.base / "side"))
    side = Rig(rig.base / "second", rig.base / "side")
    (side.project / "new").write_text("x\n")
    before = snapshot(rig.project), snapshot(side.project)
    side.fire("PreToolUse")
    side.fire("Stop")
    assert (snapshot(rig.project), snapshot(side.project)) == before


def test_a_repository_without_a_commit_stays_as_it_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path, make_repository(tmp_path / "project"))
    (rig.project / "new").write_text("x\n")
    before = snapshot(rig.project)
    rig.fire("PreToolUse")
    rig.fire("Stop")
    assert snapshot(rig.project) == before


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock", "hookkit/index.lock", "config.lock"])
@pytest.mark.parametrize("age", [0, 100_000])
def test_locks_of_the_user_stay_and_do_not_matter(rig: Rig, lock: str, age: int) -> None:
    rig.fire("PreToolUse")
    path = rig.project / ".git" / lock
    path.write_text("somebody's")
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    _stir_without_git(rig.project)
    before = snapshot(rig.project)
    assert "trail" in rig.fire("PreToolUse")["data"]
    assert snapshot(rig.project) == before
    assert path.read_text() == "somebody's"


def _stir_without_git(root: Path) -> None:
    (root / "a.txt").write_text("changed\n")
    (root / "untracked").write_text("new\n")


FAULTS = {
    "git is missing": None,
    "git is killed": "kill -9 $$",
    "git fails": "exit 128",
    "git prints garbage": "printf 'garbage\\377\\000'; exit 0",
    "git prints the wrong thing": "echo ../../etc/passwd; exit 0",
    "git writes and then fails": '"$REAL" "$@"; exit 3',
    "git says a lot": "yes garbage | head -c 100000000",
    "write-tree fails": 'case "$*" in *write-tree*) exit 1;; esac; exec "$REAL" "$@"',
    "the difference cannot be told": 'case "$*" in *diff-tree*) kill -9 $$;; esac; exec "$REAL" "$@"',
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_too_the_repository_is_as_it_was(rig: Rig, fault: str) -> None:
    _stir(rig.project)
    script = FAULTS[fault]
    path = "/nonexistent" if script is None else fake_git(rig.base / "fake", script)
    before = snapshot(rig.project)
    rig.begin()
    data = rig.fire("Stop", env={"PATH": path})["data"]
    if fault == "the difference cannot be told":
        assert "trail" in data
    else:
        assert "trail" not in data
        assert data["limitations"] == ["git_missing" if script is None else "git_failed"]
    assert data["git"] == {}
    assert snapshot(rig.project) == before
    after = rig.fire("Stop")["data"]
    assert "trail" in after
    assert after["git"]["files_changed"] == 4
    assert snapshot(rig.project) == before


def test_nothing_is_fetched_into_a_partial_clone(rig: Rig) -> None:
    source = rig.project
    git(source, "config", "uploadpack.allowFilter", "true")
    clone = rig.base / "clone"
    git(rig.base, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{source}", str(clone))
    git(clone, "sparse-checkout", "set", "--no-cone", "/a.txt")
    git(clone, "checkout", "-q", "main")
    other = Rig(rig.base / "other", clone)
    git(clone, "config", "core.autocrlf", "true")
    (clone / "a.txt").write_bytes(b"changed\r\n")
    (clone / "sub").mkdir()
    (clone / "sub" / "b.txt").write_bytes(b"changed\r\n")
    objects = sorted((clone / ".git" / "objects").rglob("*"))
    data = other.fire("Stop")["data"]
    assert sorted((clone / ".git" / "objects").rglob("*")) == objects
    assert "trail" in data or data["limitations"] == ["git_failed"]
