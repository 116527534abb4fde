"""OpenCode's sessions as traces, read from a database that is not disturbed by it."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkit.capture.opencode.parser import OpenCodeParser
from hookkit.capture.session import Session

from .opencode_support import RECORDED, Row, database, make, put, record_of, recorded


def outputs(path: Path) -> bytes:
    session = Session(OpenCodeParser(), path.name, path, None)
    session.read()
    found = session.record()
    return b"".join(found.text()) if found else b""


@pytest.mark.parametrize("name", [name for name in RECORDED if name != "undone"])
def test_every_call_has_its_result_and_the_sums_are_those_of_the_messages(name: str, tmp_path: Path) -> None:
    record = record_of(database(tmp_path, name))
    _, rows = recorded(name)
    parts = [each["row"]["data"] for each in rows if each["table"] == "part"]
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert sorted(calls) == sorted(part["callID"] for part in parts if part["type"] == "tool")
    assert sorted(o.source_call_id for step in record.steps for o in step.observations) == sorted(calls)
    tokens = [each["row"]["data"].get("tokens") for each in rows if each["table"] == "message"]
    told = [each for each in tokens if each]
    assert record.metrics.total_input_tokens == sum(each["input"] for each in told)
    assert record.metrics.total_output_tokens == sum(each["output"] + each["reasoning"] for each in told)
    assert record.metadata["capture"]["unknown_types"] == {}
    assert record.metadata["cwd"] == "/home/dev/project"
    assert {step.model for step in record.steps if step.role == "agent"} <= {
        "scripted/scripted-1", "scripted/small", "scripted/gpt-5",
    }  # fmt: skip


def test_the_tour_tells_failures_a_subagent_a_skill_and_thoughts(tmp_path: Path) -> None:
    record = record_of(database(tmp_path, "tour"))
    errors = [o.error for step in record.steps for o in step.observations if o.error]
    assert "exit code 4" in errors
    assert any(error.startswith("Could not find oldString") for error in errors)
    assert any("nosuch" in error or "unavailable tool" in error for error in errors)
    assert any("terminated" in error or "timeout" in error for error in errors)
    inner = [step for step in record.steps if step.agent_role == "general"]
    assert inner
    caller = next(step.step_index for step in record.steps for call in step.tool_calls if call.tool_name == "task")
    assert {step.parent_step for step in inner} == {caller}
    assert [skill["name"] for skill in record.metadata["skill_invocations"]] == ["greet"]
    assert any(step.reasoning_content for step in record.steps)
    assert record.steps[0].content == "Take the tour."


def test_a_compaction_is_an_event_and_its_texts_are_no_prompts(tmp_path: Path) -> None:
    record = record_of(database(tmp_path, "compacted"))
    assert [step.content for step in record.steps if step.role == "user"] == ["Write much."]
    events = record.metadata["compaction_events"]
    assert {event["trigger"] for event in events} == {"auto"}
    assert all(event["summary"] and event["pre_tokens"] for event in events)


def test_a_resumed_session_has_both_turns_and_a_failed_request_its_error(tmp_path: Path) -> None:
    record = record_of(database(tmp_path / "a", "resumed"))
    assert [step.content for step in record.steps if step.role == "user"] == ["Begin.", "Continue."]
    failed = record_of(database(tmp_path / "b", "failed-request"))
    assert failed.outcome.terminal_state == "error"
    assert failed.metadata["session_errors"][0]["kind"] == "api_error"


def test_what_was_undone_stays_and_is_named_and_the_users_own_command_is_no_call(tmp_path: Path) -> None:
    record = record_of(database(tmp_path, "undone"))
    places = record.metadata["steps_of_other_branches"]
    assert places
    assert len(places) < len(record.steps)
    assert [command["name"] for command in record.metadata["commands"]] == ["!"]
    assert all("The following tool was executed" not in (step.content or "") for step in record.steps)


def test_a_command_that_starts_a_subagent_is_a_prompt_and_a_call(tmp_path: Path) -> None:
    record = record_of(database(tmp_path, "commanded"))
    assert [command["name"] for command in record.metadata["commands"]] == ["/sub"]
    assert {step.agent_role for step in record.steps} == {"main", "general"}
    assert [step.role for step in record.steps if step.agent_role == "main"].count("user") == 1


def test_an_interruption_and_a_killed_call_are_told(tmp_path: Path) -> None:
    assert record_of(database(tmp_path / "a", "interrupted")).outcome.terminal_state == "interrupted"
    killed = record_of(database(tmp_path / "b", "killed"))
    assert [o.error for step in killed.steps for o in step.observations if o.error] == ["no_result"]


def test_nothing_is_written_beside_the_database_nor_into_it(tmp_path: Path) -> None:
    path = database(tmp_path, "resumed")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert list(before) == ["opencode.db"]
    record_of(path)
    parser = OpenCodeParser()
    assert parser.exists(path)
    assert parser.changed(path)
    assert parser.is_final(path)
    assert list(parser.discover_sessions(tmp_path)) == [path]
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_what_is_only_in_the_log_is_read_while_the_writer_goes_on(tmp_path: Path) -> None:
    session, rows = recorded("resumed")
    path = make(tmp_path)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("pragma wal_autocheckpoint = 0")
        writer.execute("begin immediate")  # what follows is not yet there, and holds up no reader
        put_into = next(each["row"] for each in rows if each["table"] == "session")
        writer.execute(
            f"insert into session ({', '.join(put_into)}) values ({', '.join('?' * len(put_into))})",
            [*put_into.values()],
        )
        assert not OpenCodeParser().exists(path / session)
        writer.execute("commit")
        assert OpenCodeParser().exists(path / session)
        writer.execute("begin immediate")
        writer.execute("update session set title = 'x'")
        writer.execute("commit")
        assert path.with_name("opencode.db-wal").stat().st_size


@pytest.mark.parametrize("name", RECORDED)
def test_read_in_pieces_the_same_comes_out(name: str, tmp_path: Path) -> None:
    session, rows = recorded(name)
    path = make(tmp_path)
    reader = Session(OpenCodeParser(), session, path / session, None)
    for start in range(0, len(rows), 9):
        put(path, rows[start : start + 9])
        reader.read()
        state, texts = reader.dump()
        reader = Session(OpenCodeParser(), session, path / session, None)
        reader.load(json.loads(json.dumps(state)), texts)
    assert reader.read() == 0  # nothing new
    found = reader.record()
    assert found is not None
    assert b"".join(found.text()) == outputs(path / session)


def test_sessions_are_found_by_their_folder_and_subagents_lead_to_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    path = database(tmp_path / "opencode", "tour")
    parser = OpenCodeParser()
    assert list(parser.discover_project_sessions(Path("/home/dev"))) == [path]
    assert list(parser.discover_project_sessions(Path("/home/other"))) == []
    assert parser.find_session(path.name) == path
    assert not parser.exists(parser.find_session("ses_none"))
    _, rows = recorded("tour")
    child = next(each["row"]["id"] for each in rows if each["row"].get("parent_id"))
    assert parser.first(path.with_name(child)) == path
    assert parser.session_id_from_path(path.parent) == ""


@pytest.mark.parametrize("content", [b"", b"nonsense" * 999, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_said_and_is_no_exception(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "opencode.db").write_bytes(content)
    outcome = OpenCodeParser().parse(tmp_path / "opencode.db" / "ses_1")
    assert outcome.record is None
    assert outcome.errors[0].startswith("opencode.db could not be read")
    assert OpenCodeParser().parse_session(tmp_path / "none.db" / "ses_1") is None


def test_a_database_of_another_version_is_said_to_be_so(tmp_path: Path) -> None:
    path = database(tmp_path, "resumed")
    with closing(sqlite3.connect(path.parent)) as connection, connection:
        connection.execute("alter table part rename column data to payload")
    outcome = OpenCodeParser().parse(path)
    assert outcome.record is None
    assert "no such column: data" in outcome.errors[0]


_VALUES: Any = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just(float("inf"))
)


@given(data=st.data())
def test_whatever_the_rows_hold_there_is_no_exception(data: Any) -> None:
    session, rows = recorded(data.draw(st.sampled_from(RECORDED)))
    for _ in range(data.draw(st.integers(1, 6))):
        _mutate(data, rows)
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder))
        put(path, rows)
        first, second = outputs(path / session), outputs(path / session)
    assert first == second


def _mutate(data: Any, rows: list[Row]) -> None:
    value: Any = data.draw(st.sampled_from([each["row"] for each in rows if "data" in each["row"]]))
    key: Any = "data"
    while isinstance(value[key], dict) and value[key] and data.draw(st.booleans()):
        value, key = value[key], data.draw(st.sampled_from(sorted(value[key])))
    value[key] = data.draw(_VALUES)
    if key == "data" and not isinstance(value[key], (dict, list)):
        value[key] = data.draw(st.sampled_from(["{", "", "[1]", "nul", '"\\ud800"', '{"role": 7}']))


def test_unknown_kinds_are_counted(tmp_path: Path) -> None:
    session, rows = recorded("resumed")
    for each in rows:
        if each["table"] == "part" and each["row"]["data"]["type"] == "patch":
            each["row"]["data"]["type"] = "novelty"
    path = make(tmp_path)
    put(path, rows)
    assert record_of(path / session).metadata["capture"]["unknown_types"]["part.novelty"]
