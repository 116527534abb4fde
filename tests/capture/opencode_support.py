"""OpenCode's recorded sessions, put back into a database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from opentraces_schema import TraceRecord

from hookkit.capture.opencode.parser import OpenCodeParser

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "opencode" / "1.18.33"
RECORDED = sorted(path.stem for path in (FIXTURES / "transcripts").glob("*.json"))
Row = dict[str, Any]


def recorded(name: str) -> tuple[str, list[Row]]:
    """(session id, rows) of a recorded session."""
    found = json.loads((FIXTURES / "transcripts" / f"{name}.json").read_text(encoding="utf-8"))
    return found["session"], found["rows"]


def make(folder: Path) -> Path:
    """An empty database as OpenCode makes it."""
    path = folder / "opencode.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in json.loads((FIXTURES / "schema.json").read_text(encoding="utf-8"))["statements"]:
            connection.execute(statement)
    return path


def put(path: Path, rows: Sequence[Row]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for each in rows:
            row = {
                key: json.dumps(value) if isinstance(value, (dict, list)) else value
                for key, value in each["row"].items()
            }
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"insert or replace into {each['table']} ({', '.join(row)}) values ({marks})", [*row.values()]
            )


def database(folder: Path, name: str) -> Path:
    """The path that stands for a recorded session."""
    session, rows = recorded(name)
    path = make(folder)
    put(path, rows)
    return path / session


def record_of(path: Path) -> TraceRecord:
    found = OpenCodeParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found
