from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture import jsonl
from hookkit.capture.jsonl import LineReader


def read(path: Path, content: bytes, offset: int = 0) -> tuple[list[object], LineReader]:
    path.write_bytes(content)
    reader = LineReader(path, offset)
    return [entry["n"] for entry in reader], reader


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lines.jsonl"


def test_torn_last_line_is_left_for_the_next_reading(file: Path) -> None:
    found, reader = read(file, b'{"n":1}\n{"n":2')
    assert found == [1]
    assert reader.offset == len(b'{"n":1}\n')
    file.write_bytes(b'{"n":1}\n{"n":25}\n')
    assert [entry["n"] for entry in LineReader(file, reader.offset)] == [25]


def test_whole_last_line_without_newline_is_read_once(file: Path) -> None:
    found, reader = read(file, b'{"n":1}\n{"n":2}')
    assert found == [1, 2]
    file.write_bytes(b'{"n":1}\n{"n":2}\n{"n":3}\n')
    assert [entry["n"] for entry in LineReader(file, reader.offset)] == [3]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"42", "not_object"),
        (b"[1]", "not_object"),
        (b"null", "not_object"),
        (b'"text"', "not_object"),
        (b"{not json", "not_json"),
        (b'{"n":"\xff\xfe"}', "bad_utf8"),
        (b"\0\0\0\0", "nul"),
        (b'{"n":' + b"9" * 5000 + b"}", "not_json"),
        (b'{"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b'{"n":' + b"[" * 120 + b"]" * 120 + b"}", "too_deep"),
    ],
)
def test_useless_line_is_counted_and_the_next_one_read(file: Path, line: bytes, reason: str) -> None:
    found, reader = read(file, line + b'\n{"n":1}\n')
    assert found == [1]
    assert dict(reader.skipped) == {reason: 1}
    assert reader.line == reader.lines == 2


def test_zero_padding_around_a_line_does_not_hide_it(file: Path) -> None:
    assert read(file, b'\0\0{"n":1}\0\n')[0] == [1]


def test_empty_lines_and_a_byte_order_mark_mean_nothing(file: Path) -> None:
    found, reader = read(file, b'\xef\xbb\xbf{"n":1}\n\n \t\n{"n":2}\r\n')
    assert (found, reader.lines, dict(reader.skipped)) == ([1, 2], 2, {})


def test_too_long_line_is_skipped_without_being_loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 20)
    found, reader = read(file, b'{"n":"' + b"x" * 5_000_000 + b'"}\n{"n":1}\n')
    assert (found, dict(reader.skipped), reader.line) == ([1], {"too_long": 1}, 2)


def test_too_long_line_that_is_still_being_written_is_left(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 20)
    found, reader = read(file, b'{"n":1}\n{"n":"' + b"x" * 100)
    assert (found, reader.offset) == ([1], 8)


def test_offset_behind_a_newline_keeps_the_first_new_line(file: Path) -> None:
    assert read(file, b'{"n":1}\n{"n":2}\n', offset=8)[0] == [2]


def test_offset_inside_a_line_goes_on_with_the_next_one(file: Path) -> None:
    assert read(file, b'{"n":1}\n{"n":2}\n', offset=3)[0] == [2]


def test_offset_beyond_the_end_gives_nothing(file: Path) -> None:
    found, reader = read(file, b'{"n":1}\n', offset=900)
    assert (found, reader.offset) == ([], 900)


def test_negative_offset_reads_from_the_start(file: Path) -> None:
    assert read(file, b'{"n":1}\n', offset=-5)[0] == [1]


def test_numbers_that_json_does_not_have_become_null(file: Path) -> None:
    assert read(file, b'{"n":[NaN,Infinity,-Infinity,1e999,1.5]}\n')[0] == [[None, None, None, None, 1.5]]


def test_lone_surrogates_become_text_that_can_be_stored(file: Path) -> None:
    found, _ = read(file, b'{"n":{"a\\ud800":"x\\udfffy"},"m":"\\ud83d\\ude00"}\n')
    json.dumps(found, ensure_ascii=False).encode()
    assert found == [{"a\ufffd": "x\ufffdy"}]


@given(st.lists(st.one_of(st.binary(max_size=30), st.just(b'{"n":1}')), max_size=8), st.integers(-3, 300))
def test_any_bytes_are_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], at: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b"\n".join(lines))
    for entry in LineReader(path, at):
        assert isinstance(entry, dict)
