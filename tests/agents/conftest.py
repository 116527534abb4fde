"""Fixtures of the real-agent lane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .drivers.base import Driver
from .drivers.claude_code import ClaudeCode
from .model_server import ModelServer
from .programs import CLAUDE_CODE, AgentUnavailableError, InstalledAgent, install
from .twins import Twins


@pytest.fixture(scope="session")
def claude() -> InstalledAgent:
    """The real Claude Code, installed once for all tests; they are skipped where it cannot be."""
    try:
        return install(CLAUDE_CODE)
    except AgentUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def driver() -> Driver:
    """The agent that a test is about; a module about others has a fixture of its own."""
    return ClaudeCode()


@pytest.fixture
def agent(driver: Driver) -> InstalledAgent:
    """The real agent, installed once for all tests; they are skipped where it cannot be."""
    try:
        return install(driver.package)
    except AgentUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def server(driver: Driver) -> Iterator[ModelServer]:
    with ModelServer([driver.wire()]) as server:
        yield server
        assert server.failures == []


@pytest.fixture
def twins(driver: Driver, agent: InstalledAgent, server: ModelServer, tmp_path: Path) -> Iterator[Twins]:
    """Two sandboxes to be: one without and one with hookkit. Nothing that was started in them outlives the test."""
    twins = Twins(driver, agent, server, tmp_path)
    yield twins
    for box in twins.boxes:
        box.settle()
