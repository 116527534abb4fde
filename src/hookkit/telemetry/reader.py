"""Reads telemetry with DuckDB, in any process, also while a server writes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from hookkit.telemetry import segments
from hookkit.telemetry.columns import COLUMNS
from hookkit.telemetry.segments import Store, quoted

_MEMORY = "1GB"

# What each segment tells of each session. A call counts once, whatever tells of it: its result, its decision, a span.
_PART = """
INSERT INTO parts
SELECT position >> 32, agent, session_id,
    min(time_us), max(time_us),
    count(*) FILTER (WHERE kind = 'prompt'),
    count(*) FILTER (WHERE kind = 'request'),
    count(*) FILTER (WHERE kind = 'request_error' OR (kind IN ('tool', 'request') AND success = false)),
    count(DISTINCT coalesce(tool_use_id, position::VARCHAR)) FILTER (WHERE kind = 'tool'),
    coalesce(sum(cost_micros) FILTER (WHERE kind = 'request'), 0),
    coalesce(sum(input_tokens) FILTER (WHERE kind = 'request'), 0),
    coalesce(sum(output_tokens) FILTER (WHERE kind = 'request'), 0),
    coalesce(sum(cache_read_tokens) FILTER (WHERE kind = 'request'), 0),
    coalesce(sum(cache_creation_tokens) FILTER (WHERE kind = 'request'), 0),
    coalesce(list(DISTINCT model) FILTER (WHERE model IS NOT NULL AND kind = 'request'), []),
    max(service_version), max(terminal)
FROM {rows} WHERE session_id IS NOT NULL GROUP BY position >> 32, agent, session_id
"""
_PARTS = """
CREATE TABLE parts (segment BIGINT, agent VARCHAR, session_id VARCHAR, started_us BIGINT, last_us BIGINT,
    prompts BIGINT, requests BIGINT, errors BIGINT, tools BIGINT, cost_micros DOUBLE, input_tokens BIGINT,
    output_tokens BIGINT, cache_read_tokens BIGINT, cache_creation_tokens BIGINT, models VARCHAR[],
    service_version VARCHAR, terminal VARCHAR)
"""
# Segments that are Parquet: which rows they may hold is known without a look into them.
_FILES = "CREATE TABLE files (segment BIGINT, path VARCHAR, row_count BIGINT, last BIGINT)"
_FILE = """
INSERT INTO files SELECT segment, path, row_count, last
FROM (SELECT unnest(?::BIGINT[]) AS segment, unnest(?::VARCHAR[]) AS path) JOIN
    (SELECT position >> 32 AS segment, count(*) AS row_count, max(position) AS last FROM {rows} GROUP BY 1)
    USING (segment)
"""
# Lines of a journal become rows; DuckDB reads JSON many times as fast as Python makes columns of it.
_INSERT = f"""
INSERT INTO recent SELECT * FROM (
    SELECT unnest(json_transform(line, '{json.dumps(dict(COLUMNS))}'))
    FROM (SELECT unnest(string_split(?, chr(10))) AS line) WHERE json_valid(line)
) WHERE position IS NOT NULL
"""
_TRIES = 5
_PIECE = 2 << 20  # bytes of a journal that are taken in at a time
_TOGETHER = 16  # files that are summed up by one statement
_ROLLUP = """
CREATE OR REPLACE TABLE session_rollup AS
SELECT agent, session_id, min(started_us) AS started_us, max(last_us) AS last_us,
    sum(prompts)::BIGINT AS prompts, sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(tools)::BIGINT AS tools, round(sum(cost_micros))::BIGINT AS cost_micros,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens,
    list_sort(list_distinct(flatten(list(models)))) AS models,
    max(service_version) AS service_version, max(terminal) AS terminal
