"""Keeps the index of line origins in step with the event log. Its cost is that of the new events.

Boundaries of all sessions of a worktree are merged into one line of time. Whatever changed between two neighbours is
attributed once; a boundary that arrives late makes what follows it be derived again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookkit.git.worktree import Worktree
from hookkit.trails.events import TrailEvent
from hookkit.trails.lines.database import connect, refusal, transaction
from hookkit.trails.lines.intervals import derive
from hookkit.trails.log import read_events

_CONSUMED = "consumed"
_LIMITS = {
    "event_time": "hook_limitations",
    "before_time": "before_hook_limitations",
    "after_time": "after_hook_limitations",
}
_TREES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "trace_step_window_opened": (("tree_id", "event_time"),),
    "trace_step_window_closed": (("tree_id", "event_time"),),
    "trace_snapshot_created": (("tree_id", "event_time"),),
    "trace_session_closed": (("tree_id", "event_time"),),
    "filesystem_mutation_observed": (("before_tree_id", "before_time"), ("after_tree_id", "after_time")),
}


class LinesIndex:
    """The open index of one repository (all of its worktrees). Use as a context manager.

    HookkitError instead of the errors of the database; one that is damaged is removed, so that asking again helps.
    """

    def __init__(self, worktree: Worktree) -> None:
        self.worktree = worktree
        self.db = connect(worktree)

    def __enter__(self) -> LinesIndex:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.db.close()
        if isinstance(error, sqlite3.Error):
            refused = refusal(self.worktree, error)
            if refused is not error:
                raise refused from error

    def sync(self) -> LinesIndex:
        """Take in what is new in the event log."""
        while True:
            known = self._consumed()
            sequence, last = known
            events = read_events(self.worktree, since=max(0, sequence - 1))
            if sequence and (not events or events[0].event_id != last):
                sequence = 0  # another log: rebuilt, or purged
                events = read_events(self.worktree)
            elif sequence:
                events = events[1:]
            if not events and (sequence or not last):
                return self
            with transaction(self.db):
                if self._consumed() == known:
                    self._take_in(events, anew=not sequence)
                    return self
            # Another process was faster: what it left out is looked at again.

    def _take_in(self, events: Sequence[TrailEvent], *, anew: bool) -> None:
        if anew:
            for table in ("meta", "boundaries", "windows", "changes", "owners", "said"):
                self.db.execute(f"DELETE FROM {table}")
        batch = _Batch(self.db)
        for event in events:
            # Whoever can write the ref can write anything; what no event of ours looks like says nothing.
            with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError, OverflowError):
                batch.take(event)
        for root, since in batch.dirty().items():
            derive(self.worktree, self.db, root, since)
        if events:
            value = json.dumps([events[-1].event_sequence, events[-1].event_id])
            self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_CONSUMED, value))

    def _consumed(self) -> tuple[int, str]:
        """Sequence and id of the last event that was taken in; (0, "") if there is none."""
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (_CONSUMED,)).fetchone()
        if row is None:
            return 0, ""
        with contextlib.suppress(ValueError, TypeError):
            sequence, event_id = json.loads(row[0])
            return int(sequence), str(event_id)
        return 0, "?"


class _Batch:
    """Puts events into the tables, and keeps from when on each worktree has to be derived again."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._dirty: dict[int, int] = {}  # worktree -> microseconds
        self._heard: dict[tuple[str, int], int] = {}  # trace, worktree -> its last boundary before this batch
        self._free: dict[int, int] = {}  # worktree -> since when calls that may write anything are new, or have ended

    def dirty(self) -> dict[int, int]:
        """Worktree -> from when on (microseconds since 1970)."""
        for (trace, root), us in self._heard.items():
            # Such calls count as being at work for as long as their session is heard of.
            query = "SELECT min(opened) FROM windows WHERE root = ? AND (closed IS NULL OR background) AND trace = ?"
            opened = self._db.execute(query, (root, trace)).fetchone()[0]
            if opened is not None:
                self._note(root, max(us, opened))
        for root, us in self._free.items():
            query = "SELECT id FROM roots WHERE id != ? AND EXISTS (SELECT 1 FROM changes WHERE root = id AND us > ?)"
            for (other,) in self._db.execute(query, (root, us)).fetchall():
                self._note(other, us)
        return self._dirty

    def take(self, event: TrailEvent) -> None:
        """Put one event into the tables. LookupError, TypeError, ValueError, ... if it is none of ours."""
        payload, trace = event.payload, str(event.trace_id or "")
        root = self._root(payload) if payload.get("worktree_root") else 0
        for tree_key, time_key in _TREES.get(event.event_type, ()) if root else ():
            self._boundary(root, trace, payload, tree_key, time_key)
        if event.event_type == "trace_step_window_opened":
            self._opened(root, trace, event.step_index, payload)
        elif event.event_type == "trace_step_window_closed":
            self._closed(root, trace, payload)

    def _note(self, root: int, us: int) -> None:
        self._dirty[root] = min(us, self._dirty.get(root, us))

    def _root(self, payload: Mapping[str, Any]) -> int:
        root = str(payload["worktree_root"]).encode("utf-8", "surrogateescape")
        found = self._db.execute("SELECT id FROM roots WHERE root = ?", (root,)).fetchone()
        if found is None:
            return int(self._db.execute("INSERT INTO roots (root) VALUES (?)", (root,)).lastrowid or 0)
        return int(found[0])

    def _boundary(self, root: int, trace: str, payload: Mapping[str, Any], tree_key: str, time_key: str) -> None:
        tree = payload.get(tree_key)
        if not tree:
            return
        us = microseconds(payload[time_key])
        # The commit that a mutation names is that of its end; of its start its own boundary tells.
        head = payload.get("git_head") if time_key != "before_time" else None
        commit = str(head["hex"]) if head else None
        limits = " ".join(sorted(payload.get(_LIMITS[time_key]) or ()))
        if (trace, root) not in self._heard:
            last = "SELECT max(us) FROM boundaries WHERE trace = ? AND root = ?"
            self._heard[trace, root] = self._db.execute(last, (trace, root)).fetchone()[0] or 0
        row = (root, us, str(tree["hex"]), commit, limits, trace)
        if self._db.execute("INSERT OR IGNORE INTO boundaries VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
            self._note(root, us)
        elif commit or limits:
            where = "WHERE root = ? AND us = ? AND tree = ?"
            if limits and not self._db.execute(f"SELECT limits FROM boundaries {where}", row[:3]).fetchone()[0]:
                self._db.execute(f"UPDATE boundaries SET limits = ? {where}", (limits, *row[:3]))
                self._note(root, us)
            self._db.execute(f"UPDATE boundaries SET head = coalesce(?, head) {where}", (commit, *row[:3]))

    def _opened(self, root: int, trace: str, step: int | None, payload: Mapping[str, Any]) -> None:
        us, declared = microseconds(payload["event_time"]), payload.get("declared_write_paths")
        tool, number = str(payload.get("tool_name") or ""), step if type(step) is int else None
        paths = None if declared is None else json.dumps([str(path) for path in declared])
        row = (
            trace, str(payload["tool_call_id"]), root, us, number, tool, paths,
            bool(payload.get("container")), bool(payload.get("background")),
            bool(payload.get("brings_back")),
        )  # fmt: skip
        self._db.execute("INSERT OR IGNORE INTO windows VALUES (?, ?, ?, ?, NULL, 0, ?, ?, ?, ?, ?, ?, NULL)", row)
        self._note(root, us)
        if paths is None and not payload.get("container"):
            self._free[root] = min(us, self._free.get(root, us))

    def _closed(self, root: int, trace: str, payload: Mapping[str, Any]) -> None:
        us, ranges = microseconds(payload["event_time"]), payload.get("ranges")
        spans = None if ranges is None else json.dumps([[int(first), int(last)] for first, last in ranges])
        key = (trace, str(payload["tool_call_id"]), root)
        self._db.execute(
            "UPDATE windows SET closed = ?, inferred = ?, ranges = ? WHERE trace = ? AND call = ? AND root = ?",
            (us, payload.get("boundary_firmness") == "inferred", spans, *key),
        )
        query = (
            "SELECT opened, declared IS NULL AND NOT container FROM windows WHERE trace = ? AND call = ? AND root = ?"
        )
        for opened, free in self._db.execute(query, key).fetchall():
            self._note(root, opened)
            if free:
                self._free[root] = min(opened, self._free.get(root, opened))


def sync(worktree: Worktree) -> None:
    """Bring the index of a repository in step with its event log."""
    with LinesIndex(worktree) as index:
        index.sync()


def microseconds(stamp: str) -> int:
    """An ISO 8601 time with zone as microseconds since 1970."""
    moment = datetime.fromisoformat(stamp)
    return round(moment.timestamp() * 1e6)
