from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hookkit import paths
from hookkit.cli import run

RECORDED = Path(__file__).parents[1] / "capture" / "fixtures"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path / "hookkit"


@pytest.fixture
def recorded(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("recorded", "commands", "background"):
        assert run(["ingest", str(RECORDED / name / "projects")]) == 0
    capsys.readouterr()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_empty_store_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert "hookkit install" in capsys.readouterr().out
    assert run(["list", "--json"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("recorded")
def test_json_is_one_valid_object_a_session_latest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--json"]) == 0
    found = objects(capsys.readouterr().out)
    schema = json.loads(resources.files("hookkit.schemas").joinpath("session-summary.schema.json").read_text())
    for summary in found:
        jsonschema.validate(summary, schema)
    assert [summary["title"] for summary in found] == ["go nested", "use the skill", "go bg"]
    nested = found[0]
    assert (nested["turns"], nested["tool_calls"], nested["failed_tool_calls"], nested["denied_tool_calls"]) == (
        2,
        11,
        4,
        1,
    )
    assert (nested["subagents"], nested["complete"], nested["project"]) == (3, True, "/home/dev/project")


@pytest.mark.usefixtures("recorded")
def test_text_has_a_line_for_each_session_and_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "TRACE",
        "ACTIVE",
        "AGENT",
        "PROJECT",
        "TURNS",
        "CALLS",
        "FAILED",
        "TOKENS",
        "COST",
        "TITLE",
    ]
    assert [line.split("  ")[-1] for line in lines] == ["go nested", "use the skill", "go bg"]
    assert not any("\x1b" in line for line in lines)


@pytest.mark.usefixtures("recorded")
def test_lines_fit_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"type": "user", "message": {"content": "word " * 20}}))
    assert run(["ingest", str(path)]) == 0
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "110")
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 110
    assert sum(line.endswith("…") for line in lines) == 1


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--limit", "1"], 1),
        (["--limit", "0"], 3),
        (["--agent", "claude-code"], 3),
        (["--agent", "pi"], 0),
        (["--project", "/nowhere"], 0),
        (["--since", "1m"], 0),
    ],
)
def test_options_choose_sessions(options: list[str], count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--json", *options]) == 0
    assert len(objects(capsys.readouterr().out)) == count


@pytest.mark.usefixtures("recorded")
def test_cut_list_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--limit", "2"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "--limit 0" in said.err
    assert run(["list", "--agent", "pi"]) == 0
    assert capsys.readouterr().out == "No session matches.\n"


@pytest.mark.parametrize("since", ["", "x", "7", "7y", "-7d"])
def test_odd_time_span_is_refused(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--since", since or "0"]) == 2
    assert "7d" in capsys.readouterr().err


@pytest.mark.usefixtures("recorded")
def test_project_is_the_worktree_that_holds_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = tmp_path / "project"
    (project / "below").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    path = next((RECORDED / "background").rglob("5e0c*.jsonl"))
    moved = tmp_path / "sessions" / path.name
    moved.parent.mkdir()
    moved.write_text(path.read_text().replace("/home/dev/project", str(project / "below")))
    assert run(["ingest", str(moved)]) == 0
    capsys.readouterr()
    assert run(["list", "--json", "--project", str(project / "below")]) == 0
    assert [summary["worktree_root"] for summary in objects(capsys.readouterr().out)] == [str(project)]


@pytest.mark.usefixtures("recorded")
def test_unreadable_trace_is_reported_and_the_rest_listed(capsys: pytest.CaptureFixture[str]) -> None:
    next(paths.traces().iterdir()).write_text("{")
    assert run(["list"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "1 trace file" in said.err


def test_control_characters_of_a_prompt_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {
        "type": "user",
        "message": {"content": "evil \x1b[2J\x07\u202e prompt"},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    path = tmp_path / "evil.jsonl"
    path.write_text(json.dumps(line))
    assert run(["ingest", str(path)]) == run(["list"]) == run(["show"]) == 0
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\\x1b[2J" in said


@pytest.mark.usefixtures("recorded")
def test_list_and_show_start_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from hookkit.cli import run; run(['list']); run(['show']);"
        "heavy = {'pydantic', 'opentraces_schema', 'jsonschema', 'tomlkit', 'filelock', 'rich', 'textual'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("recorded")
def test_reader_that_goes_away_is_no_error(home: Path) -> None:
    original = next(paths.traces().iterdir())
    for number in range(400):
        copy = json.loads(original.read_bytes()) | {"trace_id": f"copy-{number}"}
        (paths.traces() / f"copy-{number}.json").write_text(json.dumps(copy))
    command = f"{sys.executable} -m hookkit list --json | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run([shutil.which("bash") or "bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(objects(done.stdout)) == 1


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("options", "titles"),
    [
        (["--errors"], ["go nested"]),
        (["--tool", "skill"], ["use the skill"]),
        (["--tool", "Skil"], []),
        (["--model", "OPUS"], ["go nested", "use the skill", "go bg"]),
        (["--model", "gpt"], []),
        (["--tool", "bash", "--limit", "1"], ["go nested"]),
    ],
)
def test_filters_come_before_the_limit(
    options: list[str], titles: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["list", "--json", *options]) == 0
    assert [summary["title"] for summary in objects(capsys.readouterr().out)] == titles


@pytest.mark.usefixtures("recorded")
def test_tools_that_the_ingest_counted_are_those_of_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--json"]) == 0
    before = [summary["tools"] for summary in objects(capsys.readouterr().out)]
    assert all(before)
    for path in paths.home().glob("index.sqlite*"):
        path.unlink()
    assert run(["list", "--json"]) == 0
    found = objects(capsys.readouterr().out)
    assert [summary["tools"] for summary in found] == before
    assert [sum(summary["tools"].values()) for summary in found] == [summary["tool_calls"] for summary in found]


@pytest.mark.usefixtures("recorded")
def test_the_settings_say_how_many_and_which_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOOKKIT_LIST_LIMIT", "1")
    assert run(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert run(["list", "--json"]) == 0
    assert len(objects(capsys.readouterr().out)) == 3
    monkeypatch.setenv("HOOKKIT_TIMES", "absolute")
    assert run(["list"]) == 0
    assert "LAST ACTIVITY" in capsys.readouterr().out
