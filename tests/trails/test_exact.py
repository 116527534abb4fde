from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookkit.errors import UsageError
from hookkit.git import Worktree
from hookkit.trails.exact import append_exact_patch_trail
from hookkit.trails.log import read_events, read_events_for_trace
from hookkit.trails.verify import verify
from tests.trails.log_support import SCHEMA, assert_whole, git, make_repository

KINDS = ["trace_snapshot_created", "trace_snapshot_created", "trace_patch_created", "git_anchor_created"]


@pytest.fixture
def worktree(tmp_path: Path) -> Worktree:
    worktree = make_repository(tmp_path / "r")
    commit(worktree, "app.py", b"def a():\n    return 1\n")
    return worktree


def commit(worktree: Worktree, name: str, content: bytes) -> str:
    (worktree.root / name).write_bytes(content)
    git(worktree.root, "add", "-A")
    git(worktree.root, "commit", "-qm", name)
    return git(worktree.root, "rev-parse", "HEAD")


def test_snapshots_patch_and_anchor_are_appended(worktree: Worktree) -> None:
    sha = commit(worktree, "app.py", b"def a():\n    return 1\n\ndef b():\n    return 2\n")
    events = append_exact_patch_trail(
        worktree.root, trace_id="t", step_index=3, file_path="app.py", authored_text="def b():\n    return 2\n",
        writer="my-agent", capture_method=["hook_posttooluse", "my_agent"], generation_index=1,
    )  # fmt: skip
    assert [event.event_type for event in events] == KINDS
    assert events == read_events_for_trace(worktree, "t")
    for event in events:
        SCHEMA.validate(event.to_json())
        assert (event.step_index, event.generation_index, event.writer) == (3, 1, "my-agent")
        assert event.capture_method == ("hook_posttooluse", "my_agent")
        assert event.event_time == git(worktree.root, "show", "-s", "--format=%cI", sha)
    before, after, patch, anchor = (event.payload for event in events)
    assert (before["snapshot_role"], after["snapshot_role"]) == ("before", "after")
    assert before["tree_id"]["hex"] == git(worktree.root, "rev-parse", "HEAD^^{tree}")
    assert after["tree_id"]["hex"] == git(worktree.root, "rev-parse", "HEAD^{tree}")
    assert patch["affected_range"] == anchor["range"] == {"start_line": 4, "end_line": 5}
    assert patch["after_blob_id"] == anchor["blob_id"]
    assert (anchor["commit_id"]["hex"], anchor["path"], anchor["evidence_firmness"]) == (sha, "app.py", "firm")
    assert anchor["trace_patch_id"] == patch["trace_patch_id"]
    assert (patch["snapshot_before_id"], patch["snapshot_after_id"]) == (before["snapshot_id"], after["snapshot_id"])
    assert verify(worktree, full=True).ok
    assert_whole(worktree, [after["tree_id"]["hex"]])


def test_the_same_is_appended_once_and_another_step_again(worktree: Worktree) -> None:
    def append(step: int) -> int:
        return len(
            append_exact_patch_trail(
                worktree.root, trace_id="t", step_index=step, file_path="app.py", authored_text="def a():"
            )
        )

    assert [append(1), append(1), append(2)] == [4, 0, 4]
    assert read_events(worktree)[0].capture_method == ("manual_attach",)


def test_the_lines_that_the_commit_added_are_meant(worktree: Worktree) -> None:
    commit(worktree, "x", b"same\na\nb\n")
    commit(worktree, "x", b"same\na\nsame\nb\n")
    events = append_exact_patch_trail(worktree.root, trace_id="t", step_index=0, file_path="x", authored_text="same")
    assert events[2].payload["affected_range"] == {"start_line": 3, "end_line": 3}


def test_whole_lines_are_meant_and_no_substring(worktree: Worktree) -> None:
    commit(worktree, "x", b"max(a)\n")
    with pytest.raises(UsageError) as caught:
        append_exact_patch_trail(worktree.root, trace_id="t", step_index=0, file_path="x", authored_text="x")
    assert caught.value.code == "TEXT_NOT_IN_COMMIT"


def test_the_first_commit_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    root = tmp_path / "new"
    root.mkdir()
    git(root, "init", "-q")
    name = os.fsdecode(b"caf\xe9 \n.txt")
    (root / name).write_bytes(b"\xff\r\nb")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    events = append_exact_patch_trail(
        root, trace_id="t", step_index=0, file_path=name, authored_text=os.fsdecode(b"\xff\r\nb")
    )
    assert [event.event_type for event in events] == KINDS
    assert events[0].payload["tree_id"] is None
    assert events[2].payload["status"] == "added"
    assert events[2].payload["affected_range"] == {"start_line": 1, "end_line": 2}
    assert read_events(root)[2].payload["file_path"] == name


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"commit_ref": "no-such"}, "NO_COMMIT"),
        ({"commit_ref": "--all"}, "NO_COMMIT"),
        ({"file_path": "none.py"}, "TEXT_NOT_IN_COMMIT"),
        ({"file_path": "../app.py"}, "TEXT_NOT_IN_COMMIT"),
        ({"authored_text": ""}, "TEXT_NOT_IN_COMMIT"),
    ],
)
def test_what_is_not_there_is_an_error_and_nothing_is_appended(
    worktree: Worktree, options: dict[str, str], code: str
) -> None:
    given = {"file_path": "app.py", "authored_text": "def a():", **options}
    with pytest.raises(UsageError) as caught:
        append_exact_patch_trail(worktree.root, trace_id="t", step_index=0, **given)
    assert caught.value.code == code
    assert read_events(worktree) == []


def test_outside_a_worktree_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        append_exact_patch_trail(tmp_path, trace_id="t", step_index=0, file_path="x", authored_text="x")
