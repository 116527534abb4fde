"""What cannot be done safely is refused: nothing is touched, and the error says what to do."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError
from hookkit.installer import SettingsHookInstaller, files

Install = Callable[..., SettingsHookInstaller]
Snapshot = Callable[[], dict[str, str]]


def refused(act: Callable[[], object]) -> HookInstallError:
    with pytest.raises(HookInstallError) as caught:
        act()
    assert caught.value.code
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def outcome_of(act: Callable[[], object]) -> HookInstallError | None:
    try:
        act()
    except HookInstallError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": ', "CORRUPT_SETTINGS"),
        (b"nonsense", "CORRUPT_SETTINGS"),
        (b'{"a": NaN}', "CORRUPT_SETTINGS"),
        (b'{"a" = 1}', "CORRUPT_SETTINGS"),
        ('{"a": 1}'.encode("utf-16"), "CORRUPT_SETTINGS"),
        ('{"a": 1}'.encode("utf-16-be"), "CORRUPT_SETTINGS"),
        (b"[" * 100_000, "CORRUPT_SETTINGS"),
        (b"[]", "UNSAFE_SETTINGS"),
        (b"null", "UNSAFE_SETTINGS"),
        (b'{"hooks": []}', "UNSAFE_SETTINGS"),
        (b'{"hooks": null}', "UNSAFE_SETTINGS"),
        (b'{"hooks": {"PreToolUse": null}}', "UNSAFE_SETTINGS"),
        (b'{"hooks": {"PreToolUse": {}}}', "UNSAFE_SETTINGS"),
        (b'{"hooks": {"PreToolUse": "xy"}}', "UNSAFE_SETTINGS"),
        (b" " * (files.MAX_BYTES + 1), "FILE_TOO_LARGE"),
    ],
)
def test_settings_that_cannot_be_edited_safely_are_left_with_all_else(
    data: bytes, code: str, installer: Install, settings: Path, snapshot: Snapshot
) -> None:
    settings.write_bytes(data)
    before = snapshot()
    assert refused(installer().install).code == code
    assert refused(installer().plan).code == code
    assert refused(installer().preview_install).code == code
    assert snapshot() == before
    assert not paths.state().exists()
    state = installer().status()
    assert (state["installed"], state["settings_exists"]) == (False, True)


@pytest.mark.parametrize(
    "data", [b'{"a": ', b"[]", b'{"hooks": []}', b'{"hooks": {"PreToolUse": null}}', b"[" * 100_000]
)
def test_removing_from_settings_that_hold_nothing_of_ours_is_no_error(
    data: bytes, installer: Install, settings: Path, snapshot: Snapshot
) -> None:
    settings.write_bytes(data)
    before = snapshot()
    assert not installer().remove().changed
    assert snapshot() == before


def test_a_remove_from_settings_that_somebody_broke_is_refused_with_the_line(
    installer: Install, settings: Path, snapshot: Snapshot
) -> None:
    installer().install()
    settings.write_text(settings.read_text().replace("}\n", "", 1))
    before = snapshot()
    error = refused(installer().remove)
    assert error.code == "CORRUPT_SETTINGS"
    assert "line" in error.hint
    assert snapshot() == before
    assert [w["code"] for w in installer().status()["warnings"]] == ["CORRUPT_SETTINGS"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["folder", "fifo", "socket", "loop"])
def test_settings_that_are_no_file_are_refused_without_waiting(
    kind: str, installer: Install, settings: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        settings.mkdir()
    elif kind == "fifo":
        os.mkfifo(settings)
    elif kind == "socket":
        monkeypatch.chdir(settings.parent)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(settings.name)
    else:
        settings.symlink_to(settings)
    before = snapshot()
    assert refused(installer().install).code in {"NOT_A_FILE", "FILE_UNUSABLE"}
    assert snapshot() == before
    assert installer().status()["installed"] is False


def test_a_symlinked_settings_file_is_edited_where_it_is_and_stays_a_link(
    installer: Install, settings: Path, tmp_path: Path
) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    real = dotfiles / "claude.json"
    real.write_text("{}")
    os.chmod(real, 0o600)
    settings.symlink_to(real)
    installer().install()
    assert settings.is_symlink()
    assert "hookkit_claude_code.py" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in dotfiles.iterdir()] == ["claude.json"]
    installer().remove()
    assert settings.is_symlink()
    assert real.read_text() == "{}"


def test_a_dangling_link_is_filled_and_dangles_again(installer: Install, settings: Path, tmp_path: Path) -> None:
    real = tmp_path / "not" / "there" / "yet.json"
    settings.symlink_to(real)
    installer().install()
    assert settings.is_symlink()
    assert "hookkit_claude_code.py" in real.read_text()
    installer().remove()
    assert settings.is_symlink()
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_the_mode_of_the_settings_stays(mode: int, installer: Install, settings: Path) -> None:
    settings.write_text("{}")
    settings.chmod(mode)
    installer().install()
    assert settings.stat().st_mode & 0o7777 == mode
    installer().remove()
    assert settings.stat().st_mode & 0o7777 == mode


def test_a_new_settings_file_is_readable_by_its_owner_alone(installer: Install, settings: Path) -> None:
    installer().install()
    assert settings.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_settings_stays(installer: Install, settings: Path) -> None:
    settings.write_text("{}")
    os.chown(settings, 65534, 65534)
    installer().install()
    assert (settings.stat().st_uid, settings.stat().st_gid) == (65534, 65534)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_extended_attributes_of_the_settings_stay(installer: Install, settings: Path) -> None:
    settings.write_text("{}")
    try:
        os.setxattr(settings, "user.note", b"mine")
    except OSError:
        pytest.skip("the file system keeps no extended attributes")
    installer().install()
    assert os.getxattr(settings, "user.note") == b"mine"


def test_a_hooks_folder_that_is_a_file_is_refused(installer: Install, tmp_path: Path, snapshot: Snapshot) -> None:
    (tmp_path / "file").write_text("precious")
    before = snapshot()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        error = refused(installer(hooks_dir=folder).install)
        assert error.code == "NOT_A_FOLDER"
    assert snapshot() == before


@pytest.mark.parametrize("name", ["hookkit_recorder.py", "hookkit_claude_code.py", "runtime.json"])
@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_a_script_is_never_written_through_what_is_in_its_place(
    name: str, kind: str, installer: Install, tmp_path: Path, snapshot: Snapshot
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    folder = tmp_path / "hooks"
    folder.mkdir()
    if kind == "link":
        (folder / name).symlink_to(precious)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        os.mkfifo(folder / name)
    before = snapshot()
    error = refused(installer(hooks_dir=folder).install)
    assert error.code == "SCRIPT_IN_THE_WAY"
    assert name in error.message
    assert snapshot() == before
    installer(hooks_dir=folder).remove()
    assert snapshot() == before


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_planted_stage_is_not_written_through(
    plant: Callable[[Path, Path], None],
    installer: Install,
    settings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    settings.write_text("{}")
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    stage = settings.with_name(f".settings.json.hookkit-{os.getpid()}-{'0' * 16}.tmp")
    plant(stage, victim)
    plant(settings.with_name("settings.json.tmp"), victim)
    refused(installer().install)
    assert victim.read_text() == "precious"
    assert settings.read_text() == "{}"
    assert not settings.is_symlink()
    assert os.path.lexists(stage)


def test_a_stage_file_of_a_dead_run_goes_and_that_of_a_live_one_stays(installer: Install, settings: Path) -> None:
    dead = settings.with_name(f".settings.json.hookkit-{2**22 + 1}-{'a' * 16}.tmp")
    live = settings.with_name(f".settings.json.hookkit-{os.getppid()}-{'a' * 16}.tmp")
    theirs = settings.with_name(".settings.json.swp.tmp")
    for path in (dead, live, theirs):
        path.write_text("")
    installer().install()
    assert [path.exists() for path in (dead, live, theirs)] == [False, True, True]


@pytest.mark.parametrize("action", ["install", "remove"])
@pytest.mark.parametrize("call", ["open", "fsync", "replace", "fchmod", "mkdir", "unlink", "write"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_at_any_moment_loses_nothing(
    action: str,
    call: str,
    number: int,
    installer: Install,
    settings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = b'{"model": "x"}'
    settings.write_bytes(original)
    if action == "remove":
        installer().install()
    complete = settings.read_bytes()
    real = getattr(os, call)
    for good in range(60):
        left = good

        def fail(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            reading = call == "open" and not arguments[1] & (os.O_WRONLY | os.O_CREAT)
            if not reading:
                left -= 1
                if left < 0:
                    raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            outcome = outcome_of(getattr(installer(), action))
        if outcome is None and left >= 0:
            break
        if outcome is not None:
            assert outcome.hint
            assert os.strerror(number) in outcome.message
        now = settings.read_bytes()
        assert now in (original, complete) or now.count(b"hookkit_claude_code.py") == 12
        assert [p.name for p in settings.parent.iterdir() if p.name.endswith(".tmp") and call != "unlink"] == []
    getattr(installer(), action)()
    assert installer().status()["installed"] is (action == "install")
    installer().remove()
    assert settings.read_bytes() == original


def test_a_first_install_that_fails_half_way_leaves_nothing_behind(
    installer: Install, isolated_home: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot()

    def full(name: str) -> None:
        if name == "stage opened settings.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "step", full)
    error = refused(installer().install)
    assert "No space left" in error.message
    assert snapshot() == before
    assert list((paths.state() / "installs").iterdir()) == []


REFUSED = """
import json
from pathlib import Path
from hookkit.agents import AGENTS
from hookkit.errors import HookInstallError
try:
    installer = hookkit.installer.SettingsHookInstaller(AGENTS["claude-code"], project=Path.home())
    getattr(installer, sys.argv[1])()
    print(json.dumps(None))
