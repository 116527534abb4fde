"""The database of a rehearsal: made of statements, filled row by row, with the times of the rehearsal."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hookkit.installer.rehearsal_database import RehearsalDatabase

SCHEMA = ["create table part (id text primary key, data text, time_created integer)", "create index at on part (id)"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not there yet" / "agent.db"


def rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("select * from part order by id").fetchall()


def row(id_: str, **columns: Any) -> dict[str, Any]:
    return {"table": "part", "row": {"id": id_, **columns}}


def test_it_is_made_of_its_statements_where_no_folder_was(path: Path) -> None:
    RehearsalDatabase(path, SCHEMA)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("select type, name from sqlite_master where sql is not null").fetchall()
    assert sorted(found) == [("index", "at"), ("table", "part")]
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


def test_a_row_takes_the_place_of_the_one_with_its_key(path: Path) -> None:
    database = RehearsalDatabase(path, SCHEMA)
    database.put([row("a", data="one"), row("b", data=None)])
    database.put([row("a", data="two", time_created=7)])
    assert rows(path) == [("a", "two", 7), ("b", None, None)]


def test_objects_and_lists_become_json_and_text_stays_text(path: Path) -> None:
    RehearsalDatabase(path, SCHEMA).put(
        [row("a", data={"über": ["x", 1, None]}), row("b", data=[]), row("c", data="{}")]
    )
    assert [data for _, data, _ in rows(path)] == ['{"über": ["x", 1, null]}', "[]", "{}"]


def test_a_time_is_that_at_which_its_number_first_came_up(path: Path) -> None:
    database = RehearsalDatabase(path, SCHEMA)
    begun = time.time_ns() // 1_000_000
    database.put([row("a", time_created="{time:1}")])
    time.sleep(0.005)
    database.put([row("b", time_created="{time:2}", data={"at": ["{time:1}", "{time:2}"], "not": "at {time:1}"})])
    (_, _, first), (_, data, second) = rows(path)
    assert begun <= first < second <= time.time_ns() // 1_000_000
    assert json.loads(data) == {"at": [first, second], "not": "at {time:1}"}


@pytest.mark.parametrize("bad", [{"table": "part; drop table part", "row": {"id": "x"}}, row("x", **{"a b": 1})])
def test_names_that_are_no_words_never_reach_sql(path: Path, bad: dict[str, Any]) -> None:
    database = RehearsalDatabase(path, SCHEMA)
    with pytest.raises(AssertionError):
        database.put([row("kept"), bad])
    assert rows(path) == []


def test_rows_are_written_all_or_none(path: Path) -> None:
    database = RehearsalDatabase(path, SCHEMA)
    with pytest.raises(sqlite3.OperationalError):
        database.put([row("a"), row("b", unknown=1)])
    assert rows(path) == []
