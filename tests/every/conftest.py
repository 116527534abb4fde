"""One session of each agent, shared by all tests of a worker."""

from __future__ import annotations

import pytest

from hookkit.agents import AGENTS

from .played import Session, played

_SESSIONS: dict[str, Session] = {}


@pytest.fixture(params=list(AGENTS))
def agent(request: pytest.FixtureRequest) -> str:
    """The name of each agent in turn."""
    return str(request.param)


@pytest.fixture
def session(agent: str, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Its recorded session, played through its installed hooks and ingested. Tests only read it."""
    if agent not in _SESSIONS:
        _SESSIONS[agent] = played(agent, tmp_path_factory.mktemp(agent).resolve() / "home")
    return _SESSIONS[agent]
