"""Copilot CLI's sessions: what a trace says of each kind of event, and of the recorded ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.copilot_cli.parser import CopilotCliParser
from hookkit.capture.registry import get_parser

from .copilot_support import AGENT, RECORDED, ROOT, SESSION, USAGE, Session, ls, place, record_of, recorded, told

# What a trace says


def test_a_turn_becomes_steps_with_call_result_usage_and_model(tmp_path: Path) -> None:
    made = Session().prompt("Do it.").answer("I look.", ls(), reasoningText="Hm.").done("c1", "a b").answer("Done.")
    record = record_of(made.write(tmp_path))
    user, calling, last = record.steps
    assert (user.role, user.content, record.task.description) == ("user", "Do it.", "Do it.")
    assert (calling.content, calling.reasoning_content, calling.model) == ("I look.", "Hm.", "openai/m")
    assert [(c.tool_call_id, c.tool_name, c.input) for c in calling.tool_calls] == [ls()]
    assert [(o.source_call_id, o.content, o.error) for o in calling.observations] == [("c1", "a b", None)]
    assert (last.content, record.outcome.terminal_state) == ("Done.", "goal_reached")
    metrics = record.metrics
    assert (metrics.total_input_tokens, metrics.total_output_tokens) == (100, 14)
    assert (metrics.total_cache_read_tokens, metrics.total_cache_creation_tokens) == (60, 40)
    assert (record.metadata["cwd"], record.agent.version, record.environment.vcs.branch) == (ROOT, "1.0.102", "main")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"success": False, "error": {"message": "no", "code": "failure"}}, "no"),
        ({"shellExecution": {"exitCode": 4}}, "ok"),
        ({"shellExecution": {"exitCode": 0}}, None),
        ({"shellExecution": {"exitCode": True}}, None),
        ({"success": False, "error": "text"}, "text"),
        ({"success": False, "result": None}, "error"),
    ],
)
def test_a_call_failed_if_the_agent_or_the_exit_code_says_so(tmp_path: Path, data: Any, error: str | None) -> None:
    record = record_of(Session().prompt("x").answer("", ls()).done("c1", **data).write(tmp_path))
    assert record.steps[1].observations[0].error == error
    assert told(record)["failed_tool_calls"] == (error is not None)


def test_a_denied_call_is_listed(tmp_path: Path) -> None:
    refused = {"success": False, "error": {"message": "Not now.", "code": "denied"}}
    record = record_of(Session().prompt("x").answer("", ls()).done("c1", **refused).answer("Oh.").write(tmp_path))
    (denial,) = record.metadata["permission_denials"]
    assert (denial["tool_call_id"], denial["tool"], denial["message"]) == ("c1", "bash", "Not now.")


@pytest.mark.parametrize("data", [{"source": "skill-x"}, {"source": "agent-x"}, {"isAutopilotContinuation": True}])
def test_what_the_user_did_not_type_is_no_prompt(tmp_path: Path, data: Any) -> None:
    record = record_of(Session().prompt("typed").answer("a").prompt("made", **data).answer("b").write(tmp_path))
    assert [step.content for step in record.steps if step.role == "user"] == ["typed"]


def test_a_call_without_a_result_has_an_observation_that_says_so(tmp_path: Path) -> None:
    record = record_of(Session().prompt("x").answer("", ls()).write(tmp_path))
    assert record.steps[1].observations[0].error == "no_result"
    assert not told(record)["complete"]


def test_a_free_form_tool_has_its_text_for_an_input(tmp_path: Path) -> None:
    record = record_of(Session().prompt("x").answer("", ("c1", "apply_patch", "*** Begin")).write(tmp_path))
    assert record.steps[1].tool_calls[0].input == {"input": "*** Begin"}


def test_a_subagents_steps_follow_the_call_that_started_it(tmp_path: Path) -> None:
    made = Session().prompt("x").answer("", ("t1", "task", {"prompt": "Part."}))
    made.add("subagent.started", AGENT, toolCallId="t1", agentName="explore")
    made.add("user.message", AGENT, content="Part.", source=f"agent-{SESSION}")
    made.answer("", ls(), agent=AGENT).done("c1", agent=AGENT).answer("Parted.", agent=AGENT).done("t1").answer("End.")
    record = record_of(made.write(tmp_path))
    seen = [(s.call_type, s.agent_role, s.parent_step, s.content) for s in record.steps]
    assert seen[2:5] == [
        ("subagent", "explore", 1, "Part."), ("subagent", "explore", 1, None), ("subagent", "explore", 1, "Parted."),
    ]  # fmt: skip
    assert (told(record)["subagents"], told(record)["turns"], record.steps[-1].content) == (1, 1, "End.")


def test_an_api_error_ends_the_turn(tmp_path: Path) -> None:
    made = Session().prompt("x").add("session.error", errorType="query", message="400 no", statusCode=400)
    record = record_of(made.write(tmp_path))
    assert record.outcome.terminal_state == "error"
    assert record.metadata["session_errors"][0]["message"] == "400 no"


def test_an_abort_is_an_interruption(tmp_path: Path) -> None:
    record = record_of(Session().prompt("x").answer("", ls()).add("abort", reason="user_abort").write(tmp_path))
    assert record.outcome.terminal_state == "interrupted"


def test_a_compaction_is_listed_and_its_tokens_count_with_the_answer_before(tmp_path: Path) -> None:
    made = Session().prompt("x").answer("a").add(
        "session.compaction_complete", success=True, trigger="manual", summaryContent="S", preCompactionTokens=9,
        postCompactionTokens=3, compactionTokensUsed={**USAGE},
    ).prompt("y").answer("b")  # fmt: skip
    record = record_of(made.write(tmp_path))
    (event,) = record.metadata["compaction_events"]
    assert (event["trigger"], event["summary"], event["pre_tokens"], event["post_tokens"]) == ("manual", "S", 9, 3)
    assert record.steps[1].token_usage.output_tokens == 14
    assert record.metrics.total_output_tokens == 21


def test_a_call_takes_as_long_as_there_is_between_its_hooks(tmp_path: Path) -> None:
    """Its own start is noted before the hooks run, its end after."""
    made = Session().prompt("x").answer("", ls()).add("tool.execution_start", toolCallId="c1")
    made.add("hook.start", hookInvocationId="h", hookType="preToolUse", input={"toolCalls": [{"id": "c1"}]})
    made.add("hook.end", hookInvocationId="h", hookType="preToolUse", success=True)
    ended = int(made.moment().timestamp() * 1000) + 500
    made.add("hook.start", hookInvocationId="i", hookType="postToolUse", input={"timestamp": ended})
    made.add("hook.end", hookInvocationId="i", hookType="postToolUse", success=True)
    record = record_of(made.done("c1").write(tmp_path))
    assert record.steps[1].tool_calls[0].duration_ms == 1500


def test_two_answers_of_which_one_has_no_event_of_its_own_lose_no_call_and_no_token(tmp_path: Path) -> None:
    """Copilot leaves an answer out whose call has an array for its input."""
    made = Session().prompt("x").add("session.usage_record", usage=USAGE)
    calls = [{"id": "c1", "name": "bash", "args": {"command": "ls"}}, {"id": "c2", "name": "bash", "args": {}}]
    made.add("hook.start", hookInvocationId="h", hookType="preToolUse", input={"toolCalls": calls})
    record = record_of(made.done("c1").done("c2", "two").answer("Done.").write(tmp_path))
    assert [(c.tool_call_id, c.input) for c in record.steps[1].tool_calls] == [("c1", {"command": "ls"}), ("c2", {})]
    assert [o.content for o in record.steps[1].observations] == ["ok", "two"]
    assert record.metrics.total_output_tokens == 14


def test_unknown_types_and_malformed_lines_are_counted(tmp_path: Path) -> None:
    made = Session().prompt("x").answer("a").add("quantum.leap").add("tool.execution_dreamt")
    made.lines += [[1], 5, {"type": "user.message", "data": 7}, {"type": 5}]
    found = told(record_of(made.write(tmp_path)))
    assert found["unknown_types"] == {"?": 1, "quantum.leap": 1, "tool.execution_dreamt": 1, "user.message": 1}


# Where sessions are


def test_sessions_are_found_by_storage_project_and_id(tmp_path: Path, home: Path) -> None:
    storage = home / ".copilot" / "session-state"
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    inside = place(Session(str(project / "sub")).text(), storage, "11111111-1111-4111-8111-111111111111")
    other = place(Session("/elsewhere").text(), storage, "22222222-2222-4222-8222-222222222222")
    (storage / "empty").mkdir()
    parser = get_parser("copilot-cli")
    assert list(parser.discover_sessions(storage)) == [inside, other]
    assert list(parser.discover_project_sessions(project)) == [inside]
    assert parser.session_id_from_path(other) == other.parent.name
    assert parser.find_session(other.parent.name) == other
    missing = parser.find_session(AGENT)
    assert (parser.session_id_from_path(missing), missing.exists()) == (AGENT, False)


@pytest.mark.parametrize(
    ("alive", "last", "final"),
    [
        (True, "answer", True), (True, "calls", False), (True, "prompt", False), (True, "shutdown", False),
        (True, "error", True), (False, "shutdown", True), (False, "calls", True), (False, None, False),
        (True, None, False),
    ],
)  # fmt: skip
def test_a_turn_is_final_when_its_last_message_is_there_or_the_program_is_gone(
    tmp_path: Path, alive: bool, last: str | None, final: bool
) -> None:
    made = Session().prompt("x")
    if last == "answer":
        made.answer("Done.").add("assistant.turn_end").add("hook.start", hookType="agentStop")
    elif last == "calls":
        made.answer("", ls())
    elif last == "shutdown":
        made.answer("Done.").add("session.shutdown")
    elif last == "error":
        made.add("session.error", message="no")
    path = made.write(tmp_path) if last else place(b"", tmp_path)
    (path.parent / f"inuse.{os.getpid() if alive else 999_999_999}.lock").touch()
    assert CopilotCliParser().is_final(path) is final


# The recorded sessions


def expected(path: Path) -> Counter[str]:
    """What a recorded session holds, counted without the parser."""
    found: Counter[str] = Counter()
    calls, used = set(), {}
    for line in map(json.loads, path.read_text().split("\n")[:-1]):
        data = line["data"] if isinstance(line.get("data"), dict) else {}
        source = data.get("source")
        if line["type"] == "user.message" and source is None:
            found["prompts"] += 1
        calls |= {call["toolCallId"] for call in data.get("toolRequests", [])}
        if line["type"] == "tool.execution_complete":
            calls.add(data["toolCallId"])
        if line["type"] == "session.usage_record":
            used[data["usage"]["accounting"]["usageId"]] = data["usage"]
        if line["type"] == "session.compaction_complete":
            used["compaction"] = data["compactionTokensUsed"]
        if line["type"] == "subagent.started":
            found["subagents"] += 1
    for usage in used.values():
        read, written = usage["cacheReadTokens"], usage["cacheWriteTokens"]
        found += Counter(
            input=usage["inputTokens"] - read - written, output=usage["outputTokens"], read=read, written=written
        )
    found["calls"] = len(calls)
    return +found


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_session_is_read_whole(path: Path, tmp_path: Path) -> None:
    outcome = CopilotCliParser().parse(recorded(path.stem, tmp_path))
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert outcome.errors == []
    assert record.content_hash == record.compute_content_hash()
    found, metrics = told(record), record.metrics
    lost = found.get("orphan_results", 0)  # calls that neither an answer nor a hook tells of
    assert +Counter(
        prompts=found["turns"], calls=found["tool_calls"] + lost, subagents=found["subagents"],
        input=metrics.total_input_tokens, output=metrics.total_output_tokens, read=metrics.total_cache_read_tokens,
        written=metrics.total_cache_creation_tokens,
    ) == expected(path)  # fmt: skip
    assert lost == (path.stem == "unkept")
    assert (found["unknown_types"], found["skipped_lines"]) == ({}, {})
    for step in record.steps:
        assert [call.tool_call_id for call in step.tool_calls] == list(
            dict.fromkeys(call.tool_call_id for call in step.tool_calls)
        )
        assert {call.tool_call_id for call in step.tool_calls} == {o.source_call_id for o in step.observations}
        assert step.parent_step is None or step.parent_step < step.step_index
    assert record.metadata["cwd"].startswith(ROOT)


def test_the_recorded_sessions_hold_what_they_are_named_for(tmp_path: Path) -> None:
    records = {path.stem: record_of(recorded(path.stem, tmp_path)) for path in RECORDED}
    assert records["compacted"].metadata["compaction_events"]
    assert records["failed-request"].outcome.terminal_state == "error"
    assert records["interrupted"].outcome.terminal_state == "interrupted"
    assert records["denied"].metadata["permission_denials"]
    assert records["skills"].metadata["skill_invocations"]
    assert told(records["failures"])["failed_tool_calls"]
    assert told(records["resumed"])["turns"] > 1
    assert told(records["subagents"])["subagents"] > 1
    assert any(o.error for step in records["killed"].steps for o in step.observations)
