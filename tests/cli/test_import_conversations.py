"""`hookkit import hermes FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit.cli import run

ROWS = [
    {"id": "first", "conversations": [{"from": "human", "value": "Go."}, {"from": "gpt", "value": "Gone."}]},
    {"nothing": 1},
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))


def rows(path: Path, count: int = 2) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:count]))
    return str(path)


def test_conversations_are_listed_and_shown_like_any_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", "hermes", rows(tmp_path / "rows.jsonl", 1)]) == 0
    assert capsys.readouterr().out == "1 conversation imported, 0 known already.\n"
    assert run(["list"]) == 0
    assert "Go." in capsys.readouterr().out
    assert run(["show", "first"]) == 0
    assert "Go." in capsys.readouterr().out


def test_malformed_rows_are_named_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = rows(tmp_path / "rows.jsonl")
    assert run(["import", "hermes", file]) == 1
    assert "1 row (2)" in capsys.readouterr().err
    assert run(["import", "sharegpt", file, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("imported", "unchanged", "malformed", "malformed_rows")} == {
        "imported": 0, "unchanged": 1, "malformed": 1, "malformed_rows": [2]
    }  # fmt: skip


def test_a_dry_run_keeps_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "hermes", rows(tmp_path / "rows.jsonl", 1), "--dry-run"]) == 0
    assert "1 conversation to be imported" in capsys.readouterr().out
    assert run(["show", "first"]) == 2


def test_a_file_that_is_not_there_is_a_matter_of_usage(tmp_path: Path) -> None:
    assert run(["import", "hermes", str(tmp_path / "none.jsonl")]) == 2
