"""T2 of the coverage matrix: what a live parser must do, for each agent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit import agents
from hookkit.capture.base import ParseOutcome
from hookkit.capture.registry import get_parsers
from hookkit.capture.resume import Resumer
from hookkit.errors import HookkitError

from .played import Session, environment, keep, parser

SUMS = {
    "total_input_tokens": "input_tokens", "total_output_tokens": "output_tokens",
    "total_cache_read_tokens": "cache_read_tokens", "total_cache_creation_tokens": "cache_write_tokens",
}  # fmt: skip


def of_lines(session: Session) -> None:
    """Skip what is asked of files of lines; tests/capture/test_opencode_parser.py asks it of a database."""
    if not session.before:
        pytest.skip("not applicable: its sessions are rows of a database")


def test_the_parser_is_registered(agent: str) -> None:
    assert get_parsers()[agent].agent_name == agent


def test_a_recorded_session_becomes_a_trace_record_of_its_shape(session: Session) -> None:
    record = TraceRecord.model_validate(session.trace)
    assert record.agent.name == session.contract.name
    assert record.session_id == session.session_id
    assert record.task.description
    assert [step.step_index for step in record.steps] == [*range(len(record.steps))]
    assert {"user", "agent"} <= {step.role for step in record.steps}


def test_every_call_has_its_name_input_id_and_result(session: Session) -> None:
    calls = session.calls
    assert calls
    assert len({call["tool_call_id"] for call in calls}) == len(calls)
    for call in calls:
        assert call["tool_name"]
        assert isinstance(call["input"], dict)
    answered = {seen["source_call_id"] for step in session.trace["steps"] for seen in step["observations"]}
    assert {call["tool_call_id"] for call in calls} == answered


def test_a_call_that_failed_says_so(session: Session) -> None:
    seen = [o for step in session.trace["steps"] for o in step["observations"]]
    assert any(o.get("error") for o in seen) or not session.of("tool_failure")
    assert not all(o.get("error") for o in seen)


def test_the_outcome_says_how_the_session_ended(session: Session) -> None:
    outcome = session.trace["outcome"]
    assert outcome["description"]
    assert outcome["terminal_state"] in ("goal_reached", "interrupted", "error", None)
    assert outcome["signal_source"]


def spent(usage: Mapping[str, int | None]) -> int:
    return sum(usage.get(each) or 0 for each in SUMS.values())


def test_usage_is_counted_once_in_buckets_that_never_overlap(session: Session) -> None:
    steps = [step["token_usage"] for step in session.trace["steps"] if step.get("token_usage")]
    metrics = session.trace["metrics"]
    for total, each in SUMS.items():
        told = sum(usage.get(each) or 0 for usage in steps)
        assert (metrics.get(total) or 0) == told or not any(map(spent, steps)), total
    by_model = session.trace["metadata"].get("cost", {}).get("models", {}).values()
    for total, each in SUMS.items():
        assert sum(model[each] for model in by_model) == (metrics.get(total) or 0), total
    if session.contract.evidence.level == "run":
        assert metrics["total_input_tokens"]
        assert metrics["total_output_tokens"]


def test_the_same_session_gives_the_same_bytes_and_the_same_id(session: Session) -> None:
    first, second = (parser(session.contract.name).parse(session.transcript) for _ in range(2))
    assert isinstance(first, ParseOutcome)
    assert first.record is not None
    assert second.record is not None
    assert first.record.model_dump_json() == second.record.model_dump_json()
    assert first.record.trace_id == session.trace["trace_id"]


def test_hook_lines_are_indexed_by_event(session: Session) -> None:
    metadata = session.trace["metadata"]
    pre = {line["data"].get("tool_call_id") for line in session.of("tool_pre")} - {None}
    assert len(metadata["hook_pre_tool_use"]) == len(session.of("tool_pre"))
    if session.contract.call_ids == "transcript":
        assert pre <= set(metadata["hook_pre_tool_use"])
    assert len(metadata["hook_post_tool_use"]) == len(session.of("tool_post") + session.of("tool_failure"))
    assert metadata["hook_stop"]
    ids = {call["tool_call_id"] for call in session.calls}
    assert set(metadata["hook_pre_tool_use"]) <= ids


def test_the_record_carries_the_hash_of_its_content(session: Session) -> None:
    found = session.trace["content_hash"]
    assert isinstance(found, str)
    assert len(found) == 64
    assert TraceRecord.model_validate(session.trace).compute_content_hash() == found


def test_a_trivial_session_is_no_trace(agent: str, session: Session, tmp_path: Path) -> None:
    of_lines(session)
    place = tmp_path / session.transcript.relative_to(session.home)
    place.parent.mkdir(parents=True)
    first = session.before.splitlines(keepends=True)[0]
    place.write_bytes(first.replace(str(session.root).encode(), str(tmp_path).encode()))
    assert parser(agent).parse_session(place) is None


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"{", b"[1]\n", b"nonsense\n\xff\xfe\n", b'{"type": 7}\n', b"null\n" * 50]
)
def test_malformed_transcripts_give_none_and_no_exception(
    agent: str, session: Session, tmp_path: Path, text: bytes
) -> None:
    of_lines(session)
    place = tmp_path / session.transcript.relative_to(session.home)
    place.parent.mkdir(parents=True)
    place.write_bytes(text)
    assert parser(agent).parse_session(place) is None
    assert parser(agent).parse_session(place.with_name(f"none-{place.name}")) is None


def test_a_broken_line_is_skipped_and_counted(agent: str, session: Session, tmp_path: Path) -> None:
    of_lines(session)
    place = tmp_path / session.transcript.relative_to(session.home)
    place.parent.mkdir(parents=True)
    lines = session.before.splitlines(keepends=True)
    place.write_bytes(b"".join([*lines[:3], b"{broken\n", *lines[3:]]))
    outcome = parser(agent).parse(place)
    assert outcome.record is not None
    assert sum(outcome.record.metadata["capture"]["skipped_lines"].values()) == 1


def test_reading_on_from_a_byte_keeps_the_first_new_line(agent: str, session: Session) -> None:
    """From the line on in which the last call of the main agent appears for the first time."""
    lines = session.before.splitlines(keepends=True)
    own = [line if b'"opentraces_hook"' not in line else b"" for line in lines]
    ids = [call["tool_call_id"].encode() for call in session.calls]
    last, first = next(((each, n) for each in reversed(ids) for n, line in enumerate(own) if each in line), (b"", None))
    if first is None:
        pytest.skip("not applicable: the transcript has no ids, or is no file of lines")
    outcome = parser(agent).parse(session.transcript, len(b"".join(lines[:first])))
    assert outcome.record is not None
    assert last.decode() in {call.tool_call_id for step in outcome.record.steps for call in step.tool_calls}
    assert len(outcome.record.steps) < len(session.trace["steps"])
    assert parser(agent).parse_session(session.transcript, len(session.before) + 1) is None


@pytest.fixture
def kept(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The transcript where the agent keeps its sessions, in a home that has nothing else."""
    monkeypatch.setenv("HOME", str(tmp_path))
    storage = session.contract.transcripts(environment(tmp_path))
    place = storage.parent / session.transcript.relative_to(session.home)
    keep(session.transcript, place)
    return place


