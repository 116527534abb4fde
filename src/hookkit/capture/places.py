"""Where the sessions are that somebody may want to follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.live import Place
from hookkit.capture.registry import get_parser
from hookkit.capture.watch import changed, sessions


def in_project(project: Path, agent: str | None = None) -> Iterator[Place]:
    """The sessions of a project's folder, whether or not they were ever read; agent: only its own."""
    for (name, session_id), (transcript, sidecars) in sessions(project, agent).items():
        when = max(get_parser(name).changed(transcript), *map(changed, sidecars), 0)
        if when:
            yield Place(name, transcript, session_id, when)


def of_trace(summary: Mapping[str, Any]) -> Place:
    """The session of a trace, by its summary."""
    agent, session_id = str(summary["agent"]), str(summary["session_id"])
    parser = get_parser(agent)
    transcript = parser.find_session(session_id)
    return Place(agent, transcript, session_id, parser.changed(transcript))
