from __future__ import annotations

from pathlib import Path

import pytest
from opentraces_schema import TraceRecord

from hookkit import agents
from hookkit.capture import base
from hookkit.capture.claude_code.parser import ClaudeCodeParser
from hookkit.capture.quality import meets_quality_threshold
from hookkit.capture.registry import discover_project_sessions, get_parser, get_parsers
from hookkit.errors import UsageError

from .support import FIXTURES, OFFICIAL, SESSION, Transcript, hook, write


@pytest.mark.parametrize("name", agents.SOURCES)
def test_every_agent_has_a_parser_that_keeps_the_protocols(name: str) -> None:
    parser = get_parsers()[name]()
    assert parser.agent_name == name
    for protocol in (base.SessionParser, base.ProjectSessionDiscoverer, base.SessionPathIdentifier):
        assert isinstance(parser, protocol)


def test_unknown_agent_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError) as refused:
        get_parser("hal-9000")
    assert "claude-code" in refused.value.hint


@pytest.mark.parametrize(
    "path", sorted(OFFICIAL.glob("*.jsonl")) + sorted(FIXTURES.glob("*/projects/*/*.jsonl")), ids=lambda path: path.stem
)
def test_recorded_session_parses_to_a_record_with_its_hash(path: Path) -> None:
    outcome = ClaudeCodeParser().parse(path)
    assert not outcome.is_blocked()
    record = outcome.record
    assert isinstance(record, TraceRecord)
    assert record.content_hash == record.compute_content_hash()
    assert [step.step_index for step in record.steps] == list(range(len(record.steps)))
    assert record.metrics.total_steps == len(record.steps)
    assert record.metrics.total_output_tokens == sum(step.token_usage.output_tokens for step in record.steps)
    assert record.metrics.total_input_tokens == sum(step.token_usage.input_tokens for step in record.steps)
    calls = [call.tool_call_id for step in record.steps for call in step.tool_calls]
    assert sorted(calls) == sorted(seen.source_call_id for step in record.steps for seen in step.observations)
    assert len(calls) == len(set(calls)) == record.metadata["capture"]["tool_calls"]
    assert record.metadata["capture"]["unknown_types"] == {}


def test_session_below_the_threshold_is_none_for_the_contract(tmp_path: Path) -> None:
    parser = ClaudeCodeParser()
    assert parser.parse_session(write(tmp_path, Transcript().prompt("Hi.").say("Hello."))) is None
    assert parser.parse_session(write(tmp_path, Transcript().call("a"))) is None
    record = parser.parse_session(write(tmp_path, Transcript().prompt("Go.").call("a")))
    assert record is not None
    assert meets_quality_threshold(record)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"42\n", b"null\n[]\n", b"\0" * 900, b"{", b"\xff\xfe", b'{"type":"user"}\n']
)
def test_malformed_transcript_gives_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(content)
    assert ClaudeCodeParser().parse_session(path) is None


def test_missing_transcript_gives_none(tmp_path: Path) -> None:
    assert ClaudeCodeParser().parse_session(tmp_path / f"{SESSION}.jsonl") is None


def test_outcome_with_errors_is_blocked(tmp_path: Path) -> None:
    path = write(tmp_path, Transcript().turn())
    path.write_bytes(path.read_bytes() + b"broken\n" * 3)
    outcome = ClaudeCodeParser().parse(path)
    assert outcome.record is not None
    assert outcome.is_blocked()
    assert outcome.block_reason() == "parse_error"
    assert not base.ParseOutcome().is_blocked()


def test_byte_offset_reads_the_rest_and_keeps_its_first_line(tmp_path: Path) -> None:
    path = write(tmp_path, Transcript().turn("First."))
    offset = path.stat().st_size
    with path.open("a") as file:
        file.write(Transcript().turn("Second.", "toolu_2").text())
    parser = ClaudeCodeParser()
    record = parser.parse_session(path, offset)
    assert record is not None
    assert [step.content for step in record.steps] == ["Second.", None, "Done."]
    assert record.trace_id == parser.parse_session(path).trace_id  # type: ignore[union-attr]
    assert parser.parse_session(path, path.stat().st_size + 5) is None
    assert len(parser.parse_session(path, -9).steps) == 3 + 3 - 4 + 4 - 3  # type: ignore[union-attr]


def test_session_id_is_the_agents_own(tmp_path: Path) -> None:
    assert ClaudeCodeParser().session_id_from_path(Path("/x") / f"{SESSION}.jsonl") == SESSION


def test_discovery_finds_sessions_and_leaves_out_what_is_none(tmp_path: Path) -> None:
    path = write(tmp_path, Transcript().turn(), Transcript("sub").prompt("Be sub."))
    path.with_name("agent-old.jsonl").write_text("")
    path.with_name("notes.txt").write_text("")
    (path.parent / "folder.jsonl").mkdir()
    assert list(ClaudeCodeParser().discover_sessions(tmp_path / "projects")) == [path]
    assert list(ClaudeCodeParser().discover_sessions(path.parent)) == [path]
    assert list(ClaudeCodeParser().discover_sessions(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("length", [10, 400])
def test_project_discovery_knows_how_claude_code_names_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    project = tmp_path / "a.b c_d" / ("x" * (length // 2)) / ("y" * (length // 2))
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in str(project))
    name = name if len(name) <= 200 else f"{name[:200]}-1a2b3c"
    for folder in (name, "-another"):
        (tmp_path / "config" / "projects" / folder).mkdir(parents=True)
        (tmp_path / "config" / "projects" / folder / f"{SESSION}.jsonl").write_text("")
    found = list(discover_project_sessions(project))
    assert found == [("claude-code", tmp_path / "config" / "projects" / name / f"{SESSION}.jsonl")]


def test_parser_finds_the_sidecar_of_the_worktree_that_the_session_ran_in(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (project / "below").mkdir()
    sidecar = project / ".opentraces" / "claude-code" / "hooks" / f"{SESSION}.jsonl"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text(f"{__import__('json').dumps(hook('PreToolUse', 1, 'a'))}\n")
    record = (
        ClaudeCodeParser()
        .parse(write(tmp_path, Transcript().prompt("Go.", cwd=str(project / "below")).call("a")))
        .record
    )
    assert isinstance(record, TraceRecord)
    assert record.metadata["hook_pre_tool_use"].keys() == {"a"}
    assert record.metadata["project"] == str(project)
