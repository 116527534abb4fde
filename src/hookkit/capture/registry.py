"""Which parser reads which agent's sessions. Driven by the agents' contracts; nothing is imported before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from hookkit import agents
from hookkit.capture.transcripts import TranscriptParser


@cache
def get_parser(name: str) -> TranscriptParser:
    """The parser of the agent ``name``; UsageError if there is no such agent."""
    module, _, attribute = agents.get(name).parser.partition(":")
    return cast(TranscriptParser, getattr(importlib.import_module(module), attribute)())


def get_parsers() -> Mapping[str, type[TranscriptParser]]:
    """Agent name -> parser class, of every agent hookkit knows."""
    return {name: type(get_parser(name)) for name in agents.AGENTS}


def discover_project_sessions(project: Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, Path]]:
    """(agent name, session file) of every session the known agents keep for ``project``; names: only these agents."""
    for name in agents.AGENTS if names is None else names:
        for path in get_parser(name).discover_project_sessions(project):
            yield name, path
