from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkit.capture.record import Record, canonical, new_head, new_step
from hookkit.errors import HookkitError
from hookkit.store import trace_file
from hookkit.store.files import replace_file
from hookkit.store.trace_file import TraceFile

STEP = {**new_step("agent", "2026-01-05T10:00:00Z"), "content": "a step"}
# What a session may have been given and have answered: text of any kind, and objects that look like the trace itself.
FAKE = {"metadata": {"hook_stop": []}, "session_id": "s", "steps": [STEP, STEP], "trace_id": "t"}
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ['"steps": [{"agent_role": ', '}, "metrics": {', "\\", '\\"', "\ud800", "[[[", json.dumps(FAKE), "é" * 30]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.integers(), st.floats(allow_nan=False), st.just(FAKE), st.just([STEP])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
CALLS = st.dictionaries(TEXTS, VALUES, max_size=4)


def written(path: Path, steps: list[dict[str, Any]], metadata: dict[str, Any]) -> dict[str, Any]:
    """A record as an ingest writes it; gives what is in the file."""
    record = Record(new_head("t", "s", "claude-code"), metadata, [canonical(step) for step in steps])
    replace_file(path, record.text(), durable=False)
    body: dict[str, Any] = json.loads(path.read_bytes())
    return body


def read(path: Path) -> tuple[TraceFile, dict[str, Any]]:
    """All that a trace file gives: its hook lines as the metadata has them, and its steps."""
    with TraceFile(path) as file:
        found: dict[str, Any] = {"calls": {}, "lists": {}}
        for _, key, call, entry in file.hook_lines():
            if call or key in ("hook_pre_tool_use", "hook_post_tool_use"):
                found["calls"].setdefault(key, {})[call] = entry
            else:
                found["lists"].setdefault(key, []).append(entry)
        places = list(file.steps())
        found["steps"] = [step for _, step in places]
        assert [file.step(place) for place, _ in places] == found["steps"]
        return file, found


@pytest.fixture(params=[1, 24, 1 << 20], ids="window-{}".format)
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes that are looked at at once."""
    size: int = request.param
    monkeypatch.setattr(trace_file, "_WINDOW", size)
    return size


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.lists(st.tuples(TEXTS, VALUES), max_size=4), pre=CALLS, stops=st.lists(VALUES, max_size=3), rest=VALUES
)
@pytest.mark.usefixtures("window")
def test_any_record_is_read_to_what_was_written(
    tmp_path: Path, contents: list[tuple[str, Any]], pre: dict[str, Any], stops: list[Any], rest: Any
) -> None:
    steps = [
        {**STEP, "content": text, "step_index": number, "tool_calls": [{"input": {"given": value}}]}
        for number, (text, value) in enumerate(contents)
    ]
    metadata = {"capture": rest, "hook_pre_tool_use": pre, "hook_stop": stops, "project": "/p", "zebra": rest}
    body = written(tmp_path / "t.json", steps, metadata)
    file, found = read(tmp_path / "t.json")
    assert found["steps"] == body["steps"]
    assert found["calls"].get("hook_pre_tool_use", {}) == body["metadata"]["hook_pre_tool_use"]
    assert found["lists"].get("hook_stop", []) == body["metadata"]["hook_stop"]
    assert file.metadata == {key: body["metadata"][key] for key in ("capture", "project", "zebra")}
    assert file.head == {key: body[key] for key in file.head}
    assert {"agent", "metrics", "session_id"} <= file.head.keys()


def test_hook_line_that_looks_like_the_steps_fools_nobody_for_long(tmp_path: Path) -> None:
    """The first look may be wrong; what counts is not."""
    steps = [{**STEP, "content": "mine", "step_index": 0}]
    written(tmp_path / "t.json", steps, {"hook_pre_tool_use": {"toolu_1": {"tool_input": FAKE}}})
    with TraceFile(tmp_path / "t.json") as file:
        assert [step["content"] for _, step in file.early_steps()] == ["a step", "a step"]
        assert [step["content"] for _, step in file.steps()] == ["mine"]


def test_first_steps_are_there_before_the_hook_lines_were_read(tmp_path: Path) -> None:
    steps = [{**STEP, "content": f"step {number}", "step_index": number} for number in range(50)]
    written(tmp_path / "t.json", steps, {"hook_stop": [{"said": '"session_id": "s", "steps": [{'}]})
    with TraceFile(tmp_path / "t.json") as file:
        assert [step["content"] for _, step in file.early_steps()] == [f"step {number}" for number in range(50)]
        assert "session_id" not in file.head


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_file_of_another_form_is_read_too(tmp_path: Path, indent: int | None, ascii_only: bool) -> None:
    """Other programs write it in any order, spaced out, and not in ASCII."""
    steps = [{**STEP, "content": "größer 世界", "step_index": number} for number in range(5)]
    body = written(tmp_path / "t.json", steps, {"project": "/é", "hook_stop": [{"event": "Stop ü"}]})
    for turned in (dict(reversed(body.items())), body):
        text = json.dumps(turned, indent=indent, ensure_ascii=ascii_only)
        (tmp_path / "o.json").write_text(text, encoding="utf-8")
        file, found = read(tmp_path / "o.json")
        assert found["steps"] == body["steps"]
        assert found["lists"] == {"hook_stop": [{"event": "Stop ü"}]}
        assert file.metadata["project"] == "/é"


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("keep", [0, 1, 40, 0.3, 0.9, 0.999])
def test_torn_file_is_an_error_that_says_what_to_do(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "t.json"
    written(path, [{**STEP, "content": "x" * 300, "step_index": number} for number in range(9)], {"hook_stop": [{}]})
    whole = path.read_bytes()
    steps_end = whole.index(b', "system_prompts"')
    path.write_bytes(whole[: int(keep * steps_end) if keep < 1 else int(keep)])
    with pytest.raises(HookkitError, match="cannot be read") as error:
        read(path)
    assert "hookkit ingest" in error.value.hint


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"a": nul}', '{"metadata": {}}', '{"metadata": {}, "steps": [1]}', "{1: 2}"]
)
def test_what_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(HookkitError, match="cannot be read"):
        read(tmp_path / "t.json")


def test_damage_is_found_where_it_is_and_not_at_the_end_of_the_file(tmp_path: Path) -> None:
    """A gigabyte behind a wrong byte is not read to find out that it is wrong."""
    path = tmp_path / "t.json"
    written(path, [{**STEP, "content": "x" * 3000, "step_index": number} for number in range(2000)], {})
    body = path.read_bytes()
    path.write_bytes(body.replace(b'"step_index": 3,', b'"step_index": !,'))
    with TraceFile(path) as file, pytest.raises(HookkitError) as error:
        list(file.steps())
    assert "Expecting value" in error.value.message
    cursor = trace_file.Cursor(b'{"a": ' + b"1" * 100 + b"!" + b"x" * (8 << 20))
    with pytest.raises(ValueError, match="Expecting"):
        cursor.value()
    assert len(cursor._window) == trace_file._WINDOW


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, value=VALUES)
def test_record_without_its_steps_is_what_stands_around_them(tmp_path: Path, text: str, value: Any) -> None:
    fake = {"steps": [{}], "system_prompts": {}, "trace_id": "other"}
    steps = [{**STEP, "content": text, "tool_calls": [{"input": [value, fake]}]}]
    body = written(tmp_path / "t.json", steps, {"project": text, "hook_stop": [value]})
    with TraceFile(tmp_path / "t.json") as file:
        assert file.without_steps() == body | {"metadata": {"project": text}, "steps": []}
