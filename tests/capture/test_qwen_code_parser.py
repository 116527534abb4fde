"""Qwen Code's sessions: what a trace says of each kind of line; the recorded ones, whole, in pieces, and damaged."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit import paths
from hookkit.agents.qwen_code import CONTRACT
from hookkit.capture import ingest
from hookkit.capture.ingest import ingest_abandoned, ingest_project
from hookkit.capture.qwen_code.parser import QwenCodeParser, encoded
from hookkit.capture.registry import get_parser
from tests.trails.recorded import patches, repository

from .played_sessions import Played, check_one_trace_and_a_trail, write_sidecar
from .recorded_sessions import by_turns, check_pieces, check_read_twice, check_record, damaged, put_odd_value, shuffled

FIXTURES = Path(__file__).parents[1] / "agents" / "fixtures" / "qwen-code" / "0.24.4" / "transcripts"
RECORDED = sorted(FIXTURES.glob("*/chats/*.jsonl"))
SESSION = "f1716e7a-d89b-4669-8a36-8dcf377eca03"
ROOT = "/home/dev/project"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USAGE = {
    "promptTokenCount": 160, "candidatesTokenCount": 42, "thoughtsTokenCount": 3, "totalTokenCount": 202,
    "cachedContentTokenCount": 40,
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    for name in ("QWEN_HOME", "QWEN_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recorded(name: str) -> Path:
    (found,) = (FIXTURES / name / "chats").glob("*.jsonl")
    return found


def record_of(path: Path) -> TraceRecord:
    found = QwenCodeParser().parse(path).record
    assert isinstance(found, TraceRecord)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(path: Path) -> list[Path]:
    """A session's file and its subagents'."""
    return [path, *QwenCodeParser().beside(path)]


class Session:
    """A session file, made line by line, one second apart."""

    def __init__(self, cwd: str = ROOT, agent: str = "") -> None:
        self.lines: list[Any] = []
        self.cwd, self.agent = cwd, agent

    def add(self, kind: str, **fields: Any) -> Session:
        number = len(self.lines)
        moment = (START + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        common = {"uuid": f"{self.agent}{number}", "sessionId": SESSION, "timestamp": moment, "type": kind}
        about = {"cwd": self.cwd, "version": "0.24.4", "gitBranch": "main"}
        if self.agent:
            about |= {"agentId": self.agent, "isSidechain": True}
        self.lines.append({**common, **about, **fields})
        return self

    def prompt(self, text: str, **fields: Any) -> Session:
        return self.add("user", message={"role": "user", "parts": [{"text": text}]}, provenance="real_user", **fields)

    def answer(self, *parts: Any, usage: Any = USAGE, **fields: Any) -> Session:
        about = {"model": "one", "usageMetadata": usage, **fields}
        return self.add("assistant", message={"role": "model", "parts": list(parts)}, **about)

    def say(self, text: str) -> Session:
        return self.answer({"text": text})

    def call(self, call_id: str, name: str = "run_shell_command", **given: Any) -> Session:
        return self.answer(asks(call_id, name, **given))

    def result(self, call_id: str, text: str = "ok", *, error: bool = False, **fields: Any) -> Session:
        response = {"id": call_id, "name": "x", "response": {"error" if error else "output": text}}
        told = {"callId": call_id, "status": "error" if error else "success", **fields}
        return self.add("tool_result", message={"parts": [{"functionResponse": response}]}, toolCallResult=told)

    def measured(self, name: str, prompt: str = f"{SESSION}########0", **fields: Any) -> Session:
        event = {"event.name": f"qwen-code.{name}", "prompt_id": prompt, **fields}
        return self.add("system", subtype="ui_telemetry", systemPayload={"uiEvent": event})

    def write(self, folder: Path, name: str = SESSION) -> Path:
        path = folder / "chats" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def parse(self, folder: Path) -> TraceRecord:
        return record_of(self.write(folder))


def asks(call_id: str, name: str, **given: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": given}}


@pytest.fixture
def session() -> Session:
    return Session()


# The recorded sessions


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
def test_a_recorded_session_is_whole(path: Path) -> None:
    outcome = QwenCodeParser().parse(path)
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert outcome.errors == []
    assert record.session_id == path.stem
    assert record.content_hash == record.compute_content_hash()
    found = record.metadata["capture"]
    assert (found["unknown_types"], found["skipped_lines"]) == ({}, {})
    assert record.metadata["cwd"] == ROOT
    lines = [line for file in files_of(path) for line in lines_of(file)]
    parts = [part for line in lines if line["type"] == "assistant" for part in line["message"]["parts"]]
    wanted = {part["functionCall"]["id"] for part in parts if "functionCall" in part}
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert (set(calls), len(calls)) == (wanted, len(wanted))
    for step in record.steps:
        seen = {each.source_call_id for each in step.observations}
        assert seen == {call.tool_call_id for call in step.tool_calls}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
def test_the_tokens_of_a_recorded_session_are_those_that_the_program_measured(path: Path) -> None:
    """``ui_telemetry`` tells them a second time, for every request; copies in a forked session are the other's."""
    measured = [
        line["systemPayload"]["uiEvent"]
        for line in lines_of(path)
        if line.get("subtype") == "ui_telemetry" and "forkedFrom" not in line
    ]
    asked = [each for each in measured if each["event.name"] == "qwen-code.api_response"]
    own = [each for each in asked if not str(each.get("subagent_name")).startswith("managed-")]
    wanted = [sum(each[f"{name}_token_count"] for each in own) for name in ("input", "output", "cached_content")]
    usage = [step.token_usage for step in record_of(path).steps]
    cached = sum(each.cache_read_tokens for each in usage)
    assert [
        sum(each.input_tokens for each in usage) + cached,
        sum(each.output_tokens for each in usage),
        cached,
    ] == wanted


