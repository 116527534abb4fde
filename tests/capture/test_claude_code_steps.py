from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .support import Transcript, calls, parse, said, stamp

FULL = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 4000}


def test_fragments_of_one_api_message_are_one_step_even_with_results_between_them(tmp_path: Path) -> None:
    record = parse(
        tmp_path,
        Transcript()
        .prompt("Go.")
        .message("m", {"type": "thinking", "thinking": "Hm."}, usage=FULL)
        .message("m", said("First"), usage=FULL)
        .message("m", calls("a", command="1"), usage=FULL)
        .result("a", "one")
        .message("m", said("second"), calls("b", command="2"), usage=FULL)
        .result("b", "two")
        .say("End."),
    )
    assert [step.role for step in record.steps] == ["user", "agent", "agent"]
    step = record.steps[1]
    assert (step.reasoning_content, step.content) == ("Hm.", "First\nsecond")
    assert [call.tool_call_id for call in step.tool_calls] == ["a", "b"]
    assert [(seen.source_call_id, seen.content, seen.error) for seen in step.observations] == [
        ("a", "one", None),
        ("b", "two", None),
    ]


def test_usage_counts_once_per_message_in_four_buckets(tmp_path: Path) -> None:
    early = {**FULL, "output_tokens": 1}
    record = parse(
        tmp_path,
        Transcript().prompt("Go.").message("m", said("a"), usage=early).message("m", said("b"), usage=FULL).say("c"),
    )
    usage = record.steps[1].token_usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (
        10,
        20,
        300,
        4000,
    )
    metrics = record.metrics
    assert (metrics.total_input_tokens, metrics.total_output_tokens) == (20, 25)
    assert (metrics.total_cache_read_tokens, metrics.total_cache_creation_tokens) == (300, 4000)
    assert metrics.cache_hit_rate == pytest.approx(300 / (20 + 300 + 4000))


def test_cache_writes_given_only_by_lifetime_are_added_up(tmp_path: Path) -> None:
    usage = {"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}
    record = parse(tmp_path, Transcript().prompt("Go.").message("m", said("a"), usage=usage))
    assert record.steps[1].token_usage.cache_write_tokens == 7


@pytest.mark.parametrize("bad", [None, "x", -1, 1.5, True, [], 10**400])
def test_counts_that_are_none_count_as_zero(tmp_path: Path, bad: Any) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.").message("m", said("a"), usage=dict.fromkeys(FULL, bad)))
    assert record.metrics.total_input_tokens == record.metrics.total_output_tokens == 0
    assert record.metrics.cache_hit_rate is None


def test_line_that_is_written_twice_is_read_once(tmp_path: Path) -> None:
    transcript = Transcript().turn()
    for line in list(transcript.lines):
        transcript.raw(line)
    record = parse(tmp_path, transcript)
    assert len(record.steps) == 3
    assert record.metrics.total_input_tokens == 20
    assert record.metadata["capture"]["duplicate_lines"] == 4
    assert record.metadata["capture"]["turns"] == 1


def test_call_without_result_has_the_error_no_result(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.").call("a").call("b").result("b"))
    assert [seen.error for step in record.steps for seen in step.observations] == ["no_result", None]
    assert record.metadata["capture"]["failed_tool_calls"] == 0
    assert record.outcome.success is None


def test_failed_call_keeps_its_whole_output_and_a_short_error(tmp_path: Path) -> None:
    text = "<tool_use_error>" + "no such file " * 100 + "</tool_use_error>"
    record = parse(tmp_path, Transcript().prompt("Go.").call("a").result("a", text, error=True).say("Oh."))
    seen = record.steps[1].observations[0]
    assert seen.content == text
    assert seen.error is not None
    assert seen.error.startswith("no such file")
    assert len(seen.error) == 300
    assert record.metadata["capture"]["failed_tool_calls"] == 1


def test_result_that_comes_before_its_call_finds_it(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.").result("a", "early").call("a").say("End."))
    assert record.steps[1].observations[0].content == "early"


def test_result_without_a_call_is_counted(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().turn().result("other").result("toolu_1", "again"))
    assert record.metadata["capture"]["orphan_results"] == 2
    assert record.steps[1].observations[0].content == "ok"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plain", "plain"),
        ([said("a"), said("b")], "a\nb"),
        (
            [said("see"), {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}],
            "see\n[image image/png]",
        ),
        (None, ""),
        (["text", 42, None, {"type": []}], "text"),
    ],
)
def test_content_of_a_result_becomes_text(tmp_path: Path, content: Any, expected: str) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.").call("a").result("a", content).say("End."))
    assert record.steps[1].observations[0].content == expected


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"durationMs": 1200}, 1200),
        ({"totalDurationMs": 7}, 7),
        ("Error: Exit code 1", None),
        ({"durationMs": "x"}, None),
    ],
)
def test_duration_comes_from_the_result_where_no_hook_gives_it(
    tmp_path: Path, detail: Any, expected: int | None
) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.").call("a").result("a", detail=detail).say("End."))
    assert record.steps[1].tool_calls[0].duration_ms == expected


