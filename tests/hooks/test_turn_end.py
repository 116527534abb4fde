"""A turn's end starts the ingest, detached, and does not wait for it."""

from __future__ import annotations

import fcntl
import json
import os
import resource
from pathlib import Path

import pytest

from tests.waiting import wait_for

from .rig import SESSION, Payload, Rig


def _report(path: Path) -> Payload:
    wait_for(path.exists)
    report: Payload = json.loads(path.read_text())
    return report


@pytest.mark.parametrize("event", ["Stop", "StopFailure", "SessionEnd"])
def test_the_end_of_a_turn_or_session_starts_the_ingest_of_its_transcript(rig: Rig, event: str) -> None:
    report = rig.record_ingest()
    rig.begin()
    rig.fire(event)
    found = _report(report)
    project = str(rig.project.resolve())
    assert found["arguments"] == [
        "_ingest-session", str(rig.transcript), "--agent", "claude-code", "--project", project
    ]  # fmt: skip


@pytest.mark.parametrize("event", ["SessionStart", "PreToolUse", "PostToolUse", "SubagentStop", "PreCompact"])
def test_no_other_event_starts_one(rig: Rig, event: str) -> None:
    report = rig.record_ingest()
    rig.fire(event)
    last = rig.record_ingest("last.json")
    rig.fire("Stop")
    _report(last)
    assert not report.exists()


def test_the_ingest_inherits_nothing_but_the_environment(rig: Rig) -> None:
    report = rig.record_ingest()
    rig.begin()
    first = os.open(rig.transcript, os.O_RDONLY)
    many = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1, 5000)
    open_for_hook = (fcntl.fcntl(first, fcntl.F_DUPFD, 100), fcntl.fcntl(first, fcntl.F_DUPFD, many))
    try:
        process = rig.start(pass_fds=open_for_hook, MARK="kept")
        assert rig.finish(process, json.dumps(rig.payload("Stop")).encode()) == (0, b"", b"")
    finally:
        for descriptor in (first, *open_for_hook):
            os.close(descriptor)
    found = _report(report)
    assert found["session"] == found["pid"]
    assert found["cwd"] == "/"
    assert found["environment"]["MARK"] == "kept"
    assert {found["descriptors"][number] for number in "012"} == {"/dev/null"}
    assert not [target for target in found["descriptors"].values() if str(rig.base) in target]
    assert not [target for target in found["descriptors"].values() if target.startswith("pipe:")]


def test_a_session_outside_any_repository_has_no_project(plain: Rig) -> None:
    report = plain.record_ingest()
    plain.fire("Stop")
    assert _report(report)["arguments"] == ["_ingest-session", str(plain.transcript), "--agent", "claude-code"]


def test_the_project_is_the_sessions_wherever_the_agent_went(rig: Rig) -> None:
    report = rig.record_ingest()
    raw = json.dumps({**rig.payload("Stop"), "cwd": str(rig.base)}).encode()
    rig.send(raw, cwd=rig.base)
    assert _report(report)["arguments"][-1] == str(rig.project.resolve())


def test_the_hook_does_not_wait(rig: Rig) -> None:
    started, finished = rig.base / "started", rig.base / "finished"
    script = rig.base / "slow"
    script.write_text(f"touch '{started}'; while [ ! -e '{finished}' ]; do sleep 0.01; done; touch '{finished}2'\n")
    rig.runtime(ingest=["/bin/sh", str(script)])
    rig.fire("Stop")
    wait_for(started.exists)
    finished.touch()
    wait_for(Path(f"{finished}2").exists)


@pytest.mark.parametrize("ingest", [None, [], "no list", [7], ["/not/there"], ["/"], ["relative"], ["/bin/false"]])
def test_an_ingest_that_cannot_be_started_is_no_ones_concern(rig: Rig, ingest: object) -> None:
    rig.runtime(ingest=ingest)
    rig.begin()
    rig.fire("Stop")


@pytest.mark.parametrize("path", ["/etc/passwd", "relative.jsonl", 7, f"/projects/x/../x/{SESSION}.jsonl", None])
def test_a_path_that_is_not_the_sessions_own_transcript_is_never_passed_on(rig: Rig, path: object) -> None:
    report = rig.record_ingest()
    rig.fire("Stop", transcript_path=path)
    project = str(rig.project.resolve())
    assert _report(report)["arguments"] == [
        "_ingest-session", "--session", SESSION, "--agent", "claude-code", "--project", project
    ]  # fmt: skip


def test_a_moved_home_is_passed_on(rig: Rig) -> None:
    report = rig.record_ingest()
    moved = rig.base / "moved"
    rig.fire("Stop", env={"HOOKKIT_HOME": str(moved)})
    assert _report(report)["environment"]["HOOKKIT_HOME"] == str(moved)
    assert (moved / "state" / "worktrees").exists()
    runtime = json.loads((rig.hooks / "runtime.json").read_text())
    own = rig.base / "own"
    (rig.hooks / "runtime.json").write_text(json.dumps({**runtime, "home": str(own), "state": str(own / "state")}))
    report.unlink()
    rig.fire("Stop")
    assert _report(report)["environment"]["HOOKKIT_HOME"] == str(own)
