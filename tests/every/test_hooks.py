"""T3a of the coverage matrix: what a hook must do, for each agent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from hookkit.agents import AGENTS

from .played import ROOT, Session, commands, environment, hookkit

HOSTILE = {
    "nothing": b"",
    "half a payload": b'{"session_id": "5f0c1e9a-',
    "a list": b"[]",
    "a number": b"7",
    "wrong types": b'{"session_id": 7, "hook_event_name": [], "cwd": {}, "tool_input": null, "tool_name": 3}',
    "a path for an id": b'{"session_id": "../../x", "sessionID": "../../x", "hook_event_name": "%s", "cwd": "/"}',
    "NaN": b'{"session_id": NaN, "cwd": "/", "hook_event_name": "%s"}',
    "deep": b"[" * 20000,
    "not UTF-8": b'{"session_id": "\xff\xfe", "cwd": "/"}',
    "large": b'{"session_id": "s", "hook_event_name": "%s", "cwd": "/", "tool_input": "' + b"x" * (5 << 20) + b'"}',
}


def test_every_event_appends_exactly_one_valid_line(session: Session) -> None:
    check = Draft202012Validator(json.loads((ROOT / "schemas" / "hook-line.schema.json").read_text("utf-8")))
    for step in session.steps:
        assert len(step.lines) == 1, step.event
        check.validate(step.lines[0])
        assert step.lines[0]["data"]["agent"] == session.contract.name


def test_every_hook_is_silent_and_exits_0(session: Session) -> None:
    assert [(step.event, step.code, step.output) for step in session.steps if step.code or step.output] == []


def test_every_tree_id_is_the_one_that_git_gives(session: Session) -> None:
    taken = [step for step in session.steps if step.recorded]
    assert len(taken) >= 2 * len(session.of("tool_pre"))
    assert [step.event for step in taken if step.recorded != step.tree] == []


def test_what_was_in_the_transcript_stays_as_it_was(session: Session) -> None:
    if not session.before:
        pytest.skip("not applicable: nobody but the agent writes into its database")
    own = [line for line in session.before.splitlines() if b'"opentraces_hook"' not in line]
    assert own
    ours = len(session.before.splitlines()) - len(own)
    assert ours == 0 or session.contract.name == "claude-code"


def test_calls_that_edit_no_file_say_what_is_not_known_of_them(session: Session) -> None:
    done = [line["data"] for line in session.of("tool_post")]
    assert done
    for data in done:
        assert isinstance(data["limitations"], list)
        assert "file_path" in data or data["capture_status"] == "hook_only"
        assert "file_path" not in data or data["capture_status"] in ("captured", "hook_only", "partial")


def test_an_edit_is_bound_to_its_lines(session: Session) -> None:
    bound = [line["data"] for line in session.of("tool_post") if line["data"].get("start_line")]
    assert bound
    for data in bound:
        assert data["start_line"] <= data["end_line"]
        assert data["content_hash"]
        assert data["confidence"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_payload_is_taken_in_silence_and_writes_nowhere_else(
    agent: str, session: Session, kind: str, tmp_path: Path
) -> None:
    contract = session.contract
    event = next(event.name for event in contract.events if event.role == "tool_pre")
    command = commands(session.home, contract)[event]
    payload = HOSTILE[kind].replace(b"%s", event.encode())
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", command] if isinstance(command, str) else [*command],
        input=payload, env=environment(session.home) | {"HOME": str(home)}, cwd=work, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [*work.rglob("*")] == []
    assert [*tmp_path.glob("x*")] == []


def test_an_ingest_that_cannot_be_started_disturbs_nobody(session: Session, tmp_path: Path) -> None:
    """The hooks of a turn's end, with a runtime whose Python is gone."""
    import shutil

    scripts = tmp_path / "hooks"
    shutil.copytree(session.home / "hookkit" / "hooks", scripts)
    runtime = scripts / "runtime.json"
    found = json.loads(runtime.read_text("utf-8"))
    runtime.write_text(json.dumps(found | {"ingest": ["/no/such/python", "-m", "hookkit"]}), encoding="utf-8")
    payload = {
        "session_id": "5f0c1e9a-0000-4000-8000-000000000001", "cwd": str(tmp_path),
        "hook_event_name": next(event.name for event in session.contract.events if event.role == "turn_end"),
    }  # fmt: skip
    import sys

    done = subprocess.run(
        [sys.executable, str(scripts / session.contract.hook_entry)],
        input=json.dumps(payload).encode(), env=environment(tmp_path), cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_switched_off_nothing_is_written(session: Session, tmp_path: Path) -> None:
    contract = session.contract
    event = next(event.name for event in contract.events if event.role == "tool_pre")
    command = commands(session.home, contract)[event]
    payload = {"session_id": "5f0c1e9a-0000-4000-8000-000000000002", "cwd": str(tmp_path), "hook_event_name": event}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        ["/bin/sh", "-c", command] if isinstance(command, str) else [*command],
        input=json.dumps(payload).encode(), cwd=tmp_path, capture_output=True, check=False,
        env=environment(session.home) | {"HOOKKIT_DISABLE": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(tmp_path.rglob("*")) == before


def test_every_agent_has_a_recorded_session() -> None:
    from hookkit.installer.rehearsal import recording

    assert [name for name, contract in AGENTS.items() if recording(contract) is None] == []


@pytest.mark.long  # the session that all tests here look at was played by what doctor plays it with
def test_doctor_proves_it(session: Session) -> None:
    asks = session.contract.name == "codex-cli"  # it does not trust them yet
    told = hookkit(session.home, "doctor", session.contract.name, "--json", cwd=session.root, code=int(asks))
    report = json.loads(told)
    checks = {check["name"]: check["status"] for check in report["agents"][0]["checks"]}
    assert {checks[name] for name in ("hooks", "silence", "tree ids", "ingest")} == {"ok"}
