"""What five real agents exported, request by request, becomes the rows of one session each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hookkit.telemetry import otlp, privacy
from hookkit.telemetry.journal import Journal
from hookkit.telemetry.otlp import SIGNALS
from hookkit.telemetry.reader import Reader
from hookkit.telemetry.rows import OF_SIGNAL, count_records
from hookkit.telemetry.segments import Store

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures"
RECORDED = sorted(folder for folder in FIXTURES.glob("*/*/telemetry"))


def rows_of(folder: Path) -> list[dict[str, Any]]:
    keep = privacy.keeper("drop")
    found = []
    for signal in SIGNALS:
        path = folder / f"{signal}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            request = otlp.from_json(signal, line.encode())
            rows = list(OF_SIGNAL[signal](request, keep, 1))
            assert len(rows) == count_records(signal, request)
            found += rows
    return found


def test_all_of_them_are_here() -> None:
    assert [folder.parent.parent.name for folder in RECORDED] == [
        "claude-code", "codex-cli", "copilot-cli", "gemini-cli", "qwen-code",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.parent.parent.name)
def test_the_columns_hold_what_was_exported(folder: Path, tmp_path: Path) -> None:
    agent = folder.parent.parent.name
    rows = rows_of(folder)
    assert {row["agent"] for row in rows} == {agent}
    told = [row for row in rows if row["kind"] in ("request", "tool")]
    for row in told:
        assert row["session_id"]
        if row["kind"] == "tool":
            assert {"tool_name", "success", "duration_ms"} <= row.keys()
        elif row.get("success") is not False:
            assert {"model", "input_tokens", "output_tokens"} <= row.keys()
    calls = [row.get("tool_use_id") for row in told if row["kind"] == "tool"]
    if agent != "gemini-cli":  # its events name no calls
        assert len(set(calls)) == len(calls) > 0
    Journal(Store(tmp_path)).append(rows)
    reader = Reader(Store(tmp_path))
    reader.refresh()
    rollups = reader.query("SELECT * FROM session_rollup")
    reader.close()
    # Subagents of Codex have sessions of their own.
    assert {row["session_id"] for row in rollups} >= {row["session_id"] for row in told}
    rollup = Counter[str]()
    for row in rollups:
        rollup.update({key: value for key, value in row.items() if isinstance(value, int)})
    kinds = Counter(row["kind"] for row in rows)
    assert (rollup["tools"], rollup["requests"]) == (len(calls), kinds["request"])
    assert rollup["errors"] == kinds["request_error"] + sum(row.get("success") is False for row in told)
    dollars = sum(json.loads(row["attributes"]).get("cost_usd", 0) for row in told)
    assert rollup["cost_micros"] == round(dollars * 1e6)
    if agent == "claude-code":
        assert dollars > 0
        metrics = [row for row in rows if row["name"] == "claude_code.cost.usage"]
        assert sum(row["value"] for row in metrics) == pytest.approx(dollars)
