"""`remove --purge` and the event log: no ref, no folder, no pack of ours, and nothing of the user's lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.git import Worktree
from hookkit.installer.purge import purge, recorded
from hookkit.trails.log import REF, read_events
from hookkit.trails.pack import listed, pack_folder
from tests.installer.test_purge import remember
from tests.trails.log_support import at, git, make_repository, record


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    """A repository with a log of several batches, listed in the state folder."""
    worktree = make_repository(tmp_path / "work: tree")
    for number in range(3):
        record(worktree, f"c{number}")
    remember(worktree.root)
    return worktree


def everything(worktree: Worktree) -> set[str]:
    """All that is in the git dir, but for objects, which are compared as git sees them."""
    names = {str(path.relative_to(worktree.common_dir)) for path in worktree.common_dir.rglob("*")}
    return {name for name in names if not name.startswith("objects/")}


def objects(root: Path) -> set[str]:
    command = ("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(git(root, *command).split())


def test_purge_leaves_the_git_dir_as_it_was_before_the_first_session(tmp_path: Path) -> None:
    worktree = make_repository(tmp_path / "r")
    git(worktree.root, "status")
    before, had = everything(worktree), objects(worktree.root)
    record(worktree, "c1")
    record(worktree, "c2")
    remember(worktree.root)
    doomed = recorded()
    assert worktree.common_dir / REF in doomed
    assert purge() == doomed
    assert everything(worktree) == before
    assert objects(worktree.root) == had
    assert list(pack_folder(worktree).iterdir()) == []
    assert git(worktree.root, "fsck", "--strict") == ""
    assert git(worktree.root, "for-each-ref", "refs/opentraces") == ""
    assert not paths.home().exists()
    assert (purge(), read_events(worktree)) == ((), [])


def test_what_the_user_needs_of_our_packs_stays(worktree: Worktree) -> None:
    root = worktree.root
    git(root, "add", "-A")
    git(root, "commit", "-qm", "the agent's files")
    record(worktree, "c7")
    (root / "staged.txt").write_text("staged\n")
    record(worktree, "c8")
    git(root, "add", "staged.txt")
    record(worktree, "c9")
    git(root, "stash", "-q", "-u")
    git(root, "switch", "-q", "-c", "side", "HEAD^")
    git(root, "commit", "-q", "--allow-empty", "-m", "side")
    purge()
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
    for name in ("main", "side", "stash@{0}", "stash@{0}^2", "stash@{0}^3"):
        git(root, "rev-list", "--objects", "--verify-objects", name)
    git(root, "switch", "-q", "main")
    git(root, "stash", "pop", "--index", "-q")
    assert (root / "c9.txt").read_text() == "c9\n" * 10
    assert not (worktree.common_dir / "hookkit").exists()
    assert not list(pack_folder(worktree).glob("*.keep"))


def test_what_an_unfinished_merge_needs_stays(worktree: Worktree) -> None:
    root = worktree.root
    for branch, text in (("one", "1\n"), ("two", "2\n")):
        git(root, "switch", "-q", "-c", branch, "main")
        (root / "base.txt").write_text(text)
        record(worktree, f"c{text}")
        git(root, "commit", "-qam", branch)
    git(root, "merge", "-q", "one", check=False)
    git(root, "update-ref", "-d", "refs/heads/one")
    git(root, "reflog", "expire", "--expire=now", "--all")
    purge()
    git(root, "rev-list", "--objects", "--verify-objects", "MERGE_HEAD")


def test_a_log_that_another_program_has_written_into_stays(worktree: Worktree) -> None:
    tree = git(worktree.root, "rev-parse", f"{REF}^{{tree}}")
    commit = git(worktree.root, "commit-tree", tree, "-p", REF, "-m", "another program's batch")
    git(worktree.root, "update-ref", REF, commit)
    assert worktree.common_dir / REF not in recorded()
    purge()
    assert git(worktree.root, "rev-parse", REF) == commit
    git(worktree.root, "rev-list", "--objects", "--verify-objects", REF)
    assert not (worktree.common_dir / "hookkit").exists()


@pytest.mark.parametrize("where", ["main", "linked"])
def test_the_log_goes_from_whichever_worktree_it_is_known(where: str, worktree: Worktree, tmp_path: Path) -> None:
    git(worktree.root, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = at(tmp_path / "linked")
    record(linked, "c7")
    (paths.state() / "worktrees").unlink()
    remember(worktree.root if where == "main" else linked.root)
    purge()
    assert git(worktree.root, "for-each-ref", "refs/opentraces") == ""
    assert not (worktree.common_dir / "hookkit").exists()
    assert listed(worktree) == []
    assert git(worktree.root, "fsck", "--strict") == ""


def test_a_ref_goes_whose_private_folder_is_gone_and_one_that_leads_nowhere(worktree: Worktree) -> None:
    for path in pack_folder(worktree).iterdir():
        path.unlink()
    shutil.rmtree(worktree.common_dir / "hookkit")
    purge()
    assert not (worktree.common_dir / "refs" / "opentraces").exists()
    assert not (worktree.common_dir / "hookkit").exists()
    assert git(worktree.root, "fsck", "--strict") == ""


def test_what_a_rebuild_left_that_was_killed_goes_too(worktree: Worktree) -> None:
    git(worktree.root, "update-ref", "refs/opentraces/local/rebuild/v1", REF)
    git(worktree.root, "update-ref", "-d", REF)
    purge()
    assert git(worktree.root, "for-each-ref", "refs/opentraces") == ""
    assert not (worktree.common_dir / "refs" / "opentraces").exists()
    assert git(worktree.root, "fsck", "--strict") == ""


def test_a_ref_that_git_has_packed_goes_too(worktree: Worktree) -> None:
    git(worktree.root, "gc", "-q")
    purge()
    assert git(worktree.root, "for-each-ref", "refs/opentraces") == ""
    assert not (worktree.common_dir / "refs" / "opentraces").exists()
    git(worktree.root, "gc", "-q", "--prune=now")
    assert "c1.txt" not in git(worktree.root, "rev-list", "--objects", "--all")
    assert git(worktree.root, "fsck", "--strict") == ""


def test_a_repository_that_is_damaged_is_purged_as_far_as_it_can_be(worktree: Worktree) -> None:
    commit = git(worktree.root, "rev-parse", "HEAD")
    (worktree.common_dir / "objects" / commit[:2] / commit[2:]).unlink()
    packs = listed(worktree)
    purge()
    assert git(worktree.root, "for-each-ref", "refs/opentraces") == ""
    assert not (worktree.common_dir / "hookkit").exists()
    assert all((pack_folder(worktree) / f"{name}.pack").exists() for name in packs)
