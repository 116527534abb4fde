"""Whatever comes on stdin, the hook ends well, says nothing, and writes only valid lines where they belong."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .rig import EVENTS, FIELDS, SESSION, Payload, Rig, expected_tree, hook_lines, hook_module

line_module = hook_module("hookkit_line")
recorder = hook_module("hookkit_recorder")
json_module = hook_module("hookkit_json")


def _files(rig: Rig) -> set[Path]:
    return {path for path in rig.base.rglob("*") if not {".git", "__pycache__"} & set(path.parts)}


def _send(rig: Rig, raw: bytes, **environment: str | None) -> list[Payload]:
    """The lines that the payload left, after proving that nothing but the session's own files is there."""
    before = _files(rig)
    rig.send(raw, **environment)
    allowed = {rig.state, rig.state / "worktrees"}
    for path in _files(rig) - before - allowed:
        below = [rig.project / ".opentraces", rig.state / "sidecars"]
        assert any(path == folder or folder in path.parents for folder in below), path
        assert path.is_dir() or path.name in (".gitignore", f"{SESSION}.jsonl"), path
    return rig.lines()


NO_JSON = {
    "empty": b"",
    "a space": b" \n",
    "garbage": b"\x00\x01\x02 not json \xff\xfe\xfd",
    "a word": b"hello",
    "a list": b"[1, 2]",
    "null": b"null",
    "a number": b"42",
    "a string": b'"session"',
    "true": b"true",
    "an empty object": b"{}",
    "two objects": b"{}{}",
    "only a byte order mark": b"\xef\xbb\xbf",
    "half a byte order mark": b"\xff",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "closed deep lists": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_no_payload_leaves_a_degraded_line_of_the_session_around_it(rig: Rig, what: str) -> None:
    (line,) = _send(rig, NO_JSON[what])
    assert line["event"] == "Unknown"
    assert line["data"] == {"session_id": SESSION, "agent": "claude-code", "limitations": ["payload_unreadable"]}


@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_no_payload_of_any_session_leaves_nothing(rig: Rig, what: str) -> None:
    assert _send(rig, NO_JSON[what], CLAUDE_CODE_SESSION_ID=None) == []


@pytest.mark.parametrize("event", EVENTS)
def test_a_truncated_payload_leaves_what_could_be_saved(rig: Rig, event: str) -> None:
    rig.begin()
    raw = json.dumps(rig.payload(event, zz="x" * 500)).encode()[:-300]
    (line,) = _send(rig, raw, CLAUDE_CODE_SESSION_ID=None)
    assert line["event"] == event
    assert line["data"]["session_id"] == SESSION
    assert "payload_truncated" in line["data"]["limitations"]
    assert len(hook_lines(rig.transcript)) == 1
    if event in ("PreToolUse", "Stop"):
        assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(rig.project)


def test_a_payload_may_be_cut_anywhere(rig: Rig) -> None:
    rig.begin()
    raw = json.dumps(rig.payload("PostToolUse")).encode()
    for end in range(0, len(raw), 67):
        before = len(rig.lines())
        rig.send(raw[:end])
        assert len(rig.lines()) == before + 1


SESSIONS = [
    "../../x", "a/b", "..", ".hidden", "-rf", "", "x" * 129, "a\nb", "a\0b", "\ud800", 7, None, [], {"a": 1}, True,
    "ünï", "a b", "/etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_id_that_could_lead_elsewhere_is_not_used(rig: Rig, session: Any) -> None:
    raw = json.dumps(rig.payload("Stop", session_id=session)).encode()
    assert _send(rig, raw, CLAUDE_CODE_SESSION_ID=None) == []
    (line,) = _send(rig, raw)
    assert line["data"]["session_id"] == SESSION
    assert line["data"]["limitations"] == ["payload_unreadable"]
    assert _send(rig, raw, CLAUDE_CODE_SESSION_ID="../../x") == [line]


def test_50_megabytes_are_read_and_cut(rig: Rig) -> None:
    rig.begin()
    content = "x" * (50 << 20)
    raw = json.dumps(rig.payload("PreToolUse", tool_name="Write", tool_input={"content": content})).encode()
    (line,) = _send(rig, raw)
    assert line["data"]["tool_input"]["content"]["length"] == 50 << 20
    assert "limitations" not in line["data"]


def test_more_than_fits_is_read_to_its_end_and_said_to_be_truncated(rig: Rig) -> None:
    rig.patch("hookkit_recorder.py", "STDIN_LIMIT = 64 << 20", "STDIN_LIMIT = 64 << 10")
    process = rig.start()
    assert process.stdin is not None
    process.stdin.write(json.dumps(rig.payload("PreToolUse", zz="x" * (8 << 20))).encode())
    process.stdin.close()
    process.stdin = None
    assert rig.finish(process) == (0, b"", b"")
    (line,) = rig.lines()
    assert line["data"]["limitations"] == ["payload_truncated"]
    assert line["data"]["tool"] == "Bash"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "1e-999", "-0"])
