"""Parallel calls, subagents inside subagents, calls that are denied or never begin."""

from __future__ import annotations

import itertools
import re

import pytest

from .evidence import assert_lines_match_the_witness, tree_files, windows
from .sandbox import Json, Run, Sandbox
from .script import Agent, Bash, Call, Edit, Read, Script, Skill, Text, Turn, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent

BEING_WRITTEN = re.compile(r"\.txt\.tmp\.\d+\.[0-9a-f]+$")
START = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def steps_of(trace: Json, tool: str) -> list[Json]:
    return [step for step in trace["steps"] if any(call["tool_name"] == tool for call in step["tool_calls"])]


def test_calls_of_one_answer_are_paired_one_by_one(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        reads: Turn = [
            Read(f"{box.project}/README.md"),
            Read(f"{box.project}/old.txt"),
            Bash("ls"),
            Bash("cat old.txt"),
        ]
        writes = [Write(f"{box.project}/w{number}.txt", f"{number}\n") for number in range(4)]
        return [box.run(Script([reads, writes, [Bash("echo x > x"), Bash("echo y > y; false")], [Text("Done.")]]))]

    played = twins.play(act)

    seen = windows(played.trace)
    assert len(seen) == 10
    assert len({window.before for window in seen[:4]} | {window.after for window in seen[:4]}) == 1
    for earlier, later in itertools.pairwise(seen[4:]):
        assert earlier.after == later.before != later.after


def test_a_subagent_inside_a_subagent_hangs_below_the_call_that_started_it(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        here = f"{box.project}/"
        subagents: dict[str, list[Turn]] = {
            "outer": [[Write(f"{here}outer.txt", "outer\n")], [Agent("inner")], [Text("Outer is done.")]],
            "inner": [[Bash("echo inner > inner.txt")], [Text("Inner is done.")]],
        }
        turns: list[Turn] = [
            [Write(f"{here}first.txt", "1\n")],
            [Agent("outer")],
            [Bash("echo last > last.txt")],
            [Text("End.")],
        ]
        return [box.run(Script(turns, subagents))]

    played = twins.play(act)

    by_index = {step["step_index"]: step for step in played.trace["steps"]}
    starters = {
        call["input"]["description"]: step for step in steps_of(played.trace, "Agent") for call in step["tool_calls"]
    }
    outer, inner = starters["Task outer"], starters["Task inner"]
    (written,) = [
        step
        for step in steps_of(played.trace, "Write")
        if step["tool_calls"][0]["input"]["file_path"].endswith("outer.txt")
    ]
    (echoed,) = [step for step in steps_of(played.trace, "Bash") if step["call_type"] == "subagent"]
    assert outer["call_type"] == "main"
    assert by_index[written["parent_step"]] is outer
    assert by_index[inner["parent_step"]] is outer
    assert by_index[echoed["parent_step"]] is inner
    agents = {note.payload["agent_id"] for note in played.box.notes() if note.event == "SubagentStart"}
    assert len(agents) == 2


def test_usage_is_counted_once_with_that_of_parallel_calls_and_subagents(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        subagents: dict[str, list[Turn]] = {"sub": [[Text("I look."), Bash("ls"), Bash("pwd")], [Text("Seen.")]]}
        turns: list[Turn] = [[Text("We begin."), Bash("ls"), Agent("sub")], [Text("Done.")]]
        return [box.run(Script(turns, subagents))]

    played = twins.play(act)

    counted = dict.fromkeys(("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"), 0)
    for usage in played.runs[0].result["modelUsage"].values():
        counted = {key: total + usage[key] for key, total in counted.items()}
    metrics = played.trace["metrics"]
    assert [
        metrics[f"total_{bucket}_tokens"] for bucket in ("input", "output", "cache_read", "cache_creation")
    ] == list(counted.values())


def test_subagents_that_write_at_the_same_time_see_only_states_that_were_there(twins: Twins) -> None:
    left, right = {"left.txt": b"left\n"}, {"right.txt": b"right\n"}
    states = [START, {**START, **left}, {**START, **right}, {**START, **left, **right}]

    def legal(box: Sandbox, tree: str) -> bool:
        # The agent writes to a file beside the real one and renames it.
        files = {name: text for name, text in tree_files(box, tree).items() if not BEING_WRITTEN.search(name)}
        return files in states

    def act(box: Sandbox) -> list[Run]:
        subagents: dict[str, list[Turn]] = {
            name: [[Write(f"{box.project}/{name}.txt", f"{name}\n")], [Text(f"{name} is done.")]]
            for name in ("left", "right")
        }
        return [box.run(Script([[Agent("left"), Agent("right")], [Text("Both.")]], subagents))]

    played = twins.play(act, legal=legal)

    starters = {
        call["tool_call_id"]: step["step_index"]
        for step in steps_of(played.trace, "Agent")
        for call in step["tool_calls"]
    }
    assert len(starters) == 2
    assert [step["parent_step"] in starters.values() for step in steps_of(played.trace, "Write")] == [True, True]


def test_a_denied_call_begins_and_never_ends(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        script = Script([[Bash("touch denied.txt")], [Text("Not allowed.")]])
        return [box.run(script, extra=["--permission-mode", "default"])]

    played = twins.play(act)

    assert [denial["tool_name"] for denial in played.runs[0].result["permission_denials"]] == ["Bash"]
    (call,) = played.calls("Bash")
    post = played.trace["metadata"].get("hook_post_tool_use", {}).get(call)
    assert post is None or "post_inferred" in post["limitations"]


def test_calls_that_the_agent_rejects_itself_are_in_the_trace_without_a_window(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        turns: list[Turn] = [
            [
                Bash("touch disallowed.txt"),
                Call("NoSuchTool", {"a": 1}),
                Call("Edit", {"wrong": True}),
                Edit(f"{box.project}/old.txt", "one", "1"),
            ],
            [Write(f"{box.project}/a.txt", "a\n")],
            [Text("Done.")],
        ]
        return [box.run(Script(turns), extra=["--disallowedTools", "Bash"])]

    played = twins.play(act)

    calls = {call["tool_name"]: call for step in played.trace["steps"] for call in step["tool_calls"]}
    assert set(calls) == {"Bash", "NoSuchTool", "Edit", "Write"}
    assert set(played.trace["metadata"]["hook_post_tool_use"]) == {calls["Write"]["tool_call_id"]}


def test_a_skill_is_an_invocation_and_its_body_is_no_prompt(twins: Twins) -> None:
    body = "---\nname: greet\ndescription: Greets.\n---\nALWAYS SAY HELLO FIRST.\n"

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Skill("greet", "the world")], [Text("Hello.")]]), "Use the skill.")]

    played = twins.play(act, lambda box: box.repository({".claude/skills/greet/SKILL.md": body}))

    (invocation,) = played.trace["metadata"]["skill_invocations"]
    assert "greet" in invocation.values()
    assert played.trace["task"]["description"] == "Use the skill."
    assert not any(
        "ALWAYS SAY HELLO" in (step["content"] or "") for step in played.trace["steps"] if step["role"] == "user"
    )


def test_the_agent_reports_success_and_silence_for_every_hook(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    script = Script(
        [[Write(f"{box.project}/a.txt", "a\n")], [Bash("false"), Agent("sub")], [Text("Done.")]], {"sub": []}
    )

    run = box.run(script, extra=["--output-format", "stream-json", "--verbose", "--include-hook-events"])

    answers = [record for record in run.records if record.get("subtype") == "hook_response"]
    verdicts = {(a["exit_code"], a["stdout"], a["stderr"], a["outcome"]) for a in answers}
    assert verdicts == {(0, "", "", "success")}
    events = [answer["hook_event"] for answer in answers]
    assert events.count("PreToolUse") == 2 * 3, "the witness and hookkit, at each of three calls"
    assert_lines_match_the_witness(box)
