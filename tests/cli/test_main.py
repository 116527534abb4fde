"""The command line as a whole: exit codes, errors, help, what it loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hookkit import __version__, cli
from hookkit.errors import HookkitError

HEAVY = {"pydantic", "opentraces_schema", "jsonschema", "tomlkit", "filelock", "asyncio", "importlib.metadata"}


def _run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hookkit", *arguments],
        cwd=cwd, env=dict(os.environ) | dict(env or {}), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_version_is_printed() -> None:
    done = _run("--version")
    assert done.returncode == 0
    assert __version__ in done.stdout


def test_help_lists_every_public_command_with_a_sentence() -> None:
    text = _run("--help").stdout
    for name in cli.COMMANDS:
        assert (f"\n  {name} " in text) == (not name.startswith("_")), name


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if not name.startswith("_")])
def test_every_command_has_help_with_examples(name: str) -> None:
    done = _run(name, "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert f"  hookkit {name}" in done.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if not name.startswith("_")])
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in _run(name, "--help").stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    done = _run("record")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: No such command 'record'.\n hint: See `hookkit --help`.\n"


@pytest.mark.parametrize(
    "arguments", [["list", "--limit", "-1"], ["show", "last", "--bogus"], ["nosuch"], ["trail", "nosuch"], ["search"]]
)
def test_a_command_line_that_is_wrong_is_an_error_as_any_other(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"error: .+\n hint: See `hookkit.* --help`\.\n", said.err)
    assert cli.run([*arguments, "--json"]) == 2
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["error"]["code"] == "BAD_USAGE"


def test_without_a_command_there_is_help() -> None:
    done = _run()
    assert done.returncode == 2
    assert "Examples:" in done.stderr


def test_an_expected_failure_says_what_to_do_next() -> None:
    done = _run("status", "no-such-agent")
    assert done.returncode == 2
    assert "error: hookkit does not know an agent named 'no-such-agent'." in done.stderr
    assert "hint: Known agents: claude-code" in done.stderr
    assert done.stdout == ""


def test_with_json_an_error_is_an_object_on_stdout() -> None:
    done = _run("status", "no-such-agent", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)
    assert error["status"] == "error"
    assert error["error"]["code"] == "UNKNOWN_AGENT"
    assert error["error"]["hint"]


def test_a_defect_of_ours_is_kept_in_a_file_and_not_thrown_at_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path))

    def defect(**_: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(cli.cli, "main", defect)
    assert cli.run(["agents"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: by design" in said
    assert "Traceback" not in said
    assert "Traceback" in (tmp_path / "state" / "crash.log").read_text()


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli, "main", interrupted)
    assert cli.run(["agents"]) == 130


def test_an_error_must_have_a_hint() -> None:
    error = HookkitError("CODE", "What happened.", "What to do.")
    assert (str(error), error.code, error.hint, error.exit_code) == ("What happened.", "CODE", "What to do.", 1)


@pytest.mark.parametrize("arguments", [["--version"], ["list"], ["list", "--json"]])
def test_start_up_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom hookkit.cli import run\n"
        f"run({arguments!r})\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ) | {"HOOKKIT_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
