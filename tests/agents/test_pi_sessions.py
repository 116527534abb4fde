"""Pi: what is special about an agent that is wired by an extension, and about sessions that are trees."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.ingest import ingest_session
from hookkit.capture.pi.cut import cut
from hookkit.store.files import trace_path

from .drivers.pi import PiDriver
from .model_server import ModelServer
from .pi_box import Json, PiBox
from .programs import PI, AgentUnavailableError, InstalledAgent, install
from .sandbox import PATIENCE, attempts, interpreter
from .script import ApiError, Bash, Call, Edit, Read, Script, Text, Write

pytestmark = pytest.mark.real_agent

_WITNESS = """\
import {{ spawnSync }} from "node:child_process";
export default function (pi) {{
  for (const event of ["session_start", "before_agent_start", "tool_call", "tool_result", "session_shutdown"]) {{
    pi.on(event, (ev, ctx) => {{
      const payload = {{ hook_event_name: event, tool_use_id: ev.toolCallId, cwd: ctx.cwd }};
      spawnSync({python}, ["-I", "-S", {script}, {log}], {{ input: JSON.stringify(payload) }});
    }});
  }}
}}
"""
_DENIES = """\
export default function (pi) {
  pi.on("tool_call", (event) => {
    if (event.input.command === "make forbidden") return { block: true, reason: "Not allowed here." };
  });
}
"""
_EVERYTHING = Script(
    [
        [Text("I begin."), Write("new.txt", "a\nb\n")],
        [Edit("old.txt", "two\n", "2\n2b\n")],
        [Bash("echo x > x.txt; exit 4")],
        [Read("old.txt"), Read("missing.txt")],
        [Call("frobnicate", {}), Call("bash", {"cmd": "x"}), Edit("old.txt", "nowhere", "x")],
        [Text("Done.")],
    ]
)


@pytest.fixture(scope="module")
def pi() -> InstalledAgent:
    """The real Pi, installed once for all tests; they are skipped where it cannot be."""
    try:
        return install(PI)
    except AgentUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def pi_server() -> Iterator[ModelServer]:
    with ModelServer([PiDriver().wire()]) as server:
        yield server
        assert server.failures == []


@pytest.fixture
def box(pi: InstalledAgent, pi_server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PiBox:
    """A repository with hookkit's extension."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    box = PiBox(pi, pi_server, tmp_path / "box")
    monkeypatch.setenv("HOME", str(box.home))
    box.repository()
    box.hookkit()
    return box


def told(lines: list[Json], *keys: str) -> list[Any]:
    return [[line["event"], *(line["data"].get(key) for key in keys)] for line in lines]


def tree(line: Json) -> str:
    return str(line["data"]["trail"]["tree_id"]["hex"])


def trace(box: PiBox, number: int = -1) -> Json:
    result = ingest_session(box.sessions()[number][1], box.project, agent="pi")
    found: Json = json.loads(trace_path(result.trace_id).read_bytes())
    return found


