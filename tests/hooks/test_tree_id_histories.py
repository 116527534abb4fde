"""A tree id depends on what is there now, not on what was there when an earlier one was taken."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .rig import Rig, commit, expected_tree, git, make_repository, private, tree_of


def _fresh_tree(root: Path) -> str:
    """The tree of what is on the disk now, read from scratch: no index to trust, nothing ignored."""
    scratch = root.parent / "fresh index"
    scratch.unlink(missing_ok=True)
    own = {"GIT_INDEX_FILE": str(scratch)}
    git(root, "add", "-A", **own)
    return git(root, "write-tree", **own)


def test_an_edit_in_the_same_second_and_of_the_same_size_is_seen(rig: Rig) -> None:
    path = rig.project / "a.txt"
    for number in range(12):
        path.write_text(f"{number:04}\n")
        if number % 3 == 0:
            git(rig.project, "add", "a.txt")
            path.write_text(f"{number:03}x\n")
        if number % 4 == 0:
            git(rig.project, "status")
        assert rig.tree() == _fresh_tree(rig.project)


def test_an_edit_between_two_captures_is_seen_though_time_and_size_are_the_same(rig: Rig) -> None:
    path = rig.project / "a.txt"
    path.write_text("aaaa\n")
    git(rig.project, "add", "a.txt")
    found = path.stat()
    index = (rig.project / ".git" / "index").stat()
    rig.tree()
    path.write_text("bbbb\n")
    os.utime(path, ns=(found.st_atime_ns, index.st_mtime_ns))
    assert rig.tree() == _fresh_tree(rig.project)


def test_the_users_index_may_change_between_captures(rig: Rig) -> None:
    root = rig.project
    steps: list[Callable[[], object]] = [
        lambda: (root / "new").write_text("x\n"),
        lambda: git(root, "add", "new"),
        lambda: (root / ".gitignore").write_text("new\n"),
        lambda: git(root, "rm", "-q", "--cached", "new"),
        lambda: git(root, "add", "-f", "new"),
        lambda: commit(root),
        lambda: git(root, "switch", "-q", "-c", "other", "HEAD~1"),
        lambda: git(root, "reset", "-q", "--hard", "main"),
        lambda: (root / ".git" / "index").unlink(),
        lambda: git(root, "reset", "-q"),
        lambda: git(root, "stash", "-u"),
    ]
    for step in steps:
        step()
        trail = rig.fire("PreToolUse")["data"]["trail"]
        assert trail["tree_id"]["hex"] == expected_tree(root)
        assert trail["git_head"]["hex"] == git(root, "rev-parse", "HEAD")


def _exclude(root: Path, rules: str) -> None:
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text(rules)


def _then_ignored(root: Path) -> list[Callable[[], object]]:
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x").write_text("x\n")
    return [lambda: None, lambda: (root / ".gitignore").write_text("node_modules\n"), (root / ".gitignore").unlink]


def _then_ignored_by_itself(root: Path) -> list[Callable[[], object]]:
    (root / ".venv").mkdir()
    (root / ".venv" / "x").write_text("x\n")
    return [lambda: None, lambda: (root / ".venv" / ".gitignore").write_text("*\n")]


def _then_excluded(root: Path) -> list[Callable[[], object]]:
    (root / "x").write_text("x\n")
    return [lambda: None, lambda: _exclude(root, "secret\nx\n"), lambda: _exclude(root, "")]


def _deleted_and_back(root: Path) -> list[Callable[[], object]]:
    (root / "dist").mkdir()
    (root / "dist" / "out").write_text("1\n")
    commit(root)
    (root / ".gitignore").write_text("dist\n")
    out = root / "dist" / "out"
    return [lambda: None, out.unlink, lambda: out.write_text("2\n")]


def _repository_comes_and_goes(root: Path) -> list[Callable[[], object]]:
    (root / "inner").mkdir()
    (root / "inner" / "x").write_text("x\n")
    return [
        lambda: None,
        lambda: commit(make_repository(root / "inner")),
        lambda: shutil.rmtree(root / "inner" / ".git"),
    ]


def _attributes_change(root: Path) -> list[Callable[[], object]]:
    (root / "x.txt").write_bytes(b"a\r\n")
    return [
        lambda: None,
        lambda: (root / ".gitattributes").write_text("*.txt text\n"),
        lambda: git(root, "config", "core.autocrlf", "input"),
        lambda: (root / ".gitattributes").unlink(),
    ]


def _line_ends_remembered(root: Path) -> list[Callable[[], object]]:
    (root / "x").write_bytes(b"a\r\nb\r\n")
    commit(root)
    (root / ".gitattributes").write_text("* text=auto\n")
    return [lambda: (root / "x").write_bytes(b"a\nc\n"), lambda: (root / "x").write_bytes(b"a\r\nb\r\nc\r\n")]


def _mode_remembered(root: Path) -> list[Callable[[], object]]:
    (root / "run").write_text("x\n")
    git(root, "add", "run")
    git(root, "update-index", "--chmod=+x", "run")
    git(root, "config", "core.fileMode", "false")
    return [lambda: None, (root / "run").unlink, lambda: (root / "run").write_text("y\n")]


HISTORIES = [
    _then_ignored, _then_ignored_by_itself, _then_excluded, _deleted_and_back, _repository_comes_and_goes,
    _attributes_change, _line_ends_remembered, _mode_remembered,
]  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__.strip("_"))
def test_a_tree_id_does_not_depend_on_what_was_captured_before(
    rig: Rig, history: Callable[[Path], list[Callable[[], object]]]
) -> None:
    for step in history(rig.project):
        step()
        assert rig.tree() == expected_tree(rig.project)


# In a repository with many untracked files a capture starts from the index of an earlier one.
FOLLOWED = [_then_ignored, _then_ignored_by_itself, _then_excluded, _deleted_and_back, _attributes_change]


@pytest.mark.parametrize("history", FOLLOWED, ids=lambda history: history.__name__.strip("_"))
def test_many_untracked_files_are_read_once_and_the_tree_id_stays_right(
    rig: Rig, history: Callable[[Path], list[Callable[[], object]]]
) -> None:
    rig.patch("hookkit_tree.py", "MANY = 1000", "MANY = 5")
    many = rig.project / "many"
    many.mkdir()
    for number in range(8):
        (many / f"{number}").write_text(f"{number}\n")
    rig.tree()
    assert (private(rig.project) / "index.seed").exists()
    for number, step in enumerate(history(rig.project)):
        step()
        (many / "0").write_text(f"changed {number}\n")
        assert rig.tree() == expected_tree(rig.project)


def test_the_many_files_are_not_read_again(rig: Rig) -> None:
    git(rig.project, "config", "filter.slow.clean", f"echo >>'{rig.base}/reads'; cat")
    (rig.project / ".gitattributes").write_text("/many/** filter=slow\n")
    many = rig.project / "many"
    many.mkdir()
    for number in range(8):
        (many / f"{number}").write_text(f"{number}\n")
        os.utime(many / f"{number}", (1e9, 1e9))  # git reads a file that is as new as the index more than once
    rig.patch("hookkit_tree.py", "MANY = 1000", "MANY = 5")
    reads = rig.base / "reads"
    first = rig.tree()
    assert reads.read_text().count("\n") == 8
    assert rig.tree() == first
    assert reads.read_text().count("\n") == 8
    (many / "3").write_text("changed\n")
    os.utime(many / "3", (1e9, 1e9))
    found = rig.tree()
    assert reads.read_text().count("\n") == 9
    assert found == expected_tree(rig.project) != first


def test_a_changed_index_of_the_user_is_read_for_the_many_files_too(rig: Rig) -> None:
    rig.patch("hookkit_tree.py", "MANY = 1000", "MANY = 5")
    for number in range(8):
        (rig.project / f"{number}").write_text(f"{number}\n")
    rig.tree()
    (rig.project / ".gitignore").write_text("1\n")
    git(rig.project, "add", "-f", "1")
    assert rig.tree() == expected_tree(rig.project)
    assert tree_of(rig.project, rig.tree()).count("\n") == 10
