"""Sessions that do not simply run to their end: errors, resumption, compaction, sudden death."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from .evidence import assert_lines_match_the_witness, hook_lines, recorded_trace, tree_of, windows, written_tree
from .sandbox import Run, Sandbox
from .script import ApiError, Bash, Delay, Edit, Read, Script, Text, Turn, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent

START = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def test_a_turn_that_ends_in_an_api_error_is_recorded(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [ApiError(529, "Overloaded")]]))]

    played = twins.play(act)

    assert played.runs[0].returncode == 1
    assert played.runs[0].result["is_error"] is True
    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {**START, "a.txt": b"a\n"})
    (failure,) = [line for line in hook_lines(played.box) if line["event"] == "StopFailure"]
    assert failure["data"]["error"]
    assert tree_of(failure) == window.after


def test_a_resumed_session_is_one_trace(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        path = f"{box.project}/a.txt"
        script = Script(
            [
                [Write(path, "first\n")],
                [Text("First.")],
                [Read(path)],
                [Edit(path, "first", "second")],
                [Text("Second.")],
                [Bash("echo third >> a.txt")],
                [Text("Third.")],
            ]
        )
        first = box.run(script, "Begin.")
        box.write({"old.txt": "changed between the turns\n"})
        return [first, box.run(script, "Continue.", resume=True), box.run(script, "Finish.", resume=True)]

    played = twins.play(act)

    assert [run.result["result"] for run in played.runs] == ["First.", "Second.", "Third."]
    write, read, _, bash = windows(played.trace)
    assert write.after != read.before, "what happened between the turns belongs to no call"
    final = {"README.md": START["README.md"], "old.txt": b"changed between the turns\n", "a.txt": b"second\nthird\n"}
    assert bash.after == written_tree(tmp_path / "after", final)
    prompts = [step["content"] for step in played.trace["steps"] if step["role"] == "user"]
    assert prompts == ["Begin.", "Continue.", "Finish."]
    assert len(played.trace["metadata"]["hook_stop"]) == 3
    turns = {line["data"].get("turn_id") for line in hook_lines(played.box) if line["event"] == "PreToolUse"}
    assert len(turns) == 3


def test_a_compacted_session_keeps_its_calls_and_says_when_it_was_compacted(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        path = f"{box.project}/a.txt"
        script = Script([[Write(path, "one\n")], [Text("First.")], [Bash("echo two >> a.txt")], [Text("Second.")]])
        return [
            box.run(script, "Begin."),
            box.run(script, "/compact", resume=True),
            box.run(script, "Go on.", resume=True),
        ]

    played = twins.play(act)

    assert [run.result["result"] for run in played.runs] == ["First.", "", "Second."]
    assert [window.tool for window in windows(played.trace)] == ["Write", "Bash"]
    (event,) = played.trace["metadata"]["compaction_events"]
    assert event["trigger"] == "manual"
    prompts = [step["content"] for step in played.trace["steps"] if step["role"] == "user"]
    assert prompts == ["Begin.", "Go on."]


def test_a_forked_session_has_a_trace_of_its_own(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    script = Script(
        [[Write(f"{box.project}/a.txt", "a\n")], [Text("First.")], [Bash("echo b > b.txt")], [Text("Second.")]]
    )
    fork = str(uuid.uuid4())

    box.run(script, "Begin.")
    original = box.trace()
    forked = box.run(script, "Try it another way.", resume=True, extra=["--fork-session", "--session-id", fork])

    assert (forked.returncode, forked.stderr, forked.result["session_id"]) == (0, "", fork)
    assert box.trace()["metadata"]["hook_pre_tool_use"] == original["metadata"]["hook_pre_tool_use"]
    box.session_id = fork
    trace = box.trace(lambda trace: bool(trace["metadata"].get("hook_stop")))
    (bash,) = [window for window in windows(trace) if window.tool == "Bash"]
    assert list(trace["metadata"]["hook_post_tool_use"]) == [bash.call]


def test_a_session_without_a_transcript_still_has_its_hook_lines(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()

    run = box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("Done.")]]), extra=["--no-session-persistence"])
    box.settle()

    assert (run.returncode, run.stderr, run.result["result"]) == (0, "", "Done.")
    assert_lines_match_the_witness(box)


def test_an_agent_that_deletes_ignored_files_keeps_what_comes_after(twins: Twins) -> None:
    """The sidecar is an ignored file of the worktree; what was only there is gone with it."""
    box = twins.box("recorded", install=True)
    box.repository()
    turns: list[Turn] = [
        [Bash("git clean -fdxq")],
        [Write(f"{box.project}/a.txt", "a\n")],
        [Bash("git clean -fdxq")],
        [Text("Done.")],
    ]

    run = box.run(Script(turns))
    trace = box.trace(lambda trace: bool(trace["metadata"].get("hook_stop")))

    assert (run.returncode, run.stderr, run.result["result"]) == (0, "", "Done.")
    seen = {note.call: note.tree for note in box.notes() if note.event == "PostToolUse"}
    assert {window.call: window.after for window in windows(trace)} == seen


def test_an_agent_that_is_killed_in_the_middle_of_a_call_loses_nothing(twins: Twins, tmp_path: Path) -> None:
    box = twins.box("recorded", install=True)
    box.repository()

    box.kill_in_a_call([Write(f"{box.project}/a.txt", "a\n")])

    lines = hook_lines(box)
    assert [line["event"] for line in lines][-3:] == ["PreToolUse", "PostToolUse", "PreToolUse"]
    assert_lines_match_the_witness(box)
    box.hookkit("ingest")
    write, bash = windows(box.trace(lambda trace: len(windows(trace)) == 2))
    assert write.after == bash.before == written_tree(tmp_path / "before", {**START, "a.txt": b"a\n"})


def test_the_call_that_was_killed_is_closed_at_the_next_boundary(twins: Twins, tmp_path: Path) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    box.kill_in_a_call()

    resumed = box.run(Script([], {}), "Are you there?", resume=True)
    trace = recorded_trace(box)

    assert (resumed.returncode, resumed.stderr) == (0, "")
    (call,) = trace["metadata"]["hook_pre_tool_use"]
    closed = trace["metadata"]["hook_post_tool_use"][call]
    assert "post_inferred" in closed["limitations"]
    assert tree_of(closed) == written_tree(tmp_path / "after", {**START, "begun.txt": b"begun\n"})


def test_a_session_without_any_call_is_listed(twins: Twins) -> None:
    played = twins.play(lambda box: [box.run(Script([[Text("Just an answer.")]]), "Only a question?")])

    assert played.trace["metadata"].get("hook_pre_tool_use", {}) == {}
    assert "Only a question?" in played.box.hookkit("list", "--json").stdout


def test_two_sessions_at_once_in_one_worktree_do_not_mix(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    other = Sandbox.__new__(Sandbox)
    other.__dict__.update(box.__dict__, session_id="0b8f6f2e-0000-4000-8000-000000000001")
    turns: list[Turn] = [[Bash(f"echo {n} > {n}.txt"), Delay(0.05)] for n in range(3)]

    agents = [each.start(Script([*turns, [Text("Done.")]])) for each in (box, other)]

    assert [agent.wait() for agent in agents] == [0, 0]
    for each in (box, other):
        calls = {line["data"]["tool_call_id"] for line in hook_lines(each) if line["event"] == "PreToolUse"}
        trace = each.trace(lambda trace: len(trace["metadata"].get("hook_post_tool_use", {})) == 3)
        assert set(trace["metadata"]["hook_post_tool_use"]) == calls
        assert len(calls) == 3
