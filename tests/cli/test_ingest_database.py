"""`hookkit ingest` of sessions that are rows of a database, and so no files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hookkit import paths
from hookkit.agents import AGENTS
from hookkit.cli import run
from tests.capture.opencode_support import database, put, recorded


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OpenCode's folder, in a home of its own."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "OPENCODE_DB"):
        monkeypatch.delenv(name, raising=False)
    return AGENTS["opencode"].transcripts({"HOME": str(tmp_path)})


def ingested(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    assert run(["ingest", "--json", *arguments]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_session_is_named_by_a_path_below_the_database(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = database(storage, "tour")
    before = path.parent.read_bytes()
    (found,) = ingested(capsys, str(path))
    assert (found["status"], found["agent"], found["session_id"]) == ("stored", "opencode", path.name)
    assert found["transcript"] == str(path)
    assert found["new_lines"] > 0
    trace = json.loads((paths.traces() / f"{found['trace_id']}.json").read_bytes())
    assert trace["metrics"]["total_steps"] == len(trace["steps"]) > 2
    assert path.parent.read_bytes() == before
    assert sorted(each.name for each in storage.iterdir()) == [path.parent.name]
    assert [each["status"] for each in ingested(capsys, str(path))] == ["unchanged"]


@pytest.mark.parametrize("whole", ["the database", "its folder"])
def test_a_database_or_its_folder_stands_for_all_its_sessions(
    storage: Path, whole: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = database(storage, "tour")
    other = json.dumps(recorded("failed-request")).replace("_000000", "_900000")  # all recordings count from one
    session, rows = json.loads(other)
    put(path.parent, rows)
    given = path.parent if whole == "the database" else storage
    found = ingested(capsys, str(given))
    assert sorted((each["status"], each["session_id"]) for each in found) == sorted(
        [("stored", path.name), ("stored", session)]
    )
    assert [each["status"] for each in ingested(capsys, "--all")] == ["unchanged", "unchanged"]


def test_one_that_lies_elsewhere_is_read_where_its_agent_is_named(
    storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = database(storage, "tour")
    moved = tmp_path / "elsewhere" / path.parent.name
    moved.parent.mkdir()
    shutil.move(path.parent, moved)
    (found,) = ingested(capsys, str(moved / path.name), "--agent", "opencode")
    assert (found["status"], found["session_id"]) == ("stored", path.name)


def test_a_session_that_is_not_in_the_database_is_a_matter_of_usage(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = database(storage, "tour").with_name("ses_nosuchsession")
    assert run(["ingest", str(path)]) == 2
    assert f"'{path}' does not exist" in capsys.readouterr().err


def test_a_file_that_is_no_database_holds_no_session(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage.mkdir(parents=True)
    (storage / "opencode.db").write_bytes(b"no database\n" * 100)
    assert run(["ingest", str(storage / "opencode.db")]) == 1
    assert "There is no session in" in capsys.readouterr().err
