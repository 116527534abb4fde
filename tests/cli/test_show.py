from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit import paths
from hookkit.cli import run
from hookkit.store.files import trace_path
from hookkit.views.gaps import Gap, gaps, windows

RECORDED = Path(__file__).parents[1] / "capture" / "fixtures" / "recorded"


@pytest.fixture(autouse=True)
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The recorded session with nested subagents, a gap and a denied call."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    shutil.copytree(RECORDED / "sidecar" / "claude-code", paths.state() / "sidecars" / "claude-code")
    assert run(["ingest", str(RECORDED / "projects")]) == 0
    capsys.readouterr()
    return next(paths.traces().iterdir()).stem


def test_json_is_the_record(trace: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hookkit", "show", trace[:8], "--json"], capture_output=True, check=True
    )
    record = TraceRecord.model_validate_json(done.stdout)
    assert record.trace_id == trace
    assert record.content_hash == record.compute_content_hash()


def test_text_tells_the_whole_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show"]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    for expected in (
        "  project  /home/dev/project (main)",
        "  model    anthropic/claude-opus-4-8",
        "  work     2 turns, 11 tool calls, 4 failed, 1 denied, 3 subagents",
        "  state    complete",
    ):
        assert expected in lines
    assert "10 of 11 calls seen by a hook, 1 without a window" in said
    assert [line.split("  ")[-1] for line in lines if line.startswith("Turn ")] == ["go nested", "second"]
    deep = next(line for line in lines if "SUBC nested" in line)
    outer = next(line for line in lines if "SUBA do" in line)
    assert len(deep) - len(deep.lstrip()) == len(outer) - len(outer.lstrip()) + 4
    assert sum("gap: changed outside any tool call" in line for line in lines) == 1
    denied = next(line for line in lines if "n.txt" in line)
    assert "inferred]" in denied
    assert "failed: Claude requested permissions" in denied
    assert "\x1b" not in said


def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hookkit.views.text import styled

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert styled("x", "bold") == "\x1b[1mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("x", "bold") == "x"


def test_gap_is_the_difference_between_one_windows_end_and_the_next_ones_start(trace: str) -> None:
    metadata = json.loads(trace_path(trace).read_bytes())["metadata"]
    (at, gap), *others = gaps(metadata).items()
    assert not others
    assert gap == Gap(metadata["hook_stop"][0]["trail"]["tree_id"]["hex"], windows(metadata)[at].before or "")


def test_change_inside_another_open_window_is_no_gap() -> None:
    def entry(second: int, tree: str) -> dict[str, object]:
        return {
            "timestamp": f"2026-01-01T00:00:{second:02d}Z",
            "trail": {"worktree_root": "/r", "tree_id": {"hex": tree}},
        }

    metadata = {
        "hook_pre_tool_use": {"outer": entry(1, "a"), "inner": entry(2, "b"), "next": entry(5, "d")},
        "hook_post_tool_use": {"inner": entry(3, "b"), "outer": entry(4, "c"), "next": entry(6, "d")},
        "hook_stop": [entry(7, "e")],
    }
    assert gaps(metadata) == {"next": Gap("c", "d"), "": Gap("d", "e")}


def test_unknown_reference_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "deadbeef"]) == 2
    assert "hookkit list" in capsys.readouterr().err
    assert run(["show", "deadbeef", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "UNKNOWN_TRACE"


def test_damaged_trace_says_how_to_get_it_back(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    trace_path(trace).write_text("{")
    assert run(["show", trace]) == 1
    assert "hookkit ingest" in capsys.readouterr().err
