"""References: what is typed, and what it means."""

from __future__ import annotations

import pytest

from hookkit.errors import UsageError
from hookkit.trails.calls import Call, Session, Turn, session
from hookkit.trails.refs import Ref, narrow, parse, resource, short

SHA = "9ac24f7a" * 5
DIGEST = "4f2ff654" * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("last", Ref("trace", "last")),
        ("last~2:12", Ref("trace", "last~2", "12")),
        ("8aa45309:step_4", Ref("trace", "8aa45309", "step_4")),
        ("t:8aa45309", Ref("trace", "8aa45309")),
        ("t:8aa45309:turn_2", Ref("trace", "8aa45309", "turn_2")),
        ("tp:4f2ff654", Ref("patch", "4f2ff654")),
        (f"tp:sha256:{DIGEST}", Ref("patch", DIGEST)),
        ("ga:4F2FF654", Ref("anchor", "4f2ff654")),
        ("snap:4f2ff654", Ref("snapshot", "4f2ff654")),
        ("c:9ac24f7a", Ref("commit", "9ac24f7a")),
        ("ot://trace/8aa45309-aaaa", Ref("trace", "8aa45309-aaaa")),
        ("ot://trace/8aa45309/steps/12", Ref("trace", "8aa45309", "12")),
        ("ot://trace/8aa45309/steps/12/world", Ref("trace", "8aa45309", "12")),
        (f"ot://trace-patch/sha256/{DIGEST}", Ref("patch", DIGEST)),
        (f"ot://trace-patch/sha256/{DIGEST}/trail", Ref("patch", DIGEST)),
        (f"ot://trace-patch/{DIGEST}", Ref("patch", DIGEST)),
        (f"ot://git-anchor/sha256/{DIGEST}", Ref("anchor", DIGEST)),
        (f"ot://trace-snapshot/sha256/{DIGEST}", Ref("snapshot", DIGEST)),
        (f"ot://repo/local/git/commit/sha1/{SHA}", Ref("commit", SHA)),
        ("ot://file/src/a%20b.py/line/42/origin", Ref("line", "src/a b.py", "42")),
        ("ot://file/caf%E9/line/1/origin", Ref("line", "caf\udce9", "1")),
    ],
)
def test_every_form_of_a_reference_is_read(text: str, expected: Ref) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ot://", "ot://trace", "ot://trace/", "ot://nothing/1", "ot://file/line/1/origin", "ot://file/a/line/x/origin",
        "ot://repo/local/git/commit/sha1", "ot://repo/local/git/tree/sha1/abcd", "tp:", "tp:xyz", "ga:12", "c:main",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint


def test_what_is_shown_can_be_read_again() -> None:
    for kind, identifier in (("patch", DIGEST), ("anchor", DIGEST), ("snapshot", DIGEST), ("commit", SHA)):
        assert parse(resource(kind, identifier)) == Ref(kind, identifier)  # type: ignore[arg-type]
        assert parse(short(kind, identifier)) == Ref(kind, identifier[:8])  # type: ignore[arg-type]
    assert parse(resource("trace", "8aa45309-aaaa")) == Ref("trace", "8aa45309-aaaa")


def _call(call_id: str, step: int, turn: Turn | None) -> Call:
    return Call(call_id, "Edit", step, turn, {}, None, None, False)


ONE, TWO = Turn(1, 0, "one"), Turn(2, 3, "two")
SESSION = Session(
    trace_id="8aa45309-0000", session_id="s", agent="claude-code", models=(), project=None, title="one",
    calls=(
        _call("toolu_a1", 1, ONE), _call("toolu_a2", 1, ONE), _call("toolu_b1", 4, TWO), _call("12345678", 5, TWO),
    ),
    turns=(ONE, TWO), steps=(0, 1, 2, 3, 4, 5),
)  # fmt: skip


@pytest.mark.parametrize(
    ("step", "part", "calls"),
    [
        ("4", "call", ("toolu_b1",)),
        ("step_4", "call", ("toolu_b1",)),
        ("1", "step", ("toolu_a1", "toolu_a2")),
        ("0", "turn", ("toolu_a1", "toolu_a2")),
        ("3", "turn", ("toolu_b1", "12345678")),
        ("turn_2", "turn", ("toolu_b1", "12345678")),
        ("turn1", "turn", ("toolu_a1", "toolu_a2")),
        ("toolu_b", "call", ("toolu_b1",)),
        ("toolu_a1", "call", ("toolu_a1",)),
    ],
)
def test_a_step_is_a_number_a_turn_or_a_call(step: str, part: str, calls: tuple[str, ...]) -> None:
    found = narrow(SESSION, step)
    assert (found.part, found.call_ids) == (part, calls)


@pytest.mark.parametrize(
    ("step", "code", "told"),
    [
        ("6", "UNKNOWN_STEP", "its last one is 5"),
        ("2", "NO_CALL", "8aa45309:1"),
        ("turn_3", "UNKNOWN_STEP", "2 turns"),
        ("turn_0", "UNKNOWN_STEP", "2 turns"),
        ("toolu", "AMBIGUOUS_REF", "toolu_a1, toolu_a2, toolu_b1"),
        ("tool", "AMBIGUOUS_REF", "3 calls"),
        ("too", "UNKNOWN_STEP", "too"),
        ("nothing", "UNKNOWN_STEP", "nothing"),
        ("-1", "UNKNOWN_STEP", "-1"),
    ],
)
def test_a_step_that_means_none_or_several_says_what_there_is(step: str, code: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        narrow(SESSION, step)
    assert caught.value.code == code
    assert told in caught.value.message + caught.value.hint


def test_calls_of_subagents_belong_to_the_turn_that_started_them() -> None:
    def step(index: int, role: str, *calls: str, parent: int | None = None) -> dict[str, object]:
        kind = "main" if parent is None else "subagent"
        tools = [{"tool_call_id": call, "tool_name": "Edit", "input": {}} for call in calls]
        return {
            "step_index": index, "role": role, "call_type": kind, "parent_step": parent, "tool_calls": tools,
            "content": f"prompt {index}", "observations": [{"source_call_id": "c", "error": "no"}],
        }  # fmt: skip

    found = session(
        {
            "trace_id": "t",
            "session_id": "s",
            "steps": [
                step(0, "agent", "before"), step(1, "user"), step(2, "agent", "a"), step(3, "user", parent=2),
                step(4, "agent", "b", parent=3), step(5, "user"), step(6, "agent", "c"),
            ],
        }
    )  # fmt: skip
    assert {call.call_id: call.turn.number if call.turn else None for call in found.calls} == {
        "before": None, "a": 1, "b": 1, "c": 2,
    }  # fmt: skip
    assert [call.failed for call in found.calls] == [False, False, False, True]
