"""What is found in traces, against looking at every text of every step."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkit import paths
from hookkit.capture.identity import trace_id
from hookkit.capture.record import Record, canonical, new_head, new_step, observation
from hookkit.store import search
from hookkit.store.files import replace_file, trace_path
from hookkit.store.index import Index

from .support import damage, session

Text = tuple[str, str, Any, str]  # content of a prompt or answer, tool, input, result


def store(number: int, texts: Sequence[Text], *, day: int = 1) -> str:
    """A trace with a step for each of the texts: odd ones are prompts, the others call a tool."""
    name = trace_id("claude-code", session(number))
    head = new_head(name, session(number), "claude-code")
    head["timestamp_end"] = f"2026-01-{day:02d}T09:00:00Z"
    head["task"]["description"] = texts[0][0] if texts else None
    steps, hooks = [], {}
    for index, (content, tool, asked, result) in enumerate(texts):
        step = new_step("user" if index % 2 else "agent", f"2026-01-{day:02d}T08:{index:02d}:00Z")
        step |= {"step_index": index, "content": content}
        if not index % 2:
            call = {"tool_call_id": f"call-{index}", "tool_name": tool, "input": asked, "duration_ms": None}
            step |= {"tool_calls": [call], "observations": [observation(f"call-{index}", result, None)]}
            hooks[f"call-{index}"] = {"tool_input": asked}
        steps.append(canonical(step))
    paths.private_dir(paths.traces())
    replace_file(trace_path(name), Record(head, {"hook_pre_tool_use": hooks, "capture": {}}, steps).text())
    return name


def found(text: str, *, tool: str | None = None, **how: bool) -> list[tuple[int, str, str]]:
    with Index().sync() as index:
        rows = list(index.rows())
    return [(hit.step, hit.place, hit.text) for hit in search.search(rows, search.query(text, **how), tool)]


def expected(texts: Sequence[Text], matches: re.Pattern[str]) -> list[tuple[int, str, str]]:
    """The same by looking at everything."""
    told = []
    for index, (content, _, asked, result) in reversed(list(enumerate(texts))):
        if not index % 2:
            told.append((index, "result", result))
            told += [(index, "input", text) for text in leaves(asked)]
        told.append((index, "prompt" if index % 2 else "answer", content))
    return [one for one in told if matches.search(one[2])]


def leaves(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = (
        [value[key] for key in sorted(value)] if isinstance(value, dict) else value if isinstance(value, list) else []
    )
    return [text for item in inner for text in leaves(item)]


WORDS = st.sampled_from(
    [
        "a", "B", "ab", "é", "É", "\\", '"', "\n", "\x00", "😀", "role",
        '{"agent_role": ', ', {"agent_role": ', "step_index",
    ]
)  # fmt: skip
SAID = st.lists(WORDS, max_size=5).map("".join)
GIVEN = st.recursive(
    SAID,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["agent_role", "command", "B"]), inner, max_size=2)
    ),
    max_leaves=6,
)
TEXTS = st.lists(
    st.tuples(SAID, st.sampled_from(["Bash", "Edit"]), GIVEN.map(lambda one: {"x": one}), SAID), max_size=5
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, SAID.filter(bool), st.booleans(), st.sampled_from([16, 8 << 20]))
def test_search_finds_what_looking_at_everything_finds(
    texts: list[Text], wanted: str, folded: bool, chunk: int
) -> None:
    store(1, texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_CHUNK", chunk)
        flags = re.IGNORECASE if folded else 0
        assert found(wanted, ignore_case=folded) == expected(texts, re.compile(re.escape(wanted), flags))


@pytest.mark.parametrize(
    "pattern",
    [
        "ab", "a.?b", "ab?", "ab*c", "a|B", "[aB]b", "(ab)+", "ab{2}", "a+b", "(?x) a b", "x*",
        r"\x61b", r"^ab$", r"\bab\b", r"a\d",
    ],
)  # fmt: skip
def test_a_pattern_is_never_narrowed_to_what_it_does_not_need(pattern: str) -> None:
    texts: list[Text] = [
        (said, "Bash", {"command": said[::-1]}, f"{said}\nab\n")
        for said in ("ab", "b", "a", "abb", "acb", "B", "xabx", "a1", "", "ac")
    ]
    store(1, texts)
    for folded in (False, True):
        flags = re.MULTILINE | (re.IGNORECASE if folded else 0)
        assert found(pattern, regex=True, ignore_case=folded) == expected(texts, re.compile(pattern, flags))


def test_the_newest_session_and_its_newest_step_come_first() -> None:
    one, two = store(1, [("go one", "Bash", {}, "")] * 3, day=3), store(2, [("go two", "Bash", {}, "")] * 2, day=9)
    with Index().sync() as index:
        hits = list(search.search(list(index.rows()), search.query("go ")))
    assert [(hit.trace_id, hit.step) for hit in hits] == [(two, 1), (two, 0), (one, 2), (one, 1), (one, 0)]
    assert hits[0].time == "2026-01-09T08:01:00Z"


def test_a_hit_says_where_its_matches_are_and_whose_they_are() -> None:
    store(1, [("", "Bash", {"command": "say hello, hello"}, "")])
    with Index().sync() as index:
        (hit,) = search.search(list(index.rows()), search.query("hello"))
    assert (hit.text[hit.start : hit.end], hit.start, hit.count) == ("hello", 4, 2)
    assert (hit.place, hit.tool, hit.call_id) == ("input", "Bash", "call-0")


def test_of_a_tool_only_what_its_calls_were_given_and_gave_back() -> None:
    store(1, [("x", "Bash", {"command": "x"}, "x"), ("x", "", {}, ""), ("", "Edit", {"command": "x"}, "")])
    assert found("x", tool="bash") == [(0, "result", "x"), (0, "input", "x")]
    assert found("x", tool="Read") == []


def test_errors_and_reasoning_are_searched_too() -> None:
    name = store(1, [("said", "Bash", {}, "out")])
    record = json.loads(trace_path(name).read_bytes())
    record["steps"][0]["observations"][0]["error"] = "kaputt"
    record["steps"][0]["reasoning_content"] = "is it kaputt?"
    trace_path(name).write_text(json.dumps(record, sort_keys=True))
    assert found("kaputt") == [(0, "error", "kaputt"), (0, "reasoning", "is it kaputt?")]


def test_a_trace_that_cannot_be_read_holds_nothing_and_stops_nothing() -> None:
    store(1, [("go", "Bash", {}, "")])
    damage(trace_path(store(2, [("go", "Bash", {}, "")], day=2)), b'{"steps": [{"agent_role": "go')
    gone = store(3, [("go", "Bash", {}, "")], day=3)
    with Index().sync() as index:
        rows = list(index.rows())
    trace_path(gone).unlink()
    assert [hit.step for hit in search.search(rows, search.query("go"))] == [0]


def test_a_record_of_another_writer_is_searched_too() -> None:
    name = store(1, [("go", "Bash", {}, "")])
    trace_path(name).write_text(json.dumps(json.loads(trace_path(name).read_bytes()), indent=2))
    assert found("go") == [(0, "answer", "go")]
