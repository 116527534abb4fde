"""Copilot CLI's sessions: what a trace says of each kind of event; the recorded ones, whole, in pieces, and damaged."""

from __future__ import annotations

import json
import os
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.capture.copilot_cli.parser import CopilotCliParser
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.ingest import ingest_project, ingest_session
from hookkit.capture.registry import get_parser
from hookkit.capture.session import Session as Reading
from hookkit.store.files import trace_path
from tests.hooks.rig import hook_module
from tests.trails.recorded import capture, events, patches, repository

from .recorded_sessions import check_record, damaged, put_odd_value

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "copilot-cli" / "1.0.102" / "transcripts"
RECORDED = sorted(path for path in FIXTURES.glob("*.jsonl") if not path.name.endswith(".hooks.jsonl"))
HOOKED = [path for path in RECORDED if path.with_suffix(".hooks.jsonl").exists()]
SESSION = "7d7666ea-245d-4f57-a9ff-bb45f93f80e7"
AGENT = "cee20db7-2f4a-48a4-9036-03d3e5632910"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = timedelta(milliseconds=300)
USAGE = {"inputTokens": 100, "outputTokens": 7, "cacheReadTokens": 30, "cacheWriteTokens": 20, "reasoningTokens": 3}
hooks = hook_module("hookkit_copilot_events")
recorder = hook_module("hookkit_recorder")
hook_module("hookkit_patch")  # imported by the others when it is first needed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.delenv("COPILOT_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def place(lines: bytes, folder: Path, session: str = SESSION) -> Path:
    path = folder / session / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines)
    return path


def session_of(path: Path) -> str:
    with path.open() as lines:
        return str(json.loads(lines.readline())["data"]["sessionId"])


def recorded(name: str, folder: Path) -> Path:
    path = FIXTURES / f"{name}.jsonl"
    return place(path.read_bytes(), folder, session_of(path))


def record_of(path: Path) -> TraceRecord:
    found = CopilotCliParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def told(record: TraceRecord) -> dict[str, Any]:
    return dict(record.metadata["capture"])


class Session:
    """A session made event by event, one second apart."""

    def __init__(self, cwd: str = ROOT) -> None:
        self.lines: list[Any] = []
        context = {"cwd": cwd, "gitRoot": cwd, "branch": "main"}
        self.add("session.start", sessionId=SESSION, copilotVersion="1.0.102", context=context)

    def moment(self) -> datetime:
        return START + timedelta(seconds=len(self.lines))

    def add(self, kind: str, agent: str | None = None, **data: Any) -> Session:
        stamp = self.moment().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"type": kind, "data": data, "id": f"e{len(self.lines)}", "timestamp": stamp, "parentId": None}
        self.lines.append({**line, "agentId": agent} if agent else line)
        return self

    def prompt(self, text: str, **data: Any) -> Session:
        return self.add("user.message", content=text, **data)

    def answer(self, text: str = "", *calls: Any, agent: str | None = None, usage: Any = USAGE, **data: Any) -> Session:
        if usage:
            self.add("session.usage_record", agent, usage={**usage, "isByok": True, "providerType": "openai"})
        asked = [{"toolCallId": call, "name": name, "arguments": given} for call, name, given in calls]
        return self.add("assistant.message", agent, **{"model": "m", "content": text, "toolRequests": asked, **data})

    def done(self, call: str, text: str = "ok", agent: str | None = None, **data: Any) -> Session:
        told = {"toolCallId": call, "success": True, "result": {"content": text}}
        return self.add("tool.execution_complete", agent, **{**told, **data})

    def write(self, folder: Path) -> Path:
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        return place(text.encode(), folder)


def ls(call: str = "c1") -> tuple[str, str, dict[str, str]]:
    return (call, "bash", {"command": "ls"})


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
    inside = place(_text(Session(str(project / "sub"))), storage, "11111111-1111-4111-8111-111111111111")
    other = place(_text(Session("/elsewhere")), storage, "22222222-2222-4222-8222-222222222222")
    (storage / "empty").mkdir()
    parser = get_parser("copilot-cli")
    assert list(parser.discover_sessions(storage)) == [inside, other]
    assert list(parser.discover_project_sessions(project)) == [inside]
    assert parser.session_id_from_path(other) == other.parent.name
    assert parser.find_session(other.parent.name) == other
    missing = parser.find_session(AGENT)
    assert (parser.session_id_from_path(missing), missing.exists()) == (AGENT, False)


