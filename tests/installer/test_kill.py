"""A kill between any two changes on disk leaves the old settings or the new ones, and the next run heals.

So it is for settings of every form, and for extensions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.installer import ExtensionInstaller, SettingsHookInstaller
from tests.installer.shapes import SHAPES, contract_of, installer_of, source_of

pytestmark = pytest.mark.long

# Kills one run at its n-th step, for every n, each in a folder of its own; the last folder's run comes to its end.
DRIVER = """
import os, shutil, sys
from pathlib import Path
from hookkit.installer import files
from tests.installer.shapes import installer_of

base, action, shape = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
os.fsync = lambda descriptor: None  # what a kill leaves does not depend on it

def installer(root):
    os.environ["HOOKKIT_HOME"] = str(root / "hookkit")
    return installer_of(shape, root / "home", base / "source")

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
ROOT = Path(__file__).resolve().parents[2]
CASES = [*((shape, before) for shape in SHAPES for before in (None, BEFORE)), ("extension", None)]
each_case = pytest.mark.parametrize(("shape", "before"), CASES)


def drive(base: Path, action: str, shape: str) -> list[Path]:
    """The folders of runs killed at step 1, 2, ..., and last that of a run which was not killed."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(base), action, shape],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, cwd=base,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [base / str(number) for number in range(1, int(done.stdout) + 1)]


def place(root: Path) -> Path:
    """The file that the agent reads."""
    return root / "home" / ".made-up" / "hooks.json"


def start(base: Path, before: bytes | None) -> None:
    """The folder that every run gets a copy of."""
    source_of(base / "source")
    (base / "start" / "home").mkdir(parents=True)
    if before is not None:
        place(base / "start").parent.mkdir()
        place(base / "start").write_bytes(before)


def make(shape: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> SettingsHookInstaller | ExtensionInstaller:
    monkeypatch.setenv("HOOKKIT_HOME", str(root / "hookkit"))
    return installer_of(shape, root / "home", root.parent / "source")


def is_whole(shape: str, data: bytes | None) -> bool:
    """Whether all of ours is in a file."""
    wanted = 2 if shape == "extension" else len(contract_of(shape).events)
    return data is not None and data.count(b"hookkit_claude_code.py") == wanted


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.endswith(".tmp")]


@each_case
def test_an_install_killed_at_any_step_leaves_old_or_new_and_the_next_run_heals(
    shape: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    roots = drive(tmp_path, "install", shape)
    assert len(roots) > 20
    for root in roots:
        after = content(place(root))
        complete = is_whole(shape, after)
        assert after == before or complete, root
        installer = make(shape, root, monkeypatch)
        if complete:  # what runs is there before it is registered
            assert installer.status()["installed"]
        installer.install()
        assert installer.status()["installed"]
        assert leftovers(root) == []
        installer.remove()
        assert content(place(root)) == before
        assert place(root).parent.exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []


@each_case
def test_an_install_killed_at_any_step_is_taken_back_by_remove_alone(
    shape: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    for root in drive(tmp_path, "install", shape):
        make(shape, root, monkeypatch).remove()
        assert content(place(root)) == before
        assert place(root).parent.exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []


@each_case
def test_a_remove_killed_at_any_step_leaves_new_or_old_and_the_next_run_heals(
    shape: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    roots = drive(tmp_path, "remove", shape)
    assert len(roots) > 8
    for root in roots:
        after = content(place(root))
        assert after == before or is_whole(shape, after), root
        installer = make(shape, root, monkeypatch)
        installer.remove()
        assert content(place(root)) == before
        assert place(root).parent.exists() == (before is not None)
        assert not paths.hooks().exists()
        assert leftovers(root) == []
        assert not installer.remove().changed


@each_case
def test_a_remove_killed_at_any_step_can_be_followed_by_an_install(
    shape: str, before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, before)
    for root in drive(tmp_path, "remove", shape):
        installer = make(shape, root, monkeypatch)
        installer.install()
        assert installer.status()["installed"]
        installer.remove()
        assert content(place(root)) == before
        assert leftovers(root) == []
