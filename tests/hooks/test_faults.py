"""Whatever goes wrong around the hook: nothing is lost that could be written, and the next call is right again."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import time
from typing import Any

import pytest

from hookkit.git.heal import heal
from tests.waiting import wait_for

from .rig import (
    INTERPRETER,
    Rig,
    expected_tree,
    fake_git,
    git,
    private,
    processes_with,
)  # fmt: skip

pytestmark = pytest.mark.long


def _short_budget(rig: Rig, seconds: float = 0.3) -> None:
    rig.patch("hookkit_tree.py", "BUDGET = 2.0", f"BUDGET = {seconds}")


def _limit(rig: Rig) -> Any:
    path = private(rig.project) / "limited.json"
    return json.loads(path.read_text()) if path.exists() else None


def _unfinished(rig: Rig) -> list[str]:
    """What a capture leaves behind only while it runs."""
    found = private(rig.project).rglob("*")
    begins, ends = ("tmp_", "capture."), ("index.lock", ".stage")
    return [path.name for path in found if path.name.startswith(begins) or path.name.endswith(ends)]


SLEEP = "sleep 4711"


def _sleepers(mark: str) -> list[int]:
    return list(processes_with(mark))


@pytest.mark.parametrize("script", ["exec MARK", "MARK & wait", "MARK; exit 0", "trap '' TERM; MARK", "exec >&-; MARK"])
def test_a_slow_git_is_killed_with_all_it_started(rig: Rig, script: str) -> None:
    _short_budget(rig)
    mark = f"sleep 47{random.randrange(10**6):06}"
    path = fake_git(rig.base / "fake", script.replace("MARK", mark))
    data = rig.fire("PreToolUse", env={"PATH": path})["data"]
    assert data["limitations"] == ["tree_timeout"]
    assert "trail" not in data
    wait_for(lambda: not _sleepers(mark))
    assert _unfinished(rig) == []


def test_a_process_that_holds_the_pipe_does_not_hold_the_hook(rig: Rig) -> None:
    mark = f"sleep 48{random.randrange(10**6):06}"
    path = fake_git(rig.base / "fake", f'{mark} & "$REAL" "$@"')
    try:
        assert rig.tree(env={"PATH": path}) == expected_tree(rig.project)
        assert _sleepers(mark)
    finally:
        for process in _sleepers(mark):
            os.kill(process, signal.SIGKILL)


def test_output_that_git_wrote_just_before_its_end_is_read(rig: Rig) -> None:
    mark = f"sleep 49{random.randrange(10**6):06}"
    path = fake_git(rig.base / "fake", f'{mark} & out=$("$REAL" "$@"); sleep 0.03; echo "$out"')
    try:
        for _ in range(3):
            assert rig.tree(env={"PATH": path}) == expected_tree(rig.project)
    finally:
        for process in _sleepers(mark):
            os.kill(process, signal.SIGKILL)


def test_after_a_timeout_only_tracked_files_are_captured(rig: Rig) -> None:
    _short_budget(rig, 1.0)
    (rig.project / "a.txt").write_text("changed\n")
    tracked = expected_tree(rig.project)
    (rig.project / "untracked").write_text("new\n")
    slow = fake_git(rig.base / "fake", f'case "$*" in *" -A"*) {SLEEP};; esac; exec "$REAL" "$@"')
    assert rig.fire("PreToolUse", env={"PATH": slow})["data"]["limitations"] == ["tree_timeout"]
    assert _limit(rig) == {"level": "tracked"}
    data = rig.fire("PostToolUse", env={"PATH": slow})["data"]
    assert data["trail"]["tree_id"]["hex"] == tracked
    assert data["limitations"] == ["hook_only", "posttooluse_no_file_range", "tracked_files_only"]


def test_when_even_tracked_files_take_too_long_git_is_not_tried_again(rig: Rig) -> None:
    _short_budget(rig)
    calls = rig.base / "calls"
    slow = fake_git(rig.base / "fake", f"echo >>'{calls}'; {SLEEP}")
    for _ in range(2):
        rig.fire("PreToolUse", env={"PATH": slow})
    assert _limit(rig) == {"level": "off"}
    count = calls.stat().st_size
    assert rig.fire("PreToolUse", env={"PATH": slow})["data"]["limitations"] == ["tree_timeout"]
    assert calls.stat().st_size == count


def test_files_that_are_left_out_are_left_out_and_that_is_said(rig: Rig) -> None:
    for name in ("big * [1].bin", "other"):
        (rig.project / name).write_text("x\n")
    rig.fire("PreToolUse")
    limit = private(rig.project) / "limited.json"
    limit.write_text(json.dumps({"level": "without", "without": ["big * [1].bin"]}))
    found = rig.tree()
    assert rig.limitations() == ["large_files_excluded"]
    (rig.project / "big * [1].bin").unlink()
    assert found == expected_tree(rig.project)


@pytest.mark.parametrize(
    "limit", ["", "{", "[]", "null", '{"level": 7}', '{"level": "without", "without": [7]}', "[" * 99999]
)
def test_a_broken_limit_is_read_carefully(rig: Rig, limit: str) -> None:
    rig.fire("PreToolUse")
    (private(rig.project) / "limited.json").write_text(limit)
    assert rig.tree() == expected_tree(rig.project)
    assert rig.limitations() == (["tracked_files_only"] if limit else [])


def test_a_large_untracked_file_costs_once(rig: Rig) -> None:
    with (rig.project / "large").open("wb") as file:
        file.truncate(5 << 30)
    _short_budget(rig, 0.4)
    before = git(rig.project, "status", "--porcelain")
    assert rig.fire("PreToolUse")["data"]["limitations"] == ["tree_timeout"]
    assert _unfinished(rig) == []
    assert not any("pack-" in path.name for path in private(rig.project).rglob("*"))
    rig.patch("hookkit_tree.py", "BUDGET = 0.4", "BUDGET = 10.0")
    data = rig.fire("PostToolUse")["data"]
    assert "tracked_files_only" in data["limitations"]
    assert data["trail"]["tree_id"]["hex"] == git(rig.project, "rev-parse", "HEAD^{tree}")
    assert git(rig.project, "status", "--porcelain") == before


def test_a_timeout_leaves_what_another_capture_is_writing(rig: Rig) -> None:
    _short_budget(rig)
    rig.fire("PreToolUse")
    objects = private(rig.project) / "objects"
    slow = fake_git(rig.base / "fake", SLEEP)
    holder = subprocess.Popen(
        [INTERPRETER, "-I", "-S", "-c", f"import fcntl,sys; f=open({str(objects) + '.lock'!r}); "
         "fcntl.flock(f, fcntl.LOCK_SH); print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    other = objects / "ab" / "tmp_obj_other"
    other.parent.mkdir(exist_ok=True)
    other.write_text("half an object")
    rig.fire("PreToolUse", env={"PATH": slow})
    assert other.exists()
    holder.communicate()
    (private(rig.project) / "limited.json").unlink()
    rig.fire("PreToolUse", env={"PATH": slow})
    assert not other.exists()


def test_many_untracked_files_over_the_budget_are_left_to_the_ingest(rig: Rig) -> None:
    for number in range(800):
        (rig.project / f"{number}").write_text(f"{number}\n")
    _short_budget(rig, 0.01)
    data = rig.fire("PreToolUse")["data"]
    assert data["limitations"] == ["tree_timeout"]
    assert _unfinished(rig) == []
    rig.patch("hookkit_tree.py", "BUDGET = 0.01", "BUDGET = 30.000")
    assert rig.tree() == git(rig.project, "rev-parse", "HEAD^{tree}")
    assert rig.limitations() == ["tracked_files_only"]
    (private(rig.project) / "limited.json").unlink()
    assert rig.tree() == expected_tree(rig.project)


def test_special_and_dead_files_in_the_worktree(rig: Rig) -> None:
    root = rig.project
    os.mkfifo(root / "fifo")
    (root / "dead").symlink_to("/nowhere")
    (root / "turn").symlink_to("turn")
    folder = os.open(root, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(f"/proc/self/fd/{folder}/socket")
    os.close(folder)
    assert rig.tree() == expected_tree(root)
    assert rig.limitations() == []


@pytest.mark.parametrize(
    "leftover", ["capture.1.1", "capture.1.1.lock", "base-1-2-3", "capture.1.1.7.stage", "index.lock"]
)
def test_what_a_killed_hook_left_does_not_stop_the_next_one(rig: Rig, leftover: str) -> None:
    rig.fire("PreToolUse")
    path = private(rig.project) / leftover
    path.write_bytes(b"DIRC garbage")
    (rig.project / "a.txt").write_text("changed\n")
    assert rig.tree() == expected_tree(rig.project)
    if leftover != "index.lock":
        rig.patch("hookkit_tree.py", "STALE = 60.0", "STALE = -1.0")
        assert rig.tree() == expected_tree(rig.project)
        assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"DIRC", b"garbage" * 100])
def test_a_seed_that_git_cannot_read_costs_one_tree_id(rig: Rig, content: bytes) -> None:
    rig.fire("PreToolUse")
    (seed,) = private(rig.project).glob("base-*")
    seed.write_bytes(content)
    (rig.project / "new").write_text("x\n")
    rig.fire("PreToolUse")
    assert rig.tree() == expected_tree(rig.project)


@pytest.mark.parametrize("content", [b"", b"DIRC", b"garbage" * 100])
def test_a_warm_index_that_git_cannot_read_costs_nothing(rig: Rig, content: bytes) -> None:
    rig.patch("hookkit_tree.py", "MANY = 1000", "MANY = 1")
    (rig.project / "new").write_text("x\n")
    rig.fire("PreToolUse")
    (private(rig.project) / "index").write_bytes(content)
    (rig.project / "a.txt").write_text("changed\n")
    assert rig.tree() == expected_tree(rig.project)


def test_a_hook_killed_at_any_moment_leaves_the_next_one_right(rig: Rig) -> None:
    chance = random.Random(7)
    rig.begin()
    raw = json.dumps(rig.payload("PreToolUse")).encode()
    for number in range(20):
        (rig.project / "a.txt").write_text(f"{number}\n")
        (rig.project / f"new {number}").write_text(f"{number}\n")
        if number % 5 == 0:
            git(rig.project, "add", "-A")
        process = rig.start()
        assert process.stdin is not None
        process.stdin.write(raw)
        process.stdin.close()
        process.stdin = None
        time.sleep(chance.uniform(0, 0.06))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if number % 3 == 0:
            assert rig.tree() == expected_tree(rig.project)
    assert rig.tree() == expected_tree(rig.project)
    assert rig.limitations() == []


@pytest.mark.parametrize("begun", [True, False], ids=["transcript", "sidecar"])
def test_thirty_two_hooks_at_once_write_thirty_two_right_lines(rig: Rig, begun: bool) -> None:
    if begun:
        rig.begin()
    (rig.project / "a.txt").write_text("changed\n")
    (rig.project / "new").write_text("new\n")
    rig.patch("hookkit_tree.py", "BUDGET = 2.0", "BUDGET = 60.0")  # on a loaded machine
    raws = [json.dumps(rig.payload("PreToolUse", tool_use_id=f"toolu_{number}")).encode() for number in range(32)]
    processes = [rig.start() for _ in raws]
    for process, raw in zip(processes, raws, strict=True):
        assert process.stdin is not None
        process.stdin.write(raw)
        process.stdin.close()
        process.stdin = None
    assert [rig.finish(process) for process in processes] == [(0, b"", b"")] * 32
    lines = rig.lines()
    assert {line["data"]["tool_call_id"] for line in lines} == {f"toolu_{number}" for number in range(32)}
    assert len(lines) == 32
    assert {line["data"]["trail"]["tree_id"]["hex"] for line in lines} == {expected_tree(rig.project)}
    assert not [line for line in lines if "limitations" in line["data"]]
    assert _unfinished(rig) == []


def test_hooks_and_the_users_git_do_not_disturb_each_other(rig: Rig) -> None:
    rig.begin()
    rig.patch("hookkit_tree.py", "BUDGET = 2.0", "BUDGET = 60.0")
    raw = json.dumps(rig.payload("PreToolUse")).encode()
    for number in range(6):
        processes = [rig.start() for _ in range(3)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(raw)
            process.stdin.close()
            process.stdin = None
        (rig.project / f"new {number}").write_text("x\n")
        git(rig.project, "add", "-A")
        git(rig.project, "commit", "-q", "-m", f"{number}")
        assert [rig.finish(process) for process in processes] == [(0, b"", b"")] * 3
    assert len(rig.lines()) == 18
    assert not [line for line in rig.lines() if "limitations" in line["data"]]
    assert rig.tree() == git(rig.project, "rev-parse", "HEAD^{tree}")


def test_hookkits_folder_may_be_deleted_at_any_time(rig: Rig) -> None:
    first = rig.tree()
    shutil.rmtree(private(rig.project))
    assert rig.tree() == first
    shutil.rmtree(private(rig.project) / "objects")
    assert rig.tree() == first


def test_a_file_where_hookkits_folder_should_be_costs_the_tree_id_but_not_the_line(rig: Rig) -> None:
    (rig.project / ".git" / "hookkit").write_text("in the way")
    assert rig.fire("PreToolUse")["data"]["limitations"] == ["git_failed"]


def test_no_memory_to_speak_of_is_needed(rig: Rig) -> None:
    rig.begin()
    process = subprocess.Popen(
        ["/bin/sh", "-c", rig.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=rig.project, env=rig.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20)),
    )  # fmt: skip
    assert rig.finish(process, json.dumps(rig.payload("PreToolUse")).encode()) == (0, b"", b"")
    assert "trail" in rig.lines()[0]["data"]


def test_what_the_ingest_healed_is_captured_whole_again_without_reading_it_all(rig: Rig) -> None:
    reads = rig.base / "reads"
    git(rig.project, "config", "filter.slow.clean", f"echo >>'{reads}'; sleep 0.1; cat")
    (rig.project / ".gitattributes").write_text("/many/** filter=slow\n")
    (rig.project / "many").mkdir()
    for number in range(12):
        (rig.project / "many" / f"{number}").write_text(f"{number}\n")
        os.utime(rig.project / "many" / f"{number}", (1e9, 1e9))  # git reads a file as new as the index more than once
    _short_budget(rig, 0.5)
    assert rig.fire("PreToolUse")["data"]["limitations"] == ["tree_timeout"]
    rig.fire("PreToolUse")
    assert rig.limitations() == ["tracked_files_only"]
    heal(rig.project)
    assert _limit(rig) is None
    reads.unlink()
    rig.patch("hookkit_tree.py", "BUDGET = 0.5", "BUDGET = 60.0")
    assert rig.tree() == expected_tree(rig.project)
    expected_reads = reads.read_text().count("\n") if reads.exists() else 0
    assert expected_reads == 12  # those of expected_tree alone