def test_a_subagent_stands_behind_the_call_that_started_it() -> None:
    steps = record_of(recorded("nested")).steps
    found = [(step.step_index, step.parent_step, step.role, step.call_type) for step in steps]
    calls = {call.tool_call_id: step.step_index for step in steps for call in step.tool_calls}
    outer = [step for step in steps if step.subagent_trajectory_ref == "general-purpose-call_d1d96e862b1a75e82c394785"]
    inner = [step for step in steps if step.subagent_trajectory_ref == "general-purpose-call_80b308acd4d2a027201b47b9"]
    assert {step.parent_step for step in outer} == {calls["call_d1d96e862b1a75e82c394785"]}, found
    assert {step.parent_step for step in inner} == {calls["call_80b308acd4d2a027201b47b9"]}, found
    assert {step.agent_role for step in (*outer, *inner)} == {"general-purpose"}
    assert {step.model for step in (*outer, *inner) if step.role == "agent"} == {"openai/scripted-1"}
    assert [len(step.tool_calls) for step in outer] == [0, 2, 0]


def test_what_a_subagent_in_the_background_reports_is_no_prompt() -> None:
    record = record_of(recorded("background"))
    assert [step.content for step in record.steps if step.role == "user" and step.call_type == "main"] == ["Subs"]
    assert [step.content for step in record.steps if step.content][-1] == "After."
    assert record.metadata["capture"]["complete"] is True
    assert {step.parent_step for step in record.steps if step.call_type == "subagent"} == {1}


def test_a_resumed_session_is_one_trace_and_a_forked_one_names_its_source() -> None:
    first, fork = record_of(recorded("resumed")), record_of(recorded("forked"))
    prompts = [step.content for step in first.steps if step.role == "user"]
    assert len(prompts) == 3
    assert "forked_from" not in first.metadata
    assert fork.metadata["forked_from"] not in (None, fork.session_id)
    assert [step.content for step in fork.steps if step.role == "user"][:3] == prompts
    assert [step.token_usage.input_tokens > 0 for step in fork.steps if step.role == "agent"][:-1].count(True) == 0


def test_a_compaction_is_told_with_its_summary() -> None:
    (found,) = record_of(recorded("tour")).metadata["compaction_events"]
    assert (found["trigger"], found["pre_tokens"] > found["post_tokens"] > 0) == ("manual", True)
    assert found["summary"].startswith("<state_snapshot>")


def test_a_skill_is_used_by_its_tool() -> None:
    (found,) = record_of(recorded("tour")).metadata["skill_invocations"]
    assert (found["source"], bool(found["name"]), bool(found["tool_call_id"])) == ("qwen_skill_tool", True, True)


def test_denied_calls_are_named() -> None:
    record = record_of(recorded("denied"))
    assert {each["tool"] for each in record.metadata["permission_denials"]} == {"write_file", "run_shell_command"}
    assert record.metadata["capture"]["failed_tool_calls"] == 2


