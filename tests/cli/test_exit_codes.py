"""What a command ends with: 0 fine, 1 something is wrong, 2 usage, 130 interrupted; and a reader that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.cli import run

from .recorded import Session

PRINTING = [
    ["list"], ["list", "--json"], ["show"], ["show", "--json"], ["search", "e"], ["search", "e", "--json"],
    ["diff"], ["diff", "--json"], ["blame", "app.py"], ["blame", "app.py", "--json"], ["graph"], ["graph", "--json"],
    ["track"], ["track", "--json"], ["trail", "show"], ["trail", "show", "--json"], ["agents"], ["config", "list"],
    ["completion", "bash"],
]  # fmt: skip


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(inside: Session, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hookkit", *command], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("command", [*PRINTING, ["--help"], ["show", "last", "--bogus", "--json"]], ids=" ".join)
def test_a_full_disk_is_told_on_stderr_and_is_no_defect(inside: Session, command: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hookkit", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "What it writes cannot be written: No space left on device." in done.stderr
    assert done.stderr.count("\n") == (1 if "--json" in command else 2)
    assert "--json" not in command or json.loads(done.stderr)["error"]["code"] == "NOT_WRITTEN"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["show"], 0),
        (["show", "nonsense"], 2),
        (["show", "--turn", "0"], 2),
        (["show", "--times", "never"], 2),
        (["list", "--limit", "-1"], 2),
        (["list", "--since", "yesterday"], 2),
        (["search", "fetch"], 0),
        (["search", "never said"], 1),
        (["search", "(", "--regex"], 2),
        (["config", "get", "nothing"], 2),
        (["config", "set", "list.limit", "x"], 2),
        (["completion", "tcsh"], 2),
        (["blame", "no such file"], 2),
        (["nonsense"], 2),
    ],
)
@pytest.mark.usefixtures("inside")
def test_exit_codes(command: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == code
    said = capsys.readouterr()
    assert (said.out != "") == (code == 0)
    assert "Traceback" not in said.err


def test_a_damaged_trace_is_1(inside: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "hookkit"
    (home / "traces").mkdir(parents=True)
    (home / "traces" / "8aa45309.json").write_text("{")
    monkeypatch.setenv("HOOKKIT_HOME", str(home))
    assert run(["show", "last"]) == 1


def test_an_interrupt_is_130_and_quiet(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkit", "watch", "--interval", "1h", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ) | {"HOOKKIT_HOME": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.strip()) == (130, b"")
