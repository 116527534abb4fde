"""Codex CLI's sessions: what a trace says of each kind of line."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from hookkit.agents.codex_cli import CONTRACT
from hookkit.capture.codex_cli.parser import CodexCliParser

from .codex_support import CHILD, RECORDED, ROOT, SESSION, Rollout, head, lines_of, record_of, recorded


@pytest.fixture
def rollout() -> Rollout:
    return Rollout()


# The recorded sessions


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_a_recorded_session_is_whole(path: Path) -> None:
    outcome = CodexCliParser().parse(path)
    record = outcome.record
    assert record is not None
    assert outcome.errors == []
    assert record.session_id == CodexCliParser().session_id_from_path(path)
    assert record.content_hash == record.compute_content_hash()
    told = record.metadata["capture"]
    assert (told["unknown_types"], told["skipped_lines"]) == ({}, {})
    assert record.metadata["cwd"] == ROOT
    own = [path, *CodexCliParser().beside(path)]
    usage = {
        line["payload"]["response_id"]: line["payload"]["usage"]
        for file in own
        for line in lines_of(file)
        if line["type"] == "token_usage_record"
    }.values()
    metrics = record.metrics
    assert metrics.total_input_tokens == sum(each["input_tokens"] - each["cached_input_tokens"] for each in usage)
    assert metrics.total_cache_read_tokens == sum(each["cached_input_tokens"] for each in usage)
    assert metrics.total_output_tokens == sum(each["output_tokens"] for each in usage)
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert len(calls) == len(set(calls))
    assert Counter(seen.source_call_id for step in record.steps for seen in step.observations) == Counter(calls)
    named = {
        line["payload"]["call_id"]
        for file in own
        for line in lines_of(file)
        if line["type"] == "response_item" and line["payload"]["type"].endswith("_call")
    }
    done = {
        line["payload"]["item"]["id"]
        for file in own
        for line in lines_of(file)
        if line["payload"].get("type") == "item_completed"
        and line["payload"]["item"]["type"] in ("CommandExecution", "FileChange")
    }
    assert set(calls) == named | done


def test_the_tour_says_what_happened() -> None:
    record = record_of(recorded("tour"))
    prompts = [(step.content, step.agent_role) for step in record.steps if step.role == "user"]
    assert prompts == [("Take the tour.", "main"), ("Do your part.", "subagent")]
    assert record.agent.model == "scripted/gpt-5.5"
    errors = {
        call.tool_name + str(call.input)[:60]: seen.error
        for step in record.steps
        for call in step.tool_calls
        for seen in step.observations
        if seen.source_call_id == call.tool_call_id and seen.error
    }
    assert [error.splitlines()[0] for error in errors.values()] == [
        "apply_patch verification failed: Failed to find expected lines in /home/dev/project/a.txt:",
        "Chunk ID: a1b2c3", "exit code 3", "unsupported call: no_such_tool",
    ]  # fmt: skip
    (spawn,) = (step for step in record.steps for call in step.tool_calls if call.tool_name == "spawn_agent")
    children = [step for step in record.steps if step.agent_role == "subagent"]
    assert {step.parent_step for step in children} == {spawn.step_index}
    assert [call.tool_name for step in children for call in step.tool_calls] == ["exec_command", "apply_patch"]
    assert record.outcome.terminal_state == "goal_reached"


def test_the_calls_of_a_script_stand_beside_it_and_not_beside_the_wait_for_it() -> None:
    record = record_of(recorded("code-mode"))
    made = [[call.tool_name for call in step.tool_calls] for step in record.steps if step.agent_role == "main"]
    assert made[1:7] == [
        ["exec", "apply_patch"], ["exec", "apply_patch"], ["exec", "exec_command"], ["exec", "exec_command"], ["wait"],
        ["exec"],
    ]  # fmt: skip
    nested = [call for step in record.steps for call in step.tool_calls if call.tool_call_id.startswith("exec-")]
    assert nested[0].input == {"changes": {"/home/dev/project/a.txt": {"type": "add", "content": "one\ntwo\n"}}}
    assert nested[2].input == {"cmd": "echo x > x.txt; exit 4"}
    errors = [seen.error for step in record.steps for seen in step.observations if seen.error]
    assert errors[0] == "exit code 4"
    assert errors[1].startswith("Script failed")


def test_a_subagent_that_was_given_the_conversation_tells_only_its_own() -> None:
    path = recorded("code-mode")
    (child,) = CodexCliParser().beside(path)
    assert head(child)["subagent_history_start_ordinal"] > 0
    steps = [step for step in record_of(path).steps if step.agent_role == "subagent"]
    assert [step.content or None for step in steps] == ["Do it.", None, "Kid is done."]


def test_a_compaction_is_told_and_its_summary_is_no_answer() -> None:
    record = record_of(recorded("compacted"))
    (event,) = record.metadata["compaction_events"]
    assert "Work in progress." in event["summary"]
    assert not any("Work in progress." in (step.content or "") for step in record.steps)


def test_other_recorded_ends_are_told() -> None:
    interrupted, failed = record_of(recorded("interrupted")), record_of(recorded("failed-request"))
    assert interrupted.outcome.terminal_state == "interrupted"
    assert ["aborted by user" in (seen.error or "") for step in interrupted.steps for seen in step.observations] == [
        True
    ]
    assert (failed.outcome.terminal_state, failed.outcome.success) == ("error", False)
    (error,) = failed.metadata["session_errors"]
    assert (error["kind"], error["error"]) == ("api_error", "internal_server_error")


def test_a_resumed_session_is_one_trace() -> None:
    record = record_of(recorded("resumed"))
    assert [step.content for step in record.steps if step.role == "user"] == ["Begin.", "Continue."]
    assert record.metadata["capture"]["turns"] == 2


# What lines mean


def test_injected_text_is_no_prompt(rollout: Rollout, tmp_path: Path) -> None:
    for text in ("<environment_context>x</environment_context>", "<turn_aborted>x</turn_aborted>", "<x>"):
        rollout.response("message", role="user", content=[{"type": "input_text", "text": text}])
    skill = "<skill>\n<name>greet</name>\n<path>/s/SKILL.md</path>\n---\nx"
    rollout.prompt("Go.").response("message", role="user", content=[{"type": "input_text", "text": skill}])
    record = record_of(rollout.say("Done.").used().done().write(tmp_path))
    assert [step.content for step in record.steps] == ["Go.", "Done."]
    (used,) = record.metadata["skill_invocations"]
    assert (used["name"], used["source"], used["command_name"]) == ("greet", "codex_skill_mention", "$greet")


def test_texts_reasoning_and_calls_up_to_a_usage_record_are_one_answer(rollout: Rollout, tmp_path: Path) -> None:
    rollout.prompt("Go.").response("reasoning", summary=[{"type": "summary_text", "text": "Hm."}], content=None)
    rollout.say("One.").shell("c1").shell("c2").used(20, 8, 7).ran("c2").ran("c1").told("c1").told("c2")
    rollout.say("Two.").used().done()
    record = record_of(rollout.write(tmp_path))
    _, first, second = record.steps
    assert (first.content, first.reasoning_content, [call.tool_call_id for call in first.tool_calls]) == (
        "One.", "Hm.", ["c1", "c2"],
    )  # fmt: skip
    usage = first.token_usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens) == (11, 8, 1, 7)
    assert [call.duration_ms for call in first.tool_calls] == [1500, 1500]
    assert second.content == "Two."
    assert record.outcome.terminal_state == "goal_reached"


def test_a_repeated_response_is_counted_once_and_token_counts_are_not(rollout: Rollout, tmp_path: Path) -> None:
    info = {"total_token_usage": {"input_tokens": 99}, "last_token_usage": {"input_tokens": 99}}
    rollout.prompt("Go.").say("One.").used(response="r").event("token_count", info=info).used(response="r")
    assert record_of(rollout.done().write(tmp_path)).metrics.total_input_tokens == 5


def test_sums_are_counted_where_there_are_no_records(rollout: Rollout, tmp_path: Path) -> None:
    rollout.prompt("Go.").say("One.")
    info = {"total_token_usage": {"input_tokens": 7}, "last_token_usage": {"input_tokens": 7}}
    rollout.event("token_count", info=info).event("token_count", info=info).event("token_count", info=None)
    assert record_of(rollout.done().write(tmp_path)).metrics.total_input_tokens == 7


def test_a_conversation_that_begins_with_a_compaction_counts_its_tokens(rollout: Rollout, tmp_path: Path) -> None:
    summary = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Summary."}]}
    rollout.prompt("Go.").add("response_item", {"compaction_output": True}, **summary).used()
    record = record_of(rollout.add("compacted", message="Summary.").say("Done.").used().done().write(tmp_path))
    assert record.metrics.total_input_tokens == 10
    assert [step.content for step in record.steps if step.content] == ["Go.", "Done."]


def test_a_command_that_goes_on_ends_where_its_item_says(rollout: Rollout, tmp_path: Path) -> None:
    rollout.prompt("Go.").shell("c1", yield_time_ms=300).used()
    rollout.told("c1", "Wall time: 0.3 seconds\nProcess running with session ID 7\nOutput:\n")
    rollout.say("Done.").used().done().ran("c1", "late\n", code=-1)
    path = rollout.write(tmp_path)
    record = record_of(path)
    (seen,) = (seen for step in record.steps for seen in step.observations)
    assert (seen.error, seen.content.endswith("\nlate\n")) == ("late", True)


def test_a_command_of_which_no_end_is_known_is_still_running(rollout: Rollout, tmp_path: Path) -> None:
    from hookkit.capture.session import Session

    rollout.prompt("Go.").shell("c1").shell("c2").used()
    rollout.told("c1", "Process running with session ID 7\n").ran("c2").told("c2").say("Done.").used().done()
    path = rollout.write(tmp_path)
    parser = CodexCliParser()
    session = Session(parser, SESSION, path, None)
    session.read()
    ends = parser.assemble(path, session.fold).ends
    assert (ends["c1"].known, ends["c2"].known) == (False, True)


def test_a_call_of_a_script_belongs_to_the_answer_that_was_given_when_it_began(
    rollout: Rollout, tmp_path: Path
) -> None:
    rollout.prompt("Go.").script("s1", "slow()").used()
    began = rollout.now()
    rollout.told("s1", "Script running with cell ID 1\nOutput:\n").say("Meanwhile.").script("s2", "fast()").used()
    rollout.ran("exec-2").ran("exec-1", started=began).told("s2", "Script completed\nOutput:\n")
    rollout.say("Done.").used().done()
    made = [[call.tool_call_id for call in step.tool_calls] for step in record_of(rollout.write(tmp_path)).steps]
    assert made == [[], ["s1", "exec-1"], ["s2", "exec-2"], []]


@pytest.mark.parametrize(
    ("told", "denied"),
    [
        ("Command blocked by PreToolUse hook: no. Command: touch a.txt", True),
        ("exec_command failed: CreateProcess { message: \"Rejected('x' rejected: policy forbids …)\" }", True),
        ("patch rejected: writing is blocked by read-only sandbox; rejected by user approval settings", True),
        ("approval policy is Never; reject command — you cannot ask for escalated permissions", True),
        ("failed to parse function arguments: missing field `cmd`", False),
        ("write_stdin failed: Unknown process id 0", None),
        ("Process exited with code 0\nOutput:\nunsupported call: said by a program", None),
    ],
)
def test_what_was_not_done_is_an_error(rollout: Rollout, tmp_path: Path, told: str, denied: bool | None) -> None:
    record = record_of(rollout.prompt("Go.").shell("c1").used().told("c1", told).say("x").used().write(tmp_path))
    (seen,) = (seen for step in record.steps for seen in step.observations)
    assert (seen.error is not None) == (denied is not None)
    assert bool(record.metadata.get("permission_denials")) == bool(denied)


def test_a_fork_names_its_parent(tmp_path: Path) -> None:
    rollout = Rollout(forked_from_id=CHILD, history_base={"thread_id": CHILD, "end_ordinal_exclusive": 62})
    record = record_of(rollout.prompt("Go.").say("Done.").used().done().write(tmp_path))
    assert record.metadata["forked_from"] == CHILD


def test_the_folder_of_a_session_is_that_of_its_start(rollout: Rollout, tmp_path: Path) -> None:
    rollout.prompt("Go.").shell("c1").used().ran("c1", cwd="file:///elsewhere/a%20b").told("c1")
    rollout.add("turn_context", cwd="/another", model="gpt-6").say("Done.").used().done()
    record = record_of(rollout.write(tmp_path))
    assert record.metadata["cwd"] == ROOT


def test_unknown_types_are_counted_and_malformed_lines_harm_nothing(rollout: Rollout, tmp_path: Path) -> None:
    rollout.prompt("Go.").add("news").event("news").response("news").item("News")
    rollout.lines += ["{", "[]", "null", '{"type": 7}', '{"type": "event_msg", "payload": []}']
    record = record_of(rollout.say("Done.").used().done().write(tmp_path))
    told = record.metadata["capture"]
    assert told["unknown_types"] == {"event_msg.news": 1, "news": 1, "response_item.news": 1}
    assert sum(told["skipped_lines"].values()) >= 1
    assert [step.content for step in record.steps] == ["Go.", "Done."]


# When a turn has come to its end


def test_a_turn_is_final_when_its_end_is_written(rollout: Rollout, tmp_path: Path) -> None:
    parser = CodexCliParser()
    assert parser.is_final(rollout.write(tmp_path))  # no turn yet
    assert not parser.is_final(rollout.prompt("Go.").say("Done.").used().write(tmp_path))
    assert parser.is_final(rollout.done().ran("late", code=-1).write(tmp_path))
    assert not parser.is_final(rollout.prompt("Again.").write(tmp_path))
    assert parser.is_final(rollout.event("turn_aborted", reason="interrupted").write(tmp_path))
    assert parser.is_final(tmp_path / "none")


# Where sessions are


def test_sessions_are_found_by_folder_and_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    sessions = tmp_path / "sessions"
    mine = Rollout(cwd=str(tmp_path / "p" / "sub")).write(sessions)
    child = Rollout(CHILD, parent_thread_id=SESSION).write(sessions)
    (sessions / "2026" / "11" / "22" / "notes.jsonl").write_text("{}\n")
    (sessions / "2026" / "11" / "22" / "rollout-x.jsonl").write_text("{}\n")
    other = Rollout("01a2226b-beb0-7340-807a-000000000001", cwd="/elsewhere").write(sessions)
    parser = CodexCliParser()
    assert CONTRACT.transcripts(os.environ) == sessions
    assert set(parser.discover_sessions(sessions)) == {mine, other}
    assert list(parser.discover_project_sessions(tmp_path / "p")) == [mine]
    assert parser.find_session(SESSION) == mine
    assert not parser.find_session("0" * 36).exists()
    assert parser.session_id_from_path(mine) == SESSION
    assert parser.beside(mine) == [child]


def test_a_subagent_of_a_later_day_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    rollout = Rollout().prompt("Go.").response("function_call", name="spawn_agent", arguments="{}", call_id="c1").used()
    activity = {"type": "SubAgentActivity", "id": "c1", "kind": "started", "agent_thread_id": CHILD}
    rollout.event("item_completed", item=activity).told("c1", "{}")
    path = rollout.say("Done.").used().done().write(tmp_path / "sessions")
    child = Rollout(CHILD, parent_thread_id=SESSION, source={"subagent": {"thread_spawn": {"agent_role": "explorer"}}})
    task = "Message Type: NEW_TASK\nPayload:\nLook."
    child.response("agent_message", content=[{"type": "input_text", "text": task}]).say("Seen.").used()
    there = child.write(tmp_path / "sessions")
    later = tmp_path / "sessions" / "2026" / "11" / "23" / there.name
    later.parent.mkdir()
    there.rename(later)
    assert CodexCliParser().beside(path) == [later]
    record = record_of(path)
    assert [(step.content, step.agent_role, step.parent_step) for step in record.steps[2:4]] == [
        ("Look.", "explorer", 1), ("Seen.", "explorer", 1),
    ]  # fmt: skip


def test_a_session_is_resumed_from_anywhere() -> None:
    assert CONTRACT.resuming is not None
    assert (list(CONTRACT.resuming.command("X")), CONTRACT.resuming.same_folder) == (["resume", "X"], False)


def test_what_ran_without_a_name_is_counted_and_nothing_else(tmp_path: Path) -> None:
    rollout = Rollout().prompt("Go.").script("c1", "run()").ran("", "out", code=1).told("c1").say("Done.").used().done()
    record = record_of(rollout.write(tmp_path / "sessions"))
    assert [call.tool_call_id for step in record.steps for call in step.tool_calls] == ["c1"]
    assert record.metadata["capture"]["malformed_calls"] == 1