INJECTED: list[tuple[Any, dict[str, Any]]] = [
    ("Be brief.", {"isMeta": True}),
    ("This session is being continued…", {"isCompactSummary": True, "isVisibleInTranscriptOnly": True}),
    ("<local-command-stdout>done</local-command-stdout>", {}),
    ("<local-command-caveat>Caveat: …</local-command-caveat>", {"isMeta": True}),
    ("Caveat: The messages below were generated by the user while running local commands. DO NOT respond", {}),
    ("<bash-input>ls</bash-input>", {}),
    ("<bash-stdout>a b</bash-stdout>", {}),
    ("<task-notification>\n<task-id>x</task-id></task-notification>", {}),
    ([said("<system-reminder>remember</system-reminder>")], {}),
    ([said("[Request interrupted by user]")], {}),
    ("", {}),
    ([], {}),
]


@pytest.mark.parametrize(("content", "flags"), INJECTED)
def test_text_that_claude_code_put_there_is_no_prompt(tmp_path: Path, content: Any, flags: dict[str, Any]) -> None:
    record = parse(tmp_path, Transcript().prompt(content, **flags).turn("The real one."))
    assert [step.content for step in record.steps if step.role == "user"] == ["The real one."]
    assert record.task.description == "The real one."
    assert record.metadata["capture"]["turns"] == 1


def test_reminders_inside_a_prompt_are_left_out_of_it(tmp_path: Path) -> None:
    blocks = [
        said("<ide_opened_file>a.py</ide_opened_file>"),
        said("Fix it."),
        said("<system-reminder>x</system-reminder>"),
    ]
    assert parse(tmp_path, Transcript().prompt(blocks).say("Yes.")).steps[0].content == "Fix it."


def test_prompt_typed_while_the_agent_works_is_a_prompt(tmp_path: Path) -> None:
    queued = {"type": "queued_command", "prompt": "And this.", "commandMode": "prompt"}
    notice = {"type": "queued_command", "prompt": "<task-notification>…", "commandMode": "task-notification"}
    transcript = Transcript().prompt("Go.").call("a").result("a").add("attachment", attachment=queued)
    record = parse(tmp_path, transcript.add("attachment", attachment=notice).say("Both done."))
    assert [step.content for step in record.steps if step.role == "user"] == ["Go.", "And this."]


def test_api_error_is_a_session_error_and_no_step(tmp_path: Path) -> None:
    error = {
        "id": "e",
        "model": "<synthetic>",
        "content": [said("API Error: 529 Overloaded")],
        "stop_reason": "stop_sequence",
    }
    transcript = Transcript().prompt("Go.").add("system", subtype="api_error", error={"message": "529"}, retryAttempt=1)
    record = parse(
        tmp_path,
        transcript.add("assistant", message=error, isApiErrorMessage=True, apiErrorStatus=529, error="server_error"),
    )
    assert [step.role for step in record.steps] == ["user"]
    first, second = record.metadata["session_errors"]
    assert (first["kind"], first["message"], first["attempt"]) == ("api_retry", "529", 1)
    assert (second["kind"], second["status"], second["error"]) == ("api_error", 529, "server_error")
    assert (record.outcome.success, record.outcome.terminal_state) == (False, "error")


