"""`hookkit install`, `remove` and `status`, as they are called."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hookkit import agents, paths
from hookkit.cli import install, remove, status
from hookkit.errors import HookInstallError, HookkitError, UsageError

from . import recorded


@pytest.fixture
def claude(isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a user who has Claude Code; the current folder is a project of theirs."""
    path = isolated_home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{\n  "model": "opus"\n}\n')
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return path


def call(module: Any, *arguments: str) -> Result:
    result = CliRunner().invoke(module.command, list(arguments), prog_name=f"hookkit {module.__name__.split('.')[-1]}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def valid(result: Result, schema: str) -> Any:
    """The JSON that a command printed, checked against its schema."""
    return recorded.valid(result.output, schema)


def test_install_says_what_it_did_and_what_comes_next(claude: Path) -> None:
    output = call(install, "claude-code").output
    assert output.splitlines()[0] == "Installed Claude Code hooks: 12 events in ~/.claude/settings.json"
    assert "hookkit doctor" in output
    assert "installed already" in call(install, "claude-code").output


def test_install_status_and_remove_speak_json_by_their_schemas(claude: Path) -> None:
    before = claude.read_bytes()
    plan = valid(call(install, "claude-code", "--dry-run", "--json"), "install-plan")
    assert claude.read_bytes() == before
    assert '+  "hooks": {' in plan["plans"][0]["diff"]
    (result,) = valid(call(install, "claude-code", "--json"), "install-result")["results"]
    assert (result["changed"], result["active"], result["settings_path"]) == (True, True, str(claude))
    (state,) = valid(call(status, "--json"), "install-status")["installers"]
    assert (state["installed"], state["active"]) == (True, True)
    assert set(state["entries_present"].values()) == {True}
    assert all(os.path.exists(path) for path in state["script_paths"].values())
    plan = valid(call(remove, "--dry-run", "--purge", "--json"), "install-plan")
    assert str(paths.state() / "installs") in plan["purge"]
    assert claude.read_bytes() != before
    (result,) = valid(call(remove, "--json"), "install-result")["results"]
    assert (result["action"], len(result["events"])) == ("remove", 12)
    assert claude.read_bytes() == before
    assert valid(call(status, "--json"), "install-status")["installers"][0]["installed"] is False


def test_a_dry_run_shows_the_diff_and_changes_nothing(claude: Path) -> None:
    before = claude.read_bytes()
    output = call(install, "claude-code", "--dry-run").output
    assert f"+++ {claude}" in output
    assert '-  "model": "opus"\n+  "model": "opus",\n+  "hooks": {\n' in output
    assert "Nothing was changed" in output
    assert claude.read_bytes() == before
    assert not paths.home().exists()
    call(install, "claude-code")
    installed = claude.read_bytes()
    assert '-  "hooks": {\n' in call(remove, "--dry-run").output
    assert claude.read_bytes() == installed


def test_without_a_name_and_a_terminal_the_commands_are_listed(claude: Path) -> None:
    with pytest.raises(UsageError) as caught:
        call(install)
    assert caught.value.exit_code == 2
    assert "Claude Code" in caught.value.message
    assert caught.value.hint == "hookkit install claude-code"
    assert "hooks" not in claude.read_text()


def test_where_no_agent_is_found_the_known_ones_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HookkitError) as caught:
        call(install)
    assert caught.value.code == "NO_AGENT_FOUND"
    assert "hookkit install claude-code" in caught.value.hint


@pytest.mark.parametrize(("answer", "installed"), [("y", True), ("\n", True), ("n", False)])
def test_in_a_terminal_each_agent_that_is_found_is_offered(answer: str, installed: bool, claude: Path) -> None:
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    script = "from hookkit.cli.install import command; command([])"
    done = subprocess.run([sys.executable, "-c", script], stdin=slave, capture_output=True, text=True, check=False)
    os.close(slave)
    os.close(master)
    assert "Install hooks for Claude Code?" in done.stdout + done.stderr
    assert ("hookkit_claude_code.py" in claude.read_text()) is installed


def test_an_agent_that_nobody_knows_is_a_usage_error(claude: Path) -> None:
    for module in (install, remove, status):
        with pytest.raises(UsageError) as caught:
            call(module, "nope")
        assert "claude-code" in caught.value.hint


