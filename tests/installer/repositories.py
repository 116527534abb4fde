"""Real repositories with hooks in them, and what stands in for hookkit where a hook starts it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from hookkit.installer import GitHookInstaller
from hookkit.installer.git_script import Command
from tests.waiting import wait_for

SPY = """#!/bin/sh
{
  printf '%s\\n' "cwd=$PWD" "$@"
  env | grep -E '^(GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX)|HOOKKIT_HOME)='
} >"$0.$$.part"
cd "$3" && cd "$(git rev-parse --git-common-dir)" && rm -f hookkit/commit.request
mv "$0.$$.part" "$0.$$.seen"
"""


def git(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """git, as the user runs it: not a word of the hooks may come between."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def commit(folder: Path, *arguments: str) -> str:
    """Make a commit of something new; gives what git said."""
    with (folder / "file").open("a") as file:
        file.write("more\n")
    git(folder, "add", "file")
    done = git(folder, "commit", "-q", "-m", "a commit", *arguments)
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Spy:
    """A program in the place of hookkit that writes down how it was started."""

    program: Path

    def calls(self, expected: int) -> list[list[str]]:
        """The lines of each start, once there are as many as expected; it comes in the background."""
        wait_for(lambda: len(self._seen()) >= expected)
        time.sleep(0.05 if expected else 0.3)  # one too many would come now
        return [path.read_text(errors="surrogateescape").splitlines() for path in sorted(self._seen())]

    def forget(self) -> None:
        for path in self._seen():
            path.unlink()

    def _seen(self) -> list[Path]:
        return list(self.program.parent.glob("*.seen"))


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spy:
    """What hooks that are installed in this test start."""
    folder = tmp_path / "spy"
    folder.mkdir()
    program = folder / "it's a program"
    program.write_text(SPY)
    program.chmod(0o755)
    monkeypatch.setattr(GitHookInstaller, "starts", lambda self: Command((str(program),), None))
    return Spy(program)


def make(path: Path, *, recorded: bool = True) -> Path:
    """A repository with one commit. recorded: as if an agent had been recorded in it."""
    git(path.parent, "init", "-q", "-b", "main", str(path))
    commit(path)
    if recorded:
        (path / ".git" / "hookkit").mkdir()
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make(tmp_path / "a repo's \u00e4\u20ac")


def put(path: Path, text: str | bytes, mode: int = 0o755) -> Path:
    """A hook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def listing(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every file below a folder with its mode and its content, or where it leads."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (0, os.readlink(path))
        elif path.is_file():
            found[name] = (path.stat().st_mode & 0o7777, path.read_bytes())
        else:
            found[name] = (path.stat().st_mode & 0o7777, "folder")
    return found
