"""The backstop: finds sessions that no Stop hook reported, and reads them into traces.

An agent that is killed, a hook that could not run, a machine that went down: what was written by then is in a
transcript or a sidecar that is newer than its trace. A tick over quiet projects costs a look at each file's time.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookkit import agents, paths
from hookkit.capture import state
from hookkit.capture.identity import trace_id
from hookkit.capture.ingest import Ingested, ingest_each, sidecars
from hookkit.capture.registry import discover_project_sessions, get_parser
from hookkit.paths import is_excluded
from hookkit.store.files import replace_file, trace_path
from hookkit.store.log import log

SETTLED = 60.0  # seconds without a change; a session that is still going reports itself


@dataclass(frozen=True, slots=True)
class Pending:
    """A session that is newer than its trace. changed: the time of its newest file, in nanoseconds."""

    agent: str
    transcript: Path
    trace_id: str
    changed: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What one look at a project gave. error: why it could not be looked at, in one line."""

    project: Path
    ingested: tuple[Ingested, ...] = ()
    error: str | None = None

    @property
    def is_quiet(self) -> bool:
        return not self.ingested and self.error is None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (schemas/watch.schema.json)."""
        return {
            "project": str(self.project),
            "sessions": [
                {
                    "status": one.status,
                    "trace_id": one.trace_id,
                    "session_id": one.session_id,
                    "agent": one.agent,
                    "error": one.error,
                }
                for one in self.ingested
            ],
            "error": self.error,
        }


@dataclass(slots=True)
class Memory:
    """Trace id -> the newest change, in nanoseconds, that was read already: not every session gives a trace."""

    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Memory:
        try:
            found = json.loads(_memory_path().read_bytes())
            return cls({str(key): int(value) for key, value in found.items()})
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return cls()

    def save(self) -> None:
        """Keep what a trace does not say by its own time."""
        self.seen = {trace: at for trace, at in self.seen.items() if changed(trace_path(trace)) < at}
        with contextlib.suppress(OSError):
            paths.private_dir(state.folder())
            replace_file(_memory_path(), [json.dumps(self.seen).encode()], durable=False)


def _memory_path() -> Path:
    return state.folder() / "watch.json"


def run_once(project: Path) -> Tick:
    """One tick of one project: reads what is pending, if anything is. Never fails; a failure is in the log and here."""
    try:
        if os.environ.get("HOOKKIT_DISABLE") == "1" or is_excluded(project) or not is_active(project):
            return Tick(project)
        return Tick(project, tuple(scan_project(project)))
    except Exception as error:  # one project that cannot be read must not keep the others from being read
        log(f"watch {project}\n{traceback.format_exc()}")
        return Tick(project, error=f"{type(error).__name__}: {error}")


def run_all() -> Iterator[Tick]:
    """One tick of every worktree in which agents were recorded."""
    for project in projects():
        yield run_once(project)


def projects() -> list[Path]:
    """The worktrees that hooks have written in, as far as they still exist."""
    with contextlib.suppress(OSError):
        lines = dict.fromkeys((paths.state() / "worktrees").read_bytes().split(b"\n"))
        return [path for line in lines if line.startswith(b"/") and (path := Path(os.fsdecode(line))).is_dir()]
    return []


def is_active(project: Path) -> bool:
    """Whether a session of the project waits to be read."""
    return next(pending(project), None) is not None


def scan_project(project: Path) -> list[Ingested]:
    """Read every session of the project that waits for it. One that cannot be read keeps no other from being read."""
    memory = Memory.load()
    results: list[Ingested] = []
    for session in pending(project):
        results += ingest_each([session.transcript], project, agent=session.agent)
        memory.seen[session.trace_id] = session.changed
    memory.save()
    return results


def pending(project: Path) -> Iterator[Pending]:
    """The sessions of the project with files that are newer than their trace, and have not changed for a minute."""
    memory, settled = Memory.load().seen, time.time_ns() - int(SETTLED * 1e9)
    for (agent, session_id), (transcript, files) in sessions(project).items():
        trace = trace_id(agent, session_id)
        newest = max(get_parser(agent).changed(transcript), *map(changed, files), 0)
        if max(changed(trace_path(trace)), memory.get(trace, 0)) < newest <= settled:
            yield Pending(agent, transcript, trace, newest)


def sessions(project: Path, only: str | None = None) -> Mapping[tuple[str, str], tuple[Path, list[Path]]]:
    """(agent, session id) -> its transcript, and its sidecars. only: of this agent."""
    found: dict[tuple[str, str], tuple[Path, list[Path]]] = {}
    names = [only] if only else [*agents.SOURCES]
    for agent, transcript in discover_project_sessions(project, names):
        session_id = get_parser(agent).session_id_from_path(transcript)
        found[agent, session_id] = transcript, [paths.state() / "sidecars" / agent / "hooks" / f"{session_id}.jsonl"]
    for agent in names:
        for sidecar in sidecars(project, agent):
            if (agent, sidecar.stem) not in found:
                # Started in another folder of the worktree, or never kept by the agent: a name stands for it then.
                found[agent, sidecar.stem] = get_parser(agent).find_session(sidecar.stem), []
            found[agent, sidecar.stem][1].append(sidecar)
    return found


def changed(path: Path) -> int:
    """When a file was last written, in nanoseconds since 1970; 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