def test_every_boundary_is_told_once_in_order(box: PiBox) -> None:
    done = box.run(_EVERYTHING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Done.\n", "")
    assert told(box.lines(), "agent_event", "tool")[:10] == [
        ["SessionStart", "session_start", None],
        ["UserPromptSubmit", "before_agent_start", None],
        ["PreToolUse", "tool_call", "write"],
        ["PostToolUse", "tool_result", "write"],
        ["PreToolUse", "tool_call", "edit"],
        ["PostToolUse", "tool_result", "edit"],
        ["PreToolUse", "tool_call", "bash"],
        ["PostToolUseFailure", "tool_result", "bash"],
        ["PreToolUse", "tool_call", "read"],
        ["PreToolUse", "tool_call", "read"],
    ]
    assert told(box.lines())[-2:] == [["Stop"], ["SessionEnd"]]
    found = trace(box)["metadata"]["capture"]
    # Pi itself refuses an unknown tool and invalid arguments, and tells no extension to be asked.
    assert found["unpaired"] == {"no_post": 0, "no_pre": 0, "no_hook": 2}
    assert (found["tool_calls"], found["failed_tool_calls"], found["complete"]) == (8, 5, True)


def test_every_tree_is_the_one_that_plain_git_gives(box: PiBox) -> None:
    log = box.base / "witness.jsonl"
    words = {
        "python": json.dumps(interpreter()),
        "script": json.dumps(str(Path(__file__).with_name("witness.py"))),
        "log": json.dumps(str(log)),
    }
    box.extension("aa-witness.ts", _WITNESS.format(**words))
    files = [[Write("a.txt", "1\n")], [Edit("a.txt", "1", "2")], [Bash("echo b > b.txt; rm old.txt")], [Text("Done.")]]
    box.run(Script(files))
    notes = [json.loads(line) for line in log.read_text().splitlines()]
    seen = {(note["payload"]["hook_event_name"], note["payload"].get("tool_use_id")): note["tree"] for note in notes}
    ours = {
        (line["data"]["agent_event"], line["data"].get("tool_call_id")): tree(line)
        for line in box.lines()
        if "trail" in line["data"]
    }
    assert len(ours) == 9
    assert ours.pop(("agent_end", None)) == seen.pop(("session_shutdown", None))
    assert ours == seen


def test_lines_and_files_are_told_as_they_are(box: PiBox) -> None:
    (box.project / "long.txt").write_text("".join(f"{n}\n" for n in range(1, 31)))
    (box.project / "crlf.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    several = [{"oldText": "2\n3\n", "newText": "2b\n"}, {"oldText": "20\n", "newText": "20\nmore\n"}]
    several += [{"oldText": "28\n29\n30\n", "newText": ""}]
    box.run(
        Script(
            [
                [Call("edit", {"path": "long.txt", "edits": several})],
                [Edit("@crlf.txt", "two", "2")],
                [Call("edit", {"path": "old.txt", "oldText": "one\n", "newText": "zero\none\n"})],
                [Write("sub/none.txt", "")],
                [Text("Done.")],
            ]
        )
    )
    posts = [line["data"] for line in box.lines() if line["event"] == "PostToolUse"]
    assert [post["confidence"] for post in posts] == ["medium", "high", "high", "high"]
    assert [post["limitations"] for post in posts] == [[], [], [], []]
    spans = [[(r["start_line"], r["end_line"], r["change_type"]) for r in post["ranges"]] for post in posts]
    assert spans == [
        [(2, 2, "modification"), (20, 20, "addition"), (27, 27, "deletion")],
        [(2, 2, "modification")],
        [(1, 1, "addition")],
        [],
    ]
    assert (box.project / "long.txt").read_text().splitlines()[1:2] == ["2b"]
    assert (box.project / "long.txt").read_text().splitlines()[19] == "more"


def test_calls_of_one_answer_are_bound_to_the_tree_before_all_of_them(box: PiBox) -> None:
    box.run(
        Script([[Bash("echo 1 > 1.txt"), Bash("sleep 0.4; echo 2 > 2.txt"), Bash("echo 1 > 1.txt")], [Text("Done.")]])
    )
    before = {tree(line) for line in box.lines() if line["event"] == "PreToolUse"}
    assert len(before) == 1
    durations = [line["data"]["duration_ms"] for line in box.lines() if line["event"] == "PostToolUse"]
    assert len(durations) == 3
    assert max(durations) >= 400
    ids = [line["data"]["tool_call_id"] for line in box.lines() if line["event"] == "PostToolUse"]
    assert len(set(ids)) == 3


def test_a_call_that_another_extension_stopped_is_closed_whoever_comes_first(box: PiBox) -> None:
    script = Script([[Bash("make forbidden")], [Text("Well.")]])
    box.extension("zz.ts", _DENIES)
    box.run(script)
    assert told(box.lines(), "error")[2:4] == [["PreToolUse", None], ["PostToolUseFailure", "Not allowed here."]]
    (box.extensions / "zz.ts").rename(box.extensions / "aa.ts")
    before = len(box.lines())
    box.run(script)
    assert [line["event"] for line in box.lines()[before:]] == [
        "SessionStart",
        "UserPromptSubmit",
        "Stop",
        "SessionEnd",
    ]


def test_api_error_ends_the_turn_as_a_failure(box: PiBox) -> None:
    done = box.run(Script([[Write("c.txt", "c\n")], [ApiError(500, "boom")]]))
    assert done.returncode == 1
    assert told(box.lines(), "error")[-2:] == [["StopFailure", "500 boom"], ["SessionEnd", None]]
    assert trace(box)["outcome"]["terminal_state"] == "error"


def test_resumed_sessions_stay_one_trace(box: PiBox) -> None:
    box.run(Script([[Write("a.txt", "1\n")], [Text("First.")], [Edit("a.txt", "1", "2")], [Text("Second.")]]), "One.")
    ((session, _),) = box.sessions()
    box.run(
        Script([[Write("a.txt", "1\n")], [Text("First.")], [Edit("a.txt", "1", "2")], [Text("Second.")]]),
        "Two.",
        session_id=session,
    )
    found = trace(box)
    assert found["session_id"] == session
    assert found["metadata"]["capture"]["turns"] == 2
    assert found["metadata"]["capture"]["missing_pre_or_post_hook"] == 0
    assert len({line["data"]["session_id"] for line in box.lines()}) == 1


def test_a_session_that_is_kept_nowhere_leaves_its_lines(box: PiBox) -> None:
    done = box.run(Script([[Write("a.txt", "1\n")], [Text("Done.")]]), extra=["--no-session"])
    assert (done.returncode, done.stderr) == (0, "")
    assert box.sessions() == []
    assert [line["event"] for line in box.lines()][-2:] == ["Stop", "SessionEnd"]


def test_what_pi_does_besides_is_told_too(box: PiBox) -> None:
    turns = [[Bash("echo 1 > 1.txt")], [Text("One.")], [Text("Two.")]]
    with box.rpc(Script(turns)) as pi:
        pi.send("set_auto_compaction", enabled=False)
        pi.prompt("One.")
        pi.send("compact", customInstructions="Short.")
        pi.prompt("Two.")
        pi.send("new_session")
        assert pi.close() == (0, "")
    events = [line["event"] for line in box.lines()]
    assert events[4:9] == ["Stop", "PreCompact", "PostCompact", "UserPromptSubmit", "Stop"]
    assert events.count("SessionEnd") == 2
    assert {line["data"]["session_id"] for line in box.lines() if line["event"] == "SessionEnd"} != set()
    assert (
        next(line for line in box.lines() if line["event"] == "PreCompact")["data"]["custom_instructions"] == "Short."
    )


def test_an_aborted_call_is_closed_and_its_turn_interrupted(box: PiBox) -> None:
    with box.rpc(Script([[Bash("echo begun > begun.txt; sleep 30")], [Text("Never.")]])) as pi:
        pi.send("prompt", message="Take long.")
        for _ in attempts():
            if (box.project / "begun.txt").exists():
                break
        pi.send("abort")
        assert pi.close() == (0, "")
    assert told(box.lines(), "error")[3:5] == [
        ["PostToolUseFailure", "Command aborted"],
        ["StopFailure", "Request was aborted."],
    ]
    assert trace(box)["outcome"]["terminal_state"] == "interrupted"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_pi_loses_nothing_that_was_told(box: PiBox, how: signal.Signals) -> None:
    box.server.play(Script([[Bash("echo begun > begun.txt; sleep 5")], [Text("Never.")]]))
    process = subprocess.Popen(
        box.driver.command(box.place, "Go."), cwd=box.project, env=box.env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in attempts():
            if (box.project / "begun.txt").exists():
                break
        process.send_signal(how)
        code = process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert code == (143 if how == signal.SIGTERM else -signal.SIGKILL)
    events = [line["event"] for line in box.lines()]
    assert events[:3] == ["SessionStart", "UserPromptSubmit", "PreToolUse"]
    # Pi kills the command before it ends itself, and may still tell of that.
    assert set(events[3:]) - {"PostToolUse"} == ({"SessionEnd"} if how == signal.SIGTERM else set())
    found = trace(box)
    assert [seen["error"] for step in found["steps"] for seen in step["observations"]] == ["no_result"]


@pytest.mark.parametrize("what", ["script", "folder", "interpreter", "broken script", "deaf interpreter"])
def test_pi_is_not_disturbed_by_what_is_broken(box: PiBox, pi: InstalledAgent, tmp_path: Path, what: str) -> None:
    scripts = box.base / "hook scripts"
    script = scripts / "hookkit_pi.py"
    if what == "script":
        script.unlink()
    elif what == "folder":
        scripts.rename(box.base / "elsewhere")
    elif what == "interpreter":
        box.wire(script, "/nowhere/python3")
    elif what == "broken script":
        script.write_text("import nothing_like_it\n")
    else:
        box.wire(script, "/bin/true")
    plain = PiBox(pi, box.server, tmp_path / "plain")
    plain.repository()
    done, without = box.run(_EVERYTHING), plain.run(_EVERYTHING)
    assert (done.returncode, done.stdout, done.stderr) == (without.returncode, without.stdout, without.stderr)
    assert len(done.requests) == len(without.requests) == 6
    assert box.lines() == []
    assert (box.project / "old.txt").read_bytes() == (plain.project / "old.txt").read_bytes()


def test_a_hook_that_never_ends_costs_its_patience_and_no_more(box: PiBox) -> None:
    sleeper = box.base / "sleeper.py"
    sleeper.write_text("import time\ntime.sleep(600)\n")
    box.wire(sleeper)
    text = (box.extensions / "hookkit.ts").read_text()
    box.extension("hookkit.ts", text.replace("PATIENCE = 5000", "PATIENCE = 200"))
    begun = time.monotonic()
    done = box.run(Script([[Write("a.txt", "1\n")], [Text("Done.")]]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Done.\n", "")
    assert time.monotonic() - begun < PATIENCE / 3


def test_pi_goes_on_from_a_copy_that_ends_at_a_step(box: PiBox, tmp_path: Path) -> None:
    script = Script([[Write("a.txt", "1\n")], [Text("First.")], [Bash("echo 2 > b.txt")], [Text("Second.")]])
    box.run(script, "One.")
    ((session, path),) = box.sessions()
    box.run(script, "Two.", session_id=session)
    folder = tmp_path / "a worktree"
    folder.mkdir()
    other = "5f3a1c7e-5d0c-5b0a-9d52-2f7f0c6a3c11"
    made = cut(path, 1, other, folder)
    done = box.run(Script([[], [Text("From there.")]]), "Go on.", session_id=other, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "From there.\n", "")
    assert [message["role"] for message in done.requests[0].request["messages"]][1:] == [
        "user", "assistant", "tool", "user",
    ]  # fmt: skip
    assert '"From there."' in made.read_text()


def test_a_compaction_after_the_last_turn_is_told_in_silence(box: PiBox) -> None:
    """Pi makes it after the session's end was told, when an extension's context is gone."""
    settings = {"compaction": {"enabled": True, "reserveTokens": 127_900, "keepRecentTokens": 50}}
    path = box.home / ".pi" / "agent" / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    done = box.run(Script([[Bash("echo 1 > 1.txt")], [Bash("echo 2 > 2.txt")], [Text("Done.")]]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Done.\n", "")
    events = [line["event"] for line in box.lines()]
    assert events.count("Stop") == events.count("SessionEnd") == events.count("PreCompact") == 1
    found = trace(box)
    assert len(found["metadata"]["compaction_events"]) == 1
    assert found["metadata"]["capture"]["complete"] is True