def _text(made: Session) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in made.lines).encode()


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


# Hook lines to calls


def line_of(note: Any, session: str) -> dict[str, Any] | None:
    """The hook line that a recorded payload leads to; None if it leads to none."""
    payload = hooks.translate(note["payload"])
    event = payload.get("hook_event_name")
    role = hooks.role(event, payload) if isinstance(event, str) else None
    own = payload.get("session_id")
    if role is None or (own == payload.get("agent_id") and role not in recorder.INSIDE):
        return None
    data = {"session_id": own, "agent": "copilot-cli", **hooks.data(role, payload, False)}
    moment = datetime.fromtimestamp(note["time"], UTC).isoformat().replace("+00:00", "Z")
    return {"type": "opentraces_hook", "event": recorder.EVENTS[role], "timestamp": moment, "data": data}


def lines_of(path: Path) -> list[dict[str, Any]]:
    notes = map(json.loads, path.with_suffix(".hooks.jsonl").read_text().split("\n")[:-1])
    found = (line_of(note, session_of(path)) for note in notes)
    return [line for line in found if line is not None]


def index_of(path: Path, lines: list[dict[str, Any]], folder: Path) -> tuple[HookIndex, HookIndex]:
    """(the lines in their places, the same before)"""
    parser = CopilotCliParser()
    session = Reading(parser, session_of(path), recorded(path.stem, folder), None)
    session.read()
    for line in lines:
        session.hooks.add(line, owned=True)
    return session.hooks.whole(lambda: parser.keyed_calls(session.fold)), session.hooks


