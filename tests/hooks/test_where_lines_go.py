"""A line goes to the session's own transcript or to its sidecar, and nowhere else."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from .rig import SESSION, Rig, expected_tree, git, hook_lines, private


def test_what_stands_in_the_transcript_stays_byte_for_byte(rig: Rig) -> None:
    before = rig.begin(b'{"a":1}\r\n\x00\xff\xfe not json \n\n{"b":"\xed\xa0\x80"}\n')
    rig.fire("PreToolUse")
    rig.fire("Stop")
    assert rig.transcript.read_bytes().startswith(before + b'{"type":"opentraces_hook","event":"PreToolUse"')
    assert rig.transcript.read_bytes().count(b"\n") == before.count(b"\n") + 2


def test_a_torn_last_line_is_ended_first(rig: Rig) -> None:
    torn = rig.begin(b'{"a":1}\n{"torn":"li')
    rig.fire("PreToolUse")
    assert rig.transcript.read_bytes().startswith(torn + b'\n{"type":"opentraces_hook"')


def test_an_empty_transcript_gets_no_empty_line(rig: Rig) -> None:
    rig.begin(b"")
    rig.fire("PreToolUse")
    assert rig.transcript.read_bytes().startswith(b'{"type":"opentraces_hook"')


def test_a_torn_sidecar_is_ended_first(rig: Rig) -> None:
    rig.fire("SessionStart")
    (sidecar,) = rig.sidecars()
    sidecar.write_bytes(sidecar.read_bytes() + b'{"torn')
    rig.fire("PreToolUse")
    assert [line["event"] for line in rig.lines()] == ["SessionStart", "PreToolUse"]


def test_the_transcript_keeps_its_mode(rig: Rig) -> None:
    rig.begin()
    rig.transcript.chmod(0o640)
    rig.fire("PreToolUse")
    assert rig.transcript.stat().st_mode & 0o777 == 0o640


def _elsewhere(rig: Rig, kind: str) -> str:
    """A transcript path that is not the session's transcript, as the payload would name it."""
    folder = rig.transcript.parent
    victim = rig.home / "precious.jsonl"
    victim.write_bytes(b"precious\n")
    named = folder / f"{SESSION}.jsonl"
    if kind == "another name":
        victim.rename(folder / "other.jsonl")
        return str(folder / "other.jsonl")
    if kind == "another folder":
        moved = rig.home / "documents" / f"{SESSION}.jsonl"
        moved.parent.mkdir()
        victim.rename(moved)
        return str(moved)
    if kind == "too deep":
        moved = folder / "deeper" / f"{SESSION}.jsonl"
        moved.parent.mkdir()
        victim.rename(moved)
        return str(moved)
    if kind == "symlink":
        named.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(named)
    elif kind == "folder":
        named.mkdir()
    elif kind == "socket":
        short = Path(f"/proc/self/fd/{os.open(folder, os.O_PATH)}")
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(short / named.name))
    elif kind == "device":
        return "/dev/full"
    elif kind == "dots":
        victim.rename(named)
        return f"{folder}/x/../{SESSION}.jsonl"
    elif kind == "doubled slash":
        victim.rename(named)
        return f"{folder}//{SESSION}.jsonl"
    elif kind == "relative":
        return os.path.relpath(victim, rig.project)
    elif kind == "zero byte":
        return f"{folder}/\0/{SESSION}.jsonl"
    elif kind == "lone surrogate":
        return f"{folder}/\ud800/{SESSION}.jsonl"
    elif kind == "far too long":
        return "/projects/x/" + "a/" * 100_000 + f"{SESSION}.jsonl"
    return str(named)