def test_answer_that_claude_code_made_up_is_no_step(tmp_path: Path) -> None:
    made_up = {"id": "s", "model": "<synthetic>", "content": [said("No response requested.")]}
    record = parse(tmp_path, Transcript().turn().add("assistant", message=made_up, isApiErrorMessage=False))
    assert len(record.steps) == 3
    assert record.metadata["capture"]["models"] == ["anthropic/claude-opus-4-8"]


@pytest.mark.parametrize(
    ("end", "success", "state", "complete"),
    [
        (lambda t: t.say("Done."), True, "goal_reached", True),
        (lambda t: t.call("a").result("a", "Exit code 1", error=True).say("Oh."), None, None, True),
        (lambda t: t.call("a").result("a"), None, None, False),
        (lambda t: t.prompt("More."), None, None, False),
        (lambda t: t.prompt([said("[Request interrupted by user for tool use]")]), None, "interrupted", True),
    ],
)
def test_outcome_says_only_what_the_end_shows(
    tmp_path: Path, end: Any, success: bool | None, state: str | None, complete: bool
) -> None:
    record = parse(tmp_path, end(Transcript().prompt("Go.")))
    assert (record.outcome.success, record.outcome.terminal_state) == (success, state)
    assert record.outcome.signal_confidence == "inferred"
    assert record.metadata["capture"]["complete"] is complete


def test_denied_calls_are_listed(tmp_path: Path) -> None:
    text = "The user doesn't want to proceed with this tool use. The tool use was rejected"
    record = parse(tmp_path, Transcript().prompt("Go.").call("a", "Write").result("a", text, error=True).say("Ok."))
    (denial,) = record.metadata["permission_denials"]
    assert (denial["tool_call_id"], denial["tool"]) == ("a", "Write")


def test_session_facts_are_taken_from_the_lines(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.", permissionMode="plan").turn())
    assert (record.agent.name, record.agent.version, record.agent.model) == (
        "claude-code",
        "2.1.197",
        "anthropic/claude-opus-4-8",
    )
    assert (record.environment.vcs.type, record.environment.vcs.branch) == ("git", "main")
    assert (record.timestamp_start, record.timestamp_end) == (stamp(0), stamp(4))
    assert record.metrics.total_duration_s == 4
    assert record.metadata["permission_mode"] == "plan"
    assert record.metadata["project"] == "/home/dev/project"
    assert [step.timestamp for step in record.steps] == [stamp(second) for second in (0, 1, 2, 4)]
    assert record.steps[2].model == "anthropic/claude-opus-4-8"


def test_unknown_record_types_are_counted_and_known_quiet_ones_are_not(tmp_path: Path) -> None:
    transcript = (
        Transcript().add("queue-operation").add("from-the-future").add("from-the-future").raw({"type": 5}).raw({})
    )
    record = parse(tmp_path, transcript.turn())
    assert record.metadata["capture"]["unknown_types"] == {"?": 2, "from-the-future": 2}


def test_lines_of_another_session_are_counted(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().prompt("Go.", sessionId="another").turn())
    assert record.metadata["capture"]["lines_of_other_sessions"] == 1


def test_compaction_is_an_event_with_its_summary(tmp_path: Path) -> None:
    meta = {"trigger": "auto", "preTokens": 900, "postTokens": 100}
    transcript = Transcript().turn().add("system", subtype="compact_boundary", compactMetadata=meta)
    record = parse(tmp_path, transcript.prompt("What was.", isCompactSummary=True).turn("Next.", "toolu_2"))
    (event,) = record.metadata["compaction_events"]
    assert (event["trigger"], event["pre_tokens"], event["post_tokens"], event["summary"]) == (
        "auto",
        900,
        100,
        "What was.",
    )
    assert event["line"] == 5
    assert record.metadata["capture"]["turns"] == 2
