from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.capture import ingest, settle
from hookkit.cli import run

FIXTURES = Path(__file__).parents[1] / "capture" / "fixtures"
BACKGROUND = FIXTURES / "background" / "projects" / "-home-dev-project"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    return tmp_path / "hookkit"


def test_folder_and_file_are_read_and_reading_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", str(BACKGROUND)]) == 0
    assert "go bg" in capsys.readouterr().out
    assert run(["ingest", str(next(BACKGROUND.glob("*.jsonl")))]) == 0
    assert capsys.readouterr().out == "1 unchanged\n"


def test_json_has_one_object_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "--json", str(BACKGROUND)]) == 0
    (result,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (result["status"], result["agent"], result["new_lines"]) == ("stored", "claude-code", 19)
    assert (paths.traces() / f"{result['trace_id']}.json").exists()


def test_project_and_all_look_where_the_agent_keeps_its_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    assert run(["ingest", "--project", str(project)]) == 0
    assert "No session was found" in capsys.readouterr().out
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in str(project))
    folder = tmp_path / "claude" / "projects" / name
    folder.parent.mkdir(parents=True)
    folder.symlink_to(BACKGROUND)
    monkeypatch.chdir(project)
    assert run(["ingest"]) == 0
    assert "1 stored" in capsys.readouterr().out
    assert run(["ingest", "--all"]) == 0
    assert capsys.readouterr().out == "1 unchanged\n"


def test_file_that_is_no_session_is_reported_after_the_others_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "no session.jsonl"
    odd.write_text("{}")
    assert run(["ingest", str(odd), str(BACKGROUND), "--json"]) == 1
    failed, done = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (failed["status"], done["status"], done["error"]) == ("failed", "stored", None)
    assert str(odd) in failed["error"]
    assert run(["ingest", str(odd)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 failed"


def test_sources_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "--all", "--project", str(tmp_path)]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_folder_without_sessions_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", str(tmp_path)]) == 1
    assert "no session" in capsys.readouterr().err


def detached(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hookkit", "_ingest-session", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_ingest_that_a_hook_starts_is_silent(tmp_path: Path) -> None:
    done = detached(str(next(BACKGROUND.glob("*.jsonl"))), "--project", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(paths.traces().glob("*.json"))) == 1


def test_hooks_that_ask_while_an_ingest_waits_are_served_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook of the session's end comes right after that of the turn's end, and what follows it is waited for."""
    transcript = Path(shutil.copy(next(BACKGROUND.glob("*.jsonl")), tmp_path))
    moments, later, done = [0.0], [], []

    def sleep(seconds: float) -> None:
        moments.append(moments[-1] + seconds)
        if moments[-1] == pytest.approx(0.3):
            later.append(ingest.ingest_session(transcript).status)

    def read(*arguments: Any) -> Any:
        done.append(moments[-1])
        return original(*arguments)

    original = ingest._ingest
    monkeypatch.setattr(ingest, "settle", partial(settle.settle, clock=lambda: moments[-1], sleep=sleep))
    monkeypatch.setattr(ingest, "_ingest", read)
    assert ingest.ingest_session(transcript, wait=True).status == "stored"
    assert later == ["busy"]
    assert done == [pytest.approx(0.3 + settle.QUIET, abs=0.11)]


def test_failure_of_a_detached_ingest_is_in_the_log_which_stays_small(tmp_path: Path) -> None:
    log = paths.private_dir(paths.state()) / "ingest.log"
    log.write_text("x" * 300_000)
    done = detached(str(tmp_path / "not a session.jsonl"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert "NOT_A_SESSION" in log.read_text() or "not named like a session" in log.read_text()
    assert log.stat().st_size < 10_000
    assert log.with_name("ingest.log.1").exists()
    assert log.stat().st_mode & 0o777 == 0o600
