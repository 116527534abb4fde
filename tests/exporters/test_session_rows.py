"""A session as rows: jsonl, csv, parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.errors import HookkitError
from hookkit.exporters.formats.table import COLUMNS
from hookkit.exporters.source import Source
from hookkit.store.summary import summarise
from tests.exporters.sessions import NAMES, SCRIPT, hostile, made, record, text
from tests.exporters.support import check


def events(given: dict[str, Any], *, redacted: bool = True) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text("jsonl", Source(given, redacted=redacted)).splitlines()]


def cells(given: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text("csv", Source(given)), newline="")))


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_of_the_schema_and_nothing_is_missing(name: str) -> None:
    given = record(name)
    head, *rest = events(given, redacted=False)
    for event in (head, *rest):
        check("session-event", event)
    assert {key: head[key] for key in summarise(given)} == summarise(given)
    assert (head["type"], head["version"], head["redactions"]) == ("session", 1, None)
    assert [event["step"] for event in rest if event["type"] == "step"] == [s["step_index"] for s in given["steps"]]
    assert [event["content"] for event in rest if event["type"] == "step"] == [s["content"] for s in given["steps"]]
    told = {event["call_id"]: (event["tool"], event["input"]) for event in rest if event["type"] == "call"}
    calls = [call for step in given["steps"] for call in step["tool_calls"]]
    assert told == {call["tool_call_id"]: (call["tool_name"], call["input"]) for call in calls}
    for bucket, total in (("input", "input"), ("cache_write", "cache_creation"), ("output", "output")):
        used = sum((event["tokens"] or {}).get(bucket, 0) for event in rest if event["type"] == "step")
        assert used == given["metrics"][f"total_{total}_tokens"]


def test_windows_gaps_and_errors_come_in_order_of_time() -> None:
    head, *rest = events(hostile())
    for event in (head, *rest):
        check("session-event", event)
    times = [event["time"] for event in rest]
    assert times == sorted(times)
    call = next(event for event in rest if event["type"] == "call")
    assert (call["tree_before"], call["tree_after"]) == ("a" * 40, "b" * 40)
    assert (call["duration_ms"], call["limitations"]) == (200.0, ["tree_timeout"])
    gaps = [event for event in rest if event["type"] == "gap"]
    assert len(gaps) == 8
    assert {(gap["tree_before"], gap["tree_after"]) for gap in gaps} == {("b" * 40, "a" * 40)}
    assert rest[-1]["type"] == "error"


def test_redactions_are_counted_in_the_first_line() -> None:
    given = record("pi")
    given["steps"][0]["content"] = "AKIAIOSFODNN7EXAMPLE"
    assert events(given)[0]["redactions"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_csv_has_a_row_for_each_call(name: str) -> None:
    given = record(name)
    assert text("csv", Source(given)).startswith(",".join(COLUMNS) + "\r\n")
    rows = cells(given)
    calls = [(step["step_index"], call) for step in given["steps"] for call in step["tool_calls"]]
    assert [(int(row["step"]), row["call_id"], row["tool"]) for row in rows] == [
        (index, call["tool_call_id"], call["tool_name"]) for index, call in calls
    ]
    assert [json.loads(row["input"]) for row in rows] == [call["input"] for _, call in calls]
    failed = sum(row["state"] == "failed" for row in rows)
    assert failed == given["metadata"]["capture"]["failed_tool_calls"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001
def test_no_cell_is_a_formula(start: str) -> None:
    given = record("claude-code")
    call, result = given["steps"][1]["tool_calls"][0], given["steps"][1]["observations"][0]
    call["input"]["file_path"] = call["tool_name"] = result["content"] = f"{start}cmd|' /C calc'!A0"
    row = cells(given)[0]
    for name in ("tool", "target", "result"):
        assert row[name] == f"'{start}cmd|' /C calc'!A0"
    assert not any(cell.startswith(start) for row in cells(given) for cell in row.values())


def test_csv_goes_round_through_quotes_commas_and_breaks() -> None:
    given = record("claude-code")
    given["steps"][1]["observations"][0]["content"] = 'one, "two"\r\nthree\n'
    assert cells(given)[0]["result"] == 'one, "two"\r\nthree\n'


def test_parquet_has_the_rows_of_csv_with_types(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra parquet is not installed")
    path = tmp_path / "session.parquet"
    given = hostile()
    path.write_bytes(made("parquet", Source(given)))
    with duckdb.connect() as database:
        kinds = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}
        assert kinds == dict(COLUMNS)
        query = f"SELECT tool, step, duration_ms, epoch_us(ended_at) - epoch_us(started_at), limitations FROM '{path}'"
        rows = database.execute(query).fetchall()
        texts = database.execute(f"SELECT result, error, input FROM '{path}'").fetchall()
    assert len(rows) == len(cells(given)) == 9
    expected = [(row["result"], row["error"] or None, row["input"]) for row in cells(given)]
    assert texts == expected
    assert rows[0] == (f"Read{SCRIPT}", 1, 200.0, 200_000, ["tree_timeout"])


def test_parquet_of_a_session_without_calls_is_a_table_without_rows(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra parquet is not installed")
    path = tmp_path / "session.parquet"
    path.write_bytes(made("parquet", Source(record("pi") | {"steps": []})))
    with duckdb.connect() as database:
        assert database.execute(f"SELECT count(*) FROM '{path}'").fetchall() == [(0,)]


def test_without_duckdb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(HookkitError) as refused:
        made("parquet", Source(record("pi")))
    assert refused.value.code == "LIBRARY_MISSING"
    assert "hookkit[parquet]" in refused.value.hint
