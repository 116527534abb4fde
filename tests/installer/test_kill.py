"""A kill between any two changes on disk leaves the old settings or the new ones, and the next run heals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.agents import AGENTS
from hookkit.installer import SettingsHookInstaller

pytestmark = pytest.mark.long

# Kills one run at its n-th step, for every n, each in a folder of its own; the last folder's run comes to its end.
DRIVER = """
import os, shutil, sys
from pathlib import Path
from hookkit.agents import AGENTS
from hookkit.installer import SettingsHookInstaller, files

base, action = Path(sys.argv[1]), sys.argv[2]
os.fsync = lambda descriptor: None  # what a kill leaves does not depend on it

def installer(root):
    os.environ["HOOKKIT_HOME"] = str(root / "hookkit")
    return SettingsHookInstaller(AGENTS["claude-code"], env={"HOME": str(root / "home")}, project=root)

def run(root, kill_at):
    count = 0
    def step(name):
        nonlocal count
        count += 1
        if count == kill_at:
            (root / "killed").write_text(name)
            os._exit(9)
    files.step = step
    getattr(installer(root), action)()

installer(base / "warm").install()  # what is imported and compiled once is not paid for in every child
number = 0
while True:
    number += 1
    root = base / str(number)
    shutil.copytree(base / "start", root, symlinks=True)
    if action == "remove":
        installer(root).install()
    child = os.fork()
    if not child:
        try:
            run(root, number)
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        break
    assert code == 9, code
print(number)
"""

BEFORE = b'{\r\n\t"model": "x", // mine\r\n\t"hooks": {"Stop": [{"hooks": []}]}\r\n}'


def drive(base: Path, action: str) -> list[Path]:
    """The folders of runs killed at step 1, 2, ..., and last that of a run which was not killed."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(base), action], capture_output=True, text=True, check=False, cwd=base
    )
    assert done.returncode == 0, done.stderr
    return [base / str(number) for number in range(1, int(done.stdout) + 1)]


def start(base: Path, before: bytes | None) -> None:
    """The folder that every run gets a copy of."""
    home = base / "start" / "home"
    home.mkdir(parents=True)
    if before is not None:
        (home / ".claude").mkdir()
        (home / ".claude" / "settings.json").write_bytes(before)


def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> SettingsHookInstaller:
    monkeypatch.setenv("HOOKKIT_HOME", str(root / "hookkit"))
    return SettingsHookInstaller(AGENTS["claude-code"], env={"HOME": str(root / "home")}, project=root)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("before", [None, BEFORE])
def test_an_install_killed_at_any_step_leaves_old_or_new_and_the_next_run_heals(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    roots = drive(tmp_path, "install")
    assert len(roots) > 20
    for root in roots:
        settings = root / "home" / ".claude" / "settings.json"
        after = content(settings)
        complete = after is not None and after.count(b"hookkit_claude_code.py") == len(AGENTS["claude-code"].events)
        assert after == before or complete, root
        installer = make(root, monkeypatch)
        if complete:  # what runs is there before it is registered
            assert installer.status()["installed"]
        installer.install()
        assert installer.status()["installed"]
        assert leftovers(root) == []
        installer.remove()
        assert content(settings) == before
        assert (root / "home" / ".claude").exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []


@pytest.mark.parametrize("before", [None, BEFORE])
def test_an_install_killed_at_any_step_is_taken_back_by_remove_alone(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    for root in drive(tmp_path, "install"):
        make(root, monkeypatch).remove()
        assert content(root / "home" / ".claude" / "settings.json") == before
        assert (root / "home" / ".claude").exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []


@pytest.mark.parametrize("before", [None, BEFORE])
def test_a_remove_killed_at_any_step_leaves_new_or_old_and_the_next_run_heals(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    roots = drive(tmp_path, "remove")
    assert len(roots) > 8
    events = len(AGENTS["claude-code"].events)
    for root in roots:
        settings = root / "home" / ".claude" / "settings.json"
        after = content(settings)
        assert after == before or (after is not None and after.count(b"hookkit_claude_code.py") == events), root
        installer = make(root, monkeypatch)
        installer.remove()
        assert content(settings) == before
        assert (root / "home" / ".claude").exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []
        assert not installer.remove().changed


def test_a_remove_killed_at_any_step_can_be_followed_by_an_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, BEFORE)
    for root in drive(tmp_path, "remove"):
        installer = make(root, monkeypatch)
        installer.install()
        assert installer.status()["installed"]
        installer.remove()
        assert (root / "home" / ".claude" / "settings.json").read_bytes() == BEFORE
        assert leftovers(root) == []