def truth(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Agent -> ids of the calls in the order of their hooks, before and after: without a look at times or inputs."""
    before, after, ending = defaultdict(list), defaultdict(list), set()
    for line in map(json.loads, path.read_text().split("\n")[:-1]):
        agent, data = line.get("agentId") or "", line.get("data") or {}
        if line["type"] == "hook.start" and data["hookType"] == "preToolUse":
            before[agent] += [call["id"] for call in data["input"]["toolCalls"]]
        elif line["type"] == "hook.start" and data["hookType"].startswith("postToolUse"):
            ending.add(agent)
        elif line["type"] == "tool.execution_complete" and agent in ending:
            ending.remove(agent)
            after[agent].append(data["toolCallId"])
    return before, after


def heard(lines: list[dict[str, Any]], *names: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in lines:
        if line["event"] in names:
            found[line["data"].get("agent_id", "")].append(line["timestamp"])
    return found


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_every_recorded_hook_is_bound_to_its_call(path: Path, tmp_path: Path) -> None:
    lines = lines_of(path)
    whole, _ = index_of(path, lines, tmp_path)
    before, after = truth(path)
    pre = {agent: dict(zip(stamps, before[agent], strict=True)) for agent, stamps in heard(lines, "PreToolUse").items()}
    posts = heard(lines, "PostToolUse", "PostToolUseFailure")
    post = {agent: dict(zip(stamps, after[agent], strict=True)) for agent, stamps in posts.items()}
    assert _placed(whole.pre) == {stamp: call for each in pre.values() for stamp, call in each.items()}
    assert _placed(whole.post) == {stamp: call for each in post.values() for stamp, call in each.items()}


def _placed(rows: Any) -> dict[str, str]:
    return {json.loads(row.text)["timestamp"]: call for call, row in rows.items()}


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_hooks_that_are_registered_twice_change_nothing(path: Path, tmp_path: Path) -> None:
    """They run one registration after the other, each for all calls of the answer; Copilot waits for them."""
    lines = lines_of(path)
    once, _ = index_of(path, lines, tmp_path)
    stamps = sorted(_moment(line) for line in lines)
    gaps = {stamp: after - stamp for stamp, after in pairwise([*stamps, stamps[-1] + 2 * LATER])}
    again = [_later(line, LATER if "Tool" in line["event"] else min(LATER, gaps[_moment(line)] / 2)) for line in lines]
    twice, _ = index_of(path, [*lines, *again], tmp_path)
    assert {call: row.text for call, row in twice.pre.items()} == {call: row.text for call, row in once.pre.items()}
    assert {call: row.text for call, row in twice.post.items()} == {call: row.text for call, row in once.post.items()}
    assert [event for event, _ in twice.events()] == [event for event, _ in once.events()]


def _moment(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def _later(line: dict[str, Any], by: timedelta = LATER, **data: Any) -> dict[str, Any]:
    stamp = (_moment(line) + by).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {**line, "timestamp": stamp, "data": {**line["data"], **data}}


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_what_claudes_hooks_wrote_for_copilot_is_bound_to_the_same_calls(path: Path, tmp_path: Path) -> None:
    """Copilot runs the hooks of a project's Claude settings too: alone they count, beside its own they do not."""
    lines = [line for line in lines_of(path) if "Tool" in line["event"]]
    foreign = [_later(line, limitations=["foreign_caller"]) for line in lines]
    own, _ = index_of(path, lines, tmp_path)
    alone, _ = index_of(path, foreign, tmp_path)
    both, _ = index_of(path, [*foreign, *lines], tmp_path)
    assert (alone.pre.keys(), alone.post.keys()) == (own.pre.keys(), own.post.keys())
    assert {call: row.text for call, row in both.pre.items()} == {call: row.text for call, row in own.pre.items()}
    assert both.counts["double_loaded_hook_lines"] == len(foreign)
    assert both.counts["duplicate_hook_lines"] == own.counts["duplicate_hook_lines"]


def test_two_short_turns_are_two() -> None:
    """Their ends say the same, but for the time of their payloads; a hook that is registered twice says that twice."""
    index = HookIndex("copilot-cli", SESSION, named=False)
    for second, sent in ((0, 0), (0.3, 0), (1, 1), (1.3, 1)):
        payload = {"hook_event_name": "Stop", "timestamp": f"2026-11-28T14:00:0{sent}.000Z", "stop_hook_active": False}
        data = {"session_id": SESSION, "agent": "copilot-cli", **hooks.data("turn_end", payload, False)}
        stamp = (START + timedelta(seconds=second)).isoformat()
        index.add({"type": "opentraces_hook", "event": "Stop", "timestamp": stamp, "data": data}, owned=True)
    assert len(index.events()) == 2


def test_hooks_are_paired_in_order_where_the_transcript_does_not_tell(tmp_path: Path) -> None:
    """It holds nothing of the hooks, as when the agent was killed."""
    lines = [line for line in lines_of(FIXTURES / "parallel.jsonl") if "Tool" in line["event"]]
    index = HookIndex("copilot-cli", session_of(FIXTURES / "parallel.jsonl"), named=False)
    index.inside = {line["data"]["session_id"] for line in lines} - {index.session_id}
    for line in lines:
        index.add(line, owned=True)
    whole = index.whole(list)
    before = Counter(line["data"]["call_key"] for line in lines if line["event"] == "PreToolUse")
    assert len(whole.pre) == before.total()
    assert whole.post.keys() <= whole.pre.keys()


# In pieces, and damaged


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_reading_in_pieces_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    content, session = path.read_bytes(), session_of(path)
    whole = _ingested(place(content, tmp_path / "whole", session))
    trace_path(_trace(session)).unlink()
    chance = random.Random(path.stem)
    growing = place(b"", tmp_path / "pieces", session)
    for cut in sorted(chance.randrange(len(content)) for _ in range(3)):
        growing.write_bytes(content[:cut]) if growing.stat().st_size == 0 else _append(growing, content, cut)
        ingest_session(growing, agent="copilot-cli")
    _append(growing, content, len(content))
    assert _ingested(growing) == whole


def _append(path: Path, content: bytes, upto: int) -> None:
    with path.open("ab") as file:
        file.write(content[path.stat().st_size : upto])


def _trace(session: str) -> str:
    from hookkit.capture.identity import trace_id

    return trace_id("copilot-cli", session)


def _ingested(path: Path) -> bytes:
    ingest_session(path, agent="copilot-cli")
    return trace_path(_trace(path.parent.name)).read_bytes()


def test_two_runs_over_the_same_session_give_the_same_bytes(tmp_path: Path) -> None:
    path = recorded("subagents", tmp_path)
    assert _ingested(path) == _ingested(path)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([one for one in RECORDED if one.stat().st_size < 40_000]))
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    for _ in range(data.draw(st.integers(1, 4))):
        put_odd_value(data, lines)
    folder = tmp_path_factory.mktemp("fuzz")
    check(place("".join(json.dumps(line) + "\n" for line in lines).encode(), folder, session_of(path)))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_damaged_bytes_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = damaged(data, (FIXTURES / "tour.jsonl").read_bytes(), least=1)
    check(place(content, tmp_path_factory.mktemp("fuzz")))


