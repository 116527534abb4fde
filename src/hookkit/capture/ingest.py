"""Reads what is new of a session into its trace. One ingest per session at a time; a later one supersedes.

Order of the writes: trace, index, trail, state. A crash between any two leaves a state that is older than the trace,
and the next run reads the difference again: the same lines always give the same bytes, and the same facts in the trail.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from hookkit import agents, paths
from hookkit.capture import state
from hookkit.capture.files import FileChangedError, OutOfOrderError
from hookkit.capture.identity import is_session_id, trace_id
from hookkit.capture.jsonl import LineReader
from hookkit.capture.record import Record
from hookkit.capture.registry import get_parser
from hookkit.capture.session import Session, resumed, worktree
from hookkit.capture.settle import settle
from hookkit.capture.trail import follow
from hookkit.capture.transcripts import TranscriptParser
from hookkit.errors import HookkitError
from hookkit.paths import is_excluded
from hookkit.store.files import replace_file, trace_path
from hookkit.store.index import Index
from hookkit.store.summary import summarise

Status = Literal["stored", "unchanged", "empty", "busy", "excluded", "failed"]
_FIRST = 20  # lines of a sidecar that are looked at for a tree id
_ABANDONED = 300.0  # seconds without a change after which a session's agent may be gone


class SessionError(HookkitError):
    """This session cannot be read; others can."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one session.

    lines: how many were new. summary: of the trace as it is now, if it was written. error: why it failed.
    """

    status: Status
    trace_id: str
    session_id: str
    agent: str
    transcript: Path
    lines: int = 0
    summary: dict[str, Any] | None = None
    error: str | None = None


def ingest_session(
    transcript: Path | str, project: Path | None = None, *, agent: str = "claude-code", wait: bool = False
) -> Ingested:
    """Bring the trace of one session up to date.

    transcript: its path, or the session's id; need not exist, hook lines in sidecars are enough for a trace. project:
    the worktree the session belongs to. wait: first wait until the agent has written all of the turn that just ended.
    Sessions below the quality threshold are kept as well, see ``quality``. SessionError if the path names no session or
    its files cannot be read, HookkitError if hookkit's own files cannot be written.
    """
    parser = get_parser(agent)
    if isinstance(transcript, str):
        transcript = parser.find_session(transcript if is_session_id(transcript) else "-")
    transcript = parser.first(transcript.absolute())
    session_id = parser.session_id_from_path(transcript)
    if not is_session_id(session_id):
        raise SessionError(
            "NOT_A_SESSION", f"{transcript} is not named like a session.", "Give the path of a transcript, <id>.jsonl."
        )
    trace = trace_id(agent, session_id)
    base = Ingested("busy", trace, session_id, agent, transcript)
    if os.environ.get("HOOKKIT_DISABLE") == "1" or (project is not None and is_excluded(project)):
        return _with(base, "excluded")
    try:
        return _in_turn(parser, base, project, wait)
    except OSError as error:
        raise HookkitError(
            "CANNOT_WRITE",
            f"{error.filename or paths.home()} cannot be written: {error.strerror}.",
            "Free space or fix the permissions there, or set HOOKKIT_HOME to another folder; then ingest again.",
        ) from error


def ingest_each(transcripts: Iterable[Path], project: Path | None = None, *, agent: str) -> Iterator[Ingested]:
    """Bring several sessions up to date; one that cannot be read keeps no other from being read."""
    for transcript in transcripts:
        try:
            yield ingest_session(transcript, project, agent=agent)
        except SessionError as error:
            session_id = get_parser(agent).session_id_from_path(transcript)
            yield Ingested(
                "failed", trace_id(agent, session_id), session_id, agent, transcript.absolute(), error=error.message
            )


def ingest_project(project: Path) -> Iterator[Ingested]:
    """Bring every session of a project up to date, those of which only sidecars are left included."""
    from hookkit.capture.registry import discover_project_sessions

    root = worktree(str(project.absolute()))
    seen = set()
    for agent, transcript in discover_project_sessions(root):
        seen.add((agent, get_parser(agent).session_id_from_path(transcript)))
        yield from ingest_each([transcript], root, agent=agent)
    for agent in agents.SOURCES:
        for sidecar in sidecars(root, agent):
            if (agent, sidecar.stem) not in seen:
                yield from ingest_each([get_parser(agent).find_session(sidecar.stem)], root, agent=agent)


def ingest_abandoned(project: Path, *, agent: str) -> Iterator[Ingested]:
    """Bring the sessions of a project up to date whose agent was killed: no hook will start their ingest.

    Only sessions that hooks wrote of, and only after some minutes of silence: a live one sees to itself.
    """
    for sidecar in sidecars(project, agent):
        parser = get_parser(agent)
        transcript = parser.find_session(sidecar.stem)
        changed = max(parser.changed(transcript) / 1e9, _changed(sidecar))
        if _changed(trace_path(trace_id(agent, sidecar.stem))) < changed < time.time() - _ABANDONED:
            yield from ingest_each([transcript], project, agent=agent)


def ingest_all() -> Iterator[Ingested]:
    """Bring every session up to date that an agent keeps on this machine or a known worktree has hook lines of."""
    seen = set()
    for agent in agents.SOURCES:
        parser = get_parser(agent)
        for transcript in parser.discover_sessions(agents.source(agent).transcripts(os.environ)):
            seen.add((agent, parser.session_id_from_path(transcript)))
            yield from ingest_each([transcript], agent=agent)
    with contextlib.suppress(OSError):
        for line in dict.fromkeys((paths.state() / "worktrees").read_bytes().splitlines()):
            for result in ingest_project(Path(os.fsdecode(line))):
                if (result.agent, result.session_id) not in seen:
                    yield result


def _in_turn(parser: TranscriptParser, base: Ingested, project: Path | None, wait: bool) -> Ingested:
    folder = paths.private_dir(state.folder())
    request = folder / f"{base.trace_id}.request"
    lock = FileLock(folder / f"{base.trace_id}.lock", mode=0o600)
    result = base
    request.touch(mode=0o600)
    while request.exists():
        # Whoever holds the lock looks for requests after letting go of it, so ours is not lost.
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return result
        try:
            while _taken(request):
                if wait:  # the hooks of a turn's end and of the session's come together: one ingest serves both
                    settle(base.transcript, is_final=parser.is_final, asked_again=lambda: _taken(request))
                result = _ingest(parser, base, project)
        finally:
            lock.release()
    return result


def _taken(request: Path) -> bool:
    try:
        request.unlink()
    except FileNotFoundError:
        return False
    return True


def _ingest(parser: TranscriptParser, base: Ingested, project: Path | None) -> Ingested:
    if not parser.exists(base.transcript) and _has_read_transcript(base.trace_id):
        return _with(base, "unchanged")
    try:
        session, lines = _read(parser, base, project)
    except OSError as error:
        raise SessionError(
            "UNREADABLE_SESSION",
            f"{error.filename or base.transcript} cannot be read: {error.strerror}.",
            "Make the file readable for you, then ingest it again.",
        ) from error
    if lines == 0 and state.stamp(base.trace_id) == session.stored:
        return _with(base, "unchanged")
    record = session.record()
    if record is None:
        return _with(base, "empty", lines=lines)
    root = Path(record.metadata["project"]) if record.metadata["project"] else None
    if root is not None and is_excluded(root):
        return _with(base, "excluded")
    summary = _store(record)
    followed = follow(session.placed, record, project or root)
    session.stored = state.stamp(base.trace_id) if followed else None  # None: there is something left to do
    with contextlib.suppress(OSError):  # without a state the next run reads everything again
        state.save(base.trace_id, *session.dump())
    if root is not None:
        _heal(root)
    return _with(base, "stored", lines=lines, summary=summary)


def _read(parser: TranscriptParser, base: Ingested, project: Path | None) -> tuple[Session, int]:
    """The session, and how many of its lines are new."""
    session = resumed(parser, base.session_id, base.transcript, project)
    if session is not None:
        with contextlib.suppress(OutOfOrderError, FileChangedError):
            return session, session.read()
    session = Session(parser, base.session_id, base.transcript, project)
    return session, session.read()


def _has_read_transcript(trace: str) -> bool:
    """Whether the trace holds more than hook lines: agents delete old transcripts, and the sidecars that are left
    must not take the place of what was read in time."""
    try:
        found = json.loads(trace_path(trace).read_bytes())["metadata"]["capture"]["source"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
    return bool(found == "transcript")


def sidecars(root: Path, agent: str) -> list[Path]:
    """Where hook lines of an agent's sessions in a worktree are: in it, or in the user's state folder, where the lines
    of all worktrees are. There the first tree id tells."""
    found = sorted((root / ".opentraces" / agent / "hooks").glob("*.jsonl"))
    kept = sorted((paths.state() / "sidecars" / agent / "hooks").glob("*.jsonl"))
    found += [sidecar for sidecar in kept if _is_of(sidecar, root)]
    return [sidecar for sidecar in found if is_session_id(sidecar.stem)]


def _is_of(sidecar: Path, root: Path) -> bool:
    with contextlib.suppress(OSError):
        for line in itertools.islice(LineReader(sidecar), _FIRST):
            data = line.get("data")
            trail = data.get("trail") if isinstance(data, dict) else None
            if isinstance(trail, dict):
                return trail.get("worktree_root") in (str(root), str(root.resolve()))
    return False


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _store(record: Record) -> dict[str, Any]:
    trace = record.head["trace_id"]
    summary = summarise({**record.head, "metadata": record.metadata}, record.tools())
    paths.private_dir(paths.traces())
    found = replace_file(trace_path(trace), record.text())
    with Index() as index:
        index.put(trace, found, summary)
    return summary


def _heal(root: Path) -> None:
    """Let the git room put captures of this worktree right; a trace never depends on it."""
    with contextlib.suppress(Exception):
        from hookkit.git import heal

        heal(root)


def _with(base: Ingested, status: Status, lines: int = 0, summary: dict[str, Any] | None = None) -> Ingested:
    return Ingested(status, base.trace_id, base.session_id, base.agent, base.transcript, lines, summary)
