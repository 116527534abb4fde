from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit import paths
from hookkit.cli import run
from hookkit.store.files import trace_path
from hookkit.trails.timeline import timeline
from hookkit.views.show import render
from hookkit.views.text import one_line

BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
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
        "  work     2 turns, 11 tool calls, 4 failed (1 denied), 3 subagents",
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
    record = json.loads(trace_path(trace).read_bytes())
    times = timeline(record)
    (gap,) = times.gaps()
    assert gap.before == record["metadata"]["hook_stop"][0]["trail"]["tree_id"]["hex"]
    assert gap.after in {window.before for window in times.windows.values()}


def test_change_between_two_turns_is_shown_between_them() -> None:
    def at(second: float, tree: str) -> dict[str, object]:
        trail = {"worktree_root": "/r", "tree_id": {"hex": tree * 7}}
        return {"timestamp": f"2026-01-01T00:00:{second:06.3f}Z", "trail": trail}

    def step(index: int, role: str, second: float, *calls: str) -> dict[str, object]:
        tools = [{"tool_call_id": call, "tool_name": call, "input": {}} for call in calls]
        stamp = f"2026-01-01T00:00:{second:06.3f}Z"
        places = {
            "step_index": index,
            "parent_step": None,
            "call_type": "main",
            "token_usage": dict.fromkeys(BUCKETS, 0),
        }
        return {"role": role, "timestamp": stamp, "content": role, "tool_calls": tools, "observations": [], **places}

    record = {
        "trace_id": "t",
        "session_id": "s",
        "steps": [step(0, "user", 1), step(1, "agent", 2, "call"), step(2, "user", 10), step(3, "agent", 11)],
        "metadata": {
            "hook_events": [at(0, "a"), at(10.5, "e")],
            "hook_pre_tool_use": {"call": at(3, "b")},
            "hook_post_tool_use": {"call": at(4, "c")},
            "hook_stop": [at(5, "d"), at(12, "f")],
        },
    }
    body = [line.split("[")[-1].strip() for line in render(record) if "[" in line or "Turn" in line]
    assert [line.split("  ")[0] for line in body] == [
        "Turn 1",
        "aaaaaaa..bbbbbbb]",
        "bbbbbbb..ccccccc]",
        "ccccccc..ddddddd]",
        "ddddddd..eeeeeee]",
        "Turn 2",
        "eeeeeee..fffffff]",
    ]


def test_text_that_goes_on_says_so() -> None:
    assert one_line("one\n\ntwo", 80) == "one…"
    assert one_line("  one\n", 80) == "one"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("", 4) == ""


