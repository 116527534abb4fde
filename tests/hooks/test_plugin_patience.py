"""What is stuck holds an agent up once, for as long as one event may take, however much waits for it."""

from __future__ import annotations

from pathlib import Path

from . import test_opencode_plugin as opencode
from . import test_pi_extension as pi

PATIENCE = 2000  # milliseconds
MOST = PATIENCE * 1.5  # twice the patience is what it must not be

# Never ends at the events that are named, and notes the others at once.
_STUCK = """\
import json, os, sys, time
payload = json.load(sys.stdin)
if payload["hook_event_name"] in os.environ["STUCK"].split():
    time.sleep(60)
log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, json.dumps({"payload": payload}).encode() + b"\\n")
"""


def pi_stage(folder: Path) -> pi.Stage:
    stage = pi.Stage(folder)
    stage.script.write_text(_STUCK)
    stage.patience = PATIENCE
    return stage


def opencode_stage(folder: Path) -> opencode.Stage:
    stage = opencode.Stage(folder)
    stage.script.write_text(_STUCK)
    stage.patience = PATIENCE
    return stage


CALL = {"event": "tool_call", "payload": pi.CALL}
pytestmark = pi.pytestmark  # node is needed, and it takes seconds


def test_a_call_of_pi_that_follows_what_is_stuck_and_is_stuck_itself_has_one_deadline(tmp_path: Path) -> None:
    played = pi_stage(tmp_path).play([pi.SESSION_START, pi.AGENT_END, CALL], STUCK="agent_end tool_call")
    assert played.events == ["session_start"]
    assert PATIENCE * 0.9 < played.ms[2] < MOST


def test_a_call_of_pi_that_follows_what_is_stuck_is_told_in_time(tmp_path: Path) -> None:
    played = pi_stage(tmp_path).play([pi.SESSION_START, pi.AGENT_END, CALL], STUCK="agent_end")
    assert played.events == ["session_start", "tool_call"]
    assert played.ms[2] < MOST


def test_pi_ends_when_what_is_stuck_has_had_its_time(tmp_path: Path) -> None:
    steps = [pi.SESSION_START, pi.AGENT_END, pi.SHUTDOWN]
    played = pi_stage(tmp_path).play(steps, STUCK="session_start agent_end session_shutdown")
    assert (played.events, played.ms[2] < MOST) == ([], True)


def test_a_prompt_of_opencode_that_follows_what_is_stuck_has_one_deadline(tmp_path: Path) -> None:
    """The prompt itself begins a session, waits for that, and is stuck, too."""
    payloads, ms = opencode_stage(tmp_path).play(opencode.PROMPT, STUCK="session.created chat.message")
    assert payloads == []
    assert PATIENCE * 0.9 < ms[0] < MOST


def test_a_call_of_opencode_that_follows_what_is_stuck_is_told_in_time(tmp_path: Path) -> None:
    steps = (opencode.CREATED, opencode.BUSY, opencode.IDLE, opencode.before())
    payloads, ms = opencode_stage(tmp_path).play(*steps, STUCK="session.created session.idle")
    assert opencode.names(payloads) == ["tool.execute.before"]
    assert ms[3] < MOST


def test_opencode_ends_when_what_is_stuck_has_had_its_time(tmp_path: Path) -> None:
    steps = (opencode.CREATED, opencode.BUSY, opencode.IDLE, opencode.DISPOSE)
    payloads, ms = opencode_stage(tmp_path).play(*steps, STUCK="session.created session.idle dispose")
    assert (payloads, ms[3] < MOST) == ([], True)
