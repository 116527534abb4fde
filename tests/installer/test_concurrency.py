"""Many installs and removes at once, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.agents.contract import AgentContract
from hookkit.errors import HookInstallError
from hookkit.installer import SettingsHookInstaller, agent_installer, files, scripts
from tests.installer.shapes import contract_of, source_of

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import os, sys, traceback
from pathlib import Path
from hookkit.installer import agent_installer
from tests.installer.shapes import contract_of

os.environ["HOOKKIT_HOME"] = sys.argv[2]
os.fsync = lambda descriptor: None
make, source = agent_installer(contract_of(sys.argv[4])), Path(sys.argv[5])
make(settings_file=Path(sys.argv[2]) / "warm.json", source=source).install()
children = []
for number in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        code = 1
        try:
            installer = make(settings_file=Path(sys.argv[1]), source=source)
            for round in range(2):
                installer.install() if (number + round) % 2 else installer.remove()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.parametrize(
    ("shape", "number"),
    [
        ("nested", 16),
        ("flat", 8),
        ("positional", 8),
        ("extension", 16),
        pytest.param("nested", 64, marks=pytest.mark.long),
        pytest.param("extension", 32, marks=pytest.mark.long),
    ],
)
def test_many_installs_and_removes_at_once_end_valid(
    shape: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, home, source = tmp_path / "settings.json", tmp_path / "hookkit", source_of(tmp_path / "source")
    before = b'{\n  "env": {"A": "1"}, // keep\n  "hooks": {"Stop": [{"hooks": []}]}\n}\n'
    if shape != "extension":
        path.write_bytes(before)
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(path), str(home), str(number), shape, str(source)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0] * number, done.stderr
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []
    monkeypatch.setenv("HOOKKIT_HOME", str(home))
    installer = agent_installer(contract_of(shape))(settings_file=path, source=source)
    if shape == "extension":
        assert not path.exists() or installer.status()["active"]
    else:
        assert path.read_bytes() == before or path.read_bytes().count(b"hookkit_claude_code.py") == 12
    installer.install()
    assert installer.status()["installed"]
    installer.remove()
    assert (path.read_bytes() if path.exists() else None) == (None if shape == "extension" else before)


def test_an_edit_that_a_user_saves_during_an_install_is_kept(
    contract: AgentContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"model": "a"}')
    saved: list[str] = []

    def save_meanwhile(name: str) -> None:
        if name == "staged settings.json" and len(saved) < 3:
            saved.append(name)
            path.write_text(json.dumps({"model": "b", "edit": len(saved)}))

    monkeypatch.setattr(files, "step", save_meanwhile)
    installer = SettingsHookInstaller(contract, settings_file=path)
    installer.install()
    data = json.loads(path.read_text())
    assert (data["model"], data["edit"]) == ("b", 3)
    assert installer.status()["installed"]
    installer.remove()
    assert path.read_text() == json.dumps({"model": "b", "edit": 3})


def test_a_file_that_never_stops_changing_is_left_alone_with_a_clear_error(
    contract: AgentContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{}")
    monkeypatch.setattr(
        files,
        "step",
        lambda name: path.write_text(json.dumps({"n": os.urandom(4).hex()})) if name.startswith("staged") else None,
    )
    with pytest.raises(HookInstallError) as caught:
        SettingsHookInstaller(contract, settings_file=path).install()
    assert caught.value.code == "SETTINGS_CHANGING"
    assert caught.value.hint
    assert list(json.loads(path.read_text())) == ["n"]


def test_a_script_that_another_run_removes_while_it_is_looked_at_counts_as_missing(
    contract: AgentContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = SettingsHookInstaller(contract, settings_file=tmp_path / "settings.json")
    installer.install()
    real = scripts._read

    def read_and_lose(path: Path) -> bytes | None:
        data = real(path)
        path.unlink(missing_ok=True)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(scripts, "_read", read_and_lose)
        installer.preview_install()
        installer.preview_install()
    installer.install()
    assert installer.status()["installed"]


def test_a_lock_that_is_held_too_long_is_reported_with_its_place(
    contract: AgentContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_SECONDS", 0.05)
    installer = SettingsHookInstaller(contract, settings_file=tmp_path / "settings.json")
    with files.exclusive(), pytest.raises(HookInstallError) as caught:
        installer.install()
    assert caught.value.code == "INSTALL_BUSY"
    assert "install.lock" in caught.value.hint
    assert not (tmp_path / "settings.json").exists()


def test_a_folder_that_another_run_makes_while_it_is_looked_for_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hooks"
    real = os.path.isdir

    def look_and_make(path: Path) -> bool:
        found = real(path)
        if Path(path) == folder:
            folder.mkdir(exist_ok=True)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "isdir", look_and_make)
        assert files.missing_folders(folder) == (folder,)
    (tmp_path / "file").touch()
    with pytest.raises(HookInstallError):
        files.missing_folders(tmp_path / "file")
