"""Which parser reads whose sessions, by what hookkit knows of the agents; nothing is imported before it is used."""

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
    module, _, attribute = agents.source(name).parser.partition(":")
    return cast(TranscriptParser, getattr(importlib.import_module(module), attribute)())


def get_parsers() -> Mapping[str, type[TranscriptParser]]:
    """Name -> parser class, of all whose sessions hookkit reads."""
    return {name: type(get_parser(name)) for name in agents.SOURCES}


def claimant(path: Path) -> str | None:
    """Whose session a file is by what is in it, wherever it lies; None if nobody knows it."""
    return next((name for name in agents.SOURCES if get_parser(name).claims(path)), None)


def discover_project_sessions(project: Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, Path]]:
    """(agent name, session file) of every session that is kept for ``project``; names: only theirs."""
    for name in agents.SOURCES if names is None else names:
        for path in get_parser(name).discover_project_sessions(project):
            yield name, path
