from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from hookkit import paths
from hookkit.store.files import trace_path
from hookkit.store.index import Index, Row
from hookkit.store.prune import prune

from .support import damage, session, trace

SECOND_OF_JANUARY = 1_767_312_000_000_000


@pytest.fixture
def belongings(tmp_path: Path) -> list[Path]:
    """Everything hookkit keeps of session 1, and beside it a file that is not its."""
    name = trace(1, day=1, project=str(tmp_path / "project"))
    ingest = paths.state() / "ingest"
    sidecars = [
        base / "claude-code" / "hooks" for base in (tmp_path / "project" / ".opentraces", paths.state() / "sidecars")
    ]
    files = [
        ingest / f"{name}.state.jsonl",
        ingest / f"{name}.lock",
        *(folder / f"{session(1)}.jsonl" for folder in sidecars),
    ]
    for path in [*files, sidecars[0] / "other.jsonl"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        os.utime(path, (0, 0))
    return [*files, trace_path(name)]


def test_old_sessions_go_with_all_that_belongs_to_them(belongings: list[Path]) -> None:
    kept = trace(2, day=3)
    (gone,) = prune(SECOND_OF_JANUARY, dry_run=False)
    assert (gone.trace_id, gone.title, gone.size > 4) == (belongings[-1].stem, "Prompt 1", True)
    assert not any(path.exists() for path in belongings)
    assert (belongings[2].parent / "other.jsonl").exists()
    assert trace_path(kept).exists()
    with Index() as index:
        assert [row.trace_id for row in index.rows()] == [kept]


def test_lines_that_lie_by_the_name_of_a_subagent_go_with_its_session(belongings: list[Path]) -> None:
    document = json.loads(belongings[-1].read_text())
    document["steps"] = [{"subagent_trajectory_ref": ref} for ref in (None, "sub", "../other")]
    belongings[-1].write_text(json.dumps(document))
    nested = belongings[2].parent / "agents"
    nested.mkdir()
    for name in ("sub.jsonl", "another.jsonl"):
        (nested / name).write_text("x")
        os.utime(nested / name, (0, 0))
    prune(SECOND_OF_JANUARY, dry_run=False)
    assert [path.name for path in nested.iterdir()] == ["another.jsonl"]
    assert (belongings[2].parent / "other.jsonl").exists()


def test_session_that_is_being_read_stays(belongings: list[Path]) -> None:
    with FileLock(belongings[1]):
        assert prune(SECOND_OF_JANUARY, dry_run=False) == []
    assert all(path.exists() for path in belongings)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("request_of_an_ingest", [False, True])
def test_session_that_an_agent_just_went_on_with_stays(
    belongings: list[Path], dry_run: bool, request_of_an_ingest: bool
) -> None:
    if request_of_an_ingest:
        belongings[1].with_suffix(".request").touch()
    else:
        os.utime(belongings[2])
    assert prune(SECOND_OF_JANUARY, dry_run=dry_run) == []
    assert all(path.exists() for path in belongings)


def test_trace_that_is_written_while_old_ones_are_looked_for_stays(
    belongings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Index.rows

    def then_an_ingest_comes(index: Index) -> list[Row]:
        found = list(rows(index))
        damage(belongings[-1], belongings[-1].read_bytes())
        return found

    monkeypatch.setattr(Index, "rows", then_an_ingest_comes)
    assert prune(SECOND_OF_JANUARY, dry_run=False) == []
    assert all(path.exists() for path in belongings)


def test_dry_run_deletes_nothing(belongings: list[Path]) -> None:
    assert len(prune(SECOND_OF_JANUARY, dry_run=True)) == 1
    assert all(path.exists() for path in belongings)


def test_session_without_a_time_stays() -> None:
    path = trace_path(trace(1))
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"timestamp_end": None}))
    assert prune(SECOND_OF_JANUARY * 2, dry_run=False) == []
    assert path.exists()


def test_hostile_session_id_leads_nowhere(tmp_path: Path) -> None:
    path = trace_path(trace(1, project=str(tmp_path / "a" / "b")))
    victim = tmp_path / "a" / "victim.jsonl"
    victim.parent.mkdir(parents=True)
    victim.write_text("mine")
    record = json.loads(path.read_bytes())
    (tmp_path / "a" / "b" / ".opentraces" / "claude-code" / "hooks").mkdir(parents=True)
    path.write_text(json.dumps(record | {"session_id": "../../../../victim"}))
    prune(SECOND_OF_JANUARY, dry_run=False)
    assert victim.exists()
    assert not path.exists()
