"""`hookkit list -i` in a real pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkit.capture.identity import trace_id
from hookkit.store.files import trace_path
from hookkit.views.icons import UNICODE
from tests.cli.recorded import isolated
from tests.store.support import session, trace
from tests.terminal import DOWN, END, ENTER, ESCAPE, Terminal

pytestmark = pytest.mark.long

LIST = ("list", "-i")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages of sessions, one of them in wide characters, and one of which the file is damaged."""
    base = tmp_path_factory.mktemp("sessions").resolve()
    with isolated(base):
        for number in range(250):
            project = f"/home/dev/p{number % 3}"
            trace(number, day=1 + number % 20, prompt=f"Task {number}", project=project, tool_calls=number)
        trace(300, day=28, prompt="世界 \x1b[2J wide", project="/home/dev/elsewhere", failed_tool_calls=9)
        trace_path(trace(301)).write_text("{")
    return base / "hookkit"


@pytest.fixture(autouse=True)
def home(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(filled))


def test_sessions_are_filtered_as_one_types_opened_and_left() -> None:
    with Terminal(*LIST) as terminal:
        terminal.wait("by activity  1/251").wait("1 trace files cannot be read")
        assert terminal.lines[1].split() == ["TRACE", "LAST", "ACTIVITY", "AGENT", "CALLS", "FAILED", "TITLE"]
        assert terminal.lines[2].replace("世 界 ", "世界").endswith("\\x1b[2J wide")
        terminal.press("/").wait("/ text, then enter").press("ELSE").wait("1/1").press("\x7f\x7f\x7f\x7f").wait("1/251")
        terminal.press("p1 24").wait(lambda it: "/p1 24" in it.text and "/251" not in it.text)
        assert all("Task" in line for line in terminal.lines[2:4])
        terminal.press("\r").wait(lambda it: "p1 24" not in it.lines[22]).press(END).press(ENTER).wait("? help")
        assert terminal.lines[0].startswith("Task")
        terminal.press("q").wait("Recorded sessions").wait("/p1 24")
        terminal.press(ESCAPE).wait("/251")
        assert terminal.press("q").ended() == 0


def test_what_is_typed_in_one_burst_is_the_filter_and_enter_behind_it_opens() -> None:
    with Terminal(*LIST) as terminal:
        terminal.wait("1/251").press("/pirsq").wait("/pirsq  by activity  0/0")
        terminal.press("\x1b").wait("1/251").press("/else\r\r").wait("? help")
        terminal.press("q").wait("/else  by activity  1/1")
        terminal.press("/wide q").wait("/wide q ")  # instead of the words before


def test_sessions_are_sorted_and_the_selection_stays_on_its_session() -> None:
    with Terminal(*LIST, rows=30, columns=140) as terminal:
        terminal.wait("1/251")
        assert terminal.lines[1].split()[-4:] == ["FAILED", "TOKENS", "COST", "TITLE"]
        terminal.press(DOWN).wait("2/251")
        title = terminal.lines[3].split()[-2:]
        terminal.press("sss").wait("by calls")
        terminal.wait(lambda it: any(line.startswith(f"{UNICODE.selected} ") for line in it.lines))
        (chosen,) = (line for line in terminal.lines if line.startswith(f"{UNICODE.selected} "))
        assert chosen.split()[-2:] == title
        terminal.press("r").wait("by calls, least first")
        terminal.press("\x1b[H").wait("1/251").wait("Task 0")


@pytest.mark.parametrize("columns", [60, 76, 90, 100, 120, 130])
@pytest.mark.parametrize("more", [(), ("--limit", "3")], ids=["with a scroll bar", "without"])
def test_columns_stand_below_their_headings(columns: int, more: tuple[str, ...]) -> None:
    with Terminal(*LIST, *more, columns=columns) as terminal:
        terminal.wait("1/251" if not more else "1/3").press("jj").wait("3/")
        heading, row = terminal.lines[1], terminal.lines[3]
        assert heading.index("TITLE") == row.index("Task ")
        assert {60: "AGENT", 76: "FAILED", 90: "TOKENS", 100: "PROJECT", 120: "TURNS", 130: "COST"}[columns] in heading


def test_options_choose_what_is_listed() -> None:
    with Terminal(*LIST, "--project", "/home/dev/elsewhere") as terminal:
        terminal.wait("1/1")
    with Terminal(*LIST, "--limit", "3") as terminal:
        terminal.wait("1/3")


def test_session_that_went_bad_meanwhile_is_said_and_the_list_stays() -> None:
    with Terminal(*LIST) as terminal:
        terminal.wait("1/251")
        path = trace_path(trace_id("claude-code", session(300)))
        whole = path.read_bytes()
        path.write_text("no JSON at all")
        terminal.press(ENTER).wait("cannot be read").wait("Recorded sessions")
        path.write_bytes(whole)


def test_empty_store_says_so(tmp_path: Path) -> None:
    with Terminal(*LIST, env={"HOOKKIT_HOME": str(tmp_path / "none")}) as terminal:
        terminal.wait("No session; `hookkit list` tells what to do.").wait("0/0")
        assert terminal.press(ENTER + "q").ended() == 0
