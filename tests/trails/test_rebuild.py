"""A log made anew from the traces states what the old one stated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.errors import HookkitError
from hookkit.git.worktree import Worktree, find
from hookkit.store.files import trace_path
from hookkit.trails import append_exact_patch_trail
from hookkit.trails.log import REF
from hookkit.trails.rebuild import rebuild
from hookkit.trails.verify import verify

from .recorded import Session, events, git, repository
from .test_emit import write

OLD = "refs/opentraces/local/rebuild/v1"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def worktree(repo: Path) -> Worktree:
    found = find(repo)
    assert found is not None
    return found


def session(repo: Path, name: str) -> Session:
    made = Session(repo, f"{name}-trace")
    made.prompt()
    with made.call(f"{name}-call"):
        write(repo / f"{name}.txt", f"{name}\n")
    write(repo / f"{name}-gap.txt", "x\n")
    made.stop()
    made.before(f"{name}-lost")
    made.emit()
    return made


def facts(repo: Path) -> set[str]:
    return {event.fact() for event in events(repo)}


def test_rebuilt_log_has_the_same_facts(repo: Path) -> None:
    one, two = session(repo, "one"), session(repo, "two")
    before, head = facts(repo), git(repo, "rev-parse", REF)
    made = rebuild(worktree(repo), [two.record(), one.record()])
    assert facts(repo) == before
    assert [event.event_id for event in made] == [event.event_id for event in events(repo)]
    assert git(repo, "rev-parse", REF) != head
    assert verify(worktree(repo), full=True).ok
    assert OLD not in git(repo, "for-each-ref")


def test_trees_of_the_old_log_survive(repo: Path) -> None:
    made = session(repo, "one")
    git(repo, "gc", "-q", "--prune=now")
    rebuild(worktree(repo), [made.record()])
    git(repo, "gc", "-q", "--prune=now")
    assert verify(worktree(repo), full=True).ok
    for entry in (*made.pre.values(), *made.post.values(), *made.stops):
        git(repo, "ls-tree", "-r", entry["trail"]["tree_id"]["hex"])


def test_log_that_was_deleted_is_made_again(repo: Path) -> None:
    made = session(repo, "one")
    before = facts(repo)
    git(repo, "update-ref", "-d", REF)
    rebuild(worktree(repo), [made.record()])
    assert facts(repo) == before


def test_traces_are_taken_from_the_store_by_their_ids(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(repo.parent / "home"))
    made = session(repo, "one")
    before = facts(repo)
    paths.private_dir(paths.traces())
    trace_path(made.trace_id).write_text(json.dumps(made.record()))
    rebuild(worktree(repo), [made.trace_id])
    assert facts(repo) == before


def test_what_only_the_old_log_knows_is_taken_over(repo: Path) -> None:
    one, gone = session(repo, "one"), session(repo, "gone")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "work")
    append_exact_patch_trail(
        repo, trace_id=one.trace_id, step_index=0, file_path="one.txt", authored_text="one\n", writer="somebody"
    )
    before = facts(repo)
    rebuild(worktree(repo), [one.record()])
    assert facts(repo) >= before
    assert "somebody" in {event.writer for event in events(repo)}
    assert gone.trace_id in {event.trace_id for event in events(repo)}


def test_trace_that_cannot_be_read_leaves_the_old_log(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(repo.parent / "home"))
    session(repo, "one")
    head = git(repo, "rev-parse", REF)
    with pytest.raises(HookkitError, match="missing-trace"):
        rebuild(worktree(repo), ["missing-trace"])
    assert git(repo, "rev-parse", REF) == head
    assert OLD not in git(repo, "for-each-ref")


def test_killed_rebuild_is_finished_by_the_next_one(repo: Path) -> None:
    one, gone = session(repo, "one"), session(repo, "gone")
    before = facts(repo)
    git(repo, "update-ref", OLD, git(repo, "rev-parse", REF))
    git(repo, "update-ref", "-d", REF)
    rebuild(worktree(repo), [one.record()])
    assert facts(repo) == before
    assert gone.trace_id in {event.trace_id for event in events(repo)}
    assert OLD not in git(repo, "for-each-ref")


def test_session_goes_on_after_a_rebuild(repo: Path) -> None:
    made = session(repo, "one")
    rebuild(worktree(repo), [made.record()])
    assert made.emit().emitted_events == []
    with made.call("later"):
        write(repo / "later.txt", "y\n")
    assert [event.payload["tool_call_id"] for event in made.emit().emitted_events] == ["later"] * 5
