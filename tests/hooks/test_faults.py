"""Whatever goes wrong around the hook: nothing is lost that could be written, and the next call is right again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import (
    INTERPRETER,
    SESSION,
    Rig,
    commit,
    expected_tree,
    fake_git,
    git,
    hook_lines,
    make_repository,
    private,
    processes_with,
    wait_for,
)  # fmt: skip

NOBODY = 65534


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
        started = time.monotonic()
        assert rig.tree(env={"PATH": path}) == expected_tree(rig.project)
        assert time.monotonic() - started < 4000
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
    for number in range(2000):
        (rig.project / f"{number}").write_text(f"{number}\n")
    _short_budget(rig, 0.02)
    data = rig.fire("PreToolUse")["data"]
    assert data["limitations"] == ["tree_timeout"]
    assert _unfinished(rig) == []
    rig.patch("hookkit_tree.py", "BUDGET = 0.02", "BUDGET = 30.000")
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


def _fire_as_nobody(rig: Rig, event: str) -> list[dict[str, Any]]:
    before = rig.lines()
    process = subprocess.Popen(
        ["/bin/sh", "-c", rig.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=rig.project, env=rig.environment(), start_new_session=True, user=NOBODY, group=NOBODY, extra_groups=[],
    )  # fmt: skip
    assert rig.finish(process, json.dumps(rig.payload(event)).encode()) == (0, b"", b"")
    return [line for line in rig.lines() if line not in before]


@pytest.fixture
def nobody(root_only: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A rig that belongs to a user without rights, in a folder that such a user can reach."""
    runs = [program for program in (INTERPRETER, "/usr/bin/python3") if _runs_as_nobody(program)]
    if not runs:
        pytest.skip("nobody may not run any interpreter here")
    with tempfile.TemporaryDirectory(prefix="hookkit-") as folder:
        base = Path(folder).resolve()
        root = make_repository(base / "project")
        (root / "a.txt").write_text("one\n")
        commit(root)
        rig = Rig(base, root)
        command = rig.command.replace(shlex.quote(INTERPRETER), runs[0])
        monkeypatch.setattr(Rig, "command", property(lambda self: command))
        (rig.home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
        for path in (base, *base.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        git(base, "config", "--global", "safe.directory", "*")
        yield rig


def _runs_as_nobody(program: str) -> bool:
    try:
        done = subprocess.run([program, "-I", "-S", "-c", ""], user=NOBODY, check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def test_unreadable_files_are_left_out_and_that_is_said(nobody: Rig) -> None:
    (nobody.project / "secret").write_text("x\n")
    os.chown(nobody.project / "secret", 0, 0)
    (nobody.project / "secret").chmod(0)
    (nobody.project / "open").write_text("x\n")
    (nobody.project / "open").chmod(0o644)
    (line,) = _fire_as_nobody(nobody, "PreToolUse")
    assert line["data"]["limitations"] == ["unreadable_paths"]
    (nobody.project / "secret").unlink()
    assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(nobody.project)


@pytest.mark.parametrize("where", ["git dir", "worktree", "home", "everything"])
def test_folders_that_may_not_be_written(nobody: Rig, where: str) -> None:
    folders = {
        "git dir": [nobody.project / ".git"],
        "worktree": [nobody.project],
        "home": [nobody.home, nobody.transcript.parent],
        "everything": [nobody.project, nobody.project / ".git", nobody.home, nobody.base],
    }[where]
    for folder in folders:
        folder.chmod(0o555)
        os.chown(folder, 0, 0)
    lines = _fire_as_nobody(nobody, "Stop")
    if where == "everything":
        assert lines == []
        return
    (line,) = lines
    assert line["data"].get("limitations") == (["git_failed"] if where == "git dir" else None)
    sidecars = [path for path in nobody.sidecars() if hook_lines(path)]
    in_state = nobody.state / "sidecars" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    in_project = nobody.project / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    assert sidecars == [in_state if where == "worktree" else in_project]


def test_a_transcript_that_may_not_be_written_sends_the_line_to_the_sidecar(nobody: Rig) -> None:
    before = nobody.begin()
    os.chown(nobody.transcript, 0, 0)
    nobody.transcript.chmod(0o444)
    (line,) = _fire_as_nobody(nobody, "PreToolUse")
    assert "trail" in line["data"]
    assert nobody.transcript.read_bytes() == before
    assert len(nobody.sidecars()) == 1


def test_a_full_disk_does_not_leave_half_a_line_in_the_transcript(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 78 * 512 - 100
    before = rig.begin(b'{"a":"' + b"x" * (size - 9) + b'"}\n')
    assert len(before) == size
    command = f"ulimit -f 78; {rig.command}"
    monkeypatch.setattr(Rig, "command", property(lambda self: command))
    line = rig.fire("PreToolUse")
    assert rig.transcript.read_bytes() == before
    assert hook_lines(rig.sidecars()[0]) == [line]


@pytest.fixture
def small_disk(tmp_path: Path, root_only: None) -> Iterator[Path]:
    """A file system of 400 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_the_tree_id_but_not_the_line(rig: Rig, small_disk: Path) -> None:
    shutil.copytree(rig.project, small_disk / "project", symlinks=True)
    full = Rig(rig.base / "second", small_disk / "project")
    (full.project / "new").write_text("x\n")
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(filler, b"x" * 4096) == 4096:
            pass
    os.close(filler)
    line = full.fire("PreToolUse")
    assert line["data"]["limitations"] == ["git_failed"]
    assert full.sidecars() == [full.state / "sidecars" / "claude-code" / "hooks" / f"{SESSION}.jsonl"]
    (small_disk / "filler").unlink()
    assert full.tree() == expected_tree(full.project)


def test_a_limit_on_processes_costs_the_tree_id_but_not_the_line(nobody: Rig) -> None:
    nobody.begin()
    process = subprocess.Popen(
        ["/bin/sh", "-c", "exec " + nobody.command.split(">")[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=nobody.project, env=nobody.environment(), start_new_session=True, user=NOBODY,
        group=NOBODY, extra_groups=[], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)),
    )  # fmt: skip
    assert nobody.finish(process, json.dumps(nobody.payload("Stop")).encode()) == (0, b"", b"")
    (line,) = nobody.lines()
    assert line["data"]["limitations"] == ["git_failed"]


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
    for number in range(25):
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
