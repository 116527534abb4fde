from __future__ import annotations

from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.parser import ClaudeCodeParser

from .support import Transcript, fixture, parse, said

BODY = "Base directory for this skill: /home/dev/.claude/skills/greet\n\nSay hello."


def wrapper(name: str, args: str = "") -> str:
    parts = (("message", name), ("name", f"/{name}"), ("args", args))
    return "\n".join(f"<command-{part}>{text}</command-{part}>" for part, text in parts)


@pytest.fixture
def recorded(tmp_path: Path) -> TraceRecord:
    record = ClaudeCodeParser().parse(fixture("commands", tmp_path)[0]).record
    assert isinstance(record, TraceRecord)
    return record


def test_recorded_prompts_are_the_words_of_the_user_alone(recorded: TraceRecord) -> None:
    assert [step.content for step in recorded.steps if step.role == "user"] == [
        "use the skill",
        "Alice and Co",
        "the bug",
    ]


def test_recorded_skills_are_the_tool_call_and_the_slash_command(recorded: TraceRecord) -> None:
    tool, slash = recorded.metadata["skill_invocations"]
    assert (tool["name"], tool["source"], tool["args"]) == ("greet", "claude_skill_tool", "Bob")
    assert tool["tool_call_id"] == recorded.steps[1].tool_calls[0].tool_call_id
    assert (slash["name"], slash["source"], slash["command_name"], slash["args"]) == (
        "greet",
        "claude_slash_command",
        "/greet",
        "Alice and Co",
    )
    assert slash["lines"] == [14, 15]
    assert len(slash["uuids"]) == 2


def test_recorded_builtin_is_a_command_and_nothing_else(recorded: TraceRecord) -> None:
    assert [command["name"] for command in recorded.metadata["commands"]] == ["greet", "fixit", "usage"]


def test_bare_command_is_the_prompt_but_a_later_prompt_is_the_task(tmp_path: Path) -> None:
    transcript = Transcript().prompt(wrapper("greet")).prompt([said(BODY)], isMeta=True).say("Hello.")
    assert parse(tmp_path, transcript).task.description == "/greet"
    record = parse(tmp_path, transcript.turn("Now work."))
    assert [step.content for step in record.steps if step.role == "user"] == ["/greet", "Now work."]
    assert record.task.description == "Now work."


def test_mention_of_a_skill_is_no_invocation(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().turn(f"What does this mean? {BODY}").prompt([said(BODY)], isMeta=True))
    assert "skill_invocations" not in record.metadata
    assert record.metadata["capture"]["turns"] == 1


def test_body_of_another_skill_is_not_paired(tmp_path: Path) -> None:
    transcript = Transcript().prompt(wrapper("other")).prompt([said(BODY)], isMeta=True, parentUuid="elsewhere")
    assert "skill_invocations" not in parse(tmp_path, transcript.say("Hello.")).metadata


def test_plugin_skill_is_paired_by_the_last_part_of_its_name(tmp_path: Path) -> None:
    transcript = Transcript().prompt(wrapper("tools:greet")).prompt([said(BODY)], isMeta=True, parentUuid=None)
    assert parse(tmp_path, transcript.say("Hello.")).metadata["skill_invocations"][0]["name"] == "tools:greet"


def test_builtin_with_arguments_is_no_prompt(tmp_path: Path) -> None:
    transcript = (
        Transcript().prompt(wrapper("model", "opus")).prompt("<local-command-stdout>Set</local-command-stdout>")
    )
    record = parse(tmp_path, transcript.turn("Go."))
    assert [step.content for step in record.steps if step.role == "user"] == ["Go."]
    assert record.metadata["commands"][0]["args"] == "opus"


def test_builtin_answered_by_a_system_line_is_no_prompt(tmp_path: Path) -> None:
    transcript = Transcript().prompt(wrapper("cost", "x")).add("system", subtype="local_command", content="0 $")
    assert [s.content for s in parse(tmp_path, transcript.turn("Go.")).steps if s.role == "user"] == ["Go."]


def test_command_that_the_agent_answers_without_a_body_is_a_prompt(tmp_path: Path) -> None:
    record = parse(tmp_path, Transcript().prompt(wrapper("mcp:ask", "why")).say("Because."))
    assert [step.content for step in record.steps] == ["why", "Because."]
    assert record.task.source == "slash_command"
