"""The text of git-ai notes."""

from __future__ import annotations

import contextlib
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.exporters.git_ai_format import (
    Claim,
    Entry,
    Note,
    call_key,
    can_be_named,
    claims,
    count,
    joined,
    parse,
    session_key,
    text,
    without,
)

from .support import check_note

AGENT = {"tool": "cursor", "id": "6ef2299e", "model": "gpt-5"}
# All three kinds of keys, as a repository has them after an upgrade of git-ai; and what a later version may add.
MIXED = b"""src/main.rs
  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15
  h_31dce776f88375 20
"docs/read me.md"
  abcd1234abcd1234 3
---
{
  "schema_version": "authorship/3.0.0",
  "git_ai_version": "1.4.5",
  "base_commit_sha": "7734793b756b3921c88db5375a8c156e9532447b",
  "prompts": {
    "abcd1234abcd1234": {
      "agent_id": {"tool": "cursor", "id": "old", "model": "gpt-4"}, "human_author": null,
      "total_additions": 5, "total_deletions": 0, "accepted_lines": 5, "overriden_lines": 0
    }
  },
  "humans": {"h_31dce776f88375": {"author": "Alice <alice@example.com>"}},
  "sessions": {"s_c9883b05a2487d": {"agent_id": {"tool": "claude", "id": "conv", "model": "m"}}},
  "later": [1]
}"""


def with_attestations(*lines: str, metadata: object = None) -> bytes:
    head = {"schema_version": "authorship/3.0.0", "base_commit_sha": "", "prompts": {}}
    return "\n".join([*lines, "---", json.dumps(head if metadata is None else metadata)]).encode()


def test_a_note_of_all_kinds_of_keys_is_understood() -> None:
    check_note(MIXED)
    assert [*claims(parse(MIXED))] == [
        Claim("src/main.rs", ((1, 10), (15, 15)), "ai", "s_c9883b05a2487d::t_9f8e7d6c5b4a32", "claude", "conv", "m"),
        Claim("src/main.rs", ((20, 20),), "human", "h_31dce776f88375", author="Alice <alice@example.com>"),
        Claim("docs/read me.md", ((3, 3),), "ai", "abcd1234abcd1234", "cursor", "old", "gpt-4"),
    ]


def test_what_was_read_is_written_again_with_everything_in_it() -> None:
    note = parse(MIXED)
    assert parse(text(note)) == note
    assert check_note(text(note))["later"] == [1]
    assert text(note).startswith(MIXED[: MIXED.index(b"---")])


def test_ids_are_those_of_the_standard() -> None:
    digest = hashlib.sha256(b"claude:11111111-2222").hexdigest()
    assert session_key("claude", "11111111-2222") == f"s_{digest[:14]}"
    assert call_key("trace", "toolu_1") == call_key("trace", "toolu_1") != call_key("trace", "toolu_2")
    assert len(call_key("trace", "toolu_1")) == 16


def test_a_key_without_its_record_claims_nothing() -> None:
    note = parse(with_attestations("a", "  s_00000000000000::t_00000000000000 1", "  h_00000000000000 2"))
    assert [*claims(note)] == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.txt", "a.txt"),
        ("my file", '"my file"'),
        ("---", '"---"'),
        ('"a"', '""a""'),
        ("a\t", '"a\t"'),
        ("  a", '"  a"'),
        ("日本/ü", "日本/ü"),
        ("no\u00a0break", '"no\u00a0break"'),
        ("cr\r", '"cr\r"'),
    ],
)
def test_names_come_back_as_they_were(path: str, line: str) -> None:
    note = Note({path: (Entry("abcdef0", ((1, 1),)),)}, {"schema_version": "authorship/3.0.0"})
    assert can_be_named(path)
    assert text(note).decode().split("\n")[0] == line
    assert parse(text(note)) == note


@pytest.mark.parametrize("path", ["a\nb", "caf\udce9"])
def test_a_name_that_no_reader_would_understand_is_known_as_such(path: str) -> None:
    assert not can_be_named(path)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no line `---`"),
        (b"\xff\xfe\x00", "no line `---`"),
        (b"a\n--- \n{}", "no line `---`"),
        (b"---\n", "not JSON"),
        (b"---\n" + b"[" * 100_000, "not JSON"),
        (b"---\n[]", "no JSON object"),
        (with_attestations(metadata={"schema_version": "authorship/4.0.0"}), "schema_version is 'authorship/4.0.0'"),
        (with_attestations(metadata={"schema_version": "authorship/3.0.0", "sessions": []}), "'sessions'"),
        (with_attestations("  abcdef0 1"), "neither a path nor a key"),
        (with_attestations("a", "  nonsense 1"), "neither a path nor a key"),
        (with_attestations("a", "  abcdef0 0"), "names no lines"),
        (with_attestations("a", "  abcdef0 5-3"), "names no lines"),
        (with_attestations("a", "  abcdef0 1-99999999999"), "names no lines"),
        (with_attestations("a", "  abcdef0 ٣"), "names no lines"),
        (with_attestations("a", f"  abcdef0 {'9' * 10_000}"), "names no lines"),
    ],
)
def test_what_is_no_note_is_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse(data)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_note_with_records_of_odd_shape_says_less_and_breaks_nothing() -> None:
    metadata = {
        "schema_version": "authorship/3.0.0",
        "sessions": {"s_1": "x", "s_2": {"agent_id": 3}, "s_3": {"agent_id": {"tool": 4, "id": None}}},
        "humans": {"h_1": {"author": ["x"]}},
    }
    lines = ["a", "  s_1::t_1 1", "  s_2::t_1 2", "  s_3::t_1 3", "  h_1 4"]
    said = [*claims(parse(with_attestations(*lines, metadata=metadata)))]
    assert [(claim.key, claim.tool, claim.author) for claim in said] == [("s_3::t_1", "", ""), ("h_1", "", "")]


def test_line_ends_of_windows_are_read() -> None:
    assert [*claims(parse(MIXED.replace(b"\n", b"\r\n")))] == [*claims(parse(MIXED))]


spans = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def as_set(lines: object) -> set[int]:
    return {line for first, last in lines for line in range(first, last + 1)}  # type: ignore[attr-defined]


@given(spans, spans)
def test_ranges_are_sets_of_lines(some: list[tuple[int, int]], taken: list[tuple[int, int]]) -> None:
    assert as_set(joined(some)) == as_set(some)
    assert as_set(without(some, taken)) == as_set(some) - as_set(taken)
    assert count(joined(some)) == len(as_set(some))
    for found in (joined(some), without(some, taken)):
        assert all(before[1] + 1 < after[0] for before, after in zip(joined(found), joined(found)[1:], strict=False))
        assert list(found) == sorted(found)


@given(st.dictionaries(st.text(min_size=1).filter(can_be_named), spans.filter(bool), max_size=4))
def test_any_note_comes_back(files: dict[str, list[tuple[int, int]]]) -> None:
    entries = {path: (Entry("s_1::t_1", joined(lines)),) for path, lines in files.items()}
    note = Note(entries, {"schema_version": "authorship/3.0.0", "x": "ü\n---\n"})
    assert parse(text(note)) == note


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    for content in (data, data + b"\n---\n{}", MIXED.replace(b"1-10", data)):
        with contextlib.suppress(ValueError):
            list(claims(parse(content)))
