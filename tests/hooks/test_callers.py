"""Other agents run Claude's hooks too: the line says who really called."""

from __future__ import annotations

import json

import pytest

from tests.waiting import wait_for

from .rig import SESSION, Payload, Rig, hook_lines

TIME = "2026-11-22T07:10:10.000Z"
CLAUDE = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": SESSION}
NO_CLAUDE = {"CLAUDECODE": None, "CLAUDE_CODE_SESSION_ID": None}
OUTER = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "9a1b99cd-5d10-4724-88a6-059c1db94ca6"}
COPILOT = {"COPILOT_CLI": "1", "COPILOT_PROJECT_DIR": "/x"}
QWEN = {"QWEN_PROJECT_DIR": "/x", "GEMINI_PROJECT_DIR": "/x"}
GEMINI = {"GEMINI_SESSION_ID": SESSION, "GEMINI_PROJECT_DIR": "/x"}
CURSOR = {"CURSOR_VERSION": "3.1", "CURSOR_PROJECT_DIR": "/x"}
TIMED = {"timestamp": TIME, "transcript_path": ..., "prompt_id": ...}
CODEX = {"turn_id": "01a20217-0", "model": "gpt-5.5", "prompt_id": ...}
ROLLOUT = "/home/u/.codex/sessions/2026/11/22/rollout-2026-11-22T07-10-10-01a20217.jsonl"

TABLE = {
    "Claude": (CLAUDE, {}, "claude-code"),
    "an older Claude that sets no session id": ({"CLAUDE_CODE_SESSION_ID": None}, {}, "claude-code"),
    "Claude after a fork, which sends the old id once": (OUTER, {}, "claude-code"),
    "Copilot": ({**NO_CLAUDE, **COPILOT}, TIMED, "copilot-cli"),
    "Copilot inside Claude": ({**OUTER, **COPILOT}, TIMED, "copilot-cli"),
    "Claude inside Copilot": ({**CLAUDE, **COPILOT}, {}, "claude-code"),
    "Copilot inside Qwen, by its transcript": (
        {**NO_CLAUDE, **COPILOT, **QWEN},
        {**TIMED, "transcript_path": "/home/u/.copilot/session-state/s/events.jsonl"},
        "copilot-cli",
    ),
    "Qwen": ({**NO_CLAUDE, **QWEN}, TIMED, "qwen-code"),
    "Qwen inside Copilot, by its transcript": (
        {**NO_CLAUDE, **COPILOT, **QWEN},
        {**TIMED, "transcript_path": f"/home/u/.qwen/projects/-x/chats/{SESSION}.jsonl"},
        "qwen-code",
    ),
    "Claude inside Qwen": ({**CLAUDE, **QWEN}, {}, "claude-code"),
    "Gemini": ({**NO_CLAUDE, **GEMINI}, TIMED, "gemini-cli"),
    "Gemini inside Copilot": ({**NO_CLAUDE, **COPILOT, **GEMINI}, TIMED, "gemini-cli"),
    "Claude inside Gemini": ({**CLAUDE, **GEMINI, "GEMINI_SESSION_ID": "other"}, {}, "claude-code"),
    "Cursor": ({**NO_CLAUDE, **CURSOR}, {"cursor_version": "3.1", "conversation_id": "c"}, "cursor"),
    "Cursor inside Claude": ({**OUTER, **CURSOR}, {"conversation_id": "c"}, "cursor"),
    "Cursor, by its environment alone": ({**NO_CLAUDE, **CURSOR}, {}, "cursor"),
    "Claude in Cursor's terminal": ({**CLAUDE, **CURSOR}, {}, "claude-code"),
    "Codex inside Claude": (OUTER, {**CODEX, "transcript_path": ROLLOUT}, "codex-cli"),
    "Codex inside Claude, without a transcript": (OUTER, {**CODEX, "transcript_path": None}, "codex-cli"),
    "Codex inside Claude, at an event without a turn": (
        OUTER,
        {"model": "gpt-5.5", "prompt_id": ..., "transcript_path": ROLLOUT},
        "codex-cli",
    ),
    "Claude inside Codex": (CLAUDE, {}, "claude-code"),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_line_names_the_agent_that_called(rig: Rig, case: str) -> None:
    environment, changes, agent = TABLE[case]
    rig.begin()
    data = rig.fire("PreToolUse", env=environment, **changes)["data"]
    assert data["agent"] == agent
    foreign = agent != "claude-code"
    assert ("foreign_caller" in data.get("limitations", [])) == foreign
    sidecar = rig.project / ".opentraces" / agent / "hooks" / f"{SESSION}.jsonl"
    assert len(hook_lines(sidecar)) == int(foreign)
    assert len(hook_lines(rig.transcript)) == int(not foreign)


def test_a_foreign_call_without_an_id_of_its_own_is_not_given_to_the_session_around_it(rig: Rig) -> None:
    payload: Payload = {"sessionId": "x", "timestamp": 1, "cwd": str(rig.project), "toolName": "bash", "toolArgs": "{}"}
    rig.send(json.dumps(payload).encode(), COPILOT_CLI="1")
    assert not rig.lines()


def test_a_foreign_turn_end_starts_the_ingest_of_that_agents_session_and_of_no_file_that_it_names(rig: Rig) -> None:
    report = rig.record_ingest()
    rig.fire("Stop", env={**NO_CLAUDE, **COPILOT}, **{**TIMED, "transcript_path": str(rig.transcript)})
    wait_for(report.exists)
    arguments = json.loads(report.read_text())["arguments"]
    assert arguments[:5] == ["_ingest-session", "--session", SESSION, "--agent", "copilot-cli"]
    assert str(rig.transcript) not in arguments


INSIDE = {**TIMED, "session_id": "cee20db7", "agent_id": "cee20db7", "tool_use_id": ...}


def test_a_foreign_call_without_an_id_keeps_its_time(rig: Rig) -> None:
    line = rig.fire("PreToolUse", env={**NO_CLAUDE, **COPILOT}, **{**TIMED, "tool_use_id": ..., "tool_input": "text"})
    assert (line["data"]["sent_at"], line["data"]["tool_input"]) == (TIME, {"input": "text"})
    assert "call_key" in line["data"]


def test_a_foreign_call_of_a_subagent_that_is_named_for_its_session_lies_apart(rig: Rig) -> None:
    rig.fire("PreToolUse", env={**NO_CLAUDE, **COPILOT}, **INSIDE)
    assert [path.parts[-3:] for path in rig.sidecars()] == [("hooks", "agents", "cee20db7.jsonl")]


def test_a_foreign_turn_of_a_subagent_that_is_named_for_its_session_is_none(rig: Rig) -> None:
    report = rig.record_ingest()
    for event in ("UserPromptSubmit", "Stop"):
        rig.send(json.dumps(rig.payload(event, **INSIDE)).encode(), **{**NO_CLAUDE, **COPILOT})
    assert not rig.lines()
    assert not report.exists()
