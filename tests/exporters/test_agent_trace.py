"""Agent Trace records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hookkit.exporters.agent_trace import can_be_named, model_id, records
from hookkit.exporters.recorded import Recorded

from .support import TRACE, check, commit, git, repository, told, written

OTHER = "7a000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("hookkit")
    monkeypatch.setenv("HOOKKIT_HOME", str(folder))
    return folder


def export(root: Path, content: bytes, *parts: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    worktree, _ = repository(root)
    sha = commit(root, "f.txt", content)
    blob = git(root, "rev-parse", f"{sha}:f.txt").strip()
    of = told(sha, *(written(**{"path": "f.txt", "blob": blob} | part) for part in parts))
    found = [*records(worktree, of, Recorded(worktree))]
    for record in found:
        check("agent-trace", json.loads(json.dumps(record)))
    return sha, found


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_record_names_commit_agent_model_lines_and_calls(tmp_path: Path) -> None:
    lines = {"lines": (1, 2)}, {"lines": (3, 3), "call": "toolu_2"}, {"lines": (5, 5)}
    sha, (record,) = export(tmp_path, b"1\n2\n3\n4\n5", *lines)
    assert record["version"] == "0.1.0"
    assert record["vcs"] == {"type": "git", "revision": sha}
    assert record["tool"] == {"name": "claude-code", "version": "unknown"}
    assert record["files"] == [
        {
            "path": "f.txt",
            "conversations": [
                {
                    "url": f"ot://trace/{TRACE}",
                    "contributor": {"type": "ai", "model_id": "anthropic/claude-opus-4-8"},
                    "ranges": [
                        {"start_line": 1, "end_line": 3, "content_hash": sha256(b"1\n2\n3\n")},
                        {"start_line": 5, "end_line": 5, "content_hash": sha256(b"5")},
                    ],
                }
            ],
        }
    ]
    calls = record["metadata"]["hookkit"]["calls"]
    assert [(call["tool_call_id"], call["start_line"], call["end_line"], call["firmness"]) for call in calls] == [
        ("toolu_1", 1, 2, "firm"),
        ("toolu_2", 3, 3, "firm"),
        ("toolu_1", 5, 5, "firm"),
    ]
    assert set(calls[0]) == {
        "path", "start_line", "end_line", "session_id", "tool_call_id", "tool", "turn", "firmness",
    }  # fmt: skip


def test_the_time_is_that_of_the_commit_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-05T12:00:00+0200")
    _, (record,) = export(tmp_path, b"1\n", {"lines": (1, 1)})
    assert record["timestamp"] == "2026-01-05T10:00:00Z"


def test_the_same_facts_give_the_same_record(tmp_path: Path) -> None:
    worktree, (sha,) = repository(tmp_path)
    blob = git(tmp_path, "rev-parse", f"{sha}:a.txt").strip()
    of = told(sha, written((1, 1), blob=blob))
    assert [*records(worktree, of, Recorded(worktree))] == [*records(worktree, of, Recorded(worktree))]


def test_sessions_and_models_are_conversations_and_agents_are_records(tmp_path: Path) -> None:
    _, found = export(
        tmp_path,
        b"1\n2\n3\n4\n",
        {"lines": (1, 1)},
        {"lines": (2, 2), "model": "<synthetic>"},
        {"lines": (3, 3), "trace": OTHER, "session": "s2"},
        {"lines": (4, 4), "trace": OTHER, "session": "s3", "agent": "codex", "model": "gpt-5"},
    )
    claude, codex = found
    assert (claude["tool"]["name"], codex["tool"]["name"]) == ("claude-code", "codex")
    assert claude["id"] != codex["id"]
    conversations = claude["files"][0]["conversations"]
    assert [(each["url"], each["contributor"]) for each in conversations] == [
        (f"ot://trace/{TRACE}", {"type": "ai"}),
        (f"ot://trace/{TRACE}", {"type": "ai", "model_id": "anthropic/claude-opus-4-8"}),
        (f"ot://trace/{OTHER}", {"type": "ai", "model_id": "anthropic/claude-opus-4-8"}),
    ]
    assert codex["files"][0]["conversations"][0]["contributor"]["model_id"] == "openai/gpt-5"


def test_the_version_of_the_agent_is_that_of_the_trace(tmp_path: Path, home: Path) -> None:
    record = {
        "trace_id": TRACE, "session_id": "s", "agent": {"name": "claude-code", "version": "2.1.197"}, "steps": [],
        "metadata": {},
    }  # fmt: skip
    (home / "traces").mkdir()
    (home / "traces" / f"{TRACE}.json").write_text(json.dumps(record))
    _, (found,) = export(tmp_path, b"1\n", {"lines": (1, 1)})
    assert found["tool"] == {"name": "claude-code", "version": "2.1.197"}


def test_a_commit_that_no_call_wrote_has_no_record(tmp_path: Path) -> None:
    assert export(tmp_path, b"1\n")[1] == []


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-opus-4-8", "anthropic/claude-opus-4-8"),
        ("anthropic/claude-opus-4-8", "anthropic/claude-opus-4-8"),
        ("gpt-5-codex", "openai/gpt-5-codex"),
        ("gemini-3-pro", "google/gemini-3-pro"),
        ("my-model", "my-model"),
        ("<synthetic>", None),
        ("", None),
        (None, None),
        ("x" * 300, "x" * 250),
    ],
)
def test_models_are_spelled_as_models_dev_does(model: str | None, known: str | None) -> None:
    assert model_id(model) == known


def test_a_path_that_is_no_text_cannot_be_told() -> None:
    assert can_be_named("日本\n.txt")
    assert not can_be_named("caf\udce9")
