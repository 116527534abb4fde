"""`hookkit doctor` as a command: exit code, words, and JSON by its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from hookkit import cli

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "doctor-report.schema.json").read_text())


@pytest.mark.parametrize("installed", [False, True])
def test_the_report_follows_its_schema_and_the_exit_code_follows_the_report(
    installed: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if installed:
        assert cli.run(["install", "claude-code"]) == 0
        capsys.readouterr()
    code = cli.run(["doctor", "claude-code", "--json"])
    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, SCHEMA)
    assert (report["healthy"], code) == ((True, 0) if installed else (False, 1))


def test_in_words_every_check_stands_on_a_line_and_a_hint_below_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["doctor", "claude-code"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Claude Code"
    (at,) = [number for number, line in enumerate(lines) if line.startswith("  FAIL  settings")]
    assert lines[at + 1].strip() == "hint: hookkit install claude-code"
