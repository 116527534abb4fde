"""Which parser reads which agent's sessions. Driven by the agents' contracts; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from hookkit import agents
from hookkit.capture.base import ProjectSessionDiscoverer, SessionParser


def get_parser(name: str) -> SessionParser:
    """A parser of the agent ``name``; UsageError if there is no such agent."""
    module, _, attribute = agents.get(name).parser.partition(":")
    return cast(SessionParser, getattr(importlib.import_module(module), attribute)())


def get_parsers() -> Mapping[str, type[SessionParser]]:
    """Agent name -> parser class, of every agent hookkit knows."""
    return {name: type(get_parser(name)) for name in agents.AGENTS}


def discover_project_sessions(project: Path) -> Iterator[tuple[str, Path]]:
    """(agent name, session file) of every session the known agents keep for ``project``."""
    for name in agents.AGENTS:
        parser = get_parser(name)
        if isinstance(parser, ProjectSessionDiscoverer):
            for path in parser.discover_project_sessions(project):
                yield name, path
