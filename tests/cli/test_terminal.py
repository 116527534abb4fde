"""list, show and search as they look in a real terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.cli import run
from hookkit.views import cells, text
from tests.store import support
from tests.terminal import Terminal

from .recorded import Session

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
TITLES = [
    "Plain title of a session that goes on for longer than any narrow terminal has room for",
    "日本語のプロンプトはとても長いので切らなければならない、そうでなければ次の行に続く",
    "e\u0301te\u0301 👩‍💻 ⚠️ 한국어 \x1b[2J\x1b]0;title\x07 \u202eevil " + "x" * 80,
]


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    return [
        support.trace(number, day=9 - number, prompt=title, failed_tool_calls=number, complete=number != 1)
        for number, title in enumerate(TITLES)
    ]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 24), (120, 40), (25, 10)])
def test_list_never_wraps(sessions: list[str], columns: int, rows: int) -> None:
    with Terminal("list", columns=columns, rows=rows) as terminal:
        assert terminal.ended() == 0
    head, *lines = terminal.said
    assert head.startswith("TRACE")
    assert [line[:8] for line in lines] == [name[:8] for name in sessions]
    assert all("…" in line for line in lines) or columns > 100
    assert lines[1][8] == "*"  # its last turn had not ended: a sign, not a colour
    if columns >= 40:
        title = head.index("TITLE")
        assert lines[0][title:].startswith("Plain")
        assert "日本" in lines[1]
    if columns == 80:
        assert {"AGENT", "PROJECT", "FAILED"} <= set(head.split())


def colours(*arguments: str, **env: str) -> bool:
    with Terminal(*arguments, env=env) as terminal:
        assert terminal.ended() == 0
    return b"\x1b[" in terminal.written


@pytest.mark.usefixtures("sessions")
def test_colours_are_for_terminals_that_want_them() -> None:
    assert colours("list")
    assert not colours("list", NO_COLOR="1")
    assert not colours("list", NO_COLOR="1", FORCE_COLOR="1")
    assert not colours("list", TERM="dumb")
    assert colours("list", TERM="dumb", FORCE_COLOR="1")
    assert colours("search", "title")
    assert not colours("search", "title", NO_COLOR="1")


@pytest.mark.usefixtures("sessions")
def test_a_pipe_has_colours_only_where_they_are_forced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value, coloured in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("FORCE_COLOR", value)
        assert run(["list"]) == 0
        assert ("\x1b[" in capsys.readouterr().out) == coloured


@pytest.mark.usefixtures("sessions")
def test_signs_of_a_terminal_without_unicode_are_ascii() -> None:
    with Terminal("list", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}) as terminal:
        assert terminal.ended() == 0
    assert b"..." in terminal.written
    with Terminal("search", "Plain", env={"HOOKKIT_ICONS": "ascii"}) as terminal:
        assert terminal.ended() == 0
    assert ">>Plain<<" in terminal.said[0]
    done = subprocess.run(
        [sys.executable, "-m", "hookkit", "list"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True,
    )  # fmt: skip
    assert b"\\u65e5" in done.stdout


@pytest.mark.usefixtures("sessions")
def test_search_marks_the_match_in_a_narrow_terminal() -> None:
    for columns in (40, 60, 80):
        with Terminal("search", "プロンプト", columns=columns) as terminal:
            assert terminal.ended() == 0
        (line,) = terminal.said
        assert "»プロンプト«" in line


def test_a_patch_is_safe_to_show_and_bytes_in_a_pipe(inside: Session) -> None:
    with Terminal("diff", "last", columns=120, rows=60) as terminal:
        assert terminal.ended() == 0
    said = "\n".join(terminal.said)
    assert "+def fetch(url):" in said
    assert f"Session: {inside.session_id}" in said


@pytest.mark.usefixtures("inside")
def test_the_head_of_show_fits_a_narrow_terminal_and_loses_nothing() -> None:
    heads = []
    for columns in (200, 50, 40):
        with Terminal("show", columns=columns, rows=60, env={"NO_COLOR": "1"}) as terminal:
            assert terminal.ended() == 0
        said = terminal.written.decode().splitlines()
        head = said[: said.index("")]
        assert [line for line in head if cells.width(line) > columns] == []
        heads.append("".join("".join(head).split()).replace("agent", ""))  # which has a line of its own
    assert heads[0] == heads[1] == heads[2]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("/long/path/x", ["/long/", "path/x"]),
        ("世界 世界", ["世界", "世界"]),
    ],
)
def test_a_line_is_folded_between_its_words(line: str, parts: list[str]) -> None:
    assert text.folded(line, 7 if "one" in line else 6) == parts


@pytest.mark.usefixtures("inside")
def test_show_fits_a_terminal_of_80_columns() -> None:
    for options in ([], ["--times", "relative"]):
        with Terminal("show", *options, rows=60) as terminal:
            assert terminal.ended() == 0
        said = re.sub("\x1b\\[[0-9;]*m", "", terminal.written.decode()).splitlines()
        head = said.index("")
        assert any("git mv" in line for line in said)
        assert [line for line in said[head:] if cells.width(line) > 80] == []
