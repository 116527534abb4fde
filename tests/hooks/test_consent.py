"""Where capture is switched off, nothing is read and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .rig import EVENTS, Rig, git, make_repository, snapshot


def _everything(rig: Rig) -> dict[Path, bytes | None]:
    return {
        path: path.read_bytes() if path.is_file() else None
        for folder in (rig.project, rig.home, rig.state)
        for path in folder.rglob("*")
    }


def _exclude(folder: Path) -> None:
    (folder / ".opentraces").mkdir(exist_ok=True)
    (folder / ".opentraces" / "excluded").touch()


@pytest.mark.parametrize("event", EVENTS)
def test_the_switch_in_the_environment_stops_everything(rig: Rig, event: str) -> None:
    report = rig.record_ingest()
    rig.begin()
    before = _everything(rig)
    rig.send(json.dumps(rig.payload(event)).encode(), HOOKKIT_DISABLE="1")
    assert _everything(rig) == before
    assert not report.exists()


def test_only_the_value_1_is_the_switch(rig: Rig) -> None:
    for value in ("0", "", "no"):
        rig.fire("Stop", env={"HOOKKIT_DISABLE": value})


@pytest.mark.parametrize("where", ["x/y/project", "x/y", "x"])
def test_an_excluded_folder_and_all_below_it_are_left_alone(tmp_path: Path, where: str) -> None:
    rig = Rig(tmp_path, make_repository(tmp_path / "x" / "y" / "project"))
    report = rig.record_ingest()
    rig.begin()
    _exclude(tmp_path / where)
    before = _everything(rig), snapshot(rig.project)
    for event in EVENTS:
        rig.send(json.dumps(rig.payload(event)).encode())
    assert (_everything(rig), snapshot(rig.project)) == before
    assert not report.exists()


def test_a_session_in_a_subfolder_of_an_excluded_project_is_left_alone(rig: Rig) -> None:
    _exclude(rig.project)
    before = _everything(rig)
    sub = rig.project / "sub"
    rig.send(json.dumps(rig.payload("Stop", cwd=str(sub))).encode(), cwd=sub, CLAUDE_PROJECT_DIR=str(sub))
    rig.send(json.dumps(rig.payload("Stop", cwd=str(sub))).encode(), cwd=rig.base, CLAUDE_PROJECT_DIR=None)
    assert _everything(rig) == before


def test_an_excluded_folder_without_a_repository_is_left_alone(plain: Rig) -> None:
    _exclude(plain.project)
    plain.send(json.dumps(plain.payload("Stop")).encode())
    plain.send(json.dumps(plain.payload("Stop")).encode(), cwd=plain.base, CLAUDE_PROJECT_DIR=None)
    assert not plain.state.exists()


def test_a_link_to_an_excluded_project_leads_to_an_excluded_project(rig: Rig) -> None:
    _exclude(rig.project)
    link = rig.base / "link"
    link.symlink_to(rig.project)
    before = _everything(rig)
    rig.send(json.dumps(rig.payload("Stop", cwd=str(link))).encode(), CLAUDE_PROJECT_DIR=str(link))
    assert _everything(rig) == before


def test_a_call_about_a_file_of_an_excluded_project_is_left_out(rig: Rig) -> None:
    other = make_repository(rig.base / "other")
    _exclude(other)
    tool_input = {"file_path": str(other / "secret"), "content": "secret"}
    before = _everything(rig)
    rig.send(json.dumps(rig.payload("PreToolUse", tool_name="Write", tool_input=tool_input)).encode())
    assert _everything(rig) == before
    assert not (other / ".git" / "hookkit").exists()


def test_an_excluded_session_leaves_no_trace_of_what_it_does_elsewhere(rig: Rig) -> None:
    other = make_repository(rig.base / "other")
    _exclude(rig.project)
    tool_input = {"file_path": str(other / "x"), "content": "x"}
    payload = rig.payload("PreToolUse", tool_name="Write", tool_input=tool_input)
    rig.send(json.dumps(payload).encode(), cwd=rig.base, CLAUDE_PROJECT_DIR=None)
    rig.send(json.dumps(payload).encode())
    assert git(other, "status", "--porcelain") == ""
    assert not (other / ".git" / "hookkit").exists()


def test_a_marker_that_is_a_dead_link_counts(rig: Rig) -> None:
    (rig.project / ".opentraces").mkdir()
    (rig.project / ".opentraces" / "excluded").symlink_to("/nowhere")
    rig.send(json.dumps(rig.payload("Stop")).encode())
    assert not rig.lines()


def test_a_large_payload_is_taken_off_the_agents_hands_all_the_same(rig: Rig) -> None:
    raw = b'{"prompt": "' + b"x" * (70 << 20)
    process = rig.start(HOOKKIT_DISABLE="1")
    assert process.stdin is not None
    process.stdin.write(raw)  # raises BrokenPipeError when the hook is gone before it read everything
    process.stdin.close()
    process.stdin = None
    assert rig.finish(process) == (0, b"", b"")