def test_calls_that_were_rejected_or_failed_say_why() -> None:
    errors = [seen.error for step in record_of(recorded("rejected")).steps for seen in step.observations if seen.error]
    assert any(error.startswith('Tool "no_such_tool" not found') for error in errors)
    assert any(error.startswith("params must have required property") for error in errors)
    assert any(error.startswith("File not found") for error in errors)
    assert any(error.startswith("File ") and "has not been read" in error for error in errors)


def test_an_interrupted_turn_says_so() -> None:
    record = record_of(recorded("interrupted"))
    assert record.outcome.terminal_state == "interrupted"
    assert [seen.error is not None for step in record.steps for seen in step.observations] == [True]


def test_a_killed_call_has_no_result() -> None:
    errors = [seen.error for step in record_of(recorded("killed")).steps for seen in step.observations]
    assert errors.count("no_result") == 1


def test_errors_of_the_model_are_told_and_a_later_answer_heals_them() -> None:
    record = record_of(recorded("error"))
    assert len(record.metadata["session_errors"]) == 7  # one for each attempt
    assert {error["kind"] for error in record.metadata["session_errors"]} == {"api_error"}
    assert record.outcome.terminal_state == "goal_reached"


def test_reasoning_is_kept_apart() -> None:
    found = [step.reasoning_content for step in record_of(recorded("reasoning")).steps]
    assert any(found)
    assert all(
        step.content != step.reasoning_content for step in record_of(recorded("reasoning")).steps if step.content
    )


# Line by line


def test_tokens_never_overlap(session: Session, tmp_path: Path) -> None:
    inside = session.prompt("Go.").say("a").parse(tmp_path).steps[1].token_usage
    assert (inside.input_tokens, inside.output_tokens, inside.cache_read_tokens) == (120, 42, 40)
    outside = Session().prompt("Go.").answer({"text": "a"}, usage={**USAGE, "totalTokenCount": 205})
    assert outside.parse(tmp_path).steps[1].token_usage.output_tokens == 45


def test_the_provider_is_the_one_that_the_user_signed_in_with(session: Session, tmp_path: Path) -> None:
    assert session.prompt("Go.").say("a").parse(tmp_path).agent.model == "qwen/one"
    for auth, name in {"openai": "openai/one", "qwen-oauth": "qwen/one", "vertex-ai": "google/one"}.items():
        made = Session().prompt("Go.").measured("api_response", auth_type=auth).say("a")
        assert made.parse(tmp_path).agent.model == name
    assert Session().prompt("Go.").answer({"text": "a"}, model="x/one").parse(tmp_path).agent.model == "x/one"


def test_the_time_of_a_call_is_the_one_that_was_measured(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").call("c1", command="x").measured("tool_call", call_id="c1", duration_ms=80).result("c1")
    assert session.parse(tmp_path).steps[1].tool_calls[0].duration_ms == 80


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Command: x\nOutput: Exit Code: 0\nError: (none)\nExit Code: 4\nSignal: (none)\n", "Exit Code: 4"),
        ("Command: x\nOutput: y\nExit Code: (none)\nSignal: 9\n", "Signal: 9"),
        ("Command timed out after 1000ms", "Command timed out after 1000ms"),
        ("", "error"),
    ],
)
def test_the_error_of_a_command_is_how_it_ended(session: Session, tmp_path: Path, text: str, error: str) -> None:
    record = session.prompt("Go.").call("c1", command="x").result("c1", text, error=True).parse(tmp_path)
    (seen,) = [seen for step in record.steps for seen in step.observations]
    assert (seen.content or "", seen.error) == (text, error)


