"""`hookkit demo` shows what it claims, in a scratch folder, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _demo(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hookkit", "demo", *arguments],
        env=dict(os.environ) | {"TMPDIR": str(temporary)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary files"
    folder.mkdir()
    return folder


def test_the_recorded_session_comes_out_as_a_trace_with_the_trees_that_git_gives(
    temporary: Path, isolated_home: Path
) -> None:
    done = _demo("--json", temporary=temporary)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["restored"] is True
    assert [event["code"] for event in shown["events"]] == [0] * len(shown["events"])
    assert [event["lines"] for event in shown["events"]] == [1] * len(shown["events"])
    metadata = shown["trace"]["metadata"]
    trees = {event["tree_id"] for event in shown["events"]}
    for window in (metadata["hook_pre_tool_use"], metadata["hook_post_tool_use"]):
        assert len(window) == 9
        assert {entry["trail"]["tree_id"]["hex"] for entry in window.values()} <= trees
    assert shown["trace"]["agent"]["name"] == "claude-code"
    assert list(temporary.iterdir()) == []
    assert list(isolated_home.iterdir()) == []


@pytest.mark.long
def test_it_tells_the_whole_story_in_words_and_keeps_what_it_was_told_to_keep(temporary: Path) -> None:
    said = _demo("--keep", temporary=temporary).stdout
    assert "mean() in stats.py gives wrong results" in said
    assert "Bash  set -o pipefail; python3 -m unittest" in said
    assert "failed: Exit code 1" in said
    assert "byte for byte as they were" in said
    assert "NOT" not in said
    (kept,) = temporary.iterdir()
    assert str(kept) in said
    assert (kept / "project" / "test_stats.py").is_file()
