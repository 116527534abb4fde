"""The watcher's tick: what waits is read, what is quiet costs nothing, and one failure stays alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents, paths
from hookkit.agents import claude_code
from hookkit.capture import registry, watch
from hookkit.capture.claude_code.parser import encoded
from hookkit.capture.ingest import ingest_session
from hookkit.capture.registry import get_parser
from tests.capture.support import SESSION, Transcript

OLD = time.time() - 3600


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A worktree in which an agent was recorded."""
    root = tmp_path / "a project"
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    enlist(root)
    return root


def enlist(root: Path) -> None:
    with (paths.private_dir(paths.state()) / "worktrees").open("ab") as file:
        file.write(os.fsencode(root) + b"\n")


def transcript(project: Path, session: str = SESSION, age: float = 3600) -> Path:
    """A finished session of the project that nobody reported, last written to so many seconds ago."""
    path = get_parser("claude-code").storage() / encoded(project) / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Transcript().turn().text())
    touch(path, age)
    return path


def touch(path: Path, age: float) -> None:
    os.utime(path, (time.time() - age,) * 2)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The projects that were scanned."""
    seen: list[Path] = []

    def scan(project: Path) -> list[Any]:
        seen.append(project)
        return []

    monkeypatch.setattr(watch, "scan_project", scan)
    return seen


def test_the_session_folder_is_that_of_the_agents_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert get_parser("claude-code").storage() == claude_code.CONTRACT.transcripts(os.environ)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "moved"))
    assert get_parser("claude-code").storage() == tmp_path / "moved" / "projects"


def test_an_active_tick_scans_the_project_and_a_quiet_one_does_not(project: Path, scans: list[Path]) -> None:
    assert watch.run_once(project).is_quiet
    assert scans == []
    transcript(project)
    watch.run_once(project)
    assert scans == [project]


def test_what_no_hook_reported_becomes_a_trace_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = transcript(project)
    tick = watch.run_once(project)
    assert [(one.status, one.session_id) for one in tick.ingested] == [("stored", SESSION)]
    assert watch.run_once(project).is_quiet
    touch(path, 120)  # newer than nothing: the trace was written now
    assert watch.run_once(project).is_quiet


def test_a_session_that_its_hook_reported_is_quiet(project: Path, scans: list[Path]) -> None:
    ingest_session(transcript(project), project)
    watch.run_once(project)
    assert scans == []


def test_a_session_that_is_going_on_is_left_to_itself(project: Path, scans: list[Path]) -> None:
    path = transcript(project, age=10)
    watch.run_once(project)
    assert scans == []
    touch(path, 61)
    watch.run_once(project)
    assert scans == [project]


def test_a_subagents_file_wakes_the_watcher(project: Path, scans: list[Path]) -> None:
    path = transcript(project)
    trace = ingest_session(path, project).trace_id
    touch(paths.traces() / f"{trace}.json", 1800)
    touch(path, 3600)
    watch.run_once(project)
    assert scans == []
    nested = path.with_suffix("") / "subagents" / "agent-a1.jsonl"
    nested.parent.mkdir(parents=True)
    nested.write_text("{}\n")
    touch(nested, 120)
    watch.run_once(project)
    assert scans == [project]


def test_a_sidecar_alone_is_a_session(project: Path) -> None:
    sidecar = project / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("{}\n")
    touch(sidecar, 3600)
    tick = watch.run_once(project)
    assert [one.status for one in tick.ingested] == ["empty"]
    assert watch.run_once(project).is_quiet  # it gives no trace, and is not read again and again
    touch(sidecar, 100)
    assert not watch.run_once(project).is_quiet


def test_a_session_that_was_started_below_the_root_is_found_by_its_sidecar(project: Path) -> None:
    below = project / "below"
    path = transcript(below)
    sidecar = project / ".opentraces" / "claude-code" / "hooks" / path.name
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("{}\n")
    touch(sidecar, 3600)
    tick = watch.run_once(project)
    assert [(one.status, one.transcript) for one in tick.ingested] == [("stored", path)]


def test_a_quiet_tick_reads_no_file_of_a_session(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = transcript(project)
    watch.run_once(project)
    opened: list[str] = []
    real = Path.open

    def spy(self: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(str(self))
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", spy)
    watch.run_once(project)
    assert str(path) not in opened


def test_a_failure_is_told_logged_and_stays_alone(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    enlist(other)
    enlist(tmp_path / "gone")
    enlist(project)  # twice
    transcript(other)
    transcript(project, "0e0e0e0e-0000-4000-8000-000000000002")
    real = watch.scan_project

    def scan(root: Path) -> Any:
        if root == project:
            raise RuntimeError("boom")
        return real(root)

    monkeypatch.setattr(watch, "scan_project", scan)
    ticks = list(watch.run_all())
    assert [(tick.project, tick.error) for tick in ticks] == [(project, "RuntimeError: boom"), (other, None)]
    assert [one.status for one in ticks[1].ingested] == ["stored"]
    assert "boom" in (paths.state() / "ingest.log").read_text()


def test_one_session_that_cannot_be_read_keeps_no_other_from_being_read(project: Path) -> None:
    broken = transcript(project)
    transcript(project, "0e0e0e0e-0000-4000-8000-000000000002")
    broken.unlink()
    broken.mkdir()
    sidecar = project / ".opentraces" / "claude-code" / "hooks" / broken.name
    sidecar.parent.mkdir(parents=True)
    sidecar.symlink_to(sidecar)
    assert "stored" in [one.status for one in watch.run_once(project).ingested]


@pytest.mark.parametrize("how", ["variable", "marker"])
def test_consent_is_asked_before_anything_is_read(
    how: str, project: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript(project)
    if how == "variable":
        monkeypatch.setenv("HOOKKIT_DISABLE", "1")
    else:
        (project / ".opentraces").mkdir()
        (project / ".opentraces" / "excluded").touch()
    assert watch.run_once(project).is_quiet
    assert scans == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": "b"}', b"\xff"])
def test_a_damaged_memory_is_forgotten(content: bytes, project: Path) -> None:
    transcript(project)
    watch.run_once(project)
    (paths.state() / "ingest" / "watch.json").write_bytes(content)
    assert watch.run_once(project).error is None


def test_every_agent_with_a_parser_is_watched(
    project: Path, monkeypatch: pytest.MonkeyPatch, scans: list[Path]
) -> None:
    path = transcript(project)
    monkeypatch.setattr(watch, "discover_project_sessions", lambda root, names: iter([("another-agent", path)]))
    monkeypatch.setattr(watch, "get_parser", lambda name: get_parser("claude-code"))
    watch.run_once(project)
    assert scans == [project]
    assert registry.get_parsers().keys() == set(agents.SOURCES)
