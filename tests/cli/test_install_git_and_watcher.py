"""`hookkit install|remove|status|doctor` of git hooks and the watcher, beside an agent's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit import agents, cli, paths
from hookkit.installer import ClaudeCodeHookInstaller, watcher_service
from hookkit.installer.rehearsal import Rehearsal
from hookkit.trails.log import read_events
from tests.waiting import wait_for

from .recorded import valid


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_service.Service, "program", None)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is one."""
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", "--template=", str(root)], check=True)
    monkeypatch.chdir(root)
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert cli.run(arguments) == code
    return capsys.readouterr().out


def test_every_answer_follows_its_schema(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("claude-code", "git", "watcher")
    (repository / ".git" / "hooks").mkdir()
    (repository / ".git" / "hooks" / "post-commit").write_text("#!/bin/sh\n")
    plans = valid(run(capsys, "install", *names, "--dry-run", "--json"), "install-plan")["plans"]
    assert [plan["installer"] for plan in plans] == [*names]
    assert "+# >>> hookkit >>>" in plans[1]["diff"]
    assert not paths.state().exists()
    results = valid(run(capsys, "install", *names, "--json"), "install-result")["results"]
    assert [result["changed"] for result in results] == [True] * 3
    states = valid(run(capsys, "status", "--json"), "install-status")["installers"]
    assert [(state["installer"], state["installed"]) for state in states] == [(name, True) for name in names]
    plans = valid(run(capsys, "remove", "--dry-run", "--json"), "install-plan")["plans"]
    assert [plan["installer"] for plan in plans] == [*names]
    results = valid(run(capsys, "remove", "--json"), "install-result")["results"]
    assert [result["changed"] for result in results] == [True] * 3
    assert [path.name for path in (repository / ".git" / "hooks").iterdir()] == ["post-commit"]


def test_what_nobody_named_is_shown_only_where_it_was_installed(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(run(capsys, "status", "--json"))["installers"] == []
    assert "git: not installed" in run(capsys, "status", "git")
    run(capsys, "install", "git")
    monkeypatch.chdir(tmp_path)
    assert f"folder    {repository.resolve()}/.git/hooks  2 of 2 hooks" in run(capsys, "status", "git")
    output = run(capsys, "remove", "git")
    assert output.startswith("Removed git hooks: 2 hooks from ")
    assert not (repository / ".git" / "hooks").exists()
    assert cli.run(["status", "git"]) == 1  # there is no repository here
    assert "No hooks of hookkit were found." in run(capsys, "remove")


def test_a_repository_that_git_refuses_is_in_nobodys_way(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (repository / ".git" / "config").write_text("[core")
    assert "hookkit is not installed" in run(capsys, "status")
    assert "No hooks of hookkit were found." in run(capsys, "remove")
    assert cli.run(["status", "git"]) == 1
    assert "hint:" in capsys.readouterr().err


def test_one_repository_can_be_named(repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    run(capsys, "install", "git")
    run(capsys, "install", "git", "--project", str(other))
    run(capsys, "remove", "git", "--project", str(other))
    (state,) = json.loads(run(capsys, "status", "git", "--json"))["installers"]
    assert state["active"]


def test_purge_takes_out_hooks_and_watcher_and_refuses_while_some_stay(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "install", "claude-code", "git", "watcher")
    assert cli.run(["remove", "claude-code", "--purge"]) == 1
    assert "is still installed in" in capsys.readouterr().err
    assert not paths.hooks().exists()  # the scripts of the agent are not those of git
    run(capsys, "remove", "--purge")
    assert not paths.home().exists()
    assert not paths.state().exists()
    assert not (repository / ".git" / "hooks").exists()


def test_a_repository_that_is_gone_can_be_forgotten(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "install", "git")
    monkeypatch.chdir(tmp_path)
    repository.rename(tmp_path / "elsewhere")
    output = run(capsys, "status", "git")
    assert "is gone" in output
    run(capsys, "remove")
    assert not list((paths.state() / "installs").iterdir())
    run(capsys, "remove", "--purge")


def test_people_are_told_what_was_done_and_what_to_know(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / ".git" / "hooks").mkdir()
    (repository / ".git" / "hooks" / "post-commit").write_text("#!/bin/sh\n")
    output = run(capsys, "install", "git", "watcher")
    assert output.splitlines()[0] == f"Installed git hooks: 2 hooks in {repository.resolve()}/.git/hooks"
    assert "Kept:      post-commit as post-commit.before-hookkit" in output
    assert "Installed watcher units: 2 files in ~/.config/systemd/user" in output or sys.platform == "darwin"
    assert "hint: Run `hookkit watch` in a terminal" in output
    assert "installed already" in run(capsys, "install", "git")


def test_doctor_examines_and_mends(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "install", "git")
    report = valid(run(capsys, "doctor", "git", "--json"), "doctor-report")
    assert report["healthy"], report
    (repository / ".git" / "hooks" / "post-commit").unlink()
    report = valid(run(capsys, "doctor", "git", "--json", code=0), "doctor-report")
    assert [check["status"] for check in report["agents"][0]["checks"]].count("warning") == 1
    (row,) = valid(run(capsys, "doctor", "git", "--fix", "--json"), "doctor-report")["agents"]
    assert (row["agent"], len(row["fixed"])) == ("git", 1)
    assert {check["status"] for check in row["checks"]} == {"ok"}


@pytest.mark.parametrize("name", ["git", "watcher"])
def test_options_that_mean_nothing_there_are_usage_errors(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("install", "remove", "status"):
        assert cli.run([command, name, "--settings-file", "x.json"]) == 2
        assert "hint:" in capsys.readouterr().err


def test_install_without_a_name_is_about_agents(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["install"]) in (1, 2)
    assert "git" not in capsys.readouterr().err.replace("hookkit", "")


def test_a_commit_of_what_an_agent_wrote_is_anchored_in_the_background(
    tmp_path: Path, isolated_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the agent's hooks to the event log: a recorded session is played, then a person commits."""
    agent = ClaudeCodeHookInstaller()
    agent.install()
    (tmp_path / "scratch").mkdir()
    rehearsal = Rehearsal(agents.AGENTS["claude-code"], tmp_path / "scratch")
    env = {key: os.environ[key] for key in ("PATH", "HOME")}
    assert list(rehearsal.play(agent.registered(), env))
    run(capsys, "install", "git", "--project", str(rehearsal.root))
    wait_for(lambda: any(event.event_type == "trace_session_closed" for event in read_events(rehearsal.root)))
    for arguments in (["add", "-A"], ["commit", "-q", "-m", "what the agent wrote"]):
        done = subprocess.run(["git", *arguments], cwd=rehearsal.root, capture_output=True, check=True)
        assert done.stdout + done.stderr == b""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=rehearsal.root, capture_output=True, text=True, check=True)
    wait_for(lambda: head.stdout.strip() in _anchored(rehearsal.root))
    assert not (paths.state() / "ingest.log").exists()


def _anchored(root: Path) -> set[str]:
    anchors = [event.payload for event in read_events(root) if event.event_type == "git_anchor_created"]
    return {payload["commit_id"]["hex"] for payload in anchors}
