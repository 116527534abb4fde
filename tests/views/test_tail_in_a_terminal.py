"""`hookkit tail` in a real pseudo-terminal: it follows, pauses and freezes, and a program runs beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.claude_code.parser import encoded
from hookkit.capture.registry import get_parser
from tests.capture.support import SESSION, Transcript
from tests.terminal import Terminal

pytestmark = pytest.mark.long


@pytest.fixture
def transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the agent writes the session; it is not there yet."""
    root = tmp_path.resolve() / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.chdir(root)
    path = get_parser("claude-code").storage() / encoded(root) / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    return path


def turns(*numbers: int) -> list[dict[str, Any]]:
    made = Transcript()
    for number in range(max(numbers) + 1):
        made.turn(f"Prompt number {number}", f"toolu_{number}")
    return [line for number in numbers for line in made.lines[4 * number : 4 * number + 4]]


def add(path: Path, lines: list[dict[str, Any]]) -> None:
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(line)}\n" for line in lines))


def test_it_follows_until_one_moves_up_and_again_from_the_end(transcript: Path) -> None:
    with Terminal("tail") as terminal:
        terminal.wait("Waiting for a session")
        add(transcript, turns(0))
        terminal.wait("Turn 1  Prompt number 0").wait("FOLLOW")
        add(transcript, turns(*range(1, 9)))
        terminal.wait("Turn 9  Prompt number 8").wait("FOLLOW")
        terminal.press("k").wait("PAUSED")
        add(transcript, turns(9))
        terminal.wait("PAUSED +5")
        assert "Turn 10" not in terminal.text
        terminal.press("f").wait("Turn 10  Prompt number 9").wait("FOLLOW")
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_frozen_view_loses_nothing(transcript: Path) -> None:
    add(transcript, turns(0))
    with Terminal("tail") as terminal:
        terminal.wait("Turn 1  Prompt number 0")
        terminal.press("p").wait("FROZEN +0")
        add(transcript, turns(1))
        terminal.wait("FROZEN +5")
        assert "Turn 2" not in terminal.text
        terminal.press("p").wait("Turn 2  Prompt number 1").wait("FOLLOW")
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_mark_stays_on_its_row_and_is_found_again(transcript: Path) -> None:
    for number in range(9):
        add(transcript, turns(number))
    with Terminal("tail") as terminal:
        terminal.wait("Turn 9  Prompt number 8").press("'").wait("Nothing is marked")
        terminal.press("m").wait("marked ")
        for number in range(9, 18):
            add(transcript, turns(number))
        terminal.wait("Turn 18  Prompt number 17")
        assert "marked " not in terminal.text
        terminal.press("'").wait("marked ").wait("PAUSED")
        at = next(at for at, line in enumerate(terminal.lines) if "marked " in line)
        assert "Turn 10 " in terminal.lines[at + 1]
        terminal.press("m").wait(lambda shown: "marked " not in shown.text)
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_call_changes_its_row_when_it_ends_and_opens(transcript: Path) -> None:
    add(transcript, turns(0)[:2])
    with Terminal("tail") as terminal:
        terminal.wait("no result")
        add(transcript, turns(0)[2:])
        terminal.wait("Done.")
        assert "no result" not in terminal.text
        terminal.press("/").wait("then enter").press("Bash\r").wait("n next")
        terminal.press("\r").wait("command")
        terminal.press("q")
        assert terminal.ended() == 0


def test_the_head_of_the_session_stays_on_the_terminal(transcript: Path) -> None:
    add(transcript, turns(0))
    with Terminal("tail") as terminal:
        terminal.wait("Turn 1")
        terminal.press("q")
        assert terminal.ended() == 0
        assert b"1 turn  1 call" in terminal.written.rsplit(b"\x1b", 1)[-1]


def test_a_program_runs_beside_the_view_with_its_output_apart(transcript: Path) -> None:
    script = "import time; print('my words'); time.sleep(300)"
    with Terminal("tail", "--", sys.executable, "-u", "-c", script) as terminal:
        terminal.wait("Waiting for a session")
        assert "my words" not in terminal.text
        terminal.press("o").wait("my words")
        terminal.press("x").wait("exit code 130")
        terminal.press("q")
        assert terminal.ended() == 130
        assert b"KeyboardInterrupt" in terminal.written


def test_what_is_typed_in_one_burst_stops_no_program(transcript: Path) -> None:
    add(transcript, turns(0))
    with Terminal("tail", "--", sys.executable, "-c", "import time; time.sleep(300)") as terminal:
        terminal.wait("Waiting for a session").press("/xq").wait("xq")
        terminal.press("\x1b").wait(lambda it: "xq" not in it.text).press("x").wait("exit code 130")
        terminal.press("q")
        assert terminal.ended() == 130


def test_an_interrupt_is_the_program_s(transcript: Path) -> None:
    with Terminal("tail", "--", sys.executable, "-c", "import time; time.sleep(300)") as terminal:
        terminal.wait("Waiting for a session")
        terminal.press("\x03").wait("exit code 130")
        terminal.press("q")
        assert terminal.ended() == 130


def test_lines_on_a_terminal_if_one_wants_them(transcript: Path) -> None:
    add(transcript, turns(0))
    with Terminal("tail", "--plain") as terminal:
        terminal.wait("Turn 1  Prompt number 0")
        terminal.press("\x03")
        assert terminal.ended() == 130


def test_who_is_asked_to_end_takes_the_program_along(transcript: Path) -> None:
    with Terminal("tail", "--", sys.executable, "-c", "import time; time.sleep(300)") as terminal:
        terminal.wait("Waiting for a session")
        terminal.kill(signal.SIGTERM)
        assert terminal.ended() == 128 + signal.SIGTERM