def test_numbers_that_json_does_not_have_do_not_get_into_a_line(rig: Rig, number: str) -> None:
    raw = json.dumps(rig.payload("PostToolUse", duration_ms="N", tool_input={"n": ["N"]})).replace('"N"', number)
    (line,) = _send(rig, raw.encode())
    assert line["event"] == "PostToolUse"


def test_a_number_of_five_thousand_digits_costs_no_line(rig: Rig) -> None:
    raw = json.dumps(rig.payload("PreToolUse", tool_input={"n": "N"})).replace('"N"', "9" * 5000)
    (line,) = _send(rig, raw.encode())
    assert line["data"]["tool_call_id"] == "toolu_1795331453858026_0"
    assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(rig.project)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_json_is_read(rig: Rig, encoding: str) -> None:
    payload = rig.payload("UserPromptSubmit", prompt="ünïcode 🎉")
    (line,) = _send(rig, json.dumps(payload, ensure_ascii=False).encode(encoding))
    assert line["data"]["prompt"] == "ünïcode 🎉"
    assert "limitations" not in line["data"]


def test_utf_16_with_its_own_mark_in_the_other_order(rig: Rig) -> None:
    raw = b"\xfe\xff" + json.dumps(rig.payload("UserPromptSubmit")).encode("utf-16-be")
    assert _send(rig, raw)[0]["data"]["prompt"] == "Please mend it."


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_a_truncated_payload_of_any_encoding_is_saved_too(rig: Rig, encoding: str) -> None:
    raw = json.dumps(rig.payload("PreToolUse", zz="€" * 200), ensure_ascii=False).encode(encoding)[:-101]
    (line,) = _send(rig, raw, CLAUDE_CODE_SESSION_ID=None)
    assert line["data"]["limitations"] == ["payload_truncated"]
    assert line["data"]["tool"] == "Bash"


def test_bytes_that_are_no_text_cost_no_line(rig: Rig) -> None:
    raw = json.dumps(rig.payload("UserPromptSubmit", prompt="@@")).encode().replace(b"@@", b"\xff\xfe\x80")
    (line,) = _send(rig, raw)
    assert line["data"]["prompt"] == "\ufffd" * 3


def test_control_characters_and_lone_surrogates_are_carried_as_escapes(rig: Rig) -> None:
    prompt = "\x00\x1b[31m\u2028\ud800 \udfff\x7f"
    raw = json.dumps(rig.payload("UserPromptSubmit", prompt=prompt)).encode()
    (line,) = _send(rig, raw)
    assert line["data"]["prompt"] == prompt
    (sidecar,) = rig.sidecars()
    assert sidecar.read_bytes().count(b"\n") == 1
    assert b"\x1b" not in sidecar.read_bytes()


def test_raw_control_characters_in_a_string_are_let_pass(rig: Rig) -> None:
    raw = json.dumps(rig.payload("UserPromptSubmit", prompt="@@")).encode().replace(b"@@", b"a\x01\tb\nc")
    assert _send(rig, raw)[0]["data"]["prompt"] == "a\x01\tb\nc"


def test_of_two_keys_of_one_name_the_last_counts(rig: Rig) -> None:
    raw = json.dumps(rig.payload("PreToolUse"))[:-1] + ', "tool_name": "Edit", "session_id": "other"}'
    data = _send_to(rig, raw.encode(), "other")
    assert (data["tool"], data["session_id"]) == ("Edit", "other")


def _send_to(rig: Rig, raw: bytes, session: str) -> Payload:
    rig.send(raw)
    (sidecar,) = rig.sidecars()
    assert sidecar.name == f"{session}.jsonl"
    data: Payload = hook_lines(sidecar)[0]["data"]
    return data


@pytest.mark.long
@pytest.mark.parametrize("raw", [b"", b'{"session_id": "cut off he'])
def test_a_stdin_that_stays_open_does_not_keep_the_agent_waiting_for_ever(rig: Rig, raw: bytes) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, raw)
        assert rig.finish(rig.start(stdin=reader)) == (0, b"", b"")
    finally:
        os.close(reader)
        os.close(writer)
    assert len(rig.lines()) == 1


@pytest.mark.long
def test_a_whole_payload_on_a_stdin_that_stays_open_is_a_whole_payload(rig: Rig) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, json.dumps(rig.payload("Stop")).encode())
        assert rig.finish(rig.start(stdin=reader)) == (0, b"", b"")
    finally:
        os.close(reader)
        os.close(writer)
    assert "limitations" not in rig.lines()[0]["data"]