def check(path: Path) -> None:
    parser = CopilotCliParser()
    check_record(parser, path)
    session = Reading(parser, path.parent.name, path, None)
    session.read()
    parser.keyed_calls(session.fold)
    parser.is_final(path)


# From sidecars to the trail


def hook_line(root: Path, event: str, at: datetime, session: str = SESSION, **data: Any) -> dict[str, Any]:
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    fields = {"session_id": session, "agent": "copilot-cli", "trail": capture(root), **data}
    return {"type": "opentraces_hook", "event": event, "timestamp": stamp, "data": fields}


def call_lines(
    root: Path, made: Session, call: str, given: Any, effect: Any, agent: str | None = None
) -> list[dict[str, Any]]:
    """A shell call of a session with its hooks in the transcript, and the lines that these leave."""
    who = {"agent_id": agent} if agent else {}
    session = agent or SESSION
    key = hook_module("hookkit_payload").call_key("Bash", given)
    common = {"tool": "Bash", "call_key": key, "tool_input": given, **who}
    made.answer("", (call, "bash", given), agent=agent)
    begun = made.moment()
    asked = [{"id": call, "name": "bash", "args": given}]
    made.add("hook.start", agent, hookInvocationId=f"b{call}", hookType="preToolUse", input={"toolCalls": asked})
    before = hook_line(root, "PreToolUse", begun, session, **common, sent_at=begun.isoformat())
    effect()
    ended = made.moment()
    told = {"timestamp": int(ended.timestamp() * 1000), "toolName": "bash", "toolArgs": given}
    made.add("hook.start", agent, hookInvocationId=f"a{call}", hookType="postToolUse", input=told)
    limits = {"limitations": ["hook_only"], "capture_status": "hook_only"}
    after = hook_line(root, "PostToolUse", ended, session, **common, **limits, sent_at=ended.isoformat())
    made.done(call, agent=agent)
    return [before, after]


def sidecar(root: Path, lines: list[dict[str, Any]], *name: str) -> None:
    path = root.joinpath(".opentraces", "copilot-cli", "hooks", *name)
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / ".opentraces" / ".gitignore").write_text("*\n")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("kept", [True, False], ids=["with a transcript", "without a transcript"])
def test_the_calls_of_a_session_and_its_subagent_become_windows_of_one_trace(
    tmp_path: Path, home: Path, kept: bool
) -> None:
    root = repository(tmp_path / "repo")
    made = Session(str(root)).prompt("Go.")
    own = call_lines(root, made, "c1", {"command": "echo"}, lambda: (root / "a.txt").write_text("a\n"))
    made.answer("", ("t1", "task", {"prompt": "Part."}))
    start = hook_line(root, "SubagentStart", made.moment(), agent_id=AGENT)
    del start["data"]["trail"]
    made.add("subagent.started", AGENT, toolCallId="t1", agentName="explore")
    inner = call_lines(root, made, "c2", {"command": "echo"}, lambda: (root / "b.txt").write_text("b\n"), AGENT)
    made.done("t1").answer("Done.")
    sidecar(root, [*own, start, hook_line(root, "Stop", made.moment())], f"{SESSION}.jsonl")
    sidecar(root, inner, "agents", f"{AGENT}.jsonl")
    if kept:
        made.write(home / ".copilot" / "session-state")

    (found,) = ingest_project(root)

    assert (found.status, found.session_id) == ("stored", SESSION)
    trace = json.loads(trace_path(found.trace_id).read_bytes())
    before, after = trace["metadata"]["hook_pre_tool_use"], trace["metadata"]["hook_post_tool_use"]
    assert before.keys() == after.keys()
    assert len(before) == 2
    if kept:
        assert before.keys() == {"c1", "c2"}
        assert before["c2"]["agent_id"] == AGENT
    windows = events(root, "trace_step_window_closed") or events(root)
    assert windows
    paths = {path: call for call, _, path in patches(root)}
    assert set(paths) == {"a.txt", "b.txt"}
    assert not kept or paths == {"a.txt": "c1", "b.txt": "c2"}


