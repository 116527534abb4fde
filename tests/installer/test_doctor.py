"""`hookkit doctor` is worth something only if it fails where something is wrong: break it, and look."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookkit import agents, git, paths
from hookkit.installer import doctor, rehearsal
from hookkit.installer.doctor import Check
from hookkit.installer.rehearsal import scratch_folder
from hookkit.installer.settings_installer import SettingsHookInstaller

CLAUDE = agents.get("claude-code")


@pytest.fixture
def installer(tmp_path: Path) -> SettingsHookInstaller:
    return SettingsHookInstaller(CLAUDE, project=tmp_path)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first calls of the recorded session are played: where something is broken, they show it."""
    found = rehearsal.recording(CLAUDE)
    assert found
    events = [*found["events"][:8], *found["events"][-2:]]
    assert {"Edit", "Write"} <= {event["payload"].get("tool_name") for event in events}
    monkeypatch.setattr(rehearsal, "recording", lambda contract: {**found, "events": events})


def _examine(installer: SettingsHookInstaller, folder: Path) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = {}
    for check in doctor.examine(CLAUDE, installer, folder):
        found.setdefault(check.name, []).append(check)
        assert check.hint or check.status == "ok", f"{check.name} is {check.status} without a hint"
    return found


def _failed(checks: dict[str, list[Check]]) -> set[str]:
    return {name for name, rows in checks.items() if any(row.status == "failed" for row in rows)}


