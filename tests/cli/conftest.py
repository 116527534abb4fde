"""A recorded session in a real repository, made once a module: tests only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .recorded import Session, World, isolated


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two turns. The steps:

    0 prompt, 1 Write fetch.py, 2 Edit app.py; then a human edits README.md;
    3 prompt, 4 Bash moves fetch.py into net/ and makes bin.dat, 5 Read, 6 Bash commits, 7 Edit app.py (not committed).
    """
    base = tmp_path_factory.mktemp("played").resolve()
    with isolated(base):
        world = World(base / "a repo")
        world.commit("Begin", app_py="import os\n\n\ndef main():\n    print('hi')\n", README_md="# Demo\n")
        session = world.session()
        session.prompt("Add retry to fetch,\nplease")
        session.edit("toolu_01write", "fetch.py", "def fetch(url):\n    return get(url)\n")
        session.edit(
            "toolu_02edit",
            "app.py",
            "import os\nimport fetch\n\n\ndef main():\n    fetch.x()\n    print('hi')\n",
            tool="Edit",
        )
        session.stop()
        world.write("README.md", "# Demo\n\nby hand\n")
        session.prompt("Now move it")
        with session.call("Bash", "toolu_04move", command="git mv fetch.py net/fetch.py"):
            world.write("net/fetch.py", "def fetch(url):\n    return get(url)\n# moved\n")
            (world.root / "fetch.py").unlink()
            world.write("bin.dat", b"\0\1\2")
        with session.call("Read", "toolu_05read", file_path="app.py"):
            pass
        with session.call("Bash", "toolu_06commit", command="git commit -am 'Add fetch'"):
            world.commit("Add fetch")
        session.edit(
            "toolu_07edit",
            "app.py",
            "import os\nimport net\n\n\ndef main():\n    fetch.x()\n    print('hi')\n",
            tool="Edit",
        )
        session.stop()
        session.ingest()
        yield session


@pytest.fixture
def inside(played: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The recorded session, in its repository, with its home."""
    base = played.world.root.parent
    monkeypatch.setenv("HOME", str(base / "home"))
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(played.world.root)
    return played


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty repository of one's own; the current folder."""
    base = tmp_path.resolve()
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    made = World(base / "repo")
    monkeypatch.chdir(made.root)
    return made