def test_parallel_calls_keep_their_results(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").answer(*(asks(f"c{n}", "read_file", file_path="x") for n in range(3)))
    session.result("c2", "2").result("c0", "0").result("c1", "1")
    (step,) = [step for step in session.parse(tmp_path).steps if step.tool_calls]
    assert {seen.source_call_id: seen.content for seen in step.observations} == {"c0": "0", "c1": "1", "c2": "2"}


def test_an_answer_that_was_asked_for_again_is_there_twice(session: Session, tmp_path: Path) -> None:
    """As when the arguments of a call were no JSON: the first gets no result, and its tokens were used."""
    session.prompt("Go.").call("c1", command="x").call("c2", command="x").result("c2").say("Done.")
    record = session.parse(tmp_path)
    assert [seen.error for step in record.steps for seen in step.observations] == ["no_result", None]
    assert record.metrics.total_output_tokens == 3 * 42


@pytest.mark.parametrize(
    ("provenance", "subtype"), [("system", "notification"), ("system", None), ("real_user", "cron")]
)
def test_what_the_program_says_is_no_prompt(
    session: Session, tmp_path: Path, provenance: str, subtype: str | None
) -> None:
    session.prompt("Go.").say("a").prompt("injected").lines[-1].update(provenance=provenance, subtype=subtype)
    record = session.parse(tmp_path)
    assert [step.content for step in record.steps] == ["Go.", "a"]
    assert record.metadata["capture"]["complete"] is False


def test_the_request_for_a_summary_counts_with_the_answer_before_it(session: Session, tmp_path: Path) -> None:
    counts = {"input_token_count": 10, "output_token_count": 5, "cached_content_token_count": 4}
    session.prompt("Go.").say("a").measured("api_response", "compress-1795875596580", **counts)
    usage = session.parse(tmp_path).steps[1].token_usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (126, 47, 44)


def test_a_subagent_without_a_word_beside_it_is_told_by_its_name(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Go.").call("call_1", "agent", prompt="Do.").result("call_1").say("Done.").write(tmp_path)
    agent = Session(agent="general-purpose-call_1").prompt("Do.").answer(usage=USAGE)
    agent.answer(asks("c2", "read_file"), usage=None).answer(asks("c3", "read_file"), usage=None)
    agent.result("c2", durationMs=7).result("c3", "no", error=True).say("Did.")
    beside = tmp_path / "subagents" / SESSION / f"agent-{agent.agent}.jsonl"
    beside.parent.mkdir(parents=True)
    beside.write_text("".join(json.dumps(line) + "\n" for line in agent.lines))
    record = record_of(path)
    assert [step.parent_step for step in record.steps] == [None, None, 1, 1, 1, None]
    assert [call.duration_ms for call in record.steps[3].tool_calls] == [7, None]
    assert [seen.error for seen in record.steps[3].observations] == [None, "no"]
    assert record.metadata["capture"]["subagents"] == 1
    parser = QwenCodeParser()
    assert parser.beside(path) == [beside]
    os.utime(beside, (2_000_000_000, 2_000_000_000))
    assert parser.changed(path) == 2_000_000_000 * 10**9


def test_pictures_are_prompts_too(session: Session, tmp_path: Path) -> None:
    session.add("user", message={"parts": [{"text": "See:"}, {"inlineData": {}}]}, provenance="real_user").say("a")
    assert session.parse(tmp_path).steps[0].content == "See:\n[file]"


def test_what_is_not_known_is_counted(session: Session, tmp_path: Path) -> None:
    session.prompt("Go.").add("hologram").add("system", subtype="telepathy").add("system").lines.append([1])
    path = session.say("a").write(tmp_path)
    path.write_text(path.read_text() + "{broken\n")
    found = record_of(path).metadata["capture"]
    assert found["unknown_types"] == {"hologram": 1, "system": 1, "system.telepathy": 1}
    assert found["skipped_lines"] == {"not_object": 1, "not_json": 1}


def test_small_sessions_are_below_the_threshold(session: Session, tmp_path: Path) -> None:
    path = session.prompt("Hello.").say("Hello.").write(tmp_path)
    assert QwenCodeParser().parse_session(path) is None
    assert QwenCodeParser().parse(path).record is not None
    whole = recorded("tour")
    assert QwenCodeParser().parse_session(whole) is not None
    assert QwenCodeParser().parse_session(whole, byte_offset=10**9) is None
    assert QwenCodeParser().parse(tmp_path / "gone.jsonl").record is None


def test_the_last_message_is_waited_for(session: Session, tmp_path: Path) -> None:
    """Qwen queues what it writes: while Stop runs, the newest line is often a result, or a measurement."""
    parser = QwenCodeParser()
    assert parser.is_final(tmp_path / "gone.jsonl")
    steps = (
        (lambda: session.prompt("Go."), False),
        (lambda: session.call("c1"), False),
        (lambda: session.result("c1"), False),
        (lambda: session.measured("api_response"), False),
        (lambda: session.say("Done."), True),
        (lambda: session.add("system", subtype="attribution_snapshot"), True),
        (lambda: session.prompt("More."), False),
    )
    for step, final in steps:
        step()
        assert parser.is_final(session.write(tmp_path)) is final, session.lines[-1]


# Where sessions are


def test_sessions_are_found_where_qwen_keeps_them(home: Path, tmp_path: Path) -> None:
    parser = get_parser("qwen-code")
    storage = home / ".qwen" / "projects"
    assert parser.storage() == storage
    project = repository(tmp_path / "a project")
    (project / "sub").mkdir()
    other = repository(project / ".qwen" / "worktrees" / "w")
    ids = {name: f"{SESSION[:-1]}{name}" for name in "abcd"}
    places = {"a": project, "b": project / "sub", "c": other, "d": tmp_path / "a-project"}
    made = {
        name: Session(str(place)).prompt("x").say("y").write(storage / encoded(place), ids[name])
        for name, place in places.items()
    }
    (made["a"].parent / "notes.txt").write_text("")
    assert set(parser.discover_sessions(storage)) == set(made.values())
    assert set(parser.discover_project_sessions(project)) == {made["a"], made["b"]}
    assert set(parser.discover_project_sessions(other)) == {made["c"]}
    assert parser.find_session(ids["b"]) == made["b"]
    assert parser.session_id_from_path(made["a"]) == ids["a"]
    assert not parser.exists(parser.find_session("no-such"))


def test_the_folder_is_named_as_qwen_names_it() -> None:
    assert encoded(Path("/a/b_c/.d")) == "-a-b-c--d"


def test_sessions_move_with_the_variables_that_move_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QWEN_HOME", str(tmp_path / "all"))
    assert CONTRACT.transcripts(os.environ) == tmp_path / "all" / "projects"
    monkeypatch.setenv("QWEN_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert CONTRACT.transcripts(os.environ) == tmp_path / "runtime" / "projects"
    assert CONTRACT.config_home(os.environ) == tmp_path / "all"


@pytest.mark.parametrize(
    ("tool", "given", "writes", "background"),
    [
        ("write_file", {"file_path": "/x"}, ("/x",), False), ("edit", {"file_path": "/x"}, ("/x",), False),
        ("notebook_edit", {"notebook_path": "/n"}, ("/n",), False), ("write_file", {}, None, False),
        ("read_file", {"file_path": "/x"}, (), False), ("agent", {"run_in_background": True}, None, False),
        ("run_shell_command", {"command": "make"}, None, False),
        ("run_shell_command", {"command": "make", "is_background": True}, None, True),
        ("run_shell_command", {"command": "make & true"}, None, True), ("monitor", {}, None, True),
        ("tool_call", {"name": "notebook_edit", "arguments": {"notebook_path": "/n"}}, ("/n",), False),
        ("tool_call", {"name": 5}, None, False), ("mcp__x__y", {}, None, False),
    ],
)  # fmt: skip
def test_what_a_call_may_write(tool: str, given: dict[str, Any], writes: Any, background: bool) -> None:
    assert CONTRACT.writes(tool, given) == writes
    assert CONTRACT.background(tool, given) is background


def test_a_command_may_bring_back_what_git_keeps() -> None:
    assert CONTRACT.brings_back("run_shell_command", {"command": "git stash pop"})
    assert not CONTRACT.brings_back("write_file", {"content": "git stash pop"})


# In pieces, and damaged


def growing(path: Path, folder: Path, chance: random.Random) -> Iterator[None]:
    """A copy of a session that grows."""
    meta = folder / "subagents" / path.stem
    if QwenCodeParser().beside(path):
        meta.mkdir(parents=True)
        for about in (path.parents[1] / "subagents" / path.stem).glob("*.meta.json"):
            shutil.copy(about, meta)
    files = {folder / file.relative_to(path.parents[1]): file.read_bytes() for file in files_of(path)}
    yield from by_turns(files, chance)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=4, deadline=None)
def test_any_cuts_give_the_bytes_of_one_reading(
    tmp_path_factory: pytest.TempPathFactory, path: Path, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    states = growing(path, folder / "session", random.Random(seed))
    check_pieces(states, folder / "session" / "chats" / path.name, folder, "qwen-code")
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parents[1].name)
def test_the_same_session_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    check_read_twice(path, "qwen-code", tmp_path, monkeypatch)


def check(path: Path) -> None:
    check_record(QwenCodeParser(), path)
    QwenCodeParser().is_final(path)


def read_odd_values(folder: Path, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(RECORDED))
    shutil.copytree(original.parents[1], folder / "session")
    files = [file for file in (folder / "session").rglob("*.json*") if file.is_file()]
    for _ in range(data.draw(st.integers(1, 4))):
        file = data.draw(st.sampled_from(sorted(files)))
        lines = [json.loads(file.read_text())] if file.suffix == ".json" else lines_of(file)
        put_odd_value(data, lines)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    check(folder / "session" / "chats" / original.name)
    shutil.rmtree(folder)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_odd_values_anywhere_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), data)


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_many_odd_values_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    read_odd_values(tmp_path_factory.mktemp("fuzz"), data)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_damaged_bytes_and_shuffled_lines_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    original = data.draw(st.sampled_from(RECORDED))
    (folder / original.name).write_bytes(shuffled(data, damaged(data, original.read_bytes())))
    check(folder / original.name)
    shutil.rmtree(folder)


