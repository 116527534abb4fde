from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from opentraces_schema import TraceRecord
from opentraces_schema.models import Agent, Observation, Step, ToolCall

from hookkit.capture.ingest import ingest_session
from hookkit.store.files import trace_path
from hookkit.store.summary import summarise, title

TRANSCRIPTS = Path(__file__).parents[1] / "agents" / "fixtures" / "claude-code" / "2.1.197" / "transcripts"
RECORDED = Path(__file__).parents[1] / "capture" / "fixtures" / "recorded" / "projects"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = resources.files("hookkit.schemas").joinpath("session-summary.schema.json").read_text()
    found = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "path", sorted([*TRANSCRIPTS.glob("*.jsonl"), *RECORDED.glob("*/*.jsonl")]), ids=lambda path: path.stem
)
def test_summary_keeps_its_schema_and_is_the_same_from_the_file(path: Path, schema: dict[str, Any]) -> None:
    result = ingest_session(path)
    assert result.summary is not None
    jsonschema.validate(result.summary, schema)
    assert summarise(json.loads(trace_path(result.trace_id).read_bytes())) == result.summary


def test_record_of_another_program_is_counted_from_its_steps(schema: dict[str, Any]) -> None:
    record = TraceRecord(
        trace_id="t",
        session_id="s",
        agent=Agent(name="codex-cli"),
        steps=[
            Step(step_index=0, role="user"),
            Step(
                step_index=1,
                role="agent",
                model="openai/m",
                tool_calls=[ToolCall(tool_call_id=name, tool_name="shell") for name in "abc"],
                observations=[
                    Observation(source_call_id="a"),
                    Observation(source_call_id="b", error="Exit code 1"),
                    Observation(source_call_id="c", error="no_result"),
                ],
            ),
            Step(step_index=2, role="user", call_type="subagent"),
        ],
    )
    found = summarise(record.model_dump())
    jsonschema.validate(found, schema)
    assert (found["turns"], found["tool_calls"], found["failed_tool_calls"]) == (1, 3, 1)
    assert found["models"] == ["openai/m"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("\n  Fix it.  \nThen test.", "Fix it."),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("  \n ", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_title_is_the_first_line_that_says_something(prompt: object, expected: str | None) -> None:
    assert title(prompt) == expected
