"""The sessions, each once: traces and telemetry joined by agent and session id, in a table of DuckDB's in memory."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookkit import paths
from hookkit.capture.identity import trace_id
from hookkit.dashboard import tables
from hookkit.dashboard.filters import SORTS, Filter, Listing, Place, token
from hookkit.store.index import Index, Row, activity

if TYPE_CHECKING:
    import duckdb

    from hookkit.dashboard.told import Told

_EVERY = 3.0  # seconds between two looks at the files, if nobody else looks
_CHANGED = 500  # traces that are remembered as changed
_SETTLED = 0.1  # seconds: what was written since then may share its time with what was read

Session = dict[str, Any]  # a row of ``sessions``, by the names of tables.SESSIONS


@dataclass(frozen=True, slots=True)
class Page:
    """Some sessions in their order. next: where the next page begins, "" if this is the last."""

    sessions: list[Session]
    next: str


class Catalogue:
    """The table ``sessions``, in step with the files; and questions to it. For any thread.

    every: seconds between two looks at the files.
    """

    def __init__(self, told: Told, every: float = _EVERY) -> None:
        self.told = told
        self.version = 0  # grows whenever the table is made anew
        self.changed: deque[str] = deque(maxlen=_CHANGED)  # traces that came or changed, for who takes them from it
        self._every, self._looked = every, -1.0
        self._stamp: int | None = None  # of the folder of the traces, when it was last read
        self._known: dict[str, int] = {}  # trace id -> time of its file
        self._busy = threading.Lock()
        self._db = told.connection.cursor()
        self._db.execute(tables.TRACES)
        told.refresh()
        self._make()

    def refresh(self, *, now: bool = False) -> None:
        """Look at the files, unless that was done a moment ago. Who comes while another looks gets what is there.

        now: something was written, so look in any case.
        """
        if (self._is_fresh() and not now) or not self._busy.acquire(blocking=self._looked < 0):
            return
        try:
            if self._is_fresh() and not now:
                return
            came = self.told.refresh()
            if self._read_traces() or came:
                self._make()
            self._looked = time.monotonic()
        finally:
            self._busy.release()

    def _is_fresh(self) -> bool:
        return self._looked >= 0 and time.monotonic() - self._looked < self._every

    def page(self, asked: Listing) -> Page:
        """A page of sessions."""
        where, values = asked.filter.where()
        column = SORTS[asked.sort]
        key = f"coalesce({column}, -1)"
        if asked.place:
            where += f" AND ({key} < ? OR ({key} = ? AND id > ?))"
            values += [asked.place.value, asked.place.value, asked.place.id]
        query = f"SELECT *, {key} AS place FROM sessions WHERE {where} ORDER BY {key} DESC, id LIMIT ?"
        rows = self.ask(query, [*values, asked.limit + 1])
        last = rows[asked.limit - 1] if len(rows) > asked.limit else None
        return Page(rows[: asked.limit], token(asked.sort, Place(last["place"], last["id"])) if last else "")

    def one(self, identifier: str, agent: str = "all") -> Session | None:
        """The session with that trace id, or the latest one with that session id."""
        rows = self.ask(
            "SELECT * FROM sessions WHERE (id = ?1 OR session_id = ?1) AND (?2 = 'all' OR agent = ?2)"
            " ORDER BY id = ?1 DESC, last_us DESC LIMIT 1",
            [identifier, agent],
        )
        return rows[0] if rows else None

    def totals(self, wanted: Filter) -> Session:
        """Sums over the sessions that a filter leaves."""
        where, values = wanted.where()
        return self.ask(tables.TOTALS.format(where=where), values)[0]

    def names(self, column: str, most: int = 100) -> list[str]:
        """The agents, projects or models that there are, those with the latest activity first."""
        source = "sessions" if column != "model" else "(SELECT unnest(models) AS model, last_us FROM sessions)"
        query = (
            f"SELECT {column} AS name FROM {source} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY max(last_us) DESC"
        )
        return [row["name"] for row in self.ask(f"{query}, 1 LIMIT ?", [most])]

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Session]:
        """The rows of a query, by the names of their columns."""
        return self.told.ask(query, values)

    def _read_traces(self) -> bool:
        """Bring the table ``traces`` in step with the trace files; whether anything changed."""
        try:
            stamp = paths.traces().stat().st_mtime_ns
        except OSError:
            stamp = 0
        if stamp == self._stamp:
            return False
        with Index().sync() as index:
            rows = {row.trace_id: row for row in index.rows() if row.summary}
        changed = [row for row in rows.values() if self._known.get(row.trace_id) != row.mtime_ns]
        gone = [identifier for identifier in self._known if identifier not in rows]
        self._put(changed, [row.trace_id for row in changed] + gone)
        self._known = {row.trace_id: row.mtime_ns for row in rows.values()}
        self.changed.extend(row.trace_id for row in changed)
        self._stamp = stamp if time.time() - stamp / 1e9 > _SETTLED else None
        return bool(changed or gone)

    def _put(self, rows: Iterable[Row], old: list[str]) -> None:
        summaries = [json.loads(row.summary) for row in rows]
        with _transaction(self._db):
            for table in ("traces", "trace_models", "trace_tools"):
                self._db.execute(f"DELETE FROM {table} WHERE id IN (SELECT unnest(?::VARCHAR[]))", [old])
            tables.fill(self._db, "traces", [_trace(summary) for summary in summaries])
            tables.fill(self._db, "trace_models", [each for summary in summaries for each in _models(summary)])
            tools = [
                {"id": summary["trace_id"], "tool": name, "calls": calls}
                for summary in summaries
                for name, calls in summary["tools"].items()
            ]
            tables.fill(self._db, "trace_tools", tools)

    def _make(self) -> None:
        """Make ``sessions`` anew. Those that only telemetry tells of get the id that their trace would have."""
        new = self._db.execute(tables.WITHOUT_ID).fetchall()
        ids = [{"agent": agent, "session_id": name, "id": trace_id(agent, name)} for agent, name in new]
        tables.fill(self._db, "ids", ids)
        self._db.execute(tables.SESSIONS)
        self.version += 1


@contextlib.contextmanager
def _transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    db.begin()
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _trace(summary: Mapping[str, Any]) -> dict[str, Any]:
    cost = summary["cost_usd"]
    return {
        "id": summary["trace_id"],
        "agent": str(summary["agent"] or ""),
        "version": summary["agent_version"],
        "started_us": activity(summary["started_at"]) or None,
        "last_us": activity(summary["last_activity_at"]) or None,
        "failed": summary["failed_tool_calls"] + summary["errors"],
        "calls": summary["tool_calls"],
        "cost_micros": None if cost is None else round(cost * 1e6),
        "bound": bool(summary["unpriced_models"]),
        **{
            name: summary[name]
            for name in ("session_id", "project", "branch", "title", "turns", "subagents", "cost_source", "models")
        },
        **{name: summary[name] for name in ("complete", *tables.BUCKETS)},
    }


def _models(summary: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for name, used in summary["cost_by_model"].items():
        usd = used["usd"]
        told = {bucket: used[bucket] for bucket in tables.BUCKETS}
        yield {
            "id": summary["trace_id"],
            "model": name,
            "cost_micros": None if usd is None else round(usd * 1e6),
            **told,
        }