@pytest.mark.parametrize("written", range(1, 4))
def test_calls_that_the_killed_agent_had_not_written_down_are_in_the_trace(
    tmp_path: Path, home: Path, written: int
) -> None:
    """The session goes on under the same id. written: how much of the first run is on disk."""
    root = repository(tmp_path / "repo")
    made = Session(str(root)).prompt("Go.")
    first = call_lines(root, made, "c1", {"command": "echo"}, lambda: (root / "a.txt").write_text("a\n"))
    kept = {1: 1, 2: 2, 3: len(made.lines)}[written]
    begun = call_lines(root, made, "c2", {"command": "cat"}, lambda: (root / "b.txt").write_text("b\n"))[:1]
    lost = len(made.lines)
    made.add("session.resume", context={"cwd": str(root)}).prompt("Still there?")
    prompt = hook_line(root, "UserPromptSubmit", made.moment(), prompt="Still there?")
    made.answer("Yes.")
    end = hook_line(root, "Stop", made.moment())
    sidecar(root, [*first, *begun, prompt, end], f"{SESSION}.jsonl")
    made.lines = made.lines[:kept] + made.lines[lost:]
    made.write(home / ".copilot" / "session-state")

    (found,) = ingest_project(root)

    trace = json.loads(trace_path(found.trace_id).read_bytes())
    TraceRecord.model_validate(trace)
    steps = trace["steps"]
    assert [step["step_index"] for step in steps] == list(range(len(steps)))
    calls = {call["tool_call_id"]: call for step in steps for call in step["tool_calls"]}
    assert calls.keys() == trace["metadata"]["hook_pre_tool_use"].keys()
    assert [call["input"]["command"] for call in calls.values()] == ["echo", "cat"]
    assert {call["tool_name"] for call in calls.values()} == {"bash"}
    assert ("c1" in calls) == (written == 3)
    assert steps[-1]["content"] == "Yes."
    assert trace["metadata"]["capture"]["tool_calls"] == 2
    assert {path for _, _, path in patches(root)} == {"a.txt", "b.txt"}


def test_steps_are_numbered_anew_around_calls_that_only_hooks_tell_of(tmp_path: Path) -> None:
    path = FIXTURES / "subagents.jsonl"
    parser = CopilotCliParser()
    whole = record_of(recorded("subagents", tmp_path / "whole"))
    content = b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b"toolCallId" not in line)
    session = Reading(parser, session_of(path), place(content, tmp_path, session_of(path)), None)
    session.read()
    session.hooks.inside |= {step.subagent_trajectory_ref for step in whole.steps if step.subagent_trajectory_ref}
    lines = lines_of(path)
    for line in lines:
        session.hooks.add(line, owned=True)
    record = session.record()
    assert record is not None
    steps = TraceRecord.model_validate_json(b"".join(record.text())).steps
    assert [step.step_index for step in steps] == list(range(len(steps)))
    assert all(step.parent_step is None or step.parent_step < step.step_index for step in steps)
    assert sum(len(step.tool_calls) for step in steps) == sum(line["event"] == "PreToolUse" for line in lines)
