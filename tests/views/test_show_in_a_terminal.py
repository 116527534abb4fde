"""`hookkit show -i` as a person has it: a real program in a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode

import pytest

from hookkit.views.icons import UNICODE
from tests.cli.recorded import Session
from tests.terminal import DOWN, END, ENTER, ESCAPE, HOME, PAGE_DOWN, UP, Terminal

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("home")]
SHOW = ("show", "last", "-i")


def selected(terminal: Terminal) -> str:
    """The line that is marked, by its sign: colour is not looked at. "" if there is not exactly one."""
    found = [line for line in terminal.lines if line.startswith((f"{UNICODE.selected} ", "> "))]
    return found[0] if len(found) == 1 else ""


def test_first_screen_has_the_head_and_the_rows_and_quit_gives_the_terminal_back() -> None:
    with Terminal(*SHOW) as terminal:
        before = terminal.settings
        terminal.wait("1/37")
        lines = terminal.lines
        assert lines[0] == "Add retry to fetch,"
        assert "claude-code" in lines[1]
        assert "a repo" in lines[1]
        assert set(lines[3]) == {"─"}
        assert lines[4] == f"{UNICODE.selected} 10:00:04  ▶ Turn 1  Add retry to fetch,…"
        assert re.fullmatch(r"  10:00:05    ● Write  fetch.py  5 ms  \[\w{7}\.\.\w{7}\]  :1", lines[5])
        assert "◆ gap: changed outside any tool call" in lines[7]
        assert re.search(r"✗ Bash failed  make test  .*Exit code 1…  :3", lines[8])
        assert len(lines) == 24
        assert lines[23].startswith("? help")
        assert terminal.changed_settings()
        assert terminal.press("q").ended() == 0
        assert terminal.settings == before
        for on, off in (("?1049h", "?1049l"), ("?25l", "?25h"), ("?1000h", "?1000l"), ("?2004h", "?2004l")):
            assert terminal.written.rfind(f"\x1b[{off}".encode()) > terminal.written.rfind(f"\x1b[{on}".encode()) >= 0


def test_text_of_the_session_cannot_steer_the_terminal() -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press("J").wait("6/37")
        assert "Turn 2  evil \\x1b[2J\\x07\\u202e 世界" in terminal.text.replace("世 界 ", "世界")
        terminal.press(ENTER).wait("── turn ─").press(END).wait("second line")
        assert "make    all" in terminal.text or "make\\tall" in terminal.text
        assert "\\x9bsecond line" in terminal.text
    assert b"\x1b[2J" not in terminal.written.replace(b"\x1b[2J\x1b[H", b"")
    assert b"\x07" not in re.sub(rb"\x1b\][^\x07]*\x07", b"", terminal.written)  # ends what Textual itself says
    assert "\u202e".encode() not in terminal.written


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (10, 40), (50, 200)])
def test_every_line_fits_also_in_wide_characters_and_a_resize_keeps_the_selection(rows: int, columns: int) -> None:
    with Terminal(*SHOW, rows=rows, columns=columns) as terminal:
        terminal.wait("1/37").press(END).wait("37/37").press(UP).wait("36/37")
        assert "10:01:12" in selected(terminal)
        terminal.resize(12, 60).wait(lambda it: "36/37" in it.lines[11] and "10:01:12" in selected(it))
        terminal.press(ENTER).wait("toolu_read29 ─").wait(lambda it: "10:01:12" in selected(it))
        terminal.resize(40, 100).wait(lambda it: "36/37" in it.lines[39] and "10:01:12" in selected(it))


def test_ways_through_the_rows() -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press(DOWN).wait("2/37").press("j").wait("3/37").press(UP).wait("2/37")
        terminal.press("e").wait("5/37")
        assert "failed" in selected(terminal)
        terminal.press("e").wait("No further error.")
        terminal.press("J").wait("6/37").press("K").wait("1/37").press("K").wait("No earlier prompt.")
        terminal.press(PAGE_DOWN).wait("19/37").press(HOME).wait("1/37")
        terminal.press("t").wait(lambda it: "since start" in it.lines[23] and it.lines[5].startswith("     +3.0s"))
        terminal.press("t").wait(lambda it: "since row above" in it.lines[23] and it.lines[5].startswith("     +1.0s"))
        terminal.press("?").wait("who wrote the lines of its file").press(ESCAPE)
        terminal.wait(lambda it: "who wrote" not in it.text)
        assert terminal.press("\x03").ended() == 130


def test_search_goes_through_the_rows_and_all_that_their_steps_say() -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press("/").wait("/ text, then enter").press("NEEDLE\r").wait("n next, N previous")
        assert "Bash failed" in selected(terminal)
        terminal.press("/").wait("/ text, then enter").press("世界\r").wait("6/37")
        terminal.press("/").wait("/ text, then enter").press("read\r").wait("7/37").press("n").wait("8/37")
        terminal.press("N").wait("7/37").press("N").wait("36/37")
        terminal.press("/").wait("/ text, then enter").press("tool_calls\r").wait("nowhere in what was read")
        terminal.press("/").wait("/ text, then enter").press("abc").wait("abc").press(ESCAPE)
        terminal.wait(lambda it: "abc" not in it.text)
        assert terminal.press("q").ended() == 0


def test_what_is_typed_in_one_burst_is_searched_for_and_no_letter_of_it_is_a_command() -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press("G/qdeby\x7fxNEEDLE" + "\x7f" * 6 + "q\r").wait("'qdebxq' is nowhere")
        terminal.press("/NEEDLE\rt").wait("since start  5/37")
        assert "Bash failed" in selected(terminal)
        assert terminal.press("/read\rq").ended() == 0


def test_enter_shows_what_a_call_was_given_said_and_changed(home: Session) -> None:
    with Terminal(*SHOW, rows=50) as terminal:
        terminal.wait("1/37").press("jj" + ENTER).wait("+import fetch")
        text = terminal.text
        for expected in (
            "id       toolu_02edit",
            "took     5 ms",
            f"file_path: {home.world.root}/app.py",
            "1 line added",
        ):
            assert expected in text
        assert text.index("Input") < text.index("Result") < text.index("Changed")
        terminal.press("k").wait("+def fetch(url):")  # it goes with the selection
        terminal.press("d").wait("diff of Write").wait("+def fetch(url):")
        assert "Input" not in terminal.text
        terminal.press("b").wait("blame of Write").wait("Write 2)")
        assert re.search(r"\(\* claude-code 1 .*Write 1\) def fetch", terminal.text)
        terminal.press("b").wait(lambda it: "blame of" not in it.text)


def test_what_cannot_be_known_says_why(home: Session) -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press("d").wait("Select a call")
        terminal.press(DOWN + DOWN + DOWN + DOWN).wait("Nothing changed.").press("b").wait("changed none")
        terminal.press(END).wait("blame of Bash toolu_last").wait("changed none").press(UP).wait("36/37").wait(
            "error: "
        ).wait(" hint: ")
        assert "does not exist" in "".join(terminal.lines)


def test_y_copies_the_id_by_way_of_the_terminal() -> None:
    with Terminal(*SHOW) as terminal:
        terminal.wait("1/37").press("jy").wait("Copied toolu_01write")
        assert b"\x1b]52;c;" + b64encode(b"toolu_01write") in terminal.written


def test_ascii_signs_where_the_locale_has_no_others() -> None:
    with Terminal(*SHOW, env={"LC_ALL": "C"}) as terminal:
        terminal.wait("1/37")
        assert terminal.lines[3] == "-" * 80
        assert selected(terminal) == "> 10:00:04  > Turn 1  Add retry to fetch,..."
        assert "x Bash failed" in terminal.text


@pytest.mark.parametrize(("env", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_means_none(env: dict[str, str], colours: bool) -> None:
    with Terminal(*SHOW, env=env) as terminal:
        terminal.wait("1/37")
        terminal.press("?").wait("leave")
        codes = {code for found in re.findall(rb"\x1b\[([\d;]*)m", terminal.written) for code in found.split(b";")}
        assert bool(codes & {b"31", b"33", b"36"}) == colours
        assert not codes & {b"38", b"48"}  # the terminal's own colours, in which its user can read


def test_unreadable_trace_ends_with_an_error_on_the_terminal_that_was_given_back(home: Session) -> None:
    from hookkit.store.files import trace_path

    path = trace_path(home.trace_id)
    whole, found = path.read_bytes(), path.stat()
    try:
        path.write_bytes(whole.replace(b'"step_index": 20,', b'"step_index": !!,'))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # the index does not look again
        with Terminal(*SHOW) as terminal:
            assert terminal.ended() == 1
            assert "cannot be read" in terminal.text.replace("\n", "")
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("command", [SHOW, ("list", "-i")])
def test_without_a_terminal_it_is_refused(command: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", "hookkit", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "Without -i" in done.stderr
    with Terminal(*command, env={"TERM": "dumb"}) as terminal:
        assert terminal.ended() == 2
        assert "hint: Without -i" in terminal.text
    with Terminal(*command, "--json") as terminal:
        assert terminal.ended() == 2


def test_nothing_is_imported_for_the_first_screen_that_it_does_not_need() -> None:
    code = (
        "import sys, hookkit.cli.show, hookkit.cli.interactive, hookkit.store.refs, hookkit.views.tui.show;"
        "rooms = ('hookkit.trails', 'hookkit.agents', 'hookkit.git', 'hookkit.capture', 'hookkit.exporters');"
        "print([name for name in sys.modules if name.startswith(rooms) or name in ('jsonschema', 'filelock')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_textual_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from hookkit.errors import HookkitError
    from hookkit.views import tui

    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    tui.check()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HookkitError) as error:
        tui.check()
    assert (error.value.exit_code, error.value.hint) == (1, "Install it with: pip install 'hookkit[tui]'")
