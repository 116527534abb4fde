"""No test may see, or write, anything of the person who runs it."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Every run looks at the same few examples of each property, so that what fails has to do with what was changed. The
# long lane asks for many, and for others each time: --hypothesis-profile thorough
settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("quick")

_PLENTY = 4 << 30  # bytes


def pytest_configure() -> None:
    """A run makes tens of thousands of small files. Where memory is plenty, no disk need hear of them."""
    with contextlib.suppress(OSError):
        memory = os.statvfs("/dev/shm")
        usable = os.access("/dev/shm", os.W_OK | os.X_OK) and not memory.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
        if usable and memory.f_bavail * memory.f_frsize > _PLENTY:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests are made, and stay until the end: the collector need not look at them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


_SEEN_BY_OTHERS = (
    "GIT_", "XDG_", "HOOKKIT_", "CLAUDE", "COPILOT", "CURSOR", "GEMINI", "QWEN", "AI_AGENT", "AGENTTRACE_",
    "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS",
)  # fmt: skip
_OF_THE_TESTS = ("HOOKKIT_REAL_AGENTS", "HOOKKIT_PEER_PYTHON")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders that are not there yet. mktemp() would look for a free name among thousands, for each test."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git init` puts into a new repository, but for the fourteen samples of hooks: thousands of files a run."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "hooks").mkdir()
    (folder / "info").mkdir()
    (folder / "info" / "exclude").write_text("# one pattern a line\n")
    (folder / "description").write_text("Unnamed repository; edit this file 'description' to name the repository.\n")
    return folder


@pytest.fixture(autouse=True)
def isolated_home(homes: Iterator[Path], template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home, and none of the variables that agents, git or hookkit react to."""
    home = next(homes)
    home.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(_SEEN_BY_OTHERS) and name not in _OF_THE_TESTS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@localhost")
    return home
