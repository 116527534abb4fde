from __future__ import annotations

import json

import pytest

from hookkit.installer.jsontext import MAX_DEPTH, JsonTextError, parse


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2.5, -0.0, true, false, null, "x"]}',
        "[]",
        ' \r\n\t"caf\\u00e9 \\ud83d\\ude00" ',
        '{"a": {"b": {"c": [[], {}, [{}]]}}}',
        "1E400",
        "-12e-3",
    ],
)
def test_plain_json_reads_as_json_reads_it(text: str) -> None:
    root = parse(text).root
    assert root is not None
    assert root.data() == json.loads(text)


def test_of_duplicate_keys_the_last_counts_and_all_are_kept() -> None:
    root = parse('{"a": 1, "a": 2}').root
    assert root is not None
    assert root.data() == {"a": 2}
    assert [child.value.scalar for child in root.children] == [1, 2]


def test_comments_and_trailing_commas_are_found_where_they_stand() -> None:
    text = '\ufeff// one\n{"a": [1, /* two */], // three\n}'
    doc = parse(text)
    assert [text[slice(*span)] for span in doc.comments] == ["// one", "/* two */", "// three"]
    assert [text[at] for at in doc.trailing_commas] == [",", ","]
    assert doc.line_of(doc.comments[2][0]) == 2


def test_a_comment_marker_in_a_string_is_no_comment() -> None:
    doc = parse('{"url": "http://x/*y*/"}')
    assert doc.comments == ()


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"a" 1}', 1, 6),
        ('{\n  "a": 1\n  "b": 2}', 3, 3),
        ("{,}", 1, 2),
        ("[1,,2]", 1, 4),
        ("{'a': 1}", 1, 2),
        ("[01]", 1, 3),
        ("[NaN]", 1, 2),
        ("[Infinity]", 1, 2),
        ('{"a": 1} {}', 1, 10),
        ("[1", 1, 3),
        ("/* open", 1, 1),
        ("\u00a0{}", 1, 1),
        ("{}\x00", 1, 3),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(JsonTextError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("text", ['["\\x"]', '["a\nb"]', '["open', '["\\u12"]'])
def test_a_bad_string_is_refused(text: str) -> None:
    with pytest.raises(JsonTextError, match="string is not valid"):
        parse(text)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
@pytest.mark.parametrize("opener", ["[", '{"a":'])
def test_nesting_past_the_limit_is_refused_and_does_not_crash(opener: str, depth: int) -> None:
    with pytest.raises(JsonTextError, match="nested more than"):
        parse(opener * depth)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).root is not None


def test_a_number_of_any_length_is_read() -> None:
    root = parse("[" + "9" * 10_000 + "]").root
    assert root is not None
    assert root.data() == [float("inf")]


def test_a_text_of_comments_alone_has_no_root() -> None:
    assert parse(" // nothing\n/* at all */").root is None
