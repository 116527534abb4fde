"""Lines of cells, whatever is in the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hookkit.views.icons import ASCII, UNICODE, icons
from hookkit.views.text import spans
from hookkit.views.tui.background import Latest
from hookkit.views.tui.detail import TextRows
from hookkit.views.tui.line import cut, safe, segments, wrapped
from hookkit.views.tui.rows import span

ANY = st.text(st.characters() | st.sampled_from("世界\x1b\x9b\u200b\ufe0f❤🚀e\u0301\t"), max_size=60)


@given(ANY, st.integers(1, 60))
def test_line_has_exactly_the_cells_that_there_are_and_nothing_that_steers(text: str, width: int) -> None:
    line = [(safe(text), "bold"), (safe(text), "")]
    shown = "".join(segment.text for segment in segments(line, width, selected=True))
    assert cell_len(shown) == width
    assert not {char for char in shown if ord(char) < 32 or 127 <= ord(char) < 160}


@given(ANY, st.integers(2, 60))
def test_wrapped_text_loses_nothing(text: str, width: int) -> None:
    pieces = wrapped(safe(text), width)
    assert "".join(pieces) == safe(text)
    assert all(cell_len(piece) <= width for piece in pieces)


def test_cut_text_says_so() -> None:
    assert [cut("abcdef", width) for width in (6, 5, 1, 0)] == ["abcdef", "abcd…", "…", ""]
    assert cut("世界世界", 4) == "世…"


def test_text_is_wrapped_anew_when_the_width_changes() -> None:
    rows = TextRows([[("x" * 100, "")], [("a", "red"), ("b", "")]])
    assert len(rows) == 3
    rows.fit(200)
    assert [rows.line(at, 200) for at in range(len(rows))] == [[("x" * 100, "")], [("a", "red"), ("b", "")]]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "+0.4s"), (-3, "-3.0s"), (200, "+3:20"), (3727, "+1:02:07"), (273_600, "+3d 4h")],
)
def test_span(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"LANG": "en_US.UTF-8"}, UNICODE),
        ({"LC_CTYPE": "UTF-8"}, UNICODE),
        ({"LC_ALL": "C.utf8"}, UNICODE),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, ASCII),  # what Python makes of LANG=C
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LANG": "de_DE.ISO-8859-1"}, ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, ASCII),
        ({}, ASCII),
    ],
)
def test_signs_are_those_that_the_terminal_can_show(
    env: dict[str, str], found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert icons() is found


def test_spans_take_apart_what_was_styled(monkeypatch: pytest.MonkeyPatch) -> None:
    from hookkit.views.text import styled

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert spans(f"a {styled('b', 'red')} {styled('c', 'dim')}") == [("a ", ""), ("b", "red"), (" ", ""), ("c", "dim")]


def test_of_the_jobs_that_wait_only_the_latest_is_done() -> None:
    import threading

    begun, go, ended = threading.Event(), threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        go.wait(60)
        done.append("first")

    latest = Latest()
    latest.do(first)
    assert begun.wait(60)
    latest.do(lambda: done.append("second"))
    latest.do(lambda: (done.append("third"), ended.set()))
    go.set()
    assert ended.wait(60)
    assert done == ["first", "third"]
