"""Where the hook may not write, or there is no room, it writes what it can and tells what it could not."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import INTERPRETER, SESSION, Rig, commit, expected_tree, git, hook_lines, make_repository

NOBODY = 65534


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
