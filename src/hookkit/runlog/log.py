"""Writes a run log. One event is one line and one write, so a run that is killed loses nothing that was said before.

``current_phase`` holds, in each context of its own, the phase of a pipeline that is under way: whatever runs inside of
it says so.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookkit import paths

_LOG = logging.getLogger("hookkit.adk")
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}_[A-Za-z0-9._-]+\.jsonl")
# A pipe that nobody reads must not hold anybody up: O_NONBLOCK, which files ignore.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(slots=True, eq=False)
class Phase:
    """A named part of a pipeline, of which a log tells from its first event inside of it on.

    id: of this one time. outer: what it is a part of. began: seconds since 1970. logs: those that tell of it.
    """

    id: str
    name: str
    outer: Phase | None = None
    began: float = field(default_factory=time.time)
    logs: list[RunLog] = field(default_factory=list)

    def begin(self, log: RunLog) -> None:
        """Say in a log that it, and what it is a part of, has begun, if that is not said there yet."""
        if log not in self.logs:
            if self.outer is not None:
                self.outer.begin(log)
            self.logs.append(log)
            self._tell(log, "phase.start", self.began)

    def end(self) -> None:
        """Say that it has ended where its beginning was said."""
        logs, self.logs = self.logs, []
        for log in logs:
            self._tell(log, "phase.end", time.time())

    def _tell(self, log: RunLog, kind: str, timestamp: float) -> None:
        parent = self.outer.id if self.outer is not None else None
        log.write(kind, timestamp=timestamp, phase_id=self.id, name=self.name, parent_id=parent)


class RunLog:
    """The file ``<folder>/<date>_<run id>.jsonl``, made with its first event; several threads and processes may write.

    live: a file that takes the same events, as JSON-RPC 2.0 notifications.
    """

    def __init__(self, folder: Path, run_id: str, *, live: Path | None = None) -> None:
        self.run_id = run_id
        self.path = folder / f"{time.strftime('%Y-%m-%d')}_{run_id}.jsonl"
        self.live = live
        self._torn = False
        self._warned = False

    def write(self, kind: str, /, *, timestamp: float | None = None, **fields: Any) -> bool:
        """Append an event; fields: plain JSON, None for what is not to be said. False if it could not be written.

        timestamp: seconds since 1970; now, if it is not given. An event that is said inside a phase names it.
        """
        event = {"type": kind, "run_id": self.run_id, "timestamp": round(timestamp or time.time(), 6)}
        event.update((name, value) for name, value in fields.items() if value is not None)
        phase = current_phase.get()
        if phase is not None and "phase_id" not in event:  # the events of a phase itself name it
            phase.begin(self)
            event |= {"phase": phase.name, "phase_id": phase.id}
        if self.live is not None:
            self._tell(event)
        return self._append(event)

    def _append(self, event: Mapping[str, Any]) -> bool:
        line = b"\n" + _line(event) if self._torn else _line(event)
        try:
            descriptor = self._open()
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._fail(error.strerror or "failed")
            return False
        self._torn = written < len(line)  # the disk is full: what comes next must not go on in the torn line
        if self._torn:
            self._fail("the disk is full")
        return not self._torn

    def _open(self) -> int:
        """For one event only: a descriptor that is kept can run out, be inherited, or be of a file that is gone."""
        try:
            return os.open(self.path, _FLAGS, 0o600)
        except FileNotFoundError:
            paths.private_dir(self.path.parent)
            return os.open(self.path, _FLAGS, 0o600)

    def _tell(self, event: Mapping[str, Any]) -> None:
        assert self.live is not None
        try:
            descriptor = os.open(self.live, _FLAGS, 0o600)
            try:
                os.write(descriptor, _line({"jsonrpc": "2.0", "method": event["type"], "params": event}))
            finally:
                os.close(descriptor)
        except OSError:
            self.live = None  # whoever followed it is gone

    def _fail(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            _LOG.warning("%s cannot be written: %s", self.path, why)


def remove_old(folder: Path, days: int, keep: Collection[Path] = (), *, clock: Callable[[], float] = time.time) -> int:
    """Remove the logs that nothing was written to for ``days`` days, but those to ``keep``; gives their number.

    0 days keep everything. Files that are not named like logs stay. Never fails.
    """
    removed = 0
    try:
        entries = list(os.scandir(folder)) if days > 0 else []
    except OSError:
        return 0
    for entry in entries:
        try:
            if (
                _NAME.fullmatch(entry.name)
                and Path(entry.path) not in keep
                and entry.is_file(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_mtime < clock() - days * 86400
            ):
                os.unlink(entry.path)
                removed += 1
        except OSError:
            continue
    return removed


def _line(event: Mapping[str, Any]) -> bytes:
    return (_encode(event) + "\n").encode("utf-8", "replace")


current_phase: ContextVar[Phase | None] = ContextVar("hookkit_phase", default=None)
