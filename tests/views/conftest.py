"""One recorded session for all views."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cli.recorded import Session, World, isolated

EVIL = "evil \x1b[2J\x07\u202e 世界 e\u0301"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two turns. The steps:

    0 prompt, 1 Write fetch.py, 2 Edit app.py; then a human edits README.md; 3 Bash fails;
    4 prompt in wide and control characters, 5 to 34 Read, 35 Bash without a result of its own.
    """
    base = tmp_path_factory.mktemp("views").resolve()
    with isolated(base):
        world = World(base / "a repo")
        world.commit("Begin", app_py="import os\n", README_md="# Demo\n")
        session = world.session()
        session.prompt("Add retry to fetch,\nplease")
        session.edit("toolu_01write", "fetch.py", "def fetch(url):\n    return get(url)\n")
        session.edit("toolu_02edit", "app.py", "import os\nimport fetch\n", tool="Edit")
        world.write("README.md", "# Demo\n\nby hand\n")
        with session.call(
            "Bash", "toolu_03test", error="Exit code 1\n\x1b[31mneedle in the result", command="make test"
        ):
            pass
        session.stop()
        session.prompt(EVIL)
        for number in range(30):
            call_id = f"toolu_read{number:02}"
            session.begin(call_id, "Read", {"file_path": f"{world.root}/src/{'長い' * (number % 5)}{number}.py"})
            session.end(call_id)
        session.begin("toolu_last", "Bash", {"command": "make\tall\n\x9bsecond line"})
        session.stop()
        session.ingest()
        yield session


@pytest.fixture
def home(recorded: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The recorded session, with the home that it is stored in, in the time zone that it is told in."""
    base = recorded.world.root.parent
    monkeypatch.setenv("HOME", str(base / "home"))
    monkeypatch.setenv("HOOKKIT_HOME", str(base / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield recorded
    monkeypatch.undo()
    time.tzset()
