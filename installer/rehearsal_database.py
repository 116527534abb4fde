"""The database of a rehearsal, for an agent whose sessions are rows and no lines."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

_TIME = re.compile(r"\{time:(\d+)\}")
_NAME = re.compile(r"\w+")


class RehearsalDatabase:
    """Made of SQL statements, and filled as the session goes on.

    A row is ``{"table": name, "row": {column: value}}``, and takes the place of the one with its key. Objects and lists
    become JSON; ``{time:N}`` becomes the time, in milliseconds, at which N first came up.
    """

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        self._path = path
        self._times: dict[str, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in schema:
                connection.execute(statement)

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, all at once."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            for each in rows:
                row = {column: self._value(value) for column, value in each["row"].items()}
                names = [each["table"], *row]
                assert all(_NAME.fullmatch(name) for name in names), names
                columns, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"insert or replace into {names[0]} ({columns}) values ({marks})", [*row.values()])

    def _value(self, value: Any) -> Any:
        value = self._timed(value)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value

    def _timed(self, value: Any) -> Any:
        match value:
            case str() if _TIME.fullmatch(value):
                return self._times.setdefault(value, _moment(int(value[6:-1])))
            case list():
                return [self._timed(item) for item in value]
            case dict():
                return {key: self._timed(item) for key, item in value.items()}
            case _:
                return value


def _moment(_number: int) -> int:
    """Milliseconds since 1970 of a time that comes up first: its time is compared with that of the hook lines."""
    return time.time_ns() // 1_000_000