KINDS = [
    "another name", "another folder", "too deep", "symlink", "fifo", "folder", "socket", "device", "dots",
    "doubled slash", "relative", "zero byte", "lone surrogate", "far too long",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_sessions_own_transcript_is_written_to(rig: Rig, kind: str) -> None:
    path = _elsewhere(rig, kind)
    before = {file: file.read_bytes() for file in rig.home.rglob("*") if file.is_file()}
    rig.send(json.dumps(rig.payload("PreToolUse", transcript_path=path)).encode())
    assert {file: file.read_bytes() for file in rig.home.rglob("*") if file.is_file()} == before
    (sidecar,) = rig.sidecars()
    assert [line["event"] for line in hook_lines(sidecar)] == ["PreToolUse"]


@pytest.mark.parametrize("path", [None, 7, [], {"a": 1}, ""])
def test_a_transcript_path_that_is_no_text_is_none(rig: Rig, path: object) -> None:
    rig.fire("Stop", transcript_path=path)
    assert len(rig.sidecars()) == 1


@pytest.mark.parametrize("link", [".opentraces", ".opentraces/claude-code", ".opentraces/claude-code/hooks"])
def test_a_link_that_the_repository_holds_does_not_lead_a_sidecar_elsewhere(rig: Rig, link: str) -> None:
    outside = rig.base / "outside"
    outside.mkdir()
    (rig.project / link).parent.mkdir(parents=True, exist_ok=True)
    (rig.project / link).symlink_to(outside)
    rig.fire("SessionEnd")
    assert list(outside.iterdir()) == []
    assert rig.sidecars() == [rig.state / "sidecars" / "claude-code" / "hooks" / f"{SESSION}.jsonl"]


def test_a_sidecar_that_is_a_link_is_not_followed(rig: Rig) -> None:
    victim = rig.base / "victim"
    victim.write_bytes(b"victim\n")
    folder = rig.project / ".opentraces" / "claude-code" / "hooks"
    folder.mkdir(parents=True)
    (folder / f"{SESSION}.jsonl").symlink_to(victim)
    rig.send(json.dumps(rig.payload("SessionEnd")).encode())
    assert victim.read_bytes() == b"victim\n"
    assert len(hook_lines(rig.state / "sidecars" / "claude-code" / "hooks" / f"{SESSION}.jsonl")) == 1


def test_the_sidecar_ignores_itself_also_in_a_folder_that_was_there(rig: Rig) -> None:
    (rig.project / ".opentraces").mkdir()
    before = expected_tree(rig.project)
    rig.fire("SessionStart")
    assert rig.tree() == expected_tree(rig.project) == before
    assert (rig.project / ".opentraces" / ".gitignore").read_bytes() == b"*\n"
    assert git(rig.project, "status", "--porcelain", "--untracked-files=all") == ""


def test_a_gitignore_of_somebody_elses_stays(rig: Rig) -> None:
    (rig.project / ".opentraces").mkdir()
    (rig.project / ".opentraces" / ".gitignore").write_text("# mine\n*\n")
    rig.fire("SessionStart")
    assert (rig.project / ".opentraces" / ".gitignore").read_text() == "# mine\n*\n"


def test_the_sidecar_is_in_the_worktree_of_the_session_wherever_the_agent_went(rig: Rig) -> None:
    other = rig.base / "elsewhere"
    other.mkdir()
    rig.fire("PreToolUse", cwd=other)
    rig.send(json.dumps({**rig.payload("PostToolUse"), "cwd": str(other)}).encode(), cwd=other)
    sub = rig.project / "sub"
    rig.send(json.dumps({**rig.payload("PostToolUse"), "cwd": str(sub)}).encode(), cwd=sub)
    assert len(rig.sidecars()) == 1
    assert len(rig.lines()) == 3


def test_without_a_project_folder_the_payloads_current_folder_counts(rig: Rig) -> None:
    rig.fire("PreToolUse", env={"CLAUDE_PROJECT_DIR": None}, cwd=rig.base)
    assert rig.sidecars() == [rig.project / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"]


def test_a_deleted_current_folder_costs_no_line(rig: Rig) -> None:
    gone = rig.base / "gone"
    gone.mkdir()
    process = rig.start(cwd=gone)
    gone.rmdir()
    raw = json.dumps({**rig.payload("PreToolUse"), "cwd": str(gone)}).encode()
    code, said, _ = rig.finish(process, raw)  # the shell itself may complain, before the hook runs
    assert (code, said) == (0, b"")
    assert rig.lines()[0]["data"]["trail"]["tree_id"]["hex"] == expected_tree(rig.project)
    process = rig.start(cwd=rig.base, CLAUDE_PROJECT_DIR=None)
    assert rig.finish(process, b"") == (0, b"", b"")


def test_a_hostile_state_folder_does_no_harm(rig: Rig) -> None:
    (rig.hooks / "runtime.json").write_text('{"state": "/dev/null/state"}')
    rig.fire("PreToolUse")
    assert private(rig.project).is_dir()