# With hook lines


class QwenPlayed(Played):
    agent, session_id, start = "qwen-code", SESSION, START

    def __init__(self, repo: Path, home: Path) -> None:
        super().__init__(repo, Session(str(repo)))
        self.folder = home / ".qwen" / "projects" / encoded(repo)

    def line(self, event: str, call: str | None = None, tool: str = "run_shell_command", **data: Any) -> None:
        called = {"tool": tool, "tool_call_id": call, "tool_use_id": call} if call else {}
        self.hook(event, **data, **called)

    def write(self, call: str, name: str, text: str) -> None:
        given = {"file_path": str(self.repo / name), "content": text}
        self.session.call(call, "write_file", **given)
        self.line("PreToolUse", call, "write_file", tool_input=given)
        (self.repo / name).write_text(text)
        self.line("PostToolUse", call, "write_file", tool_input=given, duration_ms=7, limitations=[])
        self.session.result(call)

    def write_session(self) -> None:
        self.session.write(self.folder)

    def write_hooks(self) -> None:
        write_sidecar(paths.state() / "sidecars" / "qwen-code" / "hooks" / f"{SESSION}.jsonl", self.hooks)


@pytest.fixture
def played(tmp_path: Path, home: Path) -> QwenPlayed:
    return QwenPlayed(repository(tmp_path / "repo"), home)


