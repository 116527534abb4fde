"""A dashboard over recorded sessions, asked as a browser on this machine would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hookkit.dashboard.app import create
from hookkit.dashboard.site import Site, open_site
from tests.cli.recorded import Session, World, isolated

from .made import put, record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two turns in a real repository.

    A file is written, two calls run side by side, one fails, a person edits README.md; a file moves, app.py is edited.
    """
    base = tmp_path_factory.mktemp("recorded").resolve()
    with isolated(base):
        world = World(base / "weather")
        world.commit("Begin", app_py="import os\n\n\ndef main():\n    print('hi')\n", README_md="# Demo\n")
        session = world.session()
        session.prompt("Add retry to fetch\n\nwith backoff")
        session.edit("toolu_01write", "fetch.py", "def fetch(url):\n    return get(url)\n")
        session.begin("toolu_02grep", "Grep", {"pattern": "fetch"})
        session.begin("toolu_03read", "Read", {"file_path": "README.md"}, same_step=True)
        session.end("toolu_02grep")
        session.end("toolu_03read")
        with session.call("Bash", "toolu_04test", error="Exit code 1: 2 failed", command="pytest -q"):
            pass
        session.stop()
        world.write("README.md", "# Demo\n\nby hand\n")
        session.prompt("Now move it")
        with session.call("Bash", "toolu_05move", command="git mv fetch.py net/fetch.py"):
            world.write("net/fetch.py", "def fetch(url):\n    return get(url)\n")
            (world.root / "fetch.py").unlink()
        session.edit("toolu_06edit", "app.py", "import os\nimport net\n\n\ndef main():\n    print('hi')\n", tool="Edit")
        session.stop()
        session.ingest()
        yield session


@pytest.fixture
def there(recorded: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The recorded session, with its home."""
    base = recorded.world.root.parent
    monkeypatch.setenv("HOME", str(base / "home"))
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    return recorded


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of hookkit's without a session."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path / "hookkit"


@pytest.fixture
def site() -> Site:
    """What is there now; it looks at the files at every question."""
    return open_site(every=0)


@pytest.fixture
def client(site: Site) -> TestClient:
    return TestClient(create(site), base_url="http://localhost:7777", follow_redirects=False)


@pytest.fixture
def many(home: Path) -> Callable[..., list[str]]:
    """Puts sessions into the store; gives their trace ids."""

    def made(number: int, **changes: Any) -> list[str]:
        return [put(record(at, **changes)) for at in range(number)]

    return made