except HookInstallError as error:
    print(json.dumps([error.code, error.message, error.hint]))
"""


@pytest.mark.parametrize("action", ["install", "remove"])
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_may_not_be_written_is_a_clear_error(action: str, mode: int, unprivileged: Any) -> None:
    unprivileged.own()
    if action == "remove":
        unprivileged.run(REFUSED, "install")
    folder = unprivileged.home / ".claude"
    before = (folder / "settings.json").read_bytes()
    folder.chmod(mode)
    code, message, hint = json.loads(unprivileged.run(REFUSED, action))
    assert code == "FILE_UNUSABLE"
    assert "Permission denied" in message
    assert str(folder) in hint
    folder.chmod(0o700)
    assert (folder / "settings.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["settings.json"]
    unprivileged.run(REFUSED, "remove")
    assert (folder / "settings.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["with space", "quo'te", 'dou"ble', "$HOME", "back\\slash", "semi;colon", "é"])
def test_folders_of_any_name_work(name: str, contract: AgentContract, tmp_path: Path) -> None:
    base = tmp_path / name
    base.mkdir()
    (base / "s.json").write_text("{}")
    here = SettingsHookInstaller(contract, settings_file=base / "s.json", hooks_dir=base / "hooks")
    here.install()
    state = here.status()
    assert (state["installed"], state["stale"], state["duplicates"]) == (True, [], [])
    assert not here.install().changed
    here.remove()
    assert [p.name for p in base.iterdir()] == ["s.json"]
    assert (base / "s.json").read_text() == "{}"


def test_status_and_purge_work_where_folders_may_not_be_entered(unprivileged: Any) -> None:
    worktree = unprivileged.home / "work" / "tree"
    worktree.mkdir(parents=True)
    (unprivileged.home / "hookkit" / "state").mkdir(parents=True)
    (unprivileged.home / "hookkit" / "state" / "worktrees").write_text(f"{worktree}\n")
    unprivileged.own()
    for folder in (worktree.parent, unprivileged.home / ".claude"):
        folder.chmod(0o000)
    code = """
import json
from pathlib import Path
from hookkit.agents import AGENTS
from hookkit.installer import purge
installer = hookkit.installer.SettingsHookInstaller(AGENTS["claude-code"], project=Path.home())
state = installer.status()
consent = list(hookkit.installer.doctor._consent(Path(sys.argv[1])))
print(json.dumps([state["settings_readable"], [w["code"] for w in state["warnings"]], len(purge.purge())]))
"""
    try:
        readable, codes, purged = json.loads(unprivileged.run(code, str(worktree)))
    finally:
        worktree.parent.chmod(0o700)
    assert (readable, codes, purged) == (False, ["FILE_UNUSABLE"], 1)