def test_hook_lines_and_session_become_one_trace_and_a_trail(played: QwenPlayed) -> None:
    trace = check_one_trace_and_a_trail(played)
    assert trace["steps"][1]["tool_calls"][0]["duration_ms"] == 7


def test_a_second_stop_of_the_same_turn_ends_it_again(played: QwenPlayed) -> None:
    """A subagent in the background ends after the turn, and the model says more."""
    played.session.prompt("Write.")
    played.line("UserPromptSubmit", prompt="Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.say("Waiting.")
    played.line("Stop", git={})
    played.session.prompt("<task-notification>").lines[-1].update(provenance="system", subtype="notification")
    played.write("call_2", "f2.txt", "2\n")
    played.session.say("After.")
    played.line("Stop", git={})
    trace = played.ingest()
    assert patches(played.repo) == [("call_1", "added", "f1.txt"), ("call_2", "added", "f2.txt")]
    assert len(trace["metadata"]["hook_stop"]) == 2
    assert trace["metadata"]["capture"]["turns"] == 1


def test_a_killed_call_is_closed_at_the_next_boundary(played: QwenPlayed) -> None:
    played.session.prompt("Go.").call("call_1", command="sleep 9")
    played.line("PreToolUse", "call_1", tool_input={"command": "sleep 9"})
    (played.repo / "late.txt").write_text("x\n")
    played.session.prompt("Again.")
    played.line("UserPromptSubmit", prompt="Again.")
    trace = played.ingest()
    assert trace["metadata"]["hook_post_tool_use"]["call_1"]["capture_status"] == "post_inferred"
    assert patches(played.repo) == [("call_1", "added", "late.txt")]


def test_a_session_that_keeps_no_file_is_made_of_its_hook_lines(played: QwenPlayed, tmp_path: Path) -> None:
    played.line("UserPromptSubmit", prompt="Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.line("Stop", git={})
    trace = played.ingest(keep=False)
    assert trace["metadata"]["capture"]["source"] == "hook_lines"
    assert patches(played.repo) == [("call_1", "added", "f1.txt")]
    assert [each for each in ingest_project(repository(tmp_path / "other")) if each.agent == "qwen-code"] == []


def test_a_session_whose_agent_was_killed_is_read_by_a_later_one(
    played: QwenPlayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells its end, nor that of a turn that ended in an error of the model."""
    played.session.prompt("Write.")
    played.write("call_1", "f1.txt", "1\n")
    played.session.write(played.folder)
    played.write_hooks()
    assert list(ingest_abandoned(played.repo, agent="qwen-code")) == []
    monkeypatch.setattr(ingest, "_ABANDONED", -60.0)
    assert [each.status for each in ingest_abandoned(played.repo, agent="qwen-code")] == ["stored"]
