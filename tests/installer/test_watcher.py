"""The watcher's files: golden, written and taken back by the installer's rules, and told to the service manager."""

from __future__ import annotations

import contextlib
import os
import plistlib
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_subprocess import FakeProcess

from hookkit import paths
from hookkit.capture.base import HookInstaller
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import WatcherInstaller, checkup, get_hook_installers, watcher_service, watcher_units
from tests.installer.repositories import listing

GOLDEN = Path(__file__).parent.parent / "fixtures" / "watcher"
ENV = {"HOME": "/home/me", "PATH": "/nowhere", "HOOKKIT_HOME": '/home/me/100% "mine" \\ $HOME'}
SYSTEMD = {"hookkit-watch.service", "hookkit-watch.timer"}


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a service manager, unless a test says otherwise."""
    monkeypatch.setattr(watcher_service.Service, "program", None)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, fp: FakeProcess) -> FakeProcess:
    """A machine whose service manager does as it is told."""
    monkeypatch.setattr(watcher_service.Service, "program", "/usr/bin/systemctl")
    fp.register(["systemctl", fp.any()], occurrences=50)
    fp.register(["launchctl", fp.any()], occurrences=50)
    return fp


def make(**arguments: Any) -> WatcherInstaller:
    return WatcherInstaller(**{"manager": "systemd", **arguments})


def verbs(fp: FakeProcess) -> list[str]:
    """What the service manager was told to do, questions left out."""
    said = [list(call)[1:] for call in fp.calls]
    return [" ".join(str(word) for word in words if word != "--user") for words in said if "is-active" not in words]


@pytest.mark.parametrize("manager_name", ["systemd", "launchd"])
def test_the_files_are_the_golden_ones(manager_name: watcher_units.Manager) -> None:
    units = watcher_units.units(manager_name, ENV, program="/opt/a venv/bin/python3")
    folder = {"systemd": "/home/me/.config/systemd/user", "launchd": "/home/me/Library/LaunchAgents"}[manager_name]
    assert str(units.folder) == folder
    for name, data in units.files.items():
        golden = GOLDEN / f"{name}.expected"
        assert data.decode() == golden.read_text(), f"{golden} is not what is written now"
    assert {path.name for path in GOLDEN.iterdir()} >= {f"{name}.expected" for name in units.files}


def test_launchd_gets_the_command_word_by_word() -> None:
    (data,) = watcher_units.units("launchd", ENV, program="/opt/a venv/bin/python3").files.values()
    body = plistlib.loads(data)
    assert body["ProgramArguments"] == ["/opt/a venv/bin/python3", "-E", "-P", "-m", "hookkit", "watch", "--once"]
    assert body["EnvironmentVariables"]["HOOKKIT_HOME"] == ENV["HOOKKIT_HOME"]
    assert body["StartInterval"] == 300


def test_what_moves_folders_goes_along_and_nothing_else_does() -> None:
    env = {"HOME": "/h", "XDG_STATE_HOME": "/s", "CLAUDE_CONFIG_DIR": "/c", "SECRET": "x", "XDG_CONFIG_HOME": "/cfg"}
    units = watcher_units.units("systemd", env)
    text = units.files["hookkit-watch.service"].decode()
    assert 'Environment="XDG_STATE_HOME=/s"' in text
    assert 'Environment="CLAUDE_CONFIG_DIR=/c"' in text
    assert "SECRET" not in text
    assert units.folder == Path("/cfg/systemd/user")


@pytest.mark.parametrize("bad", ["/a\nb", os.fsdecode(b"/\xff")])
def test_a_path_that_cannot_stand_in_a_unit_is_refused(bad: str) -> None:
    with pytest.raises(HookInstallError) as caught:
        watcher_units.units("systemd", {"HOME": "/h", "HOOKKIT_HOME": bad})
    assert caught.value.code == "UNUSABLE_PATH"


@pytest.mark.parametrize("manager_name", ["systemd", "launchd"])
def test_install_and_remove_leave_the_home_as_it_was(manager_name: watcher_units.Manager, isolated_home: Path) -> None:
    (isolated_home / ".local").mkdir()
    state = isolated_home / ".local"
    before = [path for path in listing(isolated_home) if not path.startswith(".local")]
    result = make(manager=manager_name).install()
    assert result.changed
    assert [warn.code for warn in result.warnings] == ["SERVICE_MISSING"]
    assert not result.active
    assert make(manager=manager_name).status()["installed"]
    again = make(manager=manager_name).install()
    assert not again.changed
    make(manager=manager_name).remove()
    assert [path for path in listing(isolated_home) if not path.startswith(".local")] == before
    assert not make(manager=manager_name).remove().changed
    assert state.exists()
    assert not list((paths.state() / "installs").iterdir())


def test_the_service_manager_is_told_and_asked(manager: FakeProcess) -> None:
    installer = make()
    assert not installer.is_present()
    result = installer.install()
    assert verbs(manager) == ["daemon-reload", "restart hookkit-watch.timer"]
    assert (result.active, result.warnings) == (True, ())
    assert not installer.install().changed
    link = installer.folder / "timers.target.wants" / "hookkit-watch.timer"
    assert (link.resolve(), link.is_symlink()) == (installer.folder / "hookkit-watch.timer", True)
    manager.calls.clear()
    installer.remove()
    assert verbs(manager) == ["stop hookkit-watch.timer", "daemon-reload"]
    assert not installer.folder.exists()


def test_launchd_is_told(manager: FakeProcess) -> None:
    installer = make(manager="launchd")
    installer.install()
    domain = f"gui/{os.getuid()}"
    said = [call for call in verbs(manager) if not call.startswith("print")]
    assert said == [f"bootout {domain}/hookkit.watch", f"bootstrap {domain} {installer.folder}/hookkit.watch.plist"]
    manager.calls.clear()
    installer.remove()
    assert [call for call in verbs(manager) if not call.startswith("print")] == [f"bootout {domain}/hookkit.watch"]


def test_a_service_manager_that_refuses_is_a_warning_not_a_failure(
    monkeypatch: pytest.MonkeyPatch, fp: FakeProcess
) -> None:
    monkeypatch.setattr(watcher_service.Service, "program", "/usr/bin/systemctl")
    fp.register(
        ["systemctl", fp.any()], returncode=1, stderr="Failed to connect to bus: No medium found\n", occurrences=50
    )
    result = make().install()
    assert not result.active
    (warn,) = [warn for warn in result.warnings if warn.code == "SERVICE_FAILED"]
    assert "No medium found" in warn.message
    assert "cron" in warn.hint
    assert make().status()["installed"]
    make().remove()
    assert not make().status()["installed"]


def test_a_unit_that_is_not_ours_is_neither_overwritten_nor_deleted(isolated_home: Path) -> None:
    folder = make().folder
    folder.mkdir(parents=True)
    (folder / "hookkit-watch.timer").write_text("mine")
    with pytest.raises(HookInstallError) as caught:
        make().install()
    assert caught.value.code == "UNIT_EDITED"
    assert [path.name for path in folder.iterdir()] == ["hookkit-watch.timer"]
    result = make().remove()
    assert (folder / "hookkit-watch.timer").read_text() == "mine"
    assert [warn.code for warn in result.warnings] == ["SCRIPT_LEFT"]


def test_files_of_another_version_are_replaced_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.executable
    monkeypatch.setattr(sys, "executable", "/old/python")
    make().install()
    monkeypatch.setattr(sys, "executable", before)
    assert make().status()["stale"] == ["hookkit-watch.service"]
    assert make().install().changed
    assert make().status()["stale"] == []
    monkeypatch.setattr(sys, "executable", "/newer/python")
    make().remove()
    assert not make().folder.exists()


def test_units_of_others_stay(isolated_home: Path) -> None:
    folder = make().folder
    (folder / "timers.target.wants").mkdir(parents=True)
    (folder / "other.timer").write_text("x")
    (folder / "timers.target.wants" / "other.timer").symlink_to("../other.timer")
    before = listing(folder)
    make().install()
    make().remove()
    assert listing(folder) == before


def test_a_disabled_timer_is_seen_and_put_right(manager: FakeProcess) -> None:
    make().install()
    (make().folder / "timers.target.wants" / "hookkit-watch.timer").unlink()
    state = make().status()
    assert (state["installed"], [w["code"] for w in state["warnings"]]) == (False, ["ENTRY_MISSING"])
    assert checkup.fix(make(), Path("/"))
    assert make().status()["active"]
    assert {check.status for check in checkup.examine(make(), Path("/"))} == {"ok"}


def test_a_stopped_timer_is_seen(monkeypatch: pytest.MonkeyPatch, fp: FakeProcess) -> None:
    make().install()
    monkeypatch.setattr(watcher_service.Service, "program", "/usr/bin/systemctl")
    fp.register(["systemctl", fp.any()], returncode=3, occurrences=50)
    state = make().status()
    assert (state["installed"], state["active"]) == (True, False)
    assert [warn["code"] for warn in state["warnings"]] == ["SERVICE_STOPPED"]
    assert make().draft_install().changes


@pytest.mark.parametrize("kill_at", range(1, 12))
def test_an_install_killed_at_any_step_is_healed_by_the_next_and_taken_back_by_remove(
    kill_at: int, monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> None:
    from hookkit.installer import files

    class Killed(BaseException):
        pass

    count = 0

    def step(name: str) -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            raise Killed

    with monkeypatch.context() as context:
        context.setattr(files, "step", step)
        with contextlib.suppress(Killed):
            make().install()
    monkeypatch.setattr(files, "_alive", lambda pid: False)
    if kill_at % 2:
        make().install()
        assert make().status()["installed"]
    make().remove()
    assert not (isolated_home / ".config").exists()


def test_options_of_agents_are_refused_for_the_watcher(tmp_path: Path) -> None:
    for wrong in ({"settings_file": tmp_path}, {"hooks_dir": tmp_path}, {"scope": "project"}):
        with pytest.raises(UsageError):
            WatcherInstaller(**wrong)  # type: ignore[arg-type]


def test_the_registry_holds_the_watcher() -> None:
    installer = get_hook_installers()["watcher"]()
    assert installer.installer_name == "watcher"
    assert isinstance(installer, HookInstaller)
