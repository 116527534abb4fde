"""Long output in a pager, in a real terminal."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookkit.cli import pager, run
from hookkit.errors import HookkitError
from tests.store import support
from tests.terminal import Terminal

from .recorded import Session

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
    pytest.mark.skipif(shutil.which("less") is None, reason="less is not here"),
]
MARKING = "sed s/^/P:/"


def at_the_prompt(terminal: Terminal) -> bool:
    """Of less."""
    return terminal.said[-1] == ":"


def going_to_the_end(terminal: Terminal) -> bool:
    """less forgets keys that it was given while it sees to an interruption, so it is asked until it is there."""
    return "(END)" in terminal.press("G").text


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    for number in range(40):
        support.trace(number, day=1 + number % 28, prompt=f"Prompt {number}")
    assert run(["list"]) == 0


@pytest.mark.usefixtures("sessions")
def test_long_output_is_paged_and_q_leaves() -> None:
    with Terminal("list", "--limit", "0", env={"HOOKKIT_PAGER": "less"}) as terminal:
        terminal.wait(at_the_prompt)
        assert terminal.said[0].startswith("TRACE")
        assert len(terminal.said) == 24
        terminal.press("q")
        assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written
    assert b"\x1b[2m" in terminal.written  # less lets colours through


@pytest.mark.usefixtures("sessions")
def test_interrupting_the_pager_leaves_it_and_us_in_peace() -> None:
    with Terminal("search", "Prompt", "--limit", "0", env={"HOOKKIT_PAGER": "less"}) as terminal:
        terminal.wait(at_the_prompt).press("\x03").wait(going_to_the_end).press("q")
        assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.usefixtures("sessions")
def test_output_that_fits_is_not_paged() -> None:
    with Terminal("list", "--limit", "5", env={"HOOKKIT_PAGER": MARKING}) as terminal:
        assert terminal.ended() == 0
    assert len(terminal.said) == 7  # with the line that says that there is more
    assert not any(line.startswith("P:") for line in terminal.said)


@pytest.mark.parametrize(
    ("arguments", "env", "paged"),
    [
        ([], {"HOOKKIT_PAGER": MARKING}, True),
        (["--no-pager"], {"HOOKKIT_PAGER": MARKING}, False),
        ([], {"HOOKKIT_PAGER": ""}, False),
        ([], {"HOOKKIT_PAGER": "cat"}, False),
        ([], {"HOOKKIT_PAGER": "no-such-pager -x"}, False),
        ([], {"HOOKKIT_PAGER": MARKING, "TERM": "dumb"}, False),
    ],
)
@pytest.mark.usefixtures("sessions")
def test_who_chooses_the_pager(arguments: list[str], env: dict[str, str], paged: bool) -> None:
    with Terminal("list", "--limit", "0", *arguments, env=env) as terminal:
        assert terminal.ended() == 0
    assert terminal.written.count(b"P:") == (41 if paged else 0)
    assert terminal.written.count(b"Prompt ") == 40
    assert ("no-such-pager" in env["HOOKKIT_PAGER"]) == (b"is not there" in terminal.written)


@pytest.mark.usefixtures("sessions")
def test_the_setting_wins_over_PAGER_and_is_below_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    assert run(["config", "set", "pager", "sed s/^/set:/"]) == 0
    monkeypatch.setenv("PAGER", "sed s/^/PAGER:/")

    def raw(**env: str) -> bytes:
        with Terminal("list", "--limit", "0", env=env) as terminal:
            assert terminal.ended() == 0
        return terminal.written

    assert raw(HOOKKIT_PAGER=MARKING).startswith(b"P:")
    monkeypatch.delenv("HOOKKIT_PAGER", raising=False)
    unset = {"HOOKKIT_PAGER": None}
    assert raw(**unset).startswith(b"set:")
    assert run(["config", "unset", "pager"]) == 0
    assert raw(**unset).startswith(b"PAGER:")


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", "--tree"],
        ["export", "--format", "md"],
        ["diff"],
        ["blame", "app.py"],
        ["graph"],
        ["track"],
        ["trail", "show"],
        ["search", "e"],
    ],
)
def test_every_long_command_is_paged(inside: Session, command: list[str]) -> None:
    with Terminal(*command, rows=4, env={"HOOKKIT_PAGER": MARKING}) as terminal:
        assert terminal.ended() == 0
    assert b"P:" in terminal.written


@pytest.mark.usefixtures("sessions")
def test_a_pager_that_stops_reading_ends_the_printing() -> None:
    with Terminal(
        "list", "--limit", "0", env={"HOOKKIT_PAGER": "head -n 1 >/dev/null; sleep 0.1; echo gone"}
    ) as terminal:
        assert terminal.ended() == 0
    assert b"gone" in terminal.written
    assert b"rror" not in terminal.written


def test_an_error_on_the_way_is_raised_when_the_pager_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("LINES", "3")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("HOOKKIT_PAGER", f"cat > '{tmp_path}/shown'; echo ended >> '{tmp_path}/shown'")

    def lines() -> Iterator[str]:
        yield from map(str, range(9))
        raise HookkitError("CODE", "What happened.", "What to do.")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(HookkitError):
        pager.show(lines())
    assert (tmp_path / "shown").read_text().split() == [*map(str, range(9)), "ended"]
    assert signal.getsignal(signal.SIGINT) is before
