"""Whose a change is where windows overlap, worktrees mix, or a capture saw less than everything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from .recorded import Session, events, git, observed, patches, repository
from .test_emit import write


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def session(repo: Path) -> Session:
    return Session(repo)


def limits(repo: Path) -> dict[str, list[str]]:
    """Path -> limitations of its patch."""
    found = events(repo, "trace_patch_created")
    return {event.payload["file_path"]: event.payload["capture_limitations"] for event in found}


def test_parallel_edits_own_the_files_that_they_name(session: Session, repo: Path) -> None:
    session.before("a", "Edit", file_path=f"{repo}/a.txt")
    session.before("b", "Write", file_path=f"{repo}/b.txt")
    write(repo / "b.txt", "b\n")
    write(repo / "a.txt", "a\n")
    session.after("a")
    session.after("b")
    session.emit()
    assert sorted(patches(repo)) == [("a", "added", "a.txt"), ("b", "added", "b.txt")]
    assert limits(repo) == {"a.txt": [], "b.txt": []}


def test_overlapping_commands_count_a_change_once_and_say_that_they_overlap(session: Session, repo: Path) -> None:
    session.before("a")
    session.before("b")
    write(repo / "both.txt", "x\n")
    session.after("a")
    write(repo / "late.txt", "y\n")
    session.after("b")
    session.emit()
    assert patches(repo) == [("b", "added", "both.txt"), ("b", "added", "late.txt")]
    assert limits(repo)["both.txt"] == ["concurrent_writer_overlap", "hook_only"]
    assert limits(repo)["late.txt"] == ["hook_only"]


def test_call_inside_a_subagent_owns_what_it_wrote(session: Session, repo: Path) -> None:
    session.before("outer", "Agent")
    with session.call("inner"):
        write(repo / "inner.txt", "x\n")
    with session.call("edit", "Edit", file_path=f"{repo}/old.txt"):
        write(repo / "old.txt", "1\n")
    session.after("outer")
    session.emit()
    assert patches(repo) == [("inner", "added", "inner.txt"), ("edit", "modified", "old.txt")]
    assert limits(repo) == {"inner.txt": ["hook_only"], "old.txt": []}
    container = [event.payload["container"] for event in events(repo, "trace_step_window_opened")]
    assert container == [True, False, False]


def test_change_inside_a_subagent_but_between_its_calls_is_observed_with_doubt(session: Session, repo: Path) -> None:
    session.before("outer", "Agent")
    with session.call("one"):
        pass
    write(repo / "between.txt", "x\n")
    with session.call("two"):
        pass
    session.after("outer")
    session.emit()
    assert patches(repo) == []
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert seen.payload["capture_limitations"] == ["concurrent_writer_overlap"]


def test_change_while_only_a_reading_call_runs_is_nobodys(session: Session, repo: Path) -> None:
    with session.call("read", "Read", file_path=f"{repo}/old.txt"):
        write(repo / "by-hand.txt", "x\n")
    session.emit()
    assert patches(repo) == []
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert seen.payload["capture_limitations"] == []
    (opened,) = events(repo, "trace_step_window_opened")
    assert opened.payload["declared_write_paths"] == []


def test_file_that_an_edit_fills_beside_its_own_is_its_own(session: Session, repo: Path) -> None:
    session.before("edit", "Edit", file_path=f"{repo}/old.txt")
    write(repo / "old.txt.tmp.4711.0af3", "one\n")
    with session.call("read", "Read", file_path=f"{repo}/old.txt"):
        pass
    (repo / "old.txt.tmp.4711.0af3").replace(repo / "old.txt")
    session.after("edit")
    session.emit()
    assert {call for call, _, _ in patches(repo)} == {"edit"}
    assert observed(repo) == []


def test_edit_through_a_link_is_an_edit_of_what_it_leads_to(session: Session, repo: Path) -> None:
    (repo / "link.txt").symlink_to("old.txt")
    with session.call("edit", "Edit", file_path=f"{repo}/link.txt"):
        write(repo / "link.txt", "changed\n")
    session.emit()
    assert patches(repo) == [("edit", "modified", "old.txt")]


def test_edit_of_a_file_elsewhere_writes_nothing_here(session: Session, repo: Path, tmp_path: Path) -> None:
    with session.call("edit", "Write", file_path=f"{tmp_path}/notes.txt"):
        write(repo / "by-hand.txt", "x\n")
    session.emit()
    assert patches(repo) == []
    assert observed(repo) == [["by-hand.txt"]]


def test_what_may_still_run_in_the_background_makes_a_gap_doubtful(session: Session, repo: Path) -> None:
    with session.call("server", "Bash", command="serve &", run_in_background=True):
        pass
    write(repo / "later.txt", "x\n")
    session.stop()
    session.emit()
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert "background_process_overlap" in seen.payload["capture_limitations"]
    (opened,) = events(repo, "trace_step_window_opened")
    assert opened.payload["background"] is True


@pytest.mark.parametrize("side", ["pre", "post", "both"])
def test_call_without_a_tree_at_one_end_owns_the_change_around_it_with_doubt(
    session: Session, repo: Path, side: str
) -> None:
    session.prompt()
    session.before("bare", trail=side == "post")
    write(repo / "new.txt", "x\n")
    session.after("bare", trail=side == "pre")
    session.stop()
    result = session.emit()
    assert result.skipped_tool_calls == 1
    assert patches(repo) == [("bare", "added", "new.txt")]
    assert "unbounded_mutation_window" in limits(repo)["new.txt"]
    windows = [event for event in events(repo) if event.event_type.startswith("trace_step_window")]
    assert [event.payload["boundary_firmness"] for event in windows] == ["inferred", "inferred"]
    assert [event.payload["tree_id"] is None for event in windows] == [False, False]


def test_call_that_no_hook_saw_owns_the_change_around_it_with_doubt(session: Session, repo: Path) -> None:
    session.prompt()
    session.step("unseen")
    write(repo / "new.txt", "x\n")
    session.stop()
    session.emit()
    assert patches(repo) == [("unseen", "added", "new.txt")]
    assert "unbounded_mutation_window" in limits(repo)["new.txt"]


def test_call_that_the_agent_turned_down_itself_wrote_nothing(session: Session, repo: Path) -> None:
    session.prompt()
    session.step("refused", error="File has not been read yet.")
    write(repo / "by-hand.txt", "x\n")
    session.stop()
    assert session.emit().skipped_tool_calls == 1
    assert patches(repo) == []
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert seen.payload["capture_limitations"] == []


def test_worktrees_of_one_session_have_their_own_windows_and_one_log(session: Session, repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-q", "-b", "side", str(linked))
    session.prompt()
    with session.call("here"):
        write(repo / "here.txt", "x\n")
    with session.call("there", root=linked):
        write(linked / "there.txt", "y\n")
    session.stop()
    result = session.emit()
    assert result.skipped_tool_calls == 0
    assert sorted(patches(repo)) == [("here", "added", "here.txt"), ("there", "added", "there.txt")]
    roots = {
        event.payload["tool_call_id"]: event.payload["worktree_root"] for event in events(repo, "trace_patch_created")
    }
    assert roots == {"here": str(repo), "there": str(linked)}
    origins = [event for event in events(repo) if event.payload.get("snapshot_role") == "origin"]
    assert [event.payload["worktree_root"] for event in origins] == [str(repo), str(linked)]


def test_worktree_that_is_gone_by_now_is_found_by_its_trees(session: Session, repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-q", "-b", "side", str(linked))
    with session.call("there", root=linked):
        write(linked / "there.txt", "y\n")
    git(repo, "worktree", "remove", "--force", str(linked))
    session.emit()
    assert patches(repo) == [("there", "added", "there.txt")]


def test_repository_that_was_moved_is_found_by_its_trees(session: Session, repo: Path, tmp_path: Path) -> None:
    with session.call("call"):
        write(repo / "new.txt", "x\n")
    moved = repo.rename(tmp_path / "moved")
    session.emit(moved)
    assert patches(moved) == [("call", "added", "new.txt")]


def test_other_repository_at_the_same_place_gets_nothing_of_the_old_one(session: Session, repo: Path) -> None:
    with session.call("call"):
        write(repo / "new.txt", "x\n")
    shutil.rmtree(repo)
    repository(repo)
    assert session.emit().skipped_tool_calls == 1
    assert patches(repo) == []


def test_boundaries_in_two_worktrees_are_no_window_but_no_innocence_either(session: Session, repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-q", "-b", "side", str(linked))
    session.prompt()
    session.prompt(linked)
    session.before("wander")
    write(linked / "there.txt", "y\n")
    session.after("wander", root=linked)
    session.stop()
    assert session.emit().skipped_tool_calls == 1
    (incomplete,) = events(repo, "trace_step_capture_incomplete")
    assert incomplete.payload["reasons"] == {"worktree_root_mismatch": 1}
    assert patches(repo) == [("wander", "added", "there.txt")]
    assert "unbounded_mutation_window" in limits(repo)["there.txt"]


def test_objects_that_git_has_lost_leave_the_rest_of_the_trail_alone(session: Session, repo: Path) -> None:
    session.prompt()
    with session.call("lost"):
        write(repo / "lost.txt", "x\n")
    with session.call("kept"):
        write(repo / "kept.txt", "y\n")
    tree = session.post["lost"]["trail"]["tree_id"]["hex"]
    (repo / ".git" / "hookkit" / "objects" / tree[:2] / tree[2:]).unlink()
    session.emit()
    doubt = {path: "unbounded_mutation_window" in names for path, names in limits(repo).items()}
    assert doubt == {"lost.txt": True, "kept.txt": True}, "git cannot tell any more which call wrote which"


@pytest.mark.parametrize("name", ["tracked_files_only", "large_files_excluded"])
def test_capture_that_saw_less_makes_what_came_and_went_doubtful(session: Session, repo: Path, name: str) -> None:
    write(repo / "untracked.txt", "u\n")
    with session.call("whole"):
        pass
    session.before("call")
    (repo / "untracked.txt").rename(repo.parent / "away")
    session.after("call", limitations=[name])
    (repo.parent / "away").rename(repo / "untracked.txt")
    session.stop()
    session.emit()
    assert limits(repo) == {"untracked.txt": ["hook_only", "incomplete_step_window_capture"]}
    (closed,) = (event for event in events(repo, "trace_step_window_closed") if event.payload["tool_call_id"] == "call")
    assert closed.payload["hook_limitations"] == [name]
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert seen.payload["capture_limitations"] == ["incomplete_step_window_capture"]
    assert (seen.payload["before_hook_limitations"], seen.payload["after_hook_limitations"]) == ([name], [])


def test_session_that_is_resumed_later_goes_on_in_the_same_trail(session: Session, repo: Path) -> None:
    with session.call("first"):
        write(repo / "first.txt", "x\n")
    session.stop()
    session.emit()
    write(repo / "overnight.txt", "z\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "by hand")
    session.prompt()
    with session.call("second"):
        write(repo / "second.txt", "y\n")
    session.stop()
    session.emit()
    assert [call for call, _, _ in patches(repo)] == ["first", "second"]
    assert observed(repo) == [["overnight.txt"]]
    assert len([event for event in events(repo) if event.payload.get("snapshot_role") == "origin"]) == 1
    assert len(events(repo, "trace_session_closed")) == 2


def test_many_files_in_one_call_are_bounded(session: Session, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hookkit.trails import emit_patches

    monkeypatch.setattr(emit_patches, "_MOST_HUNKS", 20)
    monkeypatch.setattr(emit_patches, "_MOST_FILES", 30)
    with session.call("generate"):
        for number in range(40):
            write(repo / f"made/{number}.txt", f"{number}\n")
    session.emit()
    found = events(repo, "trace_patch_created")
    assert len(found) == 30
    assert {event.payload["affected_range"] for event in found} == {None}
    assert [event.payload["files_left_out"] for event in found if "files_left_out" in event.payload] == [10]


def test_window_open_at_the_ingest_is_closed_by_a_later_one(session: Session, repo: Path) -> None:
    session.before("agent", "Agent")
    session.before("long")
    write(repo / "first.txt", "x\n")
    session.stop()
    session.emit()
    assert len(events(repo, "trace_step_window_closed")) == 0
    write(repo / "second.txt", "y\n")
    session.after("long")
    session.after("agent")
    session.emit()
    assert {call for call, _, _ in patches(repo)} == {"long"}
    assert {path for _, _, path in patches(repo)} == {"first.txt", "second.txt"}
    assert observed(repo) == []
    assert len(events(repo, "trace_step_window_closed")) == 2


def schema_errors(found: list[Any]) -> list[str]:
    import json
    from importlib import resources

    import jsonschema

    schema = json.loads(resources.files("hookkit.schemas").joinpath("trail-event.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for event in found for error in validator.iter_errors(event.to_json())]


def test_every_event_fits_the_schema(session: Session, repo: Path) -> None:
    session.prompt()
    with session.call("a"):
        write(repo / "a.bin", b"\0")
        (repo / "old.txt").unlink()
    write(repo / "gap.txt", "x\n")
    session.prompt()
    session.before("b", trail=False)
    session.after("b", trail=False)
    session.stop()
    session.stop(trail=False)
    session.emit()
    assert {event.event_type for event in events(repo)} >= {"trace_session_closed", "filesystem_mutation_observed"}
    assert schema_errors(events(repo)) == []
