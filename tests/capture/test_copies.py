"""What a session copied from another one counts there, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.cut import cut as cut_claude
from hookkit.capture.claude_code.parser import ClaudeCodeParser
from hookkit.capture.pi.cut import cut as cut_pi
from hookkit.capture.pi.parser import PiParser
from hookkit.capture.quality import meets_quality_threshold
from hookkit.capture.session import Session as Reading
from hookkit.trails.emit_session import facts_of

from . import pi_support
from .support import SESSION, Transcript, parse, write

COPY = "5f3a1c7e-5d0c-5b0a-9d52-2f7f0c6a3c11"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CLAUDE_CONFIG_DIR", "PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def tokens(record: TraceRecord) -> tuple[int, int]:
    return record.metrics.total_input_tokens, record.metrics.total_output_tokens


def of_steps(record: TraceRecord) -> list[int]:
    return [step.token_usage.input_tokens for step in record.steps]


def counts(record: TraceRecord) -> tuple[int, int]:
    return record.metadata["capture"]["turns"], record.metadata["capture"]["tool_calls"]


def test_a_cut_of_claude_code_counts_what_came_after_it_alone(tmp_path: Path) -> None:
    lines = Transcript().turn("One.", "toolu_1").turn("Two.", "toolu_2")
    original = parse(tmp_path, lines)
    copy = cut_claude(write(tmp_path, lines), 1, COPY, tmp_path / "then")
    bare = ClaudeCodeParser().parse(copy).record
    assert isinstance(bare, TraceRecord)
    assert (tokens(bare), counts(bare), bare.metadata["copied_steps"]) == ((0, 0), (0, 0), [0, 1])
    assert not meets_quality_threshold(bare)
    assert bare.metadata["capture"]["meets_quality_threshold"] is False
    later = Transcript()
    later.lines = [{}] * 60  # a minute later
    later.turn("Another way.", "toolu_9")
    own = [{**line, "sessionId": COPY} for line in later.lines[60:]]
    with copy.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in own)
    record = ClaudeCodeParser().parse(copy).record
    assert isinstance(record, TraceRecord)
    assert [step.content or step.tool_calls[0].tool_call_id for step in record.steps] == [
        "One.", "toolu_1", "Another way.", "toolu_9", "Done.",
    ]  # fmt: skip
    assert (tokens(original), tokens(record)) == ((40, 20), (20, 10))
    assert of_steps(record) == [0, 0, 0, 10, 10]
    assert counts(record) == (1, 1)
    assert record.metadata["copied_steps"] == [0, 1]
    assert record.metadata["forked_from"] == SESSION
    assert record.timestamp_start == own[0]["timestamp"]
    assert record.metadata["capture"]["unpaired"]["no_hook"] == 1
    assert [window.call_id for window in facts_of(record).unseen] == ["toolu_9"]
    assert "copied_steps" not in original.metadata


def test_a_copy_of_a_copy_names_the_one_before_it(tmp_path: Path) -> None:
    first = cut_claude(write(tmp_path, Transcript().turn()), 1, COPY, tmp_path / "then")
    other = COPY.replace("5f3a", "6f3a")
    record = ClaudeCodeParser().parse(cut_claude(first, 0, other, tmp_path / "again")).record
    assert isinstance(record, TraceRecord)
    assert (record.metadata["forked_from"], record.metadata["copied_steps"]) == (COPY, [0])


def test_a_fork_of_pi_counts_what_came_after_it_alone(tmp_path: Path, home: Path) -> None:
    session = pi_support.Session().prompt("One.").call("c0").result("c0").say("Done.").prompt("Two.").say("Done.")
    path = session.write(home / ".pi" / "agent" / "sessions" / "--home-dev-project--")
    copy = cut_pi(path, 1, COPY, tmp_path / "then")
    head = json.loads(copy.read_text().partition("\n")[0])
    own = [
        {"type": "message", "id": "later1", "parentId": "00000003", "timestamp": head["timestamp"],
         "message": {"role": "user", "content": [{"type": "text", "text": "Another way."}]}},
        {"type": "message", "id": "later2", "parentId": "later1", "timestamp": head["timestamp"],
         "message": {"role": "assistant", "content": [{"type": "text", "text": "Yes."}], "usage": pi_support.USAGE,
                     "provider": "scripted", "model": "one", "stopReason": "stop"}},
    ]  # fmt: skip
    with copy.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in own)
    record = pi_support.record_of(copy)
    assert [step.content or step.tool_calls[0].tool_call_id for step in record.steps] == [
        "One.", "c0", "Another way.", "Yes.",
    ]  # fmt: skip
    assert (tokens(pi_support.record_of(path)), tokens(record)) == ((30, 15), (10, 5))
    assert of_steps(record) == [0, 0, 0, 10]
    assert counts(record) == (1, 0)
    assert record.metadata["copied_steps"] == [0, 1]
    assert record.metadata["forked_from"] == pi_support.SESSION
    assert record.timestamp_start == head["timestamp"]


def test_recorded_forks_of_pi_and_their_source_count_each_request_once() -> None:
    sessions = [pi_support.recorded(name) for name in ("resumed", "forked")]
    entries = {
        entry["id"]: entry["message"]["usage"]["input"]
        for path in sessions
        for entry in map(json.loads, path.read_text().splitlines())
        if entry["type"] == "message" and entry["message"]["role"] == "assistant"
    }
    assert sum(tokens(pi_support.record_of(path))[0] for path in sessions) == sum(entries.values())


@pytest.mark.parametrize("agent", ["claude-code", "pi"])
def test_what_was_copied_is_known_also_to_the_next_reading(agent: str, tmp_path: Path, home: Path) -> None:
    if agent == "pi":
        session = pi_support.Session().prompt("One.").call("c0").result("c0").say("Done.")
        copy = cut_pi(session.write(home / ".pi" / "agent" / "sessions" / "--x--"), 3 - 1, COPY, tmp_path)
    else:
        copy = cut_claude(write(tmp_path, Transcript().turn()), 2, COPY, tmp_path)
    whole, parser = copy.read_bytes(), PiParser() if agent == "pi" else ClaudeCodeParser()
    at_once = Reading(parser, COPY, copy, None)
    at_once.read()
    expected = at_once.record()
    assert expected is not None
    for cut_at in [place + 1 for place, byte in enumerate(whole) if byte == 10]:
        copy.write_bytes(whole[:cut_at])
        first, second = Reading(parser, COPY, copy, None), Reading(parser, COPY, copy, None)
        first.read()
        second.load(*first.dump())
        copy.write_bytes(whole)
        second.read()
        found = second.record()
        assert found is not None
        assert b"".join(found.text()) == b"".join(expected.text())
