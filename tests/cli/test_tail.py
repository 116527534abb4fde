"""`hookkit tail`: what it says as a session grows, and how it runs a program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hookkit.capture.claude_code.parser import encoded
from hookkit.capture.ingest import ingest_session
from hookkit.capture.registry import get_parser
from hookkit.store.files import trace_path
from tests.capture.support import SESSION, Transcript, hook
from tests.waiting import wait_for

pytestmark = pytest.mark.long

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "tail-event.schema.json").read_text())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path.resolve() / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("TZ", "UTC")
    return root


@pytest.fixture
def transcript(project: Path) -> Path:
    """Where the agent writes the session; it is not there yet."""
    path = get_parser("claude-code").storage() / encoded(project) / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    return path


@contextmanager
def tail(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "hookkit", "tail", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # not ignored
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()  # passed on to the program, if there is one
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def line(process: subprocess.Popen[str], stream: str = "stdout") -> str:
    """The next line of what it prints. Fails after a minute, and says what went wrong instead."""
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(getattr(process, stream).readline()), daemon=True)
    reader.start()
    reader.join(timeout=60)
    assert found, "nothing came"
    return found[0].rstrip("\n")


def add(path: Path, *lines: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(f"{json.dumps(each)}\n" for each in lines)


SESSION_LINES = (
    Transcript()
    .prompt("Make it\x1b[31m work")
    .call("t1", command="make test")
    .raw(hook("PreToolUse", 1.2, "t1", at=1))
    .raw(hook("PostToolUse", 1.8, "t1", at=2, duration_ms=600))
    .result("t1")
    .call("t2", "Read", file_path="a.py")
    .result("t2", "no such file", error=True)
    .say("Done.")
    .lines
)


def test_a_session_is_told_as_it_happens(transcript: Path) -> None:
    with tail() as process:
        assert line(process, "stderr").startswith("Waiting for a session in ")
        add(transcript, *SESSION_LINES[:2])
        assert line(process).split("  ")[0] == "claude-code"
        assert line(process) == "09:00:00 ▶ Turn 1  Make it\\x1b[31m work"
        assert line(process) == "09:00:01 → Bash  make test  running"
        assert line(process).endswith("10 in, 5 out")
        add(transcript, *SESSION_LINES[2:5])
        assert line(process) == "09:00:01 ● Bash  make test  600 ms  [0000000]  :1"
        add(transcript, *SESSION_LINES[5:])
        rest = [line(process) for _ in range(4)]
        assert "09:00:05 ✗ Read  a.py  no hook line  failed: no such file  :2" in rest
        assert "09:00:07 · Done." in rest
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


def test_it_begins_a_few_rows_back_or_with_the_first(transcript: Path) -> None:
    add(transcript, *SESSION_LINES)
    with tail("-n", "2") as process:
        assert line(process).startswith("claude-code")
        assert line(process) == "09:00:07 · Done."
    with tail("--from-start", "--project", ".") as process:
        assert line(process).startswith("claude-code")
        assert "Turn 1" in line(process)


def test_a_session_that_begins_later_is_told_whole(transcript: Path) -> None:
    made = Transcript()
    for number in range(8):
        made.turn(f"Prompt {number}", f"toolu_{number}")
    now = datetime.now(UTC) + timedelta(minutes=1)
    for number, each in enumerate(made.lines):
        each["timestamp"] = (now + timedelta(seconds=number)).isoformat()
    with tail("--json") as process:
        assert line(process, "stderr").startswith("Waiting for a session in ")
        add(transcript, *made.lines)
        assert json.loads(line(process))["text"] == "Prompt 0"


def test_a_message_that_grows_is_told_again(transcript: Path) -> None:
    more = {"type": "text", "text": "second part"}
    made = (
        Transcript()
        .prompt("Go")
        .say("first part", "m1")
        .message("m1", more, usage={"input_tokens": 9, "output_tokens": 70})
    )
    add(transcript, *made.lines[:2])
    with tail("--json", "--from-start") as process:
        begun = [json.loads(line(process)) for _ in range(3)]
        add(transcript, *made.lines[2:])
        grown = [json.loads(line(process)) for _ in range(2)]
    assert [event["text"] for event in begun if event["type"] == "text"] == ["first part"]
    assert {event["type"]: event.get("text", event.get("output_tokens")) for event in grown} == {
        "text": "first part\nsecond part", "llm.response": 70,
    }  # fmt: skip


def test_a_trace_that_cannot_be_read_is_an_error(transcript: Path) -> None:
    add(transcript, *SESSION_LINES)
    trace = ingest_session(transcript, agent="claude-code").trace_id
    trace_path(trace).write_text("{")
    done = run(trace)
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


def test_events_follow_their_schema(transcript: Path) -> None:
    add(transcript, *SESSION_LINES[:2])
    with tail("--json") as process:
        events = [json.loads(line(process)) for _ in range(3)]
        add(transcript, *SESSION_LINES[2:])
        events += [json.loads(line(process)) for _ in range(5)]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    types = [event["type"] for event in events]
    assert types[:4] == ["turn.start", "tool.start", "llm.response", "tool.end"]
    assert sorted(types[4:]) == ["llm.response", "llm.response", "text", "tool.error"]
    ended = next(event for event in events if event["type"] == "tool.end")
    assert (ended["before"], ended["after"], ended["success"]) == (f"{1:040x}", f"{2:040x}", True)


def test_colours_leave_no_broken_escapes(transcript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(transcript, *SESSION_LINES)

    def rows() -> list[str]:
        with tail("--plain") as process:
            found = [line(process)]
            while not found[-1].endswith("Done."):
                found.append(line(process))
            return found

    plain = rows()
    assert any(" in, " in each for each in plain)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = rows()
    assert any("\x1b[2m" in each for each in coloured)
    assert [re.sub(r"\x1b\[[\d;]*m", "", each) for each in coloured] == plain


def test_a_recorded_session_is_followed_by_its_name(transcript: Path) -> None:
    add(transcript, *SESSION_LINES[:5])
    trace = ingest_session(transcript, agent="claude-code").trace_id
    other = transcript.with_name("0e0e0e0e-0000-4000-8000-000000000002.jsonl")
    with tail(trace[:8], "--json", "-n", "1") as process:
        line(process)
        other.write_text(transcript.read_text().replace(SESSION, other.stem))
        add(transcript, *SESSION_LINES[5:])
        assert {json.loads(line(process))["session_id"] for _ in range(4)} == {SESSION}


def test_a_session_that_another_one_interrupts_is_named_again(transcript: Path) -> None:
    other = transcript.with_name("0e0e0e0e-0000-4000-8000-000000000002.jsonl")
    add(transcript, *SESSION_LINES[:1])
    with tail() as process:
        assert line(process).startswith("claude-code")
        line(process)
        add(other, *(json.loads(json.dumps(each).replace(SESSION, other.stem)) for each in SESSION_LINES[:1]))
        assert line(process).startswith("claude-code")
        line(process)
        add(transcript, SESSION_LINES[-1])
        assert line(process).startswith("claude-code")
        assert line(process) == "09:00:07 · Done."


# A program


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hookkit", "tail", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
def test_the_exit_code_is_the_program_s(project: Path, script: str, code: int) -> None:
    assert run("--", "sh", "-c", script).returncode == code


def test_what_the_program_prints_is_kept_apart(project: Path) -> None:
    done = run("--json", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, sorted(done.stderr.split())) == ("", ["err", "out"])


def test_the_keyboard_is_ours_unless_it_is_given_away(project: Path) -> None:
    assert run("--", "cat", input="typed").stderr == ""
    assert run("--stdin", "--", "cat", input="typed").stderr == "typed"


def test_options_behind_the_dashes_are_the_program_s(project: Path) -> None:
    assert run("--", "echo", "--json", "--", "-n").stderr == "--json -- -n\n"


def test_sessions_that_the_program_begins_are_shown(transcript: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("".join(f"{json.dumps(each)}\n" for each in SESSION_LINES))
    done = run("--", "sh", "-c", f"sleep 0.2; cat {tmp_path / 'lines'} > {transcript}; sleep 0.2")
    assert "Turn 1" in done.stdout
    assert done.stdout.rstrip().split("\n")[-2].endswith("Done.")


def test_an_interrupt_is_passed_on_and_insisted_on(project: Path) -> None:
    script = "trap 'echo asked' INT; echo ready; while :; do sleep 0.05; done"
    with tail("--", "sh", "-c", script) as process:
        assert line(process, "stderr") == "ready"
        process.send_signal(signal.SIGINT)
        assert line(process, "stderr") == "asked"
        process.send_signal(signal.SIGINT)  # again: a ^C that is repeated insists
        assert process.wait(timeout=60) == 128 + signal.SIGTERM


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_the_program_started_is_stopped_with_it(project: Path, tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path / 'pid'}; echo ready; wait"
    with tail("--", "sh", "-c", script) as process:
        assert line(process, "stderr") == "ready"
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not runs(pid))


STUBBORN = "trap '' TERM; echo $$ > {pid}; echo ready >&2; while :; do sleep 0.05; done"


def test_a_program_that_does_not_end_when_it_is_asked_is_killed(project: Path, tmp_path: Path) -> None:
    with tail("--", "sh", "-c", STUBBORN.format(pid=tmp_path / "pid")) as process:
        assert line(process, "stderr") == "ready"
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGKILL


def test_no_program_is_left_behind_when_nobody_reads_on(transcript: Path, tmp_path: Path) -> None:
    with tail("--", "sh", "-c", STUBBORN.format(pid=tmp_path / "pid")) as process:
        assert line(process, "stderr") == "ready"
        assert process.stdout
        process.stdout.close()
        add(transcript, *SESSION_LINES)
        process.wait(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--", "/no/such/program"], 1, "/no/such/program cannot be run"),
        (["--"], 2, "Nothing stands behind `--`"),
        (["last", "--", "true"], 2, "at once"),
        (["nosuchtrace"], 2, "There is no trace"),
    ],
)
def test_what_cannot_be_followed_is_told(project: Path, arguments: list[str], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "hint:" in done.stderr


AGENT_PROGRAM = """
from hookkit.runlog import settings
from hookkit.runlog.log import RunLog

chosen = settings.load()
log = RunLog(chosen.trace_dir, chosen.run_id, live=chosen.live)
print("its own words")
log.write("run.start", invocation_id="i1", agent_name="helper", cwd=".")
log.write("tool.start", invocation_id="i1", tool_call_id="c1", tool_name="look_up", tool_args={"query": "x"})
log.write("tool.end", invocation_id="i1", tool_call_id="c1", tool_name="look_up", duration_ms=3, success=True)
log.write("run.end", invocation_id="i1", duration_ms=5, status="ok")
"""


def test_agents_inside_of_the_program_are_shown_by_way_of_the_side_channel(project: Path) -> None:
    done = run("--json", "--", sys.executable, "-c", AGENT_PROGRAM)
    assert (done.returncode, done.stderr) == (0, "its own words\n")
    events = [json.loads(each) for each in done.stdout.splitlines()]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert {event["agent"] for event in events} == {"google-adk"}
    assert [event["tool_name"] for event in events if event["type"] == "tool.end"] == ["look_up"]
    assert len({event["session_id"] for event in events}) == 1