def test_a_fresh_install_passes_every_check(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    checks = _examine(installer, tmp_path)
    assert _failed(checks) == set()
    assert set(checks) >= {"git", "settings", "hooks", "silence", "tree ids", "speed", "ingest", "transcripts", "disk"}
    # The rehearsal must not leave a session of its own among the user's.
    assert not paths.traces().exists()


def test_without_an_install_the_settings_fail_and_nothing_is_rehearsed(
    installer: SettingsHookInstaller, tmp_path: Path
) -> None:
    checks = _examine(installer, tmp_path)
    assert _failed(checks) == {"settings"}
    assert checks["settings"][0].hint == "hookkit install claude-code"
    assert "hooks" not in checks


@pytest.mark.usefixtures("short")
def test_a_deleted_script_fails_the_proof(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    (paths.hooks() / CLAUDE.hook_entry).unlink()
    assert {"hooks", "tree ids", "ingest"} <= _failed(_examine(installer, tmp_path))


@pytest.mark.usefixtures("short")
def test_a_hook_that_takes_another_tree_fails_the_proof(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    script = paths.hooks() / "hookkit_tree.py"
    script.write_text(script.read_text().replace('["-A"]', '["-u"]'))
    assert "tree ids" in _failed(_examine(installer, tmp_path))


@pytest.mark.usefixtures("short")
def test_a_registered_command_that_speaks_fails_the_silence(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    settings = installer.target.link
    settings.write_text(settings.read_text().replace(" >/dev/null 2>&1 || :", " >/dev/null"))
    entry = paths.hooks() / CLAUDE.hook_entry
    entry.write_text("raise SystemExit('loud')\n")
    assert {"hooks", "silence"} <= _failed(_examine(installer, tmp_path))


@pytest.mark.usefixtures("short")
def test_an_ingest_that_cannot_start_fails_the_proof(
    installer: SettingsHookInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_INGEST_WAIT", 1.0)
    installer.install()
    runtime = paths.hooks() / "runtime.json"
    runtime.write_text(json.dumps(json.loads(runtime.read_text()) | {"ingest": ["/nowhere/python"]}))
    assert "ingest" in _failed(_examine(installer, tmp_path))


def test_fix_puts_back_what_was_broken(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    (paths.hooks() / CLAUDE.hook_entry).unlink()
    done = doctor.fix(CLAUDE, installer, tmp_path)
    assert len(done) == 1
    assert (paths.hooks() / CLAUDE.hook_entry).is_file()
    assert doctor.fix(CLAUDE, installer, tmp_path) == []


def test_fix_installs_nothing_where_nothing_was_installed(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    assert doctor.fix(CLAUDE, installer, tmp_path) == []
    assert not installer.target.link.exists()


def test_a_worktree_with_limited_captures_is_reported_and_fixed(
    installer: SettingsHookInstaller, tmp_path: Path
) -> None:
    git.run(tmp_path, "init", "-q")
    limit = tmp_path / ".git" / "hookkit" / "limited.json"
    (tmp_path / ".git" / "hookkit" / "objects").mkdir(parents=True)
    limit.write_text('{"level": "tracked"}')
    (check,) = doctor._limited(tmp_path)
    assert (check.status, check.name) == ("warning", "worktree")
    assert doctor.fix(CLAUDE, installer, tmp_path) == [f"{tmp_path}: captured whole again."]
    assert not limit.exists()


def test_consent_withdrawn_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".opentraces").mkdir()
    (tmp_path / ".opentraces" / "excluded").touch()
    monkeypatch.setenv("HOOKKIT_DISABLE", "1")
    checks = list(doctor._consent(tmp_path / "below"))
    assert [check.status for check in checks] == ["warning", "warning"]
    assert checks[1].hint == f"hookkit include {tmp_path}"


def test_transcripts_that_cannot_be_read_fail(unprivileged: Any) -> None:
    (unprivileged.home / ".claude" / "projects").mkdir()
    unprivileged.own()
    (unprivileged.home / ".claude" / "projects").chmod(stat.S_IWUSR)
    code = "print(hookkit.installer.doctor._transcripts(hookkit.agents.get('claude-code')).status)"
    assert unprivileged.run(code) == "failed\n"


def test_settings_that_cannot_be_read_are_named_and_no_install_is_advised(
    installer: SettingsHookInstaller, tmp_path: Path
) -> None:
    installer.target.link.parent.mkdir()
    installer.target.link.write_text("{")
    rows = _examine(installer, tmp_path)["settings"]
    assert [row.status for row in rows] == ["failed"]
    assert "is not valid JSON" in rows[0].message
    assert "hookkit install" not in rows[0].hint


@pytest.mark.usefixtures("short")
def test_an_environment_without_hookkit_fails_the_ingest_with_what_it_says(
    installer: SettingsHookInstaller, tmp_path: Path
) -> None:
    installer.install()
    runtime = paths.hooks() / "runtime.json"
    empty = [sys.executable, "-I", "-S", "-m", "hookkit"]
    runtime.write_text(json.dumps(json.loads(runtime.read_text()) | {"ingest": empty}))
    checks = _examine(installer, tmp_path)
    assert _failed(checks) == {"ingest"}
    assert "No module named hookkit" in checks["ingest"][0].message


def test_a_python_of_the_ingest_that_is_gone_is_not_blamed_on_the_scripts(installer: SettingsHookInstaller) -> None:
    installer.install()
    runtime = paths.hooks() / "runtime.json"
    runtime.write_text(json.dumps(json.loads(runtime.read_text()) | {"ingest": ["/gone/python"]}))
    state = installer.status()
    assert (state["scripts_current"], state["ingest_ok"]) == (True, False)
    (warn,) = _warnings(state)
    assert warn["code"] == "INGEST_GONE"
    assert "/gone/python" in str(warn["message"])
    installer.install()
    assert installer.status()["warnings"] == []


def _warnings(state: dict[str, object]) -> list[dict[str, object]]:
    found = state["warnings"]
    assert isinstance(found, list)
    return found


def test_fix_leaves_the_scripts_in_the_folder_that_was_chosen(tmp_path: Path) -> None:
    SettingsHookInstaller(CLAUDE, project=tmp_path, hooks_dir=tmp_path / "h").install()
    (tmp_path / "h" / CLAUDE.hook_entry).unlink()
    assert len(doctor.fix(CLAUDE, SettingsHookInstaller(CLAUDE, project=tmp_path), tmp_path)) == 1
    assert (tmp_path / "h" / CLAUDE.hook_entry).is_file()
    assert not paths.hooks().exists()


def test_a_doctor_that_is_told_to_end_leaves_no_scratch_folder(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code = (
        "import sys, time; from hookkit.installer.rehearsal import scratch_folder\n"
        "with scratch_folder('x-') as folder: print(folder, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert Path(process.stdout.readline().strip()).is_dir()
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_outlives_what_was_started_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    late = "import pathlib, sys, time; time.sleep(0.5); pathlib.Path(sys.argv[1]).mkdir(parents=True)"
    with scratch_folder("x-") as scratch:
        process = subprocess.Popen([sys.executable, "-c", late, str(scratch / "made" / "late")])
    process.wait()
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_read_end_no_examination(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.target.link.mkdir(parents=True)
    checks = _examine(installer, tmp_path)
    assert _failed(checks) == {"settings"}
    assert {"transcripts", "disk"} <= checks.keys()


@pytest.mark.usefixtures("short")
def test_a_trace_without_the_calls_that_were_played_fails_the_ingest(
    installer: SettingsHookInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest that stores something, but none of the calls, is no proof."""
    installer.install()
    script = paths.hooks() / "hookkit_payload.py"
    broken = script.read_text().replace('("tool", "id")', '("tool", "number")')
    assert broken != script.read_text()
    script.write_text(broken)
    assert "ingest" in _failed(_examine(installer, tmp_path))
