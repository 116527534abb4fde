"""What the hooks of every agent must do whatever its payloads are called. Claude Code's have tests of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import wait_for

from .agent_rig import AgentRig
from .codex_rig import CodexRig
from .copilot_rig import CopilotRig
from .cursor_rig import CursorRig
from .gemini_rig import GeminiRig
from .opencode_rig import OpenCodeRig
from .pi_rig import PiRig
from .qwen_rig import QwenRig
from .rig import fake_git, hook_module, make_repository

RIGS: list[type[AgentRig]] = [CodexRig, PiRig, GeminiRig, OpenCodeRig, CopilotRig, QwenRig, CursorRig]
hunks = hook_module("hookkit_hunks")


@pytest.fixture(params=RIGS, ids=lambda kind: kind.contract.name)
def kind(request: pytest.FixtureRequest) -> type[AgentRig]:
    """The rig of each agent in turn."""
    found: type[AgentRig] = request.param
    return found


@pytest.fixture
def rig(kind: type[AgentRig], tmp_path: Path, project: Path) -> AgentRig:
    """In a repository that holds a.txt."""
    return kind(tmp_path, project)


def test_contract_and_script_name_the_same_events(kind: type[AgentRig]) -> None:
    assert {event.name: event.role for event in kind.contract.events} == kind.events().ROLES


def test_nothing_but_a_sidecar_is_written_and_that_not_where_the_model_would_see_it(rig: AgentRig) -> None:
    kept, before = rig.begin(), set(rig.project.iterdir())
    rig.fire(rig.event("session_start"))
    rig.command_line()
    assert rig.transcript.read_bytes() == kept
    shown = rig.events().LINES == "state"
    assert {path.name for path in set(rig.project.iterdir()) - before} == (set() if shown else {".opentraces"})


# What a call wrote


# Nothing in Cursor's payloads says what was in a file before.
of_those_that_tell_lines = pytest.mark.parametrize(
    "kind", [each for each in RIGS if each is not CursorRig], ids=lambda kind: kind.contract.name, indirect=True
)


@of_those_that_tell_lines
@pytest.mark.parametrize("named", ["new.txt", "{project}/new.txt"])
def test_a_written_file_is_told_line_by_line(kind: type[AgentRig], rig: AgentRig, named: str) -> None:
    path = rig.project / "new.txt"
    path.write_text("a\nb\n")
    tool, given, told = rig.writing(named.format(project=rig.project), "a\nb\n")
    data = rig.tool(rig.event("tool_post"), tool, given, **told)["data"]
    assert (data["file_path"], data["start_line"], data["end_line"]) == (str(path), 1, 2)
    assert (data["confidence"], data["capture_status"], data["limitations"]) == ("high", "captured", [])
    assert data["content_hash"] == hunks.digest(["a", "b"])
    assert [rig.project / name for name in kind.contract.writes(tool, data["tool_input"]) or ()] == [path]


@of_those_that_tell_lines
def test_a_file_that_is_not_what_was_written_is_said_to_be_so(rig: AgentRig) -> None:
    """A formatter was faster, or another call of the same answer."""
    path = rig.project / "new.txt"
    path.write_text("formatted\n")
    tool, given, told = rig.writing(str(path), "a\n")
    data = rig.tool(rig.event("tool_post"), tool, given, **told)["data"]
    assert (data["confidence"], data["limitations"]) == ("low", ["hook_payload_state_mismatch"])


# Where


def test_a_call_in_another_worktree_is_bound_to_that_one(rig: AgentRig, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other")
    tool, given, _ = rig.writing(str(other / "x.txt"), "x\n")
    line = rig.tool(rig.event("tool_pre"), tool, given)
    assert line["data"]["trail"]["worktree_root"] == str(other.resolve())
    assert "limitations" not in line["data"]
    (sidecar,) = rig.sidecars()
    assert sidecar.is_relative_to(rig.state if rig.events().LINES == "state" else rig.project)


def test_outside_of_a_repository_the_line_says_so(kind: type[AgentRig], tmp_path: Path) -> None:
    rig = kind(tmp_path)
    line = rig.command_line()
    assert "trail" not in line["data"]
    assert line["data"]["limitations"] == ["no_worktree"]
    assert rig.sidecars()[0].is_relative_to(rig.state)


@pytest.mark.parametrize("how", ["missing", "failing"])
def test_without_git_the_line_says_so(rig: AgentRig, tmp_path: Path, how: str) -> None:
    path = fake_git(tmp_path / "bin", "exit 1") if how == "failing" else str(tmp_path / "nothing")
    line = rig.command_line(env={"PATH": path})
    assert "trail" not in line["data"]
    assert line["data"]["limitations"]


# The end of a turn, and of a session


def ingested(rig: AgentRig, role: str, **changes: Any) -> list[str]:
    """The arguments of the ingest that an event starts."""
    report = rig.record_ingest()
    rig.fire(rig.event(role), **changes)
    found: list[str] = wait_for(lambda: report.exists() and json.loads(report.read_text()))["arguments"]
    return found


of_every_end = pytest.mark.parametrize("role", ["turn_end", "session_end"])


@of_every_end
def test_an_end_starts_an_ingest_of_the_session(rig: AgentRig, role: str) -> None:
    which = [str(rig.transcript)] if "transcript_path" in rig.common() else ["--session", rig.session]
    assert ingested(rig, role) == [
        "_ingest-session", *which, "--agent", rig.contract.name, "--project", str(rig.project),
    ]  # fmt: skip


@of_every_end
@pytest.mark.parametrize("path", ["", None, ...], ids=["empty", "null", "left out"])
def test_a_session_that_keeps_no_file_is_ingested_by_its_id(rig: AgentRig, role: str, path: Any) -> None:
    assert ingested(rig, role, transcript_path=path)[:3] == ["_ingest-session", "--session", rig.session]


# Consent


@pytest.mark.parametrize("how", ["switch", "marker"])
def test_consent_is_asked_first(rig: AgentRig, how: str) -> None:
    if how == "marker":
        (rig.project / ".opentraces").mkdir()
        (rig.project / ".opentraces" / "excluded").touch()
    sent = rig.payload(rig.event("tool_pre"), tool_name=rig.shell, **rig.ids, tool_input={"command": "true"})
    rig.send(json.dumps(sent).encode(), **({"HOOKKIT_DISABLE": "1"} if how == "switch" else {}))
    assert not rig.lines()


# What is no payload


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"[1]", b"{", b"{}", b"\xef\xbb\xbf{}", b"\x00\xff{", b"\xff\xfe\x00",
        b'{"a":' * 50_000, b"[" * 100_000,
        b'{"session_id": NaN, "conversation_id": NaN, "hook_event_name": "%s"}',
        b'{"session_id": "../../x", "conversation_id": "../../x", "hook_event_name": "%s"}',
        b'{"session_id": 7, "conversation_id": ["a"], "hook_event_name": ["%s"], "cwd": {}, "workspace_roots": 5}',
        b'{"session_id": "' + b"x" * 5_000_000 + b'"}',
    ],
    ids=lambda raw: repr(raw[:25]),
)  # fmt: skip
def test_what_names_no_session_leaves_nothing(rig: AgentRig, raw: bytes) -> None:
    before = rig.files()
    unset = {rig.names_session: None} if rig.names_session else {}
    rig.send(raw.replace(b"%s", rig.event("tool_pre").encode()), **unset)
    assert rig.files() == before


def test_a_payload_that_was_cut_off_still_leaves_a_line(rig: AgentRig) -> None:
    sent = rig.payload(rig.event("tool_pre"), tool_name=rig.shell, **rig.ids, tool_input={"command": "x"})
    rig.send(json.dumps(sent)[:-5].encode())
    (line,) = rig.lines()
    data = line["data"]
    assert (line["event"], data["session_id"], data["tool"]) == ("PreToolUse", rig.session, rig.shell)
    assert "payload_truncated" in data["limitations"]
