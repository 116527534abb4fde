from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.cli import run


@pytest.fixture(autouse=True)
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One session of the year 2000, one of the far future."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    for name, year in (("old-session", 2000), ("new-session", 2999)):
        line = {"type": "user", "message": {"content": name}, "timestamp": f"{year}-01-01T00:00:00Z"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
        assert run(["ingest", str(tmp_path / f"{name}.jsonl")]) == 0
    capsys.readouterr()


def test_old_sessions_are_deleted_and_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["prune", "--older-than", "30d"]) == 0
    said = capsys.readouterr().out
    assert "old-session" in said
    assert "1 sessions deleted" in said
    assert len(list(paths.traces().iterdir())) == 1
    assert run(["prune", "--older-than", "30d"]) == 0
    assert capsys.readouterr().out == "No session is that old.\n"
    assert (tmp_path / "old-session.jsonl").exists(), "the agent's own file is not ours"
    assert run(["ingest", str(tmp_path / "old-session.jsonl")]) == 0
    assert len(list(paths.traces().iterdir())) == 2


def test_dry_run_says_what_would_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune", "--older-than", "30d", "--dry-run", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["dry_run"] is True
    assert len(body["traces"]) == 1
    assert body["bytes"] > 0
    assert len(list(paths.traces().iterdir())) == 2


def test_age_must_be_given_and_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prune"]) == 2
    assert run(["prune", "--older-than", "soon"]) == 2
    assert "30" in capsys.readouterr().err