def test_a_session_is_found_wherever_it_was_started_and_subagents_are_none(agent: str, kept: Path) -> None:
    found = parser(agent)
    storage = agents.get(agent).transcripts(environment(Path(os.environ["HOME"])))
    (storage / "notes.txt").write_text("no session")
    assert [*found.discover_sessions(storage)] == [kept]
    session_id = found.session_id_from_path(kept)
    assert found.find_session(session_id) == kept
    assert not found.exists(found.find_session("00000000-0000-4000-8000-00000000dead"))


def test_the_way_to_take_the_session_up_again_is_known_or_refused_with_a_reason(session: Session, kept: Path) -> None:
    resumer, record = Resumer(session.contract.name), dict(session.trace)
    if session.contract.resuming is None:
        with pytest.raises(HookkitError) as refused:
            resumer.plan(record)
        assert refused.value.message
        return
    plan = resumer.plan(record)
    assert plan.command[0] == session.contract.program
    assert any(word.endswith(session.session_id) for word in plan.command)
    assert plan.folder == session.root


def test_a_step_of_a_session_that_cannot_be_cut_is_refused_honestly(session: Session, kept: Path) -> None:
    resumer, record = Resumer(session.contract.name), dict(session.trace)
    step = next(step["step_index"] for step in record["steps"] if step["tool_calls"])
    plan = resumer.plan_at_step(record, step, None, worktree_only=True)
    assert plan.boundary is not None
    assert not plan.command
    if not resumer.supports_at_step:
        with pytest.raises(HookkitError) as refused:
            resumer.plan_at_step(record, step, None, worktree_only=False)
        assert "--worktree-only" in refused.value.hint
