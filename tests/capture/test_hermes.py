"""The importer of hermes and ShareGPT rows: the contract's tier 1."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentraces_schema import TraceRecord

from hookkit.capture import base
from hookkit.capture.hermes import HermesImporter
from hookkit.capture.importers import Report, get_importer, get_importers, import_file
from hookkit.capture.tag_calls import read_call, read_result, split
from hookkit.errors import UsageError
from hookkit.store.files import trace_path
from hookkit.store.index import Index

Row = dict[str, Any]


def said(who: str, text: str) -> dict[str, str]:
    return {"from": who, "value": text}


def call(name: str, **given: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': given})}\n</tool_call>"


def response(content: Any, **more: Any) -> str:
    return f"<tool_response>\n{json.dumps({'content': content, **more})}\n</tool_response>"


def row(**more: Any) -> Row:
    return {
        "id": "task-7",
        "conversations": [
            said("system", "You may call tools."),
            said("human", "List the files."),
            said("gpt", f"<think>Look first.</think>I look. {call('terminal', command='ls')}"),
            said("tool", response("a.txt", name="terminal")),
            said("gpt", "There is a.txt."),
        ],
        **more,
    }


def record(given: Row) -> TraceRecord:
    found = HermesImporter().map_record(given, 0)
    assert found is not None
    return found


def calls(found: TraceRecord) -> list[Any]:
    return [call for step in found.steps for call in step.tool_calls]


def test_a_row_becomes_a_record_with_its_steps_in_order() -> None:
    found = record(row())
    assert [step.role for step in found.steps] == ["user", "agent", "agent"]
    assert [step.content for step in found.steps] == ["List the files.", "I look.", "There is a.txt."]
    assert found.steps[1].reasoning_content == "Look first."
    assert found.task.description == "List the files."
    assert list(found.system_prompts.values()) == ["You may call tools."]
    assert found.agent.name == "hermes"
    assert re.fullmatch(r"task-7-[0-9a-f]{12}", found.session_id)
    assert found.content_hash == found.compute_content_hash()
    assert found.metadata["capture"]["meets_quality_threshold"] is True


def test_a_call_in_tags_has_name_arguments_and_id_and_its_result() -> None:
    (found,) = calls(record(row()))
    assert (found.tool_name, found.input) == ("Bash", {"command": "ls"})
    (seen,) = record(row()).steps[1].observations
    assert (seen.source_call_id, seen.content, seen.error) == (found.tool_call_id, "a.txt", None)


@pytest.mark.parametrize(
    ("name", "arguments", "normalised", "renamed"),
    [
        ("terminal", {"command": "ls"}, "Bash", {"command": "ls"}),
        ("write_file", {"path": "a", "content": "x"}, "Write", {"file_path": "a", "content": "x"}),
        ("read_file", {"path": "a"}, "Read", {"file_path": "a"}),
        (
            "patch",
            {"path": "a", "original": "x", "replacement": "y"},
            "Edit",
            {"file_path": "a", "old_string": "x", "new_string": "y"},
        ),
        ("search_files", {"pattern": "x"}, "Grep", {"pattern": "x"}),
        ("browser_click", {"ref": 3}, "browser_click", {"ref": 3}),
    ],
)
def test_tool_names_are_normalised_and_unknown_ones_stay(
    name: str, arguments: Row, normalised: str, renamed: Row
) -> None:
    found = record({"conversations": [said("human", "Go."), said("gpt", call(name, **arguments))]})
    (one,) = calls(found)
    assert (one.tool_name, one.input) == (normalised, renamed)
    about = found.metadata["import"]
    assert about["unmapped_tools"] == ([] if name != normalised else [name])
    assert about["tool_names"] == ({one.tool_call_id: name} if name != normalised else {})


def test_results_go_to_the_call_that_they_name_else_to_the_first_that_fits() -> None:
    asked = call("terminal", command="1") + call("read_file", path="2") + call("terminal", command="3")
    answers = response("of 3", tool_call_id="call_2_2") + response("of 2", name="read_file") + response("of 1")
    found = record({"conversations": [said("human", "Go."), said("gpt", asked), said("tool", answers)]})
    seen = {each.source_call_id: each.content for each in found.steps[1].observations}
    assert seen == {"call_2_0": "of 1", "call_2_1": "of 2", "call_2_2": "of 3"}


def test_a_result_that_nobody_asked_for_is_counted() -> None:
    found = record({"conversations": [said("human", "Go."), said("tool", response("?")), said("gpt", "Well.")]})
    assert found.metadata["capture"]["orphan_results"] == 1


def test_a_call_without_a_result_is_marked() -> None:
    found = record({"conversations": [said("human", "Go."), said("gpt", call("terminal", command="ls"))]})
    assert [each.error for each in found.steps[1].observations] == ["no_result"]


@pytest.mark.parametrize(
    "content",
    [{"error": "no such file"}, {"exit_code": 2, "output": "x"}, {"success": False}, '{"output": "", "exit_code": 1}'],
)
def test_a_result_that_says_of_itself_that_it_failed_is_an_error(content: Any) -> None:
    messages = [said("human", "Go."), said("gpt", call("terminal", command="x")), said("tool", response(content))]
    found = record({"conversations": messages})
    assert found.steps[1].observations[0].error
    assert found.metadata["capture"]["failed_tool_calls"] == 1


@pytest.mark.parametrize(
    ("more", "success", "state", "source"),
    [
        ({"completed": True, "partial": False}, True, "goal_reached", "source_metadata"),
        ({"completed": False}, False, "abandoned", "source_metadata"),
        ({"completed": True, "partial": True}, None, "interrupted", "source_metadata"),
        ({"reward": 1.0, "completed": False}, True, "goal_reached", "rl_environment"),
        ({"reward": 0}, False, "abandoned", "rl_environment"),
        ({"reward": -1}, False, "error", "rl_environment"),
        ({}, True, "goal_reached", "transcript"),
    ],
)
def test_outcome_is_what_the_row_says_else_what_the_end_suggests(
    more: Row, success: bool | None, state: str, source: str
) -> None:
    outcome = record(row(**more)).outcome
    assert (outcome.success, outcome.terminal_state, outcome.signal_source) == (success, state, source)


def test_a_conversation_that_breaks_off_has_no_outcome() -> None:
    broken = {"conversations": [said("human", "Go."), said("gpt", call("terminal", command="x"))]}
    assert record(broken).outcome.success is None


def test_tokens_are_counted_once_in_buckets_that_do_not_overlap() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}
    metrics = record(row(usage=usage)).metrics
    assert (
        metrics.total_input_tokens,
        metrics.total_output_tokens,
        metrics.total_cache_read_tokens,
        metrics.total_cache_creation_tokens,
    ) == (40, 7, 60, 0)


def test_the_same_row_is_the_same_trace_whatever_its_place() -> None:
    anonymous = row()
    del anonymous["id"]
    one, two = HermesImporter().map_record(anonymous, 0), HermesImporter().map_record(anonymous, 9)
    assert one is not None
    assert two is not None
    assert (one.trace_id, one.session_id) == (two.trace_id, two.session_id)
    other = row(conversations=row()["conversations"][:-1])
    del other["id"]
    assert record(other).trace_id != one.trace_id
    assert record(row(id="../../etc/passwd")).session_id == one.session_id


def test_rows_that_share_a_name_are_traces_of_their_own() -> None:
    """As the attempts at one task do, and the rows of two files that are both counted from 0."""
    other = record(row(conversations=row()["conversations"][:-1]))
    assert other.trace_id != record(row()).trace_id


def test_a_reward_beyond_all_numbers_is_no_reward() -> None:
    assert record(row(reward=10**400)).outcome.signal_source != "rl_environment"


@pytest.mark.parametrize(
    "given_row",
    [{}, {"conversations": None}, {"conversations": []}, {"conversations": "x"}, {"conversations": [1, None, []]},
     {"conversations": [said("system", "x")]}, {"conversations": [{"from": 7, "value": "x"}]}],
)  # fmt: skip
def test_what_is_no_conversation_gives_nothing(given_row: Row) -> None:
    assert HermesImporter().map_record(given_row, 0) is None


def test_chat_messages_with_calls_beside_the_text_are_read_too() -> None:
    asked = {"id": "c1", "type": "function", "function": {"name": "terminal", "arguments": '{"command": "ls"}'}}
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
    ]
    found = record({"messages": messages})
    (one,) = calls(found)
    assert (one.tool_call_id, one.tool_name, one.input) == ("c1", "Bash", {"command": "ls"})
    assert found.steps[1].observations[0].content == "a.txt"


def test_calls_written_as_functions_with_parameters() -> None:
    body = (
        "<function=write_file>\n<parameter=path>\na.txt\n</parameter>\n<parameter=lines>[1, 2]</parameter>\n</function>"
    )
    found = read_call(body)
    assert found is not None
    assert (found.name, found.given) == ("write_file", {"path": "a.txt", "lines": [1, 2]})


def test_a_malformed_call_stays_in_the_text_and_is_counted() -> None:
    found = record({"conversations": [said("human", "Go."), said("gpt", "<tool_call>{broken</tool_call>")]})
    assert calls(found) == []
    assert found.steps[1].content == "{broken"
    assert found.metadata["capture"]["malformed_calls"] == 1


TAGS = st.sampled_from(["<tool_call>", "</tool_call>", "<think>", "</think>", "<function=", ">", "{", "}", "x", "\n"])


@given(st.lists(TAGS).map("".join))
def test_splitting_loses_no_text(text: str) -> None:
    outside, inside = split(text, "tool_call")
    assert len(outside) + sum(map(len, inside)) + len(inside) * len("<tool_call></tool_call>") == len(text)
    read_call(text)
    read_result(text)


def test_a_megabyte_of_opening_tags_takes_no_more_than_its_length() -> None:
    text = "<tool_call><function=a><parameter=b>" * 30_000
    started = time.process_time()
    split(text, "tool_call")
    read_call(text)
    assert time.process_time() - started < 60  # the square of it would take hours


KEYS = st.sampled_from(["from", "role", "value", "content", "conversations", "tool_calls", "name"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["conversations", "id", "usage", "metadata", "reward", "source_row"]), JSON))
def test_no_row_is_too_odd_to_be_read_or_refused(given_row: Row) -> None:
    given_row.setdefault("conversations", [said("human", "x"), said("gpt", "y")])
    found = HermesImporter().map_record(given_row, 0)
    assert found is None or found.content_hash == found.compute_content_hash()


def test_the_registry_gives_the_importer_and_it_keeps_the_protocol() -> None:
    assert get_importers()["hermes"]().format_name == "hermes"
    assert isinstance(get_importer("hermes"), base.FormatImporter)
    assert get_importers().keys() == {"hermes", "sharegpt"}
    with pytest.raises(UsageError) as refused:
        get_importer("nothing")
    assert "hermes" in refused.value.hint


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    return path


def test_a_file_is_imported_into_the_store_once(isolated_home: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", row(), row(id="task-8"))
    first = list(import_file("hermes", file, Report()))
    assert [each.status for each in first] == ["imported", "imported"]
    stored = TraceRecord.model_validate_json(trace_path(str(first[0].trace_id)).read_text())
    assert stored.content_hash == stored.compute_content_hash()
    with Index().sync() as index:
        assert {line.session_id[:7] for line in index.rows()} == {"task-7-", "task-8-"}
    assert [each.status for each in import_file("hermes", file, Report())] == ["unchanged", "unchanged"]


def test_malformed_rows_are_counted_and_keep_no_other_from_being_read(isolated_home: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", "{broken", row(), "[1]", {"x": 1}, row(id="task-8"))
    report = Report()
    assert [(each.number, each.status) for each in import_file("hermes", file, report)] == [
        (2, "imported"), (4, "malformed"), (5, "imported")
    ]  # fmt: skip
    assert report.unreadable == {"not_json": 1, "not_object": 1}


def test_rows_are_read_one_at_a_time(isolated_home: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", row(), row(id="task-8"))
    rows = import_file("hermes", file, Report())
    next(rows)
    with file.open("a") as more:
        more.write(json.dumps(row(id="task-9")) + "\n")
    assert len(list(rows)) == 2
    assert len(HermesImporter().import_traces(file, max_records=2)) == 2
    assert len(HermesImporter().import_traces(file)) == 3
