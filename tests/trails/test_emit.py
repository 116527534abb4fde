"""What a session's hook lines become in the event log."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

import hookkit.trails
from hookkit.trails.emit import without_superseded
from hookkit.trails.log import REF

from .recorded import Session, events, git, observed, patches, repository

KINDS = [
    "trace_snapshot_created",
    "trace_step_window_opened",
    "trace_snapshot_created",
    "trace_step_window_closed",
    "trace_patch_created",
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def session(repo: Path) -> Session:
    return Session(repo)


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def one_edit(session: Session) -> None:
    with session.call("toolu_1", "Edit", file_path=f"{session.root}/old.txt"):
        write(session.root / "old.txt", "one\n2\nthree\n")


def test_record_gives_windows_snapshots_and_patches(session: Session, repo: Path) -> None:
    one_edit(session)
    result = session.emit()
    kinds = [event.event_type for event in events(repo)]
    assert kinds == ["trace_snapshot_created", *KINDS]
    assert [event.event_id for event in result.emitted_events] == [event.event_id for event in events(repo)]
    assert [event.event_id for event in result.projection_events] == [event.event_id for event in events(repo)]
    assert result.skipped_tool_calls == 0
    assert git(repo, "rev-parse", "--verify", REF)


def test_record_may_be_a_trace_record(session: Session, repo: Path) -> None:
    one_edit(session)
    value = session.record() | {"schema_version": "0.9.0"}
    result = hookkit.trails.emit_step_window_events_from_record(repo, TraceRecord.model_validate(value))
    assert len(result.emitted_events) == 6
    assert hookkit.trails.StepTrailEmissionResult is type(result)


def test_pre_and_post_are_paired_by_tool_call_id(session: Session, repo: Path) -> None:
    session.before("a", "Read", file_path="x")
    session.before("b", "Read", file_path="y")
    session.after("b")
    session.after("a")
    session.emit()
    for call in "ab":
        opened, closed = (
            next(event for event in events(repo, f"trace_step_window_{kind}") if event.payload["tool_call_id"] == call)
            for kind in ("opened", "closed")
        )
        assert opened.payload["event_time"] == session.pre[call]["timestamp"]
        assert closed.payload["event_time"] == session.post[call]["timestamp"]
        assert opened.step_index == closed.step_index == (0 if call == "a" else 1)


def test_window_tells_what_the_line_index_needs(session: Session, repo: Path) -> None:
    session.before("toolu_1", "Edit", file_path=f"{repo}/old.txt")
    write(repo / "old.txt", "one\n2\nthree\n")
    ranges = [{"start_line": 2, "end_line": 2, "change_type": "modification", "deleted_lines": 1}]
    told = {"file_path": f"{repo}/old.txt", "ranges": ranges, "capture_status": "captured", "limitations": []}
    session.after("toolu_1", **told)
    session.emit()
    (opened,), (closed,) = (events(repo, f"trace_step_window_{kind}") for kind in ("opened", "closed"))
    assert opened.payload == {
        "worktree_root": str(repo),
        "tree_id": session.pre["toolu_1"]["trail"]["tree_id"],
        "git_head": session.pre["toolu_1"]["trail"]["git_head"],
        "event_time": session.pre["toolu_1"]["timestamp"],
        "session_id": "s",
        "agent": "claude-code",
        "boundary": "opened",
        "boundary_firmness": "firm",
        "tool_call_id": "toolu_1",
        "tool_name": "Edit",
        "agent_step_id": "step_0",
        "declared_write_paths": ["old.txt"],
        "container": False,
        "background": False,
        "brings_back": False,
        "capture_limitations": [],
        "hook_limitations": [],
    }
    assert closed.payload["file_path"] == "old.txt"
    assert closed.payload["ranges"] == [[2, 2]]
    assert closed.payload["failed"] is False
    assert closed.payload["tree_id"] == session.post["toolu_1"]["trail"]["tree_id"]


def test_patch_names_its_lines_blobs_and_hashes(session: Session, repo: Path) -> None:
    one_edit(session)
    session.emit()
    (patch,) = events(repo, "trace_patch_created")
    snapshots = {event.payload["snapshot_id"]: event for event in events(repo, "trace_snapshot_created")}
    before, after = (
        snapshots[patch.payload[key]].payload["tree_id"]["hex"] for key in ("snapshot_before_id", "snapshot_after_id")
    )
    assert patch.payload["affected_range"] == patch.payload["removed_range"] == {"start_line": 2, "end_line": 2}
    assert patch.payload["before_blob_id"]["hex"] == git(repo, "rev-parse", f"{before}:old.txt")
    assert patch.payload["after_blob_id"]["hex"] == git(repo, "rev-parse", f"{after}:old.txt")
    assert patch.payload["raw_authored_hash"] == hashlib.sha256(b"2\n").hexdigest()
    assert "authored_text" not in patch.payload
    assert patch.payload["capture_limitations"] == []


def test_capture_method_tells_which_hooks_saw_it(session: Session, repo: Path) -> None:
    session.prompt()
    one_edit(session)
    write(repo / "by-hand.txt", "x\n")
    session.stop()
    session.emit()
    methods = {(event.event_type, event.payload.get("snapshot_role")): event.capture_method for event in events(repo)}
    assert methods == {
        ("trace_snapshot_created", "origin"): ("hook_userpromptsubmit",),
        ("trace_snapshot_created", "before"): ("hook_pretooluse",),
        ("trace_snapshot_created", "after"): ("hook_posttooluse",),
        ("trace_step_window_opened", None): ("hook_pretooluse",),
        ("trace_step_window_closed", None): ("hook_posttooluse",),
        ("trace_patch_created", None): ("hook_pretooluse", "hook_posttooluse"),
        ("filesystem_mutation_observed", None): ("hook_posttooluse", "hook_stop"),
        ("trace_session_closed", None): ("hook_stop",),
    }


def test_first_boundary_is_the_origin(session: Session, repo: Path) -> None:
    session.prompt()
    one_edit(session)
    session.emit()
    (origin,) = (event for event in events(repo) if event.payload.get("snapshot_role") == "origin")
    assert origin.step_index == -1
    assert origin.payload["tree_id"] == session.events[0]["trail"]["tree_id"]


@pytest.mark.parametrize("half", ["pre", "post"])
def test_mark_skipped_missing_pre_or_post_hook(session: Session, repo: Path, half: str) -> None:
    if half == "pre":
        session.before("toolu_1")
    else:
        session.step("toolu_1")
        session.after("toolu_1")
    assert session.emit().skipped_tool_calls == 1
    (incomplete,) = events(repo, "trace_step_capture_incomplete")
    assert incomplete.payload["reasons"] == {"missing_pre_or_post_hook": 1}
    assert incomplete.payload["total_tool_calls"] == incomplete.payload["skipped_tool_calls"] == 1
    assert incomplete.payload["capture_limitations"] == ["incomplete_step_window_capture"]


def test_mark_skipped_worktree_root_mismatch(session: Session, repo: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    with session.call("toolu_1", root=other):
        write(other / "new.txt", "x\n")
    result = session.emit()
    assert result.skipped_tool_calls == 1
    assert not events(repo, "trace_patch_created")


def test_mark_skipped_missing_valid_tree_id(session: Session, repo: Path) -> None:
    one_edit(session)
    session.before("bare", trail=False)
    session.after("bare", trail=False)
    with session.call("lost"):
        write(repo / "new.txt", "x\n")
    session.post["lost"]["trail"]["tree_id"]["hex"] = "12" * 20
    assert session.emit().skipped_tool_calls == 2
    (incomplete,) = events(repo, "trace_step_capture_incomplete")
    assert incomplete.payload["reasons"] == {"missing_valid_tree_id": 2}
    assert patches(repo) == [("toolu_1", "modified", "old.txt")]


def test_emitting_again_adds_nothing_with_and_without_what_was_remembered(session: Session, repo: Path) -> None:
    one_edit(session)
    write(repo / "by-hand.txt", "x\n")
    session.before("lost")
    session.stop()
    first = session.emit()
    head = git(repo, "rev-parse", REF)
    assert session.emit().emitted_events == []
    shutil.rmtree(repo / ".git" / "hookkit" / "emitted")
    again = session.emit()
    assert again.emitted_events == []
    assert again.skipped_tool_calls == first.skipped_tool_calls == 1
    assert git(repo, "rev-parse", REF) == head


def test_growing_session_emits_only_what_is_new_and_ends_with_the_same_facts(
    session: Session, repo: Path, tmp_path: Path
) -> None:
    sizes = []
    for number in range(4):
        session.prompt()
        session.before(f"outer{number}", "Agent")
        with session.call(f"call{number}"):
            write(repo / f"f{number}.txt", f"{number}\n")
        if number == 2:
            session.before("lost")
        session.after(f"outer{number}")
        write(repo / "by-hand.txt", f"{number}\n")
        session.stop()
        sizes.append(len(session.emit().emitted_events))
    assert max(sizes[1:]) < sizes[0] + 4
    grown = {event.fact() for event in events(repo)}
    git(repo, "update-ref", "-d", REF)
    session.emit()
    assert {event.fact() for event in events(repo)} == grown


def test_log_that_was_deleted_is_filled_again(session: Session, repo: Path) -> None:
    one_edit(session)
    session.stop()
    facts = {event.fact() for event in session.emit().emitted_events}
    git(repo, "update-ref", "-d", REF)
    assert {event.fact() for event in session.emit().emitted_events} == facts


def test_change_between_calls_is_observed_and_is_no_patch(session: Session, repo: Path) -> None:
    one_edit(session)
    write(repo / "by-hand.txt", "x\n")
    git(repo, "mv", "old.txt", "moved.txt")
    session.stop()
    session.emit()
    (seen,) = events(repo, "filesystem_mutation_observed")
    assert {path["path"]: (path["status"], path["old_path"]) for path in seen.payload["paths"]} == {
        "by-hand.txt": ("added", "by-hand.txt"),
        "moved.txt": ("renamed", "old.txt"),
    }
    assert seen.payload["before_tree_id"] == session.post["toolu_1"]["trail"]["tree_id"]
    assert seen.payload["after_tree_id"] == session.stops[0]["trail"]["tree_id"]
    assert seen.payload["before_time"] == session.post["toolu_1"]["timestamp"]
    assert seen.payload["capture_limitations"] == []
    assert len(patches(repo)) == 1
    (closed,) = events(repo, "trace_session_closed")
    assert closed.payload["tree_id"] == session.stops[0]["trail"]["tree_id"]


def test_deleted_renamed_changed_in_mode_binary_and_odd_files_are_patches(session: Session, repo: Path) -> None:
    for name in ("gone", "from", "tool", "run.sh"):
        write(repo / f"{name}", f"{name} {name}\nsecond\n")
    odd = os.fsdecode(b"caf\xe9 \xff.txt")
    with session.call("toolu_1"):
        (repo / "gone").unlink()
        (repo / "from").rename(repo / "to")
        (repo / "run.sh").chmod(0o755)
        write(repo / "picture.bin", b"\0\1\2")
        write(repo / "latin.txt", b"caf\xe9\n")
        write(repo / "é.txt", "é\n")
        write(repo / odd, "x\n")
        write(repo / "empty", "")
        (repo / "link").symlink_to("tool")
    session.emit()
    found = {each.payload["file_path"]: each.payload for each in events(repo, "trace_patch_created")}
    statuses = {path: payload["status"] for path, payload in found.items()}
    assert statuses == dict.fromkeys(["picture.bin", "latin.txt", "é.txt", odd, "empty", "link"], "added") | {
        "gone": "deleted",
        "to": "renamed",
        "run.sh": "modified",
    }
    assert found["gone"]["removed_range"] == {"start_line": 1, "end_line": 2}
    assert found["gone"]["affected_range"] == {"start_line": 1, "end_line": 0}
    assert found["gone"]["after_blob_id"] is None
    assert found["to"]["old_path"] == "from"
    assert found["to"]["affected_range"] is None
    assert (found["run.sh"]["old_mode"], found["run.sh"]["new_mode"]) == ("100644", "100755")
    assert found["picture.bin"]["binary"] is True
    assert found["latin.txt"]["raw_authored_hash"] == hashlib.sha256(b"caf\xe9\n").hexdigest()
    assert found["link"]["new_mode"] == "120000"


def test_one_patch_for_each_hunk(session: Session, repo: Path) -> None:
    write(repo / "long.txt", "".join(f"{number}\n" for number in range(20)))
    with session.call("toolu_1"):
        write(repo / "long.txt", "".join(f"{number}{'!' * (number in (3, 15))}\n" for number in range(20)))
    session.emit()
    ranges = [each.payload["affected_range"]["start_line"] for each in events(repo, "trace_patch_created")]
    assert ranges == [4, 16]


def test_submodule_that_moves_is_a_patch_without_lines(session: Session, repo: Path, tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    with session.call("toolu_1"):
        write(repo / "sub" / "new.txt", "x\n")
        git(repo / "sub", "add", "-A")
        git(repo / "sub", "commit", "-q", "-m", "inside")
    session.emit()
    (patch,) = events(repo, "trace_patch_created")
    assert patch.payload["file_path"] == "sub"
    assert patch.payload["new_mode"] == "160000"
    assert patch.payload["affected_range"] is None


def test_failed_call_keeps_what_it_wrote(session: Session, repo: Path) -> None:
    session.before("toolu_1")
    write(repo / "half.txt", "x\n")
    session.after("toolu_1", event="PostToolUseFailure", error="exit 1")
    session.emit()
    (closed,) = events(repo, "trace_step_window_closed")
    assert closed.payload["failed"] is True
    assert closed.capture_method == ("hook_posttooluse",)
    assert patches(repo) == [("toolu_1", "added", "half.txt")]


def test_window_that_was_closed_by_the_next_boundary_says_so(session: Session, repo: Path) -> None:
    session.before("killed")
    write(repo / "half.txt", "x\n")
    session.stop()
    entry = session.stops[0] | {"capture_status": "post_inferred", "limitations": ["post_inferred"], "tool": "Bash"}
    session.post["killed"] = entry
    session.emit()
    (closed,) = events(repo, "trace_step_window_closed")
    assert closed.payload["boundary_firmness"] == "inferred"
    assert closed.payload["capture_limitations"] == ["unbounded_mutation_window"]
    assert closed.payload["hook_limitations"] == ["post_inferred"]
    assert closed.capture_method == ("hook_stop",)
    (patch,) = events(repo, "trace_patch_created")
    assert "unbounded_mutation_window" in patch.payload["capture_limitations"]
    snapshots = {event.payload["snapshot_id"] for event in events(repo, "trace_snapshot_created")}
    assert {patch.payload["snapshot_before_id"], patch.payload["snapshot_after_id"]} <= snapshots


def test_sha256_repository(tmp_path: Path) -> None:
    session = Session(repository(tmp_path / "repo", "--object-format=sha256"))
    one_edit(session)
    session.emit()
    (patch,) = events(session.root, "trace_patch_created")
    assert patch.payload["after_blob_id"]["algo"] == "sha256"
    assert len(patch.payload["after_blob_id"]["hex"]) == 64


@pytest.mark.parametrize(
    "spoil",
    [
        {"hook_pre_tool_use": None, "hook_post_tool_use": [], "hook_stop": {}, "hook_events": "x"},
        {"hook_pre_tool_use": {"a": {"timestamp": "2026-11-22T09:00:00Z", "trail": {"worktree_root": 5}}}},
        {"hook_stop": [None, 5, {"timestamp": "never"}]},
        {},
    ],
)
def test_record_of_any_shape_is_no_error(session: Session, repo: Path, spoil: dict[str, Any]) -> None:
    one_edit(session)
    record = session.record()
    record["metadata"] = {**record["metadata"], **spoil} if spoil else None
    hookkit.trails.emit_step_window_events_from_record(repo, record)


def test_trees_that_are_no_object_ids_are_left_out(session: Session, repo: Path) -> None:
    one_edit(session)
    for digits in ("HEAD", "--all", "12", "zz" * 20, "12" * 32):
        with session.call(f"call-{digits}"):
            pass
        session.post[f"call-{digits}"]["trail"]["tree_id"]["hex"] = digits
    assert session.emit().skipped_tool_calls == 5
    assert patches(repo) == [("toolu_1", "modified", "old.txt")]


@pytest.mark.parametrize("ending", ["", "+05:30", "Z"])
def test_times_may_be_told_in_any_zone(session: Session, repo: Path, ending: str) -> None:
    one_edit(session)
    for entry in (session.pre["toolu_1"], session.post["toolu_1"]):
        entry["timestamp"] = entry["timestamp"].removesuffix("Z") + ending
    session.emit()
    assert patches(repo) == [("toolu_1", "modified", "old.txt")]


def test_outside_of_a_repository_nothing_is_emitted(session: Session, tmp_path: Path) -> None:
    one_edit(session)
    result = session.emit(tmp_path)
    assert result.emitted_events == result.projection_events == []


def test_late_line_supersedes_what_was_said_of_its_time(session: Session, repo: Path) -> None:
    session.stop()
    session.before("late")
    write(repo / "new.txt", "x\n")
    session.after("late")
    session.stop()
    late = {"late": session.pre.pop("late")}, {"late": session.post.pop("late")}
    session.steps.clear()
    session.emit()
    assert observed(repo) == [["new.txt"]]
    session.pre, session.post = late
    session.step("late")
    session.emit()
    current = [(each.event_type, each.payload.get("tool_call_id")) for each in without_superseded(events(repo))]
    assert ("trace_patch_created", "late") in current
    assert "filesystem_mutation_observed" not in [kind for kind, _ in current]


def test_events_are_json_without_foreign_values(session: Session, repo: Path) -> None:
    one_edit(session)
    session.emit()
    for event in events(repo):
        json.dumps(event.to_json())