FROM parts GROUP BY agent, session_id
"""


class Reader:
    """An in-memory DuckDB over the files, with two relations for SQL.

    ``events``: a row for everything that came in, see ``columns``. ``session_rollup``: a row a session. For any thread:
    ask with ``query``. ``refresh`` takes in what was written since.
    """

    def __init__(self, place: Store | None = None) -> None:
        self._place = place or segments.store()
        self._db = duckdb.connect(config=segments.settings(self._place, _MEMORY))
        self._db.execute("SET parquet_metadata_cache = true")
        self._lock = threading.Lock()
        self._closed: dict[int, Path] = {}
        self._read: dict[int, int] = {}  # segment that is a journal -> bytes of it that were taken in
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self._db.execute(f"CREATE TABLE recent ({columns})")
        for statement in (_PARTS, _FILES, _ROLLUP, f"CREATE VIEW events AS {_events([])}"):
            self._db.execute(statement)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection whose cursors see the relations; tables of others may stand beside them."""
        return self._db

    def query(
        self,
        sql: str,
        parameters: Sequence[object] | Mapping[str, object] = (),
        *,
        only: str = "",
        given: Sequence[object] = (),
    ) -> list[dict[str, Any]]:
        """The rows that a statement gives, by the names of their columns.

        only: a condition on the table ``files`` (segment, path, row_count, last: the last position), with ``given`` for
        its parameters; ``events`` has no rows of closed segments but those. Of many segments, few have what is asked.
        What is read may be closed into Parquet, or deleted as too old, meanwhile: then it is looked up anew.
        """
        try:
            return self._query(sql, parameters, only, given)
        except (duckdb.IOException, duckdb.HTTPException):
            self.refresh()
            return self._query(sql, parameters, only, given)

    def _query(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object], only: str, given: Sequence[object]
    ) -> list[dict[str, Any]]:
        with self._db.cursor() as cursor:
            if only:  # one transaction: no segment moves between the look at the files and the question
                cursor.begin()
                cursor.execute(f"CREATE TEMP VIEW events AS {_events(_paths(cursor, only, given))}")
            cursor.execute(sql, parameters)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def refresh(self) -> bool:
        """Take in what was written since the last time; whether there was anything, or something is gone."""
        with self._lock:
            failed = 0
            while True:
                try:
                    return self._refresh()
                except FileNotFoundError:  # a journal that was closed just now: it is found as Parquet
                    continue
                except duckdb.IOException:  # a segment that was too old just now; or the disk fails
                    failed += 1
                    if failed == _TRIES:
                        raise

    def _refresh(self) -> bool:
        # Journals first: a segment that is closed in between is then found in both places, and never in none.
        journals = self._place.open_segments()
        closed = self._place.closed_segments()
        journals = {number: path for number, path in journals.items() if number not in closed}
        new = self._readable({number: path for number, path in closed.items() if number not in self._closed})
        gone = [number for number in (*self._closed, *self._read) if number not in closed and number not in journals]
        sizes = {number: path.stat().st_size for number, path in journals.items()}
        grown = {number: path for number, path in journals.items() if sizes[number] > self._read.get(number, 0)}
        if not (new or gone or grown):
            return False
        read = {number: at for number, at in self._read.items() if number not in closed and number not in gone}
        # At once, for whoever asks meanwhile: all of it, or nothing.
        with self._db.cursor() as cursor:
            cursor.begin()
            try:
                changed = [*gone, *new, *grown]
                cursor.execute("DELETE FROM parts WHERE segment IN (SELECT unnest(?::BIGINT[]))", [changed])
                cursor.execute("DELETE FROM files WHERE segment IN (SELECT unnest(?::BIGINT[]))", [gone])
                cursor.execute(
                    "DELETE FROM recent WHERE position >> 32 IN (SELECT unnest(?::BIGINT[]))", [[*gone, *new]]
                )
                for start in range(0, len(new), _TOGETHER):
                    some = [*new][start : start + _TOGETHER]
                    found = [str(new[number]) for number in some]
                    cursor.execute(_FILE.format(rows=_parquet(found)), [some, found])
                    cursor.execute(_PART.format(rows=_parquet(found)))
                for number, path in grown.items():
                    read[number] = self._append(cursor, path, read.get(number, 0))
                    cursor.execute(_PART.format(rows=f"(SELECT * FROM recent WHERE position >> 32 = {number})"))
                cursor.execute(_ROLLUP)
                cursor.execute(f"CREATE OR REPLACE VIEW events AS {_events(_paths(cursor))}")
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()
        self._closed = {number: path for number, path in closed.items() if number in self._closed or number in new}
        self._read = read
        return True

    def _append(self, cursor: duckdb.DuckDBPyConnection, path: Path, start: int) -> int:
        """Take in the whole lines that a journal has from ``start`` on; where they end."""
        with path.open("rb") as file:
            file.seek(start)
            while lines := file.readlines(_PIECE):
                whole = [line for line in lines if line.endswith(b"\n")]
                text = b"".join(line for line in whole if len(line) < segments.LONGEST_LINE).decode("utf-8", "replace")
                cursor.execute(_INSERT, [text])
                start += sum(map(len, whole))
                if len(whole) < len(lines):  # it is being written: the rest of it is no line
                    break
        return start

    def _readable(self, found: Mapping[int, Path]) -> dict[int, Path]:
        """Those that are there still, and are Parquet: one that is not must not keep all others from being read."""
        with self._db.cursor() as cursor:

            def are_whole(paths: Sequence[Path]) -> bool:
                try:
                    cursor.execute("SELECT count(*) FROM parquet_file_metadata(?)", [[*map(str, paths)]])
                except duckdb.Error:
                    return False
                return True

            if not found or are_whole([*found.values()]):
                return dict(found)
            return {number: path for number, path in found.items() if are_whole([path])}

    def close(self) -> None:
        self._db.close()


def _paths(cursor: duckdb.DuckDBPyConnection, only: str = "true", given: Sequence[object] = ()) -> list[str]:
    found = cursor.execute(f"SELECT path FROM files WHERE {only} ORDER BY segment", given).fetchall()
    return [path for (path,) in found]


def _events(paths: Sequence[str]) -> str:
    """SQL that gives the rows of closed segments, and all those of the others."""
    names = ", ".join(COLUMNS)
    recent = f"SELECT {names} FROM recent"
    return f"SELECT {names} FROM {_parquet(paths)} UNION ALL {recent}" if paths else recent


def _parquet(paths: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(map(quoted, paths))}], hive_partitioning = false)"
