"""Git hooks, killed at any step and installed by many at once: no hook of the user is ever lost, not for a moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.installer import GitHookInstaller
from hookkit.installer.git_files import HOOKS
from tests.installer.repositories import git, listing, put

pytestmark = pytest.mark.long

# Kills one run at its n-th step, for every n, each in a repository of its own; the last run comes to its end.
DRIVER = """
import os, shutil, sys
from pathlib import Path
from hookkit.installer import GitHookInstaller, files

base, action = Path(sys.argv[1]), sys.argv[2]
os.fsync = lambda descriptor: None

def installer(root):
    os.environ["HOOKKIT_HOME"] = str(root / "hookkit")
    return GitHookInstaller(project=root / "repo")

def run(root, kill_at):
    count = 0
    def step(name):
        nonlocal count
        count += 1
        if count == kill_at:
            os._exit(9)
    files.step = step
    getattr(installer(root), action)()

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


def start(base: Path) -> dict[str, tuple[int, bytes | str]]:
    """The repository that every run gets a copy of, with one hook of each kind; gives what is in its hooks folder."""
    root = base / "start" / "repo"
    root.mkdir(parents=True)
    git(root, "init", "-q", "--template=")
    # It asks for its name, so it is run by a link; the other one is a link itself.
    put(root / ".git" / "hooks" / "post-commit", '#!/bin/sh\necho "${0##*/} $(wc -l <"$0")"\nexit 3\n', 0o750)
    put(root / "script", "#!/bin/sh\necho rewritten\nexit 4\n")
    (root / ".git" / "hooks" / "post-rewrite").symlink_to("../../script")
    return listing(root / ".git" / "hooks")


def drive(base: Path, action: str) -> list[Path]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(base), action], capture_output=True, text=True, check=False, cwd=base
    )
    assert done.returncode == 0, done.stderr
    return [base / str(number) for number in range(1, int(done.stdout) + 1)]


def as_git_runs_them(root: Path) -> list[tuple[int, str]]:
    found = []
    for name in HOOKS:
        done = subprocess.run(
            [f".git/hooks/{name}"], cwd=root / "repo", input="", capture_output=True, text=True, check=False
        )
        found.append((done.returncode, done.stdout + done.stderr))
    return found


def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> GitHookInstaller:
    monkeypatch.setenv("HOOKKIT_HOME", str(root / "hookkit"))
    return GitHookInstaller(project=root / "repo")


def nothing_is_left(root: Path, before: dict[str, tuple[int, bytes | str]]) -> None:
    assert listing(root / "repo" / ".git" / "hooks") == before
    assert list((root / "hookkit" / "state" / "installs").glob("*")) == []
    assert [path for path in root.rglob("*") if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("then", ["install", "remove"])
def test_an_install_killed_at_any_step_loses_no_hook_and_the_next_run_heals(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = start(tmp_path)
    expected = as_git_runs_them(tmp_path / "start")
    assert expected == [(3, "post-commit 3\n"), (4, "rewritten\n")]
    roots = drive(tmp_path, "install")
    assert len(roots) > 12
    for root in roots:
        assert as_git_runs_them(root) == expected, root
        if then == "install":
            make(root, monkeypatch).install()
            assert make(root, monkeypatch).status()["active"]
            assert as_git_runs_them(root) == expected
        make(root, monkeypatch).remove()
        nothing_is_left(root, before)


@pytest.mark.parametrize("then", ["install", "remove"])
def test_a_remove_killed_at_any_step_loses_no_hook_and_the_next_run_heals(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = start(tmp_path)
    expected = as_git_runs_them(tmp_path / "start")
    roots = drive(tmp_path, "remove")
    assert len(roots) > 6
    for root in roots:
        assert as_git_runs_them(root) == expected, root
        if then == "install":
            make(root, monkeypatch).install()
            assert make(root, monkeypatch).status()["active"]
        make(root, monkeypatch).remove()
        nothing_is_left(root, before)
        assert not make(root, monkeypatch).remove().changed


WORKER = """
import os, sys, traceback
from pathlib import Path
from hookkit.installer import GitHookInstaller

os.environ["HOOKKIT_HOME"] = sys.argv[2]
os.fsync = lambda descriptor: None
children = []
for number in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        code = 1
        try:
            for round in range(2):
                installer = GitHookInstaller(project=Path(sys.argv[1]))
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


def test_many_installs_and_removes_at_once_end_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start(tmp_path)
    root = tmp_path / "start"
    expected = as_git_runs_them(root)
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(root / "repo"), str(root / "hookkit"), "16"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0] * 16, done.stderr
    assert as_git_runs_them(root) == expected
    make(root, monkeypatch).install()
    assert make(root, monkeypatch).status()["active"]
    make(root, monkeypatch).remove()
    nothing_is_left(root, before)


def test_an_install_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start(tmp_path)
    root = tmp_path / "start"
    real = os.replace

    def full_disk(source: str, target: str) -> None:
        if str(target).endswith("post-rewrite"):
            raise OSError(28, "No space left on device")
        real(source, target)

    installer = make(root, monkeypatch)
    with monkeypatch.context() as context:
        context.setattr(os, "replace", full_disk)
        with pytest.raises(Exception, match="No space left"):
            installer.install()
    nothing_is_left(root, before)