def test_remove_without_options_finds_every_install(claude: Path, tmp_path: Path) -> None:
    before = claude.read_bytes()
    other = tmp_path / "other project"
    other.mkdir()
    call(install, "claude-code")
    call(install, "claude-code", "--scope", "project", "--project", str(other))
    call(install, "claude-code", "--settings-file", str(tmp_path / "any.json"), "--hooks-dir", str(tmp_path / "h"))
    output = call(remove).output
    assert output.count("Removed Claude Code hooks") == 3
    assert claude.read_bytes() == before
    assert list(other.iterdir()) == []
    assert not (tmp_path / "any.json").exists()
    assert not (tmp_path / "h").exists()
    assert call(remove).output == "No hooks of hookkit were found.\n"


def test_remove_of_one_scope_leaves_the_others(claude: Path) -> None:
    call(install, "claude-code")
    call(install, "claude-code", "--scope", "local")
    call(remove, "claude-code", "--scope", "local")
    assert "12 of 12" in call(status).output
    assert not (Path.cwd() / ".claude").exists()


def test_hooks_that_somebody_else_put_into_a_project_are_not_removed_unasked(claude: Path, tmp_path: Path) -> None:
    call(install, "claude-code", "--scope", "project")
    committed = Path.cwd() / ".claude" / "settings.json"
    text = committed.read_text()
    call(remove)
    committed.parent.mkdir()
    committed.write_text(text)
    call(remove)
    assert committed.read_text() == text
    call(remove, "claude-code", "--scope", "project")
    assert "hookkit" not in committed.read_text()


def test_one_file_that_refuses_keeps_all_of_them_as_they_are(claude: Path, tmp_path: Path) -> None:
    call(install, "claude-code")
    call(install, "claude-code", "--settings-file", str(tmp_path / "any.json"))
    (tmp_path / "any.json").write_text((tmp_path / "any.json").read_text()[:-10])
    installed = claude.read_bytes()
    with pytest.raises(HookInstallError, match=r"any\.json"):
        call(remove, "--purge")
    assert claude.read_bytes() == installed
    assert paths.hooks().exists()


def test_purge_removes_all_hooks_and_all_that_was_recorded(claude: Path, tmp_path: Path) -> None:
    before = claude.read_bytes()
    call(install, "claude-code")
    trace = paths.traces() / "0c1d2e3f-0000-5000-8000-0123456789ab.json"
    trace.parent.mkdir()
    trace.write_text("{}")
    body = valid(call(remove, "--purge", "--json"), "install-result")
    assert str(paths.traces()) in body["purged"]
    assert claude.read_bytes() == before
    assert not paths.home().exists()
    assert not paths.state().exists()


def test_a_warning_is_shown_with_its_place_and_what_to_do(claude: Path) -> None:
    claude.write_text('{"disableAllHooks": true}')
    for output in (call(install, "claude-code").output, call(status).output):
        assert "~/.claude/settings.json, $.disableAllHooks" in output
        assert "hint: Set it to false" in output
    assert "Claude Code: installed, not active" in call(status, "claude-code").output


def test_status_tells_incomplete_from_missing(claude: Path) -> None:
    assert "Claude Code: not installed" in call(status, "claude-code").output
    assert "hookkit install claude-code" in call(status).output
    call(install, "claude-code")
    assert "Claude Code: active" in call(status, "claude-code").output
    data = json.loads(claude.read_text())
    del data["hooks"]["Stop"]
    claude.write_text(json.dumps(data))
    output = call(status, "claude-code").output
    assert "Claude Code: incomplete" in output
    assert "Not registered: Stop." in output


def test_without_a_name_status_is_a_table_of_what_is_installed_and_what_is_here(
    claude: Path, isolated_home: Path, tmp_path: Path
) -> None:
    (isolated_home / ".codex").mkdir()
    call(install, "claude-code", "--scope", "project")
    call(install, "claude-code", "--settings-file", str(tmp_path / "any.json"))
    claude.write_text("{")
    rows = [line.split() for line in call(status).output.splitlines()]
    assert rows[0] == ["scope", "installed", "active", "place"]
    project = f"{Path.cwd()}/.claude/settings.json"
    assert ["claude-code", "-", "12", "of", "12", "yes", project] in rows
    assert ["claude-code", "-", "12", "of", "12", "yes", str(tmp_path / "any.json")] in rows
    assert ["codex-cli", "user", "no", "-", "~/.codex/hooks.json"] in rows
    assert rows[-1] == ["Next:", "hookkit", "install", "codex-cli"]


