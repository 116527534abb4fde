from __future__ import annotations

import pytest

from hookkit.errors import UsageError
from hookkit.store.index import Index
from hookkit.store.refs import resolve

from .support import session, trace


def find(ref: str) -> str:
    with Index().sync() as index:
        return resolve(index, ref)


@pytest.fixture
def three() -> list[str]:
    return [trace(0xAAAA0001, day=1), trace(0xAAAA0002, day=2), trace(0xBBBB0001, day=3)]


def test_trace_id_session_id_and_their_starts_name_a_trace(three: list[str]) -> None:
    assert find(three[0]) == find(three[0][:6]) == three[0]
    assert find(session(0xAAAA0001)) == find("aaaa0001") == three[0]
    assert find("bbbb") == three[2]


@pytest.mark.parametrize(
    "form", ["{}:12", "t:{}", "t:{}:turn_1", "ot://trace/{}", "ot://trace/{}/", "ot://trace/{}/steps/12"]
)
def test_what_is_printed_of_a_trace_names_it(three: list[str], form: str) -> None:
    assert find(form.format(three[0])) == find(form.format(three[0][:8])) == three[0]
    assert find(form.format("last")) == three[2]


@pytest.mark.parametrize(("ref", "at"), [("last", 2), ("last~0", 2), ("last~1", 1), ("last~2", 0)])
def test_last_counts_back_from_the_latest_activity(three: list[str], ref: str, at: int) -> None:
    assert find(ref) == three[at]


@pytest.mark.parametrize(
    ("ref", "code", "text"),
    [
        ("aaaa", "AMBIGUOUS_REF", "Prompt 2863267841"),
        ("abc", "REF_TOO_SHORT", "'abc'"),
        ("", "REF_TOO_SHORT", "''"),
        ("last~3", "UNKNOWN_TRACE", "only 3"),
        ("nothing-like-it", "UNKNOWN_TRACE", "nothing-like-it"),
        ("aa%", "REF_TOO_SHORT", "aa%"),
        ("aaaa%", "UNKNOWN_TRACE", "aaaa%"),
    ],
)
def test_what_names_no_single_trace_is_refused_with_a_hint(three: list[str], ref: str, code: str, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        find(ref)
    assert refused.value.code == code
    assert text in refused.value.message
    assert refused.value.hint


def test_ambiguous_start_lists_the_candidates(three: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        find("aaaa")
    assert three[0][:8] in refused.value.message
    assert three[1][:8] in refused.value.message
    assert three[2][:8] not in refused.value.message


def test_many_candidates_are_cut_short() -> None:
    for number in range(12):
        trace(0xCCCC0000 + number)
    with pytest.raises(UsageError, match="and 4 more"):
        find("cccc")


def test_typing_error_gets_the_nearest_trace(three: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        find("bbbb0000")
    assert three[2][:8] in refused.value.hint


def test_empty_store_says_how_to_fill_it() -> None:
    with pytest.raises(UsageError) as refused:
        find("last")
    assert (refused.value.code, "hookkit install" in refused.value.hint) == ("NO_TRACES", True)


def test_whole_id_wins_over_longer_ones_that_begin_like_it() -> None:
    first = trace(1)
    assert find(first) == first
