"""`hookkit doctor` is worth something only if it fails where something is wrong: break it, and look."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from hookkit import agents, git, paths
from hookkit.installer import doctor
from hookkit.installer.doctor import Check
from hookkit.installer.settings_installer import SettingsHookInstaller

CLAUDE = agents.get("claude-code")


@pytest.fixture
def installer(tmp_path: Path) -> SettingsHookInstaller:
    return SettingsHookInstaller(CLAUDE, project=tmp_path)


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


def test_a_deleted_script_fails_the_proof(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    (paths.hooks() / CLAUDE.hook_entry).unlink()
    assert {"hooks", "tree ids", "ingest"} <= _failed(_examine(installer, tmp_path))


def test_a_hook_that_takes_another_tree_fails_the_proof(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    script = paths.hooks() / "hookkit_tree.py"
    script.write_text(script.read_text().replace('["-A"]', '["-u"]'))
    assert "tree ids" in _failed(_examine(installer, tmp_path))


def test_a_registered_command_that_speaks_fails_the_silence(installer: SettingsHookInstaller, tmp_path: Path) -> None:
    installer.install()
    settings = installer.target.link
    settings.write_text(settings.read_text().replace(" >/dev/null 2>&1 || :", " >/dev/null"))
    entry = paths.hooks() / CLAUDE.hook_entry
    entry.write_text("raise SystemExit('loud')\n")
    assert {"hooks", "silence"} <= _failed(_examine(installer, tmp_path))


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_transcripts_that_cannot_be_read_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects").chmod(stat.S_IWUSR)
    assert doctor._transcripts(CLAUDE).status == "failed"
