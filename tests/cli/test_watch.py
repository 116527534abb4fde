"""`hookkit watch`, as it is called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hookkit import cli, paths
from hookkit.capture import watch
from hookkit.capture.claude_code.parser import encoded
from hookkit.capture.registry import get_parser
from tests.capture.support import SESSION, Transcript

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "watch.schema.json").read_text())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (paths.private_dir(paths.state()) / "worktrees").write_bytes(os.fsencode(root) + b"\n")
    return root


def unreported(project: Path) -> Path:
    path = get_parser("claude-code").storage() / encoded(project) / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(Transcript().turn().text())
    os.utime(path, (time.time() - 600,) * 2)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert cli.run(["watch", *arguments]) == code
    return capsys.readouterr().out


def test_once_reads_what_waits_and_then_is_silent(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unreported(project)
    assert run(capsys, "--once").startswith("stored    ")
    assert run(capsys, "--once") == ""


def test_json_follows_its_schema(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unreported(project)
    body = json.loads(run(capsys, "--once", "--json"))
    jsonschema.validate(body, SCHEMA)
    assert (body["worktrees"], [one["status"] for one in body["active"][0]["sessions"]]) == (1, ["stored"])
    body = json.loads(run(capsys, "--once", "--json", "--project", str(project)))
    jsonschema.validate(body, SCHEMA)
    assert body == {"worktrees": 1, "active": []}


def test_a_failure_makes_the_exit_code_1(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unreported(project)

    def scan(root: Path) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(watch, "scan_project", scan)
    body = json.loads(run(capsys, "--once", "--json", code=1))
    jsonschema.validate(body, SCHEMA)
    assert body["active"][0]["error"] == "RuntimeError: boom"


def test_without_once_it_looks_again_until_it_is_told_to_stop(project: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "hookkit", "watch", "--json", "--interval", "1m"], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # not ignored
    )  # fmt: skip
    try:
        assert child.stdout
        assert json.loads(child.stdout.readline()) == {"worktrees": 1, "active": []}
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
    finally:
        child.kill()
        child.communicate()


def test_an_interval_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["watch", "--once", "--interval", "soon"]) == 2
    assert "--interval" in capsys.readouterr().err
