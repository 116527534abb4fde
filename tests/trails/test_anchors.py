"""Commits that hold what calls wrote are stated in the log, whoever made them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hookkit.git.worktree import Worktree, find
from hookkit.trails import anchors
from hookkit.trails.log import REF

from .recorded import Session, events, git, repository
from .test_emit import write
from .test_emit_overlap import schema_errors


class LiveSession(Session):
    """Its clock is also git's. Reflogs count whole seconds: every moment is in one of its own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.clock = datetime.now(UTC).replace(microsecond=0)
        self.monkeypatch = monkeypatch

    def now(self) -> str:
        moment = super().now()
        self.monkeypatch.setenv("GIT_AUTHOR_DATE", moment)
        self.monkeypatch.setenv("GIT_COMMITTER_DATE", moment)
        return moment

    def commit(self, message: str = "work", *options: str, root: Path | None = None) -> str:
        self.now()
        git(root or self.root, "add", "-A")
        git(root or self.root, "commit", "-q", "-m", message, *options)
        return git(root or self.root, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def session(repo: Path, monkeypatch: pytest.MonkeyPatch) -> LiveSession:
    return LiveSession(repo, monkeypatch)


def worktree(repo: Path) -> Worktree:
    found = find(repo)
    assert found is not None
    return found


def anchored(repo: Path) -> list[tuple[str, str, str, int, int]]:
    """(commit, call, path, first, last) of every anchor."""
    found = []
    for event in events(repo, "git_anchor_created"):
        payload: Any = event.payload
        lines = payload["range"]
        found.append(
            (
                payload["commit_id"]["hex"],
                payload["tool_call_id"],
                payload["path"],
                lines["start_line"],
                lines["end_line"],
            )
        )
    return found


def one_call(session: Session) -> None:
    session.prompt()
    with session.call("toolu_1", "Write", file_path=f"{session.root}/new.txt"):
        write(session.root / "new.txt", "written by the call\nand its second line\n")
    session.stop()
    session.emit()


def test_commit_is_anchored_to_the_call_that_wrote_its_lines(session: LiveSession, repo: Path) -> None:
    one_call(session)
    sha = session.commit()
    (event,) = anchors.update(worktree(repo))
    assert anchored(repo) == [(sha, "toolu_1", "new.txt", 1, 2)]
    (patch,) = events(repo, "trace_patch_created")
    payload = event.payload
    assert payload["trace_patch_id"] == patch.payload["trace_patch_id"]
    assert payload["evidence_firmness"] == "firm"
    assert payload["relation"] == "anchored_in_git"
    assert payload["blob_id"]["hex"] == git(repo, "rev-parse", f"{sha}:new.txt")
    assert payload["origin"] == {
        "path": "new.txt",
        "blob_id": patch.payload["after_blob_id"],
        "start_line": 1,
        "end_line": 2,
    }
    assert event.capture_method == ("post_commit_correlator",)
    assert event.trace_id == session.trace_id
    assert schema_errors(events(repo)) == []


def test_looking_again_adds_nothing(session: LiveSession, repo: Path) -> None:
    one_call(session)
    session.commit()
    anchors.update(worktree(repo))
    head = git(repo, "rev-parse", REF)
    assert anchors.update(worktree(repo)) == []
    anchors.forget(worktree(repo))
    assert anchors.update(worktree(repo)) == []
    assert git(repo, "rev-parse", REF) == head


def test_commit_of_a_turn_that_was_not_yet_in_the_log_is_looked_at_again(session: LiveSession, repo: Path) -> None:
    session.prompt()
    session.stop()
    session.emit()
    session.prompt()
    with session.call("toolu_1"):
        write(repo / "new.txt", "written by the call that commits\n")
        sha = session.commit("by the agent")
    assert anchors.update(worktree(repo)) == [], "the hook of the commit runs before the turn has ended"
    session.stop()
    session.emit()
    anchors.update(worktree(repo))
    assert anchored(repo) == [(sha, "toolu_1", "new.txt", 1, 1)]


def test_commit_without_a_recorded_call_has_no_anchor(session: LiveSession, repo: Path) -> None:
    one_call(session)
    session.commit()
    write(repo / "by-hand.txt", "a person wrote this\n")
    session.commit("by hand")
    anchors.update(worktree(repo))
    assert [path for _, _, path, _, _ in anchored(repo)] == ["new.txt"]


def test_amended_commit_supersedes_the_anchors_of_the_one_before(session: LiveSession, repo: Path) -> None:
    one_call(session)
    old = session.commit()
    anchors.update(worktree(repo))
    write(repo / "by-hand.txt", "x\n")
    new = session.commit("amended", "--amend")
    anchors.update(worktree(repo))
    first, second = (event.payload["git_anchor_id"] for event in events(repo, "git_anchor_created"))
    (gone,) = events(repo, "git_anchor_superseded")
    assert (gone.payload["git_anchor_id"], gone.payload["superseded_by"]) == (first, second)
    assert (gone.payload["old_commit_id"]["hex"], gone.payload["new_commit_id"]["hex"]) == (old, new)
    assert anchors.update(worktree(repo)) == []


def test_rebased_commits_supersede_by_what_git_told_and_by_reflogs(session: LiveSession, repo: Path) -> None:
    base = git(repo, "rev-parse", "HEAD")
    one_call(session)
    old = session.commit()
    anchors.update(worktree(repo))
    git(repo, "checkout", "-q", "-b", "side", base)
    write(repo / "side.txt", "x\n")
    session.commit("side")
    git(repo, "checkout", "-q", "main")
    git(repo, "rebase", "-q", "side")
    new = git(repo, "rev-parse", "HEAD")
    assert new != old
    anchors.update(worktree(repo))
    pairs = [
        (event.payload["old_commit_id"]["hex"], event.payload["new_commit_id"]["hex"])
        for event in events(repo, "git_anchor_superseded")
    ]
    assert pairs == [(old, new)]
    with (repo / ".git" / "hookkit" / "rewritten").open("a") as file:
        file.write(f"{old} {new}\nhalf a li")
    assert anchors.update(worktree(repo)) == [], "the same fact, told twice"


def test_hook_file_with_anything_in_it_does_no_harm(session: LiveSession, repo: Path) -> None:
    one_call(session)
    sha = session.commit()
    (repo / ".git" / "hookkit" / "rewritten").write_bytes(
        b"\xff\n\nx\n-all --all\n" + b"1" * 40 + b" " + b"2" * 40 + b"\n"
    )
    anchors.update(worktree(repo))
    assert [each[0] for each in anchored(repo)] == [sha]
    assert events(repo, "git_anchor_superseded") == []


def test_damaged_notes_are_made_again(session: LiveSession, repo: Path) -> None:
    one_call(session)
    session.commit()
    anchors.update(worktree(repo))
    (repo / ".git" / "hookkit" / "anchors.sqlite").write_bytes(b"not a database" * 100)
    assert anchors.update(worktree(repo)) == []
    write(repo / "new.txt", "written by the call\nand changed by hand\n")
    session.commit("second")
    anchors.update(worktree(repo))
    assert len(anchored(repo)) == 1


def test_repository_that_nothing_was_recorded_in_is_left_alone(repo: Path) -> None:
    assert anchors.update(worktree(repo)) == []
    assert not (repo / ".git" / "hookkit").exists()


def test_log_that_was_deleted_gets_its_anchors_again(session: LiveSession, repo: Path) -> None:
    one_call(session)
    session.commit()
    anchors.update(worktree(repo))
    before = anchored(repo)
    git(repo, "update-ref", "-d", REF)
    session.emit()
    anchors.update(worktree(repo))
    assert anchored(repo) == before


def test_linked_worktrees_are_looked_at_too(session: LiveSession, repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-q", "-b", "side", str(linked))
    session.prompt(linked)
    with session.call("there", root=linked):
        write(linked / "there.txt", os.urandom(8).hex() + "\n")
    session.stop(linked)
    session.emit()
    sha = session.commit(root=linked)
    anchors.update(worktree(repo))
    assert [(each[0], each[1]) for each in anchored(repo)] == [(sha, "there")]
