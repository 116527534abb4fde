"""One session of each agent, shared by all tests, whichever worker runs them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from hookkit.agents import AGENTS

from .played import Session, played

_SESSIONS: dict[str, Session] = {}


@pytest.fixture(params=list(AGENTS))
def agent(request: pytest.FixtureRequest) -> str:
    """The name of each agent in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def session(agent: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Its recorded session, played through its installed hooks and ingested. Tests only read it."""
    if agent not in _SESSIONS:
        kept = shared / f"{agent}.pickle"
        with FileLock(shared / f"{agent}.lock"):
            if not kept.exists():
                made = played(agent, tmp_path_factory.mktemp(agent).resolve() / "home")
                kept.write_bytes(pickle.dumps(made))
            _SESSIONS[agent] = pickle.loads(kept.read_bytes())
    return _SESSIONS[agent]


@pytest.fixture
def alone(session: Session, shared: Path) -> Iterator[None]:
    """No other worker is at the session's repository: for tests in which hookkit writes there, or that copy it."""
    with FileLock(shared / f"{session.name}.lock"):
        yield
