"""`hookkit ingest`: read sessions into traces by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookkit.cli import complete
from hookkit.errors import HookkitError, UsageError

if TYPE_CHECKING:
    from hookkit.capture.ingest import Ingested

_EPILOG = """\b
Examples:
  hookkit ingest                     every session of this project
  hookkit ingest --all               every session of every agent on this machine
  hookkit ingest ~/.claude/projects/-home-me-app/0a2f….jsonl
"""


@click.command(epilog=_EPILOG)
@click.argument("sources", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Sessions of DIR.")
@click.option("--all", "everything", is_flag=True, help="All sessions of all agents.")
@click.option(
    "--agent",
    help="Whose sessions the PATHs are. Default: told by their folder or what is in them, else claude-code.",
    shell_complete=complete.agents,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a session.")
def command(sources: tuple[Path, ...], project: Path | None, everything: bool, agent: str | None, as_json: bool) -> int:
    """Read sessions into traces: those in PATH, those of a project (default: this one), or all.

    The hooks do this at the end of every turn; this is for sessions from before, or after a crash. Reading a session
    again changes nothing. PATH is a transcript or a folder of transcripts. Exit code 1 if one could not be read.
    """
    if (bool(sources) + bool(project) + everything) > 1:
        raise UsageError(
            "TOO_MANY_SOURCES", "PATH, --project and --all exclude each other.", "Give one of them, or none."
        )
    counts: dict[str, int] = {}
    for result in _results(sources, project, everything, agent):
        counts[result.status] = counts.get(result.status, 0) + 1
        if as_json:
            click.echo(json.dumps(_body(result)))
        elif result.status != "unchanged":
            click.echo(_line(result))
    if not as_json:
        found = ", ".join(f"{number} {status}" for status, number in counts.items())
        click.echo(found or "No session was found. `hookkit ingest --all` looks in every project.")
    return 1 if "failed" in counts else 0


def _results(
    sources: tuple[Path, ...], project: Path | None, everything: bool, agent: str | None
) -> Iterator[Ingested]:
    from hookkit.capture import ingest

    if everything:
        yield from ingest.ingest_all()
    elif sources:
        for path in sources:
            whose = agent or _agent_of(path)
            yield from ingest.ingest_each(_transcripts(path, whose), agent=whose)
    else:
        yield from ingest.ingest_project(project or Path())


def _agent_of(path: Path) -> str:
    """Whose a path is: by the folder of sessions that it is in, else by what is in it, else the first agent's."""
    from hookkit.agents import SOURCES
    from hookkit.capture.registry import claimant

    homes = ((name, source.transcripts(os.environ).absolute()) for name, source in SOURCES.items())
    found = next((name for name, home in homes if path.absolute().is_relative_to(home)), None)
    inside = sorted(path.glob("*.jsonl"))[:1] if path.is_dir() else [path]
    return found or next(filter(None, map(claimant, inside)), None) or next(iter(SOURCES))


def _transcripts(path: Path, agent: str) -> list[Path]:
    from hookkit.capture.registry import get_parser

    parser = get_parser(agent)
    if not path.exists() and not parser.exists(path):  # a session in a database is no file
        raise click.BadParameter(f"Path {str(path)!r} does not exist.", param_hint="'[PATH]...'")
    holds_several = path.is_dir() or not parser.session_id_from_path(path)
    found = list(parser.discover_sessions(path)) if holds_several else [path]
    if not found:
        raise HookkitError("NO_SESSIONS", f"There is no session in {path}.", "Give a transcript, or a folder of them.")
    return found


def _body(result: Ingested) -> dict[str, object]:
    return {
        "status": result.status,
        "trace_id": result.trace_id,
        "session_id": result.session_id,
        "agent": result.agent,
        "transcript": str(result.transcript),
        "new_lines": result.lines,
        "error": result.error,
    }


def _line(result: Ingested) -> str:
    from hookkit.store.plain import plain

    told = result.error or (result.summary or {}).get("title") or result.session_id
    return f"{result.status:<9} {result.trace_id[:8]}  {plain(str(told))}"