def test_unknown_reference_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "deadbeef"]) == 2
    assert "hookkit list" in capsys.readouterr().err
    assert run(["show", "deadbeef", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "UNKNOWN_TRACE"


def test_damaged_trace_says_how_to_get_it_back(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    trace_path(trace).write_text("{")
    assert run(["show", trace]) == 1
    assert "hookkit ingest" in capsys.readouterr().err


def test_rows_can_be_chosen_and_keep_their_turn(capsys: pytest.CaptureFixture[str]) -> None:
    def rows(*options: str) -> list[str]:
        assert run(["show", *options]) == 0
        return capsys.readouterr().out.partition("\n\n")[2].splitlines()  # behind the head

    everything = rows()
    failed = rows("--errors")
    assert sum("failed: " in line or "no result" in line for line in failed) == 4
    assert [line for line in everything if line in failed] == failed
    bash = rows("--tool", "bash")
    assert bash
    assert all("Bash" in line for line in bash if "  :" in line)
    second = rows("--turn", "2")
    assert [line.split()[1] for line in second if line.startswith("Turn")] == ["2"]
    assert rows("--turn", "2", "--errors", "--tool", "Nothing") == []


def test_choosing_nothing_says_so_and_json_is_always_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--turn", "9"]) == 0
    assert "No row" in capsys.readouterr().err
    assert run(["show", "--errors", "--json"]) == 2


@pytest.mark.parametrize("times", ["absolute", "relative", "delta"])
def test_times_of_every_row(times: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["show", "--times", times]) == 0
    said = capsys.readouterr().out
    calls = [line for line in said.splitlines() if "  :" in line]
    shape = {"absolute": r" +\d\d:\d\d:\d\d ", "relative": r" +\+[\d.]+ \w+", "delta": r" +[+-][\d.]+ \w+"}[times]
    assert calls
    assert all(re.match(shape, line) for line in calls)
    monkeypatch.setenv("HOOKKIT_TIMES", times)
    assert run(["show"]) == 0
    assert capsys.readouterr().out == said


def test_a_step_shows_its_turn_however_it_is_named(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    def turns(ref: str, *options: str) -> list[str]:
        assert run(["show", ref, *options]) == 0
        return [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines() if line.startswith("Turn ")]

    record = json.loads(trace_path(trace).read_bytes())
    prompts = [step["step_index"] for step in record["steps"] if step["role"] == "user" and step["call_type"] == "main"]
    call = record["steps"][1]["tool_calls"][0]["tool_call_id"]
    for step in ("1", "step_1", "turn_1", str(prompts[1] - 1), call):
        assert turns(f"{trace[:8]}:{step}") == ["go nested"]
    for ref in (f"t:last:{prompts[1]}", f"ot://trace/{trace}/steps/{prompts[1]}", "last:turn_2"):
        assert turns(ref) == ["second"]
    assert turns(f"t:{trace[:8]}") == turns(f"ot://trace/{trace}") == ["go nested", "second"]


def test_what_search_prints_can_be_shown_and_exported(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "second"]) == 0
    ref = capsys.readouterr().out.split()[0]
    assert ref.startswith(f"{trace[:8]}:")
    assert run(["show", ref]) == 0
    assert "second" in capsys.readouterr().out
    assert run(["export", ref]) == 0
    assert json.loads(capsys.readouterr().out)["trace_id"] == trace


def test_a_step_that_is_not_there_or_cannot_be_shown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for ref in ("last:999", "last:turn_9", "last:nonsense"):
        assert run(["show", ref]) == 2
        assert re.search("has no step|no turn 9", capsys.readouterr().err)
    assert run(["show", "last:1", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "ALL_OR_TEXT"
    assert run(["resume", "last:1", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "STEP_IN_REF"


def shown_cost(trace: str, **cost: object) -> str:
    record = json.loads(trace_path(trace).read_bytes())
    record["metadata"]["cost"] = {"unpriced": [], **cost}
    record["metrics"]["estimated_cost_usd"] = cost["usd"]
    return next((line.strip() for line in render(record) if line.startswith("  cost ")), "")


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ("$0.42 (estimate, list 1)", {"usd": 0.42, "source": "estimate", "prices": "list 1"}),
        ("$1,234.50 (as the agent says)", {"usd": 1234.5, "source": "agent", "prices": None}),
        ("$0.0031 (in part as the agent says, in part estimate, list 1)",
         {"usd": 0.00312, "source": "mixed", "prices": "list 1"}),
        ("at least $0.00 (estimate, list 1; without a/b, c\\x1b)",
         {"usd": 0.0, "source": "estimate", "prices": "list 1", "unpriced": ["a/b", "c\x1b"]}),
        ("at least <$0.0001 (as the agent says; without a/b)",
         {"usd": 1e-9, "source": "agent", "prices": None, "unpriced": ["a/b"]}),
        ("not known: list 1 has no price of a/b",
         {"usd": None, "source": None, "prices": "list 1", "unpriced": ["a/b"]}),
        ("not known without hookkit[prices]", {"usd": None, "source": None, "prices": None, "unpriced": ["a/b"]}),
    ],
)  # fmt: skip
def test_the_cost_says_where_it_is_from(trace: str, said: str, cost: dict[str, object]) -> None:
    assert shown_cost(trace, **cost).partition("cost")[2].strip() == said


def test_no_tokens_no_cost(trace: str) -> None:
    assert shown_cost(trace, usd=None, source=None, prices=None) == ""


def test_the_recorded_sessions_cost_is_estimated(trace: str) -> None:
    record = json.loads(trace_path(trace).read_bytes())
    assert record["metrics"]["estimated_cost_usd"] == record["metadata"]["cost"]["usd"] > 0
    assert any(line.startswith("  cost     $") and "(estimate, genai-prices " in line for line in render(record))
