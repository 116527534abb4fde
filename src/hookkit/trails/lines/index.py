"""Keeps the index of line origins in step with the event log. Its cost is that of the new events.

Boundaries of all sessions of a worktree are merged into one line of time. Whatever changed between two neighbours is
attributed once; a boundary that arrives late makes what follows it be derived again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hookkit.git.worktree import Worktree
from hookkit.trails.events import TrailEvent
from hookkit.trails.lines.database import connect, transaction
from hookkit.trails.lines.intervals import derive
from hookkit.trails.log import read_events

_CONSUMED = "consumed"


class LinesIndex:
    """The open index of one repository (all of its worktrees). Use as a context manager."""

    def __init__(self, worktree: Worktree) -> None:
        self.worktree = worktree
        self.db = connect(worktree)

    def __enter__(self) -> LinesIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def sync(self) -> LinesIndex:
        """Take in what is new in the event log."""
        sequence, last = self._consumed()
        events = read_events(self.worktree, since=max(0, sequence - 1))
        if sequence and (not events or events[0].event_id != last):
            sequence = 0  # another log: rebuilt, or purged
            events = read_events(self.worktree)
        elif sequence:
            events = events[1:]
        if not events and (sequence or not last):
            return self
        with transaction(self.db):
            now, _ = self._consumed()
            if now != sequence and sequence:
                return self  # another process was faster; what it left out is taken in the next time
            if not sequence:
                self._clear()
            dirty: dict[int, int] = {}
            for event in events:
                self._take(event, dirty)
            for root, since in dirty.items():
                derive(self.worktree, self.db, root, since)
            if events:
                value = json.dumps([events[-1].event_sequence, events[-1].event_id])
                self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_CONSUMED, value))
        return self

    def _consumed(self) -> tuple[int, str]:
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (_CONSUMED,)).fetchone()
        if row is None:
            return 0, ""
        sequence, event_id = json.loads(row[0])
        return int(sequence), str(event_id)

    def _clear(self) -> None:
        for table in ("meta", "boundaries", "windows", "changes", "owners", "said"):
            self.db.execute(f"DELETE FROM {table}")

    def _take(self, event: TrailEvent, dirty: dict[int, int]) -> None:
        """Put one event into the tables; note from when on its worktree has to be derived again."""
        payload = event.payload
        for root, us in _boundaries(self.db, event.event_type, payload, event.trace_id or ""):
            dirty[root] = min(us, dirty.get(root, us))
        if event.event_type == "trace_step_window_opened":
            root = _root(self.db, payload)
            us = microseconds(payload["event_time"])
            declared = payload.get("declared_write_paths")
            self.db.execute(
                "INSERT OR IGNORE INTO windows VALUES (?, ?, ?, ?, NULL, 0, ?, ?, ?, ?, ?, NULL)",
                (
                    event.trace_id, payload["tool_call_id"], root, us, event.step_index, payload.get("tool_name"),
                    None if declared is None else json.dumps(declared), bool(payload.get("container")),
                    bool(payload.get("background")),
                ),
            )  # fmt: skip
            dirty[root] = min(us, dirty.get(root, us))
        elif event.event_type == "trace_step_window_closed":
            key = (event.trace_id, payload["tool_call_id"], _root(self.db, payload))
            ranges = payload.get("ranges")
            self.db.execute(
                "UPDATE windows SET closed = ?, inferred = ?, ranges = ? WHERE trace = ? AND call = ? AND root = ?",
                (
                    microseconds(payload["event_time"]), payload.get("boundary_firmness") == "inferred",
                    None if ranges is None else json.dumps(ranges), *key,
                ),
            )  # fmt: skip
            query = "SELECT root, opened FROM windows WHERE trace = ? AND call = ? AND root = ?"
            for root, us in self.db.execute(query, key):
                dirty[root] = min(us, dirty.get(root, us))


def sync(worktree: Worktree) -> None:
    """Bring the index of a repository in step with its event log."""
    with LinesIndex(worktree) as index:
        index.sync()


def microseconds(stamp: str) -> int:
    """An ISO 8601 time with zone as microseconds since 1970."""
    moment = datetime.fromisoformat(stamp)
    return round(moment.timestamp() * 1e6)


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


def _boundaries(db: sqlite3.Connection, kind: str, payload: Mapping[str, Any], trace: str) -> Iterator[tuple[int, int]]:
    """Put the boundaries of an event into the table; yields (root, us) of the new ones."""
    if kind == "trace_snapshot_created" and payload.get("snapshot_role") != "origin":
        return  # the same boundary as that of its window
    for tree_key, time_key in _TREES.get(kind, ()):
        tree = payload.get(tree_key)
        if not tree or not payload.get("worktree_root"):
            continue
        root = _root(db, payload)
        us = microseconds(payload[time_key])
        # The commit that a mutation names is that of its end; of its start its own boundary tells.
        head = payload.get("git_head") if time_key != "before_time" else None
        limits = " ".join(sorted(payload.get(_LIMITS[time_key]) or ()))
        row = (root, us, tree["hex"], head["hex"] if head else None, limits, trace)
        if db.execute("INSERT OR IGNORE INTO boundaries VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
            yield root, us
        elif head or limits:
            db.execute(
                "UPDATE boundaries SET head = coalesce(?, head), limits = CASE limits WHEN '' THEN ? ELSE limits END"
                " WHERE root = ? AND us = ? AND tree = ?",
                (row[3], limits, *row[:3]),
            )


def _root(db: sqlite3.Connection, payload: Mapping[str, Any]) -> int:
    root = str(payload["worktree_root"]).encode("utf-8", "surrogateescape")
    found = db.execute("SELECT id FROM roots WHERE root = ?", (root,)).fetchone()
    if found is None:
        return int(db.execute("INSERT INTO roots (root) VALUES (?)", (root,)).lastrowid or 0)
    return int(found[0])