def test_where_nothing_is_installed_and_no_agent_is_here_status_says_so(
    isolated_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "hookkit agents" in call(status).output
    assert valid(call(status, "--json"), "install-status")["installers"] == []


def test_all_installs_for_every_agent_that_is_here_without_asking(claude: Path, isolated_home: Path) -> None:
    (isolated_home / ".codex").mkdir()
    results = valid(call(install, "--all", "--json"), "install-result")["results"]
    here = [result["installer"] for result in results]
    assert here[:2] == ["claude-code", "codex-cli"]
    states = valid(call(status, "--all", "--json"), "install-status")["installers"]
    assert [state["installer"] for state in states if state["installed"]] == here
    removed = valid(call(remove, "--all", "--json"), "install-result")["results"]
    assert [(result["installer"], result["changed"]) for result in removed] == [(name, True) for name in here]
    assert not (isolated_home / ".codex" / "hooks.json").exists()


def test_all_of_a_scope_is_all_that_have_it(claude: Path, isolated_home: Path) -> None:
    (isolated_home / ".codex").mkdir()
    results = valid(call(install, "--all", "--scope", "local", "--json"), "install-result")["results"]
    assert [result["installer"] for result in results] == ["claude-code"]


@pytest.mark.parametrize("module", [install, remove, status])
def test_a_name_beside_all_is_a_usage_error(module: Any, claude: Path) -> None:
    with pytest.raises(UsageError) as caught:
        call(module, "claude-code", "--all")
    assert caught.value.code == "NAMES_AND_ALL"


def test_settings_of_an_agent_that_holds_nothing_of_ours_are_in_nobodys_way(claude: Path, isolated_home: Path) -> None:
    (isolated_home / ".codex" / "hooks.json").mkdir(parents=True)
    call(install, "claude-code")
    assert "Removed Claude Code hooks" in call(remove).output


def test_trust_where_there_is_none_to_be_told_is_a_usage_error_and_installs_nothing(claude: Path) -> None:
    before = claude.read_bytes()
    for names in (["claude-code"], ["git"], ["codex-cli", "claude-code"]):
        with pytest.raises(UsageError) as caught:
            call(install, *names, "--trust")
        assert (caught.value.code, bool(caught.value.hint)) == ("NOTHING_TO_TRUST", True)
    assert claude.read_bytes() == before
    call(install, "--all", "--trust")
    assert claude.read_bytes() != before


def test_what_could_steer_a_terminal_is_shown_escaped(claude: Path) -> None:
    claude.write_text('{"x": "\x1b]0;evil\x07", "y": "\u202e"}'.replace("\x1b", "\u009b").replace("\x07", "\x7f"))
    output = call(install, "claude-code", "--dry-run").output
    assert "\\x9b" in output
    assert "\u202e" not in output
    assert "\u009b" not in output


def test_one_settings_file_cannot_be_that_of_two_agents(claude: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contracts = {**agents.AGENTS, "other": agents.AGENTS["claude-code"]}
    monkeypatch.setattr("hookkit.agents.AGENTS", contracts)
    with pytest.raises(UsageError) as caught:
        call(install, "claude-code", "other", "--settings-file", str(claude))
    assert caught.value.code == "ONE_AGENT_ONLY"


@pytest.mark.parametrize("module", [install, remove, status])
def test_help_shows_examples(module: Any) -> None:
    output = call(module, "--help").output
    name = module.__name__.split(".")[-1]
    assert "\n  Examples:\n" in output
    assert f"\n    hookkit {name}" in output


@pytest.mark.parametrize("command", [["install", "nope"], ["install", "claude-code"]])
def test_a_refusal_reaches_the_user_as_error_and_hint(command: list[str], claude: Path) -> None:
    claude.write_text("{")
    run = [sys.executable, "-m", "hookkit", *command]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if "nope" in command else 1)
    assert done.stderr.startswith("error: ")
    assert "\n hint: " in done.stderr
    done = subprocess.run([*run, "--json"], capture_output=True, text=True, check=False)
    body = json.loads(done.stdout)
    assert body["status"] == "error"
    assert all(body["error"][key] for key in ("code", "message", "hint"))


def test_status_shows_every_install_and_doctor_too(claude: Path, tmp_path: Path) -> None:
    call(install, "claude-code", "--settings-file", str(tmp_path / "any.json"))
    (state,) = valid(call(status, "--json"), "install-status")["installers"]
    assert (state["settings_path"], state["active"]) == (str(tmp_path / "any.json"), True)
    call(install, "claude-code")
    states = valid(call(status, "--json"), "install-status")["installers"]
    assert [row["settings_path"] for row in states] == [str(claude), str(tmp_path / "any.json")]


def test_settings_that_cannot_be_read_are_not_called_missing_hooks(claude: Path) -> None:
    claude.write_text("{")
    output = call(status, "claude-code").output
    assert "Claude Code: the settings cannot be read" in output
    for said in (output, call(status).output):
        assert "Next: hookkit install" not in said
        assert "is not valid JSON" in said


def test_remove_finds_the_scripts_without_any_state(claude: Path, tmp_path: Path) -> None:
    before = claude.read_bytes()
    call(install, "claude-code", "--hooks-dir", str(tmp_path / "h"))
    shutil.rmtree(paths.state())
    assert "Claude Code: active" in call(status, "claude-code").output
    call(remove)
    assert claude.read_bytes() == before
    assert list((tmp_path / "h").iterdir()) == []


def test_hooks_of_another_home_are_named_as_such_and_left_to_it(
    claude: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = claude.read_bytes()
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "my home"))
    call(install, "claude-code")
    monkeypatch.delenv("HOOKKIT_HOME")
    (state,) = valid(call(status, "--json"), "install-status")["installers"]
    assert (state["installed"], state["stale"], [w["code"] for w in state["warnings"]]) == (True, [], ["OTHER_HOME"])
    with pytest.raises(HookInstallError) as caught:
        call(remove)
    assert caught.value.code == "INSTALLED_ELSEWHERE"
    typed = caught.value.hint.replace("hookkit remove", f"{shlex.quote(sys.executable)} -m hookkit remove")
    subprocess.run(["/bin/sh", "-c", typed], check=True, capture_output=True)
    assert claude.read_bytes() == before
    assert not (tmp_path / "my home" / "hooks").exists()
    assert not paths.home().exists()


