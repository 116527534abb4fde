"""When a commit came to be, from reflogs as git leaves them behind."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from hookkit.git.worktree import Worktree
from hookkit.trails.lines.births import Births
from hookkit.trails.lines.database import connect

A, B, C, ZERO = "a" * 40, "b" * 40, "c" * 40, "0" * 40
US = 1_000_000


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    """A repository as far as reflogs go; its index is in memory."""
    git_dir = tmp_path / "repo" / ".git"
    (git_dir / "logs").mkdir(parents=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    return Worktree(git_dir.parent, git_dir, git_dir)


def write(worktree: Worktree, *entries: tuple[str, str, int, str]) -> None:
    lines = [f"{old} {new} Me <me@localhost> {at} +0000\t{message}\n" for old, new, at, message in entries]
    (worktree.git_dir / "logs" / "HEAD").write_text("".join(lines))


def index(worktree: Worktree, *boundaries: tuple[float, str], root: Path | None = None) -> sqlite3.Connection:
    db = connect(worktree)
    db.execute("INSERT INTO roots (id, root) VALUES (1, ?)", (str(root or worktree.root).encode(),))
    for at, head in boundaries:
        db.execute("INSERT INTO boundaries VALUES (1, ?, 't', ?, '', 'T')", (int(at * US), head))
    return db


def around(db: sqlite3.Connection, worktree: Worktree, commit: str) -> tuple[float | None, float | None]:
    birth = Births(worktree, db).of(commit)
    assert birth is not None
    return birth.since and birth.since / US, birth.until and birth.until / US


def test_a_commit_is_born_between_the_boundaries_that_saw_its_parent_and_it(worktree: Worktree) -> None:
    write(worktree, (ZERO, A, 100, "commit (initial): a"), (A, B, 110, "commit: b"))
    db = index(worktree, (105.0, A), (109.5, A), (110.4, A), (110.7, B), (120.0, B))
    assert around(db, worktree, B) == (110.4, 110.7)


def test_an_editor_that_was_open_for_minutes_does_not_make_a_commit_older(worktree: Worktree) -> None:
    write(worktree, (ZERO, A, 100, "commit (initial): a"), (A, B, 110, "commit: b"))
    db = index(worktree, (105.0, A), (150.0, A), (200.0, B))
    assert around(db, worktree, B) == (150.0, 200.0)


def test_head_that_comes_back_to_a_commit_is_not_taken_for_an_earlier_time(worktree: Worktree) -> None:
    write(
        worktree, (ZERO, A, 100, "commit (initial): a"), (A, B, 110, "commit: b"), (B, A, 120, "checkout: to a"),
        (A, C, 130, "commit: c"),
    )  # fmt: skip
    db = index(worktree, (105.0, A), (115.0, B), (125.0, A), (135.0, C))
    assert around(db, worktree, B) == (105.0, 115.0)
    assert around(db, worktree, C) == (125.0, 135.0)


def test_what_was_fetched_or_checked_out_was_not_born_here(worktree: Worktree) -> None:
    write(worktree, (ZERO, A, 100, "clone: from x"), (A, B, 110, "pull: Fast-forward"), (B, C, 120, "checkout: to c"))
    births = Births(worktree, index(worktree, (105.0, A)))
    assert not births.all()
    assert births.tells(101)


def test_entries_that_git_dropped_are_still_known_and_those_never_read_are_missed(worktree: Worktree) -> None:
    entries = [(ZERO, A, 100, "commit (initial): a"), (A, B, 110, "commit: b"), (B, C, 120, "commit: c")]
    write(worktree, *entries)
    db = index(worktree, (105.0, A), (115.0, B), (125.0, C))
    Births(worktree, db).all()
    write(worktree, entries[2])
    assert Births(worktree, db).all().keys() == {A, B, C}
    assert Births(worktree, db).tells(101)
    fresh = Births(worktree, index(worktree, (105.0, A)))
    assert fresh.all().keys() == {C}
    assert not fresh.tells(119)


def test_head_that_comes_and_goes_within_a_second_is_told_the_same_each_time(worktree: Worktree) -> None:
    there, back = (A, B, 110, "checkout: moving from a to b"), (B, A, 110, "checkout: moving from b to a")
    write(worktree, (ZERO, A, 100, "commit (initial): a"), there, back, there, back, (A, C, 110, "commit: c"))
    db = index(worktree, (105.0, A), (111.5, C))
    first, second = Births(worktree, db), Births(worktree, db)
    assert first.all() == second.all()
    assert first.tells(101)
    assert second.tells(101)


@pytest.mark.parametrize("text", ["", "garbage\n", f"{A} {B} Me <m> 99999999999999999999 +0000\tcommit: x\n", "\0\n"])
def test_no_reflog_or_a_broken_one_tells_nothing(worktree: Worktree, text: str) -> None:
    db = index(worktree, (105.0, A))
    assert not Births(worktree, db).all()
    (worktree.git_dir / "logs" / "HEAD").write_text(text)
    births = Births(worktree, db)
    assert not births.all()
    assert not births.tells(101)


def test_a_linked_worktree_that_is_gone_is_not_taken_for_the_one_around_it(worktree: Worktree) -> None:
    write(worktree, (ZERO, A, 100, "commit (initial): a"), (A, B, 110, "commit: b"))
    db = index(worktree, (105.0, A), (115.0, B))
    db.execute(
        "INSERT INTO roots (id, root) VALUES (2, ?)", (str(worktree.root / ".claude" / "worktrees" / "x").encode(),)
    )
    birth = Births(worktree, db).of(B)
    assert birth is not None
    assert (birth.root, birth.since) == (1, 105 * US)


def test_the_commits_of_a_worktree_that_was_removed_keep_their_birth(worktree: Worktree) -> None:
    write(worktree, (ZERO, A, 100, "commit (initial): a"))
    home = worktree.common_dir / "worktrees" / "x"
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "HEAD").write_bytes(f"{A} {B} T <t@localhost> 110 +0000\tcommit: b\n".encode())
    linked = worktree.root.parent / "x"
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {home}\n")
    db = index(worktree, (105.0, A), (115.0, B), root=linked)
    assert Births(worktree, db).of(B)
    shutil.rmtree(home)
    shutil.rmtree(linked)
    birth = Births(worktree, db).of(B)
    assert birth is not None
    assert (birth.root, birth.since) == (1, 105 * US)
