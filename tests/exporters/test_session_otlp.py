"""A session as spans, read by OpenTelemetry's own messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from hookkit.exporters.source import Source
from tests.exporters.sessions import NAMES, hostile, record, text

IDS = ("traceId", "spanId", "parentSpanId")


def spans(given: dict[str, Any]) -> list[Span]:
    """Parsed strictly. OTLP/JSON has ids in hex, where the messages' own JSON has base64."""
    body = json.loads(text("otlp", Source(given)))
    for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        assert isinstance(span["kind"], int)
        assert isinstance(span["startTimeUnixNano"], str)
        for key in IDS:
            if key in span:
                assert len(span[key]) == (32 if key == "traceId" else 16)
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    request = json_format.ParseDict(body, ExportTraceServiceRequest())
    return list(request.resource_spans[0].scope_spans[0].spans)


def said(span: Span) -> dict[str, Any]:
    values = {}
    for attribute in span.attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind, attribute.key
        values[attribute.key] = getattr(attribute.value, kind)
    return values


def named(found: list[Span], start: str) -> list[Span]:
    return [span for span in found if span.name.startswith(start)]


@pytest.mark.parametrize("name", NAMES)
def test_spans_form_one_tree_and_lie_within_their_parents(name: str) -> None:
    given = record(name)
    found = spans(given)
    by_id = {span.span_id: span for span in found}
    assert len(by_id) == len(found)
    assert {span.trace_id.hex() for span in found} == {given["trace_id"].replace("-", "")}
    (root,) = [span for span in found if not span.parent_span_id]
    assert root.name == "session"
    for span in found:
        assert span.end_time_unix_nano >= span.start_time_unix_nano
        if span is not root:
            assert span.parent_span_id in by_id
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    turns = [span for span in named(found, "invoke_agent") if span.parent_span_id == root.span_id]
    prompts = [step for step in given["steps"] if step["role"] == "user" and step["parent_step"] is None]
    assert len(turns) == len(prompts)
    assert json.loads(said(turns[0])["gen_ai.input.messages"])[0]["parts"][0]["content"] == prompts[0]["content"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_and_calls_have_the_attributes_of_the_conventions(name: str) -> None:
    given = record(name)
    found = spans(given)
    answers = [step for step in given["steps"] if step["role"] == "agent"]
    chats = named(found, "chat")
    assert [said(span)["hookkit.step"] for span in chats] == [step["step_index"] for step in answers]
    for span, step in zip(chats, answers, strict=True):
        attributes = said(span)
        assert span.kind == Span.SPAN_KIND_CLIENT
        assert attributes["gen_ai.operation.name"] == "chat"
        assert attributes["gen_ai.provider.name"]
        assert attributes["gen_ai.conversation.id"] == given["session_id"]
        usage = step["token_usage"]
        prompted = usage["input_tokens"] + usage["cache_read_tokens"] + usage["cache_write_tokens"]
        assert attributes.get("gen_ai.usage.input_tokens", 0) == prompted
        assert attributes.get("gen_ai.usage.output_tokens", 0) == usage["output_tokens"]
        if step["model"]:
            assert span.name == f"chat {attributes['gen_ai.request.model']}"
            assert step["model"].endswith(attributes["gen_ai.request.model"])
        (message,) = json.loads(attributes["gen_ai.output.messages"])
        assert [part["id"] for part in message["parts"] if part["type"] == "tool_call"] == [
            call["tool_call_id"] for call in step["tool_calls"]
        ]
    calls = [(step, call) for step in answers for call in step["tool_calls"]]
    tools = named(found, "execute_tool")
    assert [said(span)["gen_ai.tool.call.id"] for span in tools] == [call["tool_call_id"] for _, call in calls]
    for span, (step, call) in zip(tools, calls, strict=True):
        attributes = said(span)
        assert (span.name, span.kind) == (f"execute_tool {call['tool_name']}", Span.SPAN_KIND_INTERNAL)
        assert json.loads(attributes["gen_ai.tool.call.arguments"]) == call["input"]
        errors = {one["source_call_id"]: one["error"] for one in step["observations"]}
        failed = bool(errors.get(call["tool_call_id"]))
        assert (span.status.code == Status.STATUS_CODE_ERROR, "error.type" in attributes) == (failed, failed)


def test_a_subagent_is_an_agent_in_the_call_that_began_it() -> None:
    given = record("claude-code")
    found = spans(given)
    by_id = {span.span_id: span for span in found}
    (subagent,) = named(found, "invoke_agent general-purpose")
    assert by_id[subagent.parent_span_id].name == "execute_tool Agent"
    inside = [said(span)["hookkit.step"] for span in found if span.parent_span_id == subagent.span_id]
    assert sorted(set(inside)) == [9, 10, 11]
    assert said(subagent)["gen_ai.agent.id"] == "a0000000000000015"


def test_trees_windows_gaps_and_errors_are_there() -> None:
    found = spans(hostile())
    call = named(found, "execute_tool")[0]
    assert call.end_time_unix_nano - call.start_time_unix_nano == 200_000_000
    attributes = said(call)
    assert (attributes["hookkit.tree.before"], attributes["hookkit.tree.after"]) == ("a" * 40, "b" * 40)
    assert [value.string_value for value in attributes["hookkit.limitations"].values] == ["tree_timeout"]
    (root,) = [span for span in found if not span.parent_span_id]
    assert [event.name for event in root.events].count("hookkit.gap") == 8
    assert root.events[-1].name == "hookkit.error"


def test_an_id_that_is_no_uuid_gives_a_trace_id_all_the_same() -> None:
    (one,) = {span.trace_id for span in spans(record("pi") | {"trace_id": "mine"})}
    (other,) = {span.trace_id for span in spans(record("pi") | {"trace_id": "yours"})}
    assert len(one) == 16
    assert one != other