def test_a_stdin_that_drips_for_ever_is_left(rig: Rig) -> None:
    rig.patch("hookkit_recorder.py", "STDIN_BUDGET = 4.0", "STDIN_BUDGET = 0.5")
    drip = subprocess.Popen(["/bin/sh", "-c", "while printf ' '; do sleep 0.05; done"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)  # fmt: skip
    assert drip.stdout is not None
    try:
        assert rig.finish(rig.start(stdin=drip.stdout)) == (0, b"", b"")
    finally:
        drip.stdout.close()
        drip.kill()
        drip.wait()
    assert len(rig.lines()) == 1


@pytest.mark.parametrize("kind", ["null device", "folder", "file", "closed"])
def test_a_stdin_that_is_no_pipe(rig: Rig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (rig.base / "payload").write_text(json.dumps(rig.payload("Stop")))
    path = {"null device": "/dev/null", "folder": str(rig.base), "file": str(rig.base / "payload")}.get(kind)
    if path is None:
        command = f"exec <&-; {rig.command}"
        monkeypatch.setattr(Rig, "command", property(lambda self: command))
    descriptor = os.open(path or "/dev/null", os.O_RDONLY)
    try:
        assert rig.finish(rig.start(stdin=descriptor)) == (0, b"", b"")
    finally:
        os.close(descriptor)
    # On a folder Python itself refuses to start.
    expected = {"file": ["Stop"], "folder": []}.get(kind, ["Unknown"])
    assert [line["event"] for line in rig.lines()] == expected


PATHS = ["/" + "a/" * 1_000_000, "/a\0b", "/\ud800", "relative", "", "//", "/dev/null/x", "/proc/self/fd/0", "\x1b[31m"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path)[:12])
def test_paths_that_lead_nowhere(rig: Rig, path: str) -> None:
    tool_input = {"file_path": path, "notebook_path": path}
    payload = rig.payload("PostToolUse", cwd=path, transcript_path=path, tool_name="Edit", tool_input=tool_input)
    (line,) = _send(rig, json.dumps(payload).encode())
    assert line["data"]["trail"]["worktree_root"] == str(rig.project.resolve())


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["/", "..", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def bent_payloads(draw: st.DrawFn) -> tuple[str, Payload]:
    """A real payload with some of its values, or some inside its tool call, replaced by any JSON."""
    event = draw(st.sampled_from(EVENTS))
    fields = ["transcript_path", "cwd", "prompt_id", "hook_event_name", "agent_id", "agent_type", *FIELDS[event]]
    changes: Payload = {name: draw(VALUE) for name in draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4))}
    if draw(st.booleans()):
        changes["tool_input"] = {"file_path": draw(VALUE), "content": draw(VALUE)}
    if draw(st.booleans()):
        changes["tool_response"] = {"structuredPatch": draw(VALUE), "type": "create", "content": draw(VALUE)}
        changes["tool_name"] = "Write"
    return event, changes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bent=bent_payloads())
def test_any_value_of_any_field_may_be_anything(rig: Rig, bent: tuple[str, Payload]) -> None:
    event, changes = bent
    before = len(rig.lines())
    rig.send(json.dumps({**rig.payload(event), **changes}).encode())
    name = changes.get("hook_event_name", event)
    unasked = isinstance(name, str) and name not in EVENTS
    new = rig.lines()[before:]
    assert len(new) == int(not unasked)
    assert not unasked or not new
    if new and name in EVENTS:
        assert new[0]["event"] == name


SENT = st.text(max_size=9).filter(lambda name: name not in line_module.OURS)  # those have their shape


@given(data=st.dictionaries(SENT, VALUE, max_size=6), big=st.integers(0, 9_000))
def test_a_line_is_one_line_of_small_valid_json_whatever_it_is_about(data: Payload, big: int) -> None:
    data = {**data, "session_id": "s", "agent": "a", "tool_input": {"x": "é" * big, "y": list(range(big))}}
    raw: bytes = line_module.encode("Stop", data)
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    assert len(raw) <= 16 << 10
    line = json.loads(raw)
    assert sorted(line) == ["data", "event", "timestamp", "type"]
    assert line["data"]["session_id"] == "s"


@given(value=VALUE)
def test_what_fits_into_a_line_comes_out_of_it_unchanged(value: Any) -> None:
    clean = json.loads(json.dumps(value), parse_constant=lambda name: None)
    raw = line_module.encode("Stop", {"tool_input": clean})
    assert json.loads(raw)["data"]["tool_input"] == clean


@pytest.mark.parametrize("name", ["worktree_root", "file_path"])
def test_the_longest_path_there_can_be_still_gives_a_line_that_fits(name: str) -> None:
    path = "/" + "\x01" * 4094
    data = {"session_id": "s", "file_path": path, "trail": {"worktree_root": path, "tree_id": 1}}
    raw = line_module.encode("Stop", data)
    assert len(raw) <= 16 << 10
    assert json.loads(raw)["data"]["limitations"] == ["line_truncated"]


@given(value=st.text() | VALUE, encoding=st.sampled_from(ENCODINGS))
def test_json_is_read_as_the_json_package_reads_it(value: Any, encoding: str) -> None:
    document = {"a": value}
    text = json.dumps(document)
    expected = json.loads(text, parse_constant=lambda name: None)
    assert json_module.loads(json_module.decode(text.encode(encoding))) == expected


@given(text=st.text(alphabet='{}[]",:0123456789.eE+-truefalsnN \n\\u', max_size=25))
def test_what_the_json_package_refuses_is_refused(text: str) -> None:
    def outcome(loads: Any) -> Any:
        try:
            return loads(text)
        except ValueError:
            return "refused"

    ours = outcome(json_module.loads)
    assert ours == outcome(lambda each: json.loads(each, strict=False, parse_constant=lambda name: None))
