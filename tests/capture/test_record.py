from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentraces_schema import TraceRecord
from opentraces_schema.models import Agent, Step
from opentraces_schema.version import SCHEMA_VERSION

from hookkit.capture import record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
HOSTILE = '", "parent_step": null, "x": ", "step_index": 0, "subagent_trajectory_ref": null, '


def test_head_is_what_the_schema_package_gives_for_an_empty_record() -> None:
    expected = TraceRecord(trace_id="t", session_id="s", agent=Agent(name="a")).model_dump()
    found: dict[str, Any] = {**record.new_head("t", "s", "a"), "metadata": {}, "steps": []}
    # What hookkit says where the schema's default says nothing.
    expected["execution_context"] = "devtime"
    expected["outcome"] |= {"signal_source": "transcript", "signal_confidence": "inferred"}
    assert found == expected
    assert found["schema_version"] == SCHEMA_VERSION


def test_step_is_what_the_schema_package_gives_for_an_empty_step() -> None:
    assert record.new_step("user", None) == Step(step_index=0, role="user").model_dump()


@given(content=TEXT | st.just(HOSTILE), error=TEXT | st.just(HOSTILE), call=TEXT, given=st.dictionaries(TEXT, TEXT))
def test_a_step_finds_its_place_whatever_it_says(content: str, error: str, call: str, given: dict[str, str]) -> None:
    step = record.new_step("agent", "2026-01-01T00:00:00Z")
    step["content"] = step["reasoning_content"] = step["model"] = content
    step["observations"] = [record.observation(call, content, error)]
    step["tool_calls"] = [{"tool_call_id": call, "tool_name": HOSTILE, "input": given | {HOSTILE: 1}, "duration_ms": 1}]
    placed = record.place_step(
        record.canonical(step), index=7, parent=3, call_type="subagent", role="Explore", ref='a"b'
    )
    place = {"step_index": 7, "parent_step": 3, "call_type": "subagent", "agent_role": "Explore"}
    assert json.loads(placed) == {**step, **place, "subagent_trajectory_ref": 'a"b'}
    assert placed == record.canonical(json.loads(placed))


@given(
    metadata=st.dictionaries(
        TEXT,
        st.recursive(TEXT | st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.lists),
    ),
    pieces=st.dictionaries(TEXT, TEXT),
)
def test_the_hash_is_the_one_the_schema_package_computes(metadata: dict[str, Any], pieces: dict[str, str]) -> None:
    found = record.Record(
        record.new_head("t", "s", "a"),
        {
            **metadata,
            "some": record.Pieces({key: record.canonical(value) for key, value in pieces.items()}),
            "list": record.Pieces([record.canonical(value) for value in pieces.values()]),
        },
        [record.canonical(record.new_step("user", None))],
    )
    text = b"".join(found.text())
    parsed = TraceRecord.model_validate_json(text)
    assert parsed.content_hash == parsed.compute_content_hash()
    assert json.loads(text)["metadata"] == {**metadata, "some": pieces, "list": list(pieces.values())}


def test_text_of_a_record_is_one_line() -> None:
    found = record.Record(record.new_head("t", "s", "a"), {"a": "\n\u2028"}, [])
    assert b"".join(found.text()).count(b"\n") == 1


@pytest.mark.parametrize("kept", [record.new_head("t", "s", "a"), record.new_step("agent", None)])
def test_nothing_is_shared_between_two_records(kept: dict[str, Any]) -> None:
    other = record.new_head("t", "s", "a") if "trace_id" in kept else record.new_step("agent", None)
    for key, value in kept.items():
        if isinstance(value, (dict, list)) and key not in ("snippets", "tools_available"):
            assert value is not other[key]