def test_hooks_of_the_usual_home_are_found_where_another_one_is_set(
    claude: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = claude.read_bytes()
    call(install, "claude-code")
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "mine"))
    with pytest.raises(HookInstallError) as caught:
        call(remove)
    typed = caught.value.hint.replace("hookkit remove", f"{shlex.quote(sys.executable)} -m hookkit remove")
    subprocess.run(["/bin/sh", "-c", typed], check=True, capture_output=True)
    assert claude.read_bytes() == before
    # Where nothing is left over there, nothing has to be left to it.
    monkeypatch.delenv("HOOKKIT_HOME")
    call(install, "claude-code")
    shutil.rmtree(paths.state())
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "mine"))
    call(remove)
    assert claude.read_bytes() == before


def test_remove_says_which_hooks_of_the_project_it_left(claude: Path) -> None:
    call(install, "claude-code", "--scope", "project")
    shutil.rmtree(paths.state())
    output = call(remove).output
    assert "Left alone: hooks of hookkit in" in output
    (hint,) = [line.split("hint: hookkit ")[1] for line in output.splitlines() if "hint: hookkit" in line]
    call(remove, *shlex.split(hint)[1:])
    assert "Left alone" not in call(remove).output


def test_a_remove_of_what_is_left_does_not_claim_to_have_cut_events(claude: Path) -> None:
    call(install, "claude-code")
    claude.write_text("{}")
    output = call(remove).output
    assert "0 events" not in output
    assert "removed what was left" in output
    assert not paths.hooks().exists()
