"""What holds for every agent: the same scenarios, in each one's own tools, files and words."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from .drivers import DRIVERS, driver_of
from .drivers.base import Driver
from .evidence import (
    assert_lines_match_the_witness,
    assert_no_trace_of_hooks_in_the_transcript,
    assert_trace_matches_the_witness,
    hook_lines,
    recorded_trace,
    tree_files,
    tree_of,
    windows,
)
from .observe import observe
from .questions import START, blame, bound, errors, play, trees, witnessed_trace
from .sandbox import Run, Sandbox, hookkit, interpreter
from .script import Bash, Edit, Read, Script, Text, Turn, Write
from .twins import Played, Twins
from .usage import Usage, handed_out, total

pytestmark = pytest.mark.real_agent


@cache
def known_agents() -> frozenset[str]:
    """The agents that hookkit can be installed for."""
    return frozenset(agent["name"] for agent in json.loads(hookkit("agents", "--json").stdout))


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    name: str = request.param
    if name not in known_agents():
        pytest.skip(f"hookkit does not know {name}")
    try:
        return driver_of(name)
    except ModuleNotFoundError as reason:
        pytest.skip(f"{name}: there is no driver yet: {reason}")


@pytest.fixture
def box(twins: Twins) -> Sandbox:
    """A repository with hookkit, and the witness where the agent has command hooks."""
    box = twins.box("recorded", install=True)
    box.repository()
    return box


# (a)


def test_a_session_is_recorded_blamed_and_hookkit_removed_without_a_trace(twins: Twins, tmp_path: Path) -> None:
    box = twins.box("recorded", install=False)
    original = box.settings.read_bytes() if box.settings.exists() else None
    box.install()
    assert box.settings.exists()
    box.repository()
    old, new = f"{box.project}/old.txt", f"{box.project}/new.txt"

    play(
        box,
        [
            [Text("I write."), Write(new, "alpha\nbeta\n")],
            [Read(old)],
            [Edit(old, "two\n", "two\nand a half\n")],
            [Bash("printf 'gamma\\ndelta\\n' >> new.txt; sed -i s/three/drei/ old.txt; mkdir sub; echo x > sub/x.txt")],
            [Read(new)],
            [Text("Done.")],
        ],
    )
    trace = witnessed_trace(box)

    written = {**START, "new.txt": b"alpha\nbeta\n"}
    edited = {**written, "old.txt": b"one\ntwo\nand a half\nthree\n"}
    changed = {
        "README.md": START["README.md"],
        "new.txt": b"alpha\nbeta\ngamma\ndelta\n",
        "old.txt": b"one\ntwo\nand a half\ndrei\n",
        "sub/x.txt": b"x\n",
    }
    expected = trees(tmp_path, START, written, written, edited, changed, changed)
    seen = windows(trace)
    assert bound(seen) == list(itertools.pairwise(expected))
    assert len({window.call for window in seen}) == 5
    metadata = trace["metadata"]
    assert set(metadata["hook_pre_tool_use"]) == {window.call for window in seen}
    assert set(metadata["hook_post_tool_use"]) == {window.call for window in seen}
    assert not any("post_inferred" in entry["limitations"] for entry in metadata["hook_post_tool_use"].values())
    assert [step["content"] for step in trace["steps"] if step["role"] == "user"] == ["Go on."]

    lines = {
        "new.txt": ["1: alpha", "1: beta", "4: gamma", "4: delta"],
        "old.txt": ["?: one", "?: two", "3: and a half", "4: drei"],
        "sub/x.txt": ["4: x"],
    }
    assert {name: blame(box, trace, name) for name in lines} == lines, "not yet committed"
    box.commit()
    assert {name: blame(box, trace, name) for name in lines} == lines

    box.hookkit("remove", box.agent.name)
    assert (box.settings.read_bytes() if box.settings.exists() else None) == original
    assert list(box.settings.parent.glob("*hookkit*")) == []


def test_settings_that_were_not_there_are_gone_after_removal(twins: Twins) -> None:
    """As the driver's own configuration leaves the home, without the witness."""
    box = twins.bare("bare")
    original = box.settings.read_bytes() if box.settings.exists() else None

    box.install()
    assert box.settings.read_bytes() != original
    box.hookkit("remove", box.agent.name)

    assert (box.settings.read_bytes() if box.settings.exists() else None) == original
    assert list(box.settings.parent.glob("*hookkit*")) == []


# (b)


def test_a_call_that_fails_is_recorded_as_failed_with_both_trees(box: Sandbox, tmp_path: Path) -> None:
    play(
        box, [[Bash("echo half > half.txt; exit 4")], [Write(f"{box.project}/after.txt", "after\n")], [Text("Failed.")]]
    )
    trace = witnessed_trace(box)

    half = {**START, "half.txt": b"half\n"}
    expected = trees(tmp_path, START, half, {**half, "after.txt": b"after\n"})
    assert bound(windows(trace)) == list(itertools.pairwise(expected))
    failed, written = errors(trace)
    assert failed
    assert not written
    (row,) = map(json.loads, box.hookkit("list", "--json").stdout.splitlines())
    assert (row["tool_calls"], row["failed_tool_calls"]) == (2, 1)
    assert blame(box, trace, "half.txt") == ["1: half"]


# (c)


def test_calls_of_one_answer_are_told_apart_even_if_two_are_the_same(box: Sandbox) -> None:
    contents = {"same.txt": (None, b"", b"same\n"), "other.txt": (None, b"", b"other\n")}
    states = [
        {**START, **{name: text for name, text in zip(contents, texts, strict=True) if text is not None}}
        for texts in itertools.product(*contents.values())
    ]

    def legal(box: Sandbox, tree: str) -> bool:
        return tree_files(box, tree) in states  # calls may run at the same time

    same = Bash("echo same > same.txt")
    play(box, [[same, Bash("echo other > other.txt"), same, Read(f"{box.project}/README.md")], [Text("Done.")]])
    trace = recorded_trace(box)

    assert_lines_match_the_witness(box, legal=legal)
    assert_trace_matches_the_witness(box, trace, legal=legal)
    assert_no_trace_of_hooks_in_the_transcript(box)
    seen = windows(trace)
    assert len({window.call for window in seen}) == len(seen) == 4
    assert all(window.before and window.after for window in seen)
    assert all(legal(box, tree) for window in seen for tree in (window.before, window.after) if tree)
    assert tree_files(box, str(hook_lines(box)[0]["data"]["trail"]["tree_id"]["hex"])) == START
    inputs = Counter(
        json.dumps([call["tool_name"], call["input"]], sort_keys=True)
        for step in trace["steps"]
        for call in step["tool_calls"]
    )
    assert sorted(inputs.values()) == [1, 1, 2]
    (stop,) = trace["metadata"]["hook_stop"]
    assert tree_files(box, str(tree_of(stop))) == {**START, "same.txt": b"same\n", "other.txt": b"other\n"}


# (d)


def test_a_call_that_begins_and_never_ends_is_shown_as_that(box: Sandbox, tmp_path: Path) -> None:
    way = box.driver.unfinished(box.place)
    if way is None:
        pytest.skip(f"{box.agent.name} ends every call that it begins, unless it is killed")

    box.run(Script([way.turn, [Text("Not done.")]]), extra=way.extra)
    trace = witnessed_trace(box)

    events = Counter(line["event"] for line in hook_lines(box))
    assert events["PreToolUse"] == 1
    assert not {"PostToolUse", "PostToolUseFailure"} & set(events)
    (call,) = trace["metadata"]["hook_pre_tool_use"]
    (start,) = trees(tmp_path, START)
    assert tree_of(trace["metadata"]["hook_pre_tool_use"][call]) == start
    post = trace["metadata"].get("hook_post_tool_use", {}).get(call)
    assert post is None or "post_inferred" in post["limitations"]


def test_a_call_in_which_the_agent_is_killed_is_closed_at_the_next_boundary(box: Sandbox, tmp_path: Path) -> None:
    box.kill_in_a_call([Write(f"{box.project}/a.txt", "a\n")])
    events = [line["event"] for line in hook_lines(box)]
    assert [event for event in events if "ToolUse" in event] == ["PreToolUse", "PostToolUse", "PreToolUse"]
    assert events[-1] == "PreToolUse"
    assert_lines_match_the_witness(box)

    resumed = box.run(Script([]), "Are you there?", resume=True)
    assert resumed.returncode == 0, (resumed.stdout, resumed.stderr)
    trace = witnessed_trace(box)

    written = {**START, "a.txt": b"a\n"}
    expected = trees(tmp_path, START, written, {**written, "begun.txt": b"begun\n"})
    assert bound(windows(trace)) == list(itertools.pairwise(expected))
    limitations = [trace["metadata"]["hook_post_tool_use"][window.call]["limitations"] for window in windows(trace)]
    assert ["post_inferred" in found for found in limitations] == [False, True]
    assert blame(box, trace, "a.txt") == ["1: a"]


# (e)


def test_nothing_but_hookkits_own_files_differs_between_a_machine_without_and_one_with_it(twins: Twins) -> None:
    who = "-c user.name=Dev -c user.email=dev@example.invalid"

    def act(box: Sandbox) -> list[Run]:
        here = f"{box.project}/"
        script = Script(
            [
                [Text("We begin."), Write(f"{here}a.txt", "a\n")],
                [Bash("echo b > b.txt; exit 3")],
                [Read(f"{here}old.txt"), Read(f"{here}README.md")],
                [Edit(f"{here}old.txt", "two", "2")],
                # An agent may hide the user's own git settings from its shell. With -C Qwen Code does not look into
                # the commit itself: now and then it cannot read its own git, and then says so instead of the result.
                [Bash(f"git add -A && git -C {box.project} {who} commit -qm 'By the agent'")],
                [Text("First.")],
                [Bash("echo c > c.txt")],
                [Text("Second.")],
            ]
        )
        return [box.run(script, "Begin."), box.run(script, "Go on.", resume=True)]

    played = twins.play(act)

    assert [run.returncode for run in played.runs] == [0, 0]
    assert all("First." in run.stdout or "Second." in run.stdout for run in played.runs)
    assert len(windows(played.trace)) == 7
    assert played.box.git("log", "--format=%s", "-1") == "By the agent\n"


# (f)


def delete_scripts(box: Sandbox) -> None:
    scripts = list((box.home / ".local" / "share" / "hookkit" / "hooks").rglob("*.py"))
    assert scripts
    for script in scripts:
        script.unlink()


def delete_interpreter(box: Sandbox) -> None:
    """The interpreter that our command names is not there any more; other people's commands go on with theirs."""
    text = box.settings.read_text(encoding="utf-8")
    mine = re.compile(rf"'?{re.escape(interpreter())}'?(?= -I -S '?[^' ]*hookkit_)")
    broken = mine.sub("/nowhere/python3", text)
    if "hookkit" in box.settings.name:  # a file of our own
        broken = text.replace(interpreter(), "/nowhere/python3")
    assert broken != text
    box.settings.write_text(broken, encoding="utf-8")


def test_the_agent_is_not_disturbed_by_a_broken_installation(twins: Twins) -> None:
    seen = []
    for damage in (None, delete_scripts, delete_interpreter):
        box = twins.box(damage.__name__ if damage else "plain", install=damage is not None)
        box.repository()
        if damage:
            damage(box)
        script = Script(
            [
                [Write(f"{box.project}/a.txt", "a\n")],
                [Bash("echo b > b.txt; exit 4")],
                [Read(f"{box.project}/old.txt")],
                [Text("Done.")],
            ]
        )
        run = box.run(script)
        box.settle()
        assert hook_lines(box) == []
        assert_no_trace_of_hooks_in_the_transcript(box)
        events = sorted((note.event, note.call or "") for note in box.notes()) if box.driver.chooses_session else []
        seen.append((observe(box, [run], [box.project]), events))
    plain, *broken = seen
    assert plain[0].answers[0].returncode == 0
    assert broken == [plain, plain]


# (g)


def test_a_resumed_session_goes_on_in_the_same_trace(box: Sandbox, tmp_path: Path) -> None:
    path = f"{box.project}/a.txt"
    script: list[Turn] = [
        [Write(path, "first\n")],
        [Text("First.")],
        [Read(path)],
        [Edit(path, "first", "second")],
        [Text("Second.")],
        [Bash("echo third >> a.txt")],
        [Text("Third.")],
    ]
    first = play(box, script, prompt="Begin.")
    earlier = recorded_trace(box)
    box.write({"old.txt": "changed between the turns\n"})
    second = play(box, script, prompt="Continue.", resume=True)
    third = play(box, script, prompt="Finish.", resume=True)
    trace = witnessed_trace(box)

    assert {run.session_id for run in (first, second, third)} == {box.session_id}
    assert trace["trace_id"] == earlier["trace_id"]
    assert len(box.hookkit("list", "--json").stdout.splitlines()) == 1
    assert [step["content"] for step in trace["steps"] if step["role"] == "user"] == ["Begin.", "Continue.", "Finish."]
    assert len(trace["metadata"]["hook_stop"]) == 3
    between = {**START, "a.txt": b"first\n", "old.txt": b"changed between the turns\n"}
    expected = trees(
        tmp_path, START, {**START, "a.txt": b"first\n"},
        between, {**between, "a.txt": b"second\n"}, {**between, "a.txt": b"second\nthird\n"},
    )  # fmt: skip
    start, written, read, edited, last = expected
    assert bound(windows(trace)) == [(start, written), (read, read), (read, edited), (edited, last)]
    assert blame(box, trace, "a.txt") == ["3: second", "4: third"]
    assert blame(box, trace, "old.txt") == ["human: changed between the turns"]


# (h)


def test_usage_is_counted_once(box: Sandbox) -> None:
    script: list[Turn] = [
        [Text("We begin."), Bash("ls"), Bash("pwd"), Read(f"{box.project}/old.txt")],
        [Write(f"{box.project}/a.txt", "a\n")],
        [Text("First.")],
        [Bash("exit 1")],
        [Text("Second.")],
    ]
    runs = [play(box, script, prompt="Begin."), play(box, script, prompt="Go on.", resume=True)]
    trace = recorded_trace(box)

    told = [handed_out(bytes(one.answer)) for run in runs for one in run.requests]
    assert len(told) == 5
    metrics = trace["metrics"]
    counted = Usage(*(metrics[f"total_{name}_tokens"] for name in ("input", "output", "cache_read", "cache_creation")))
    assert counted == total(map(box.driver.usage, told))


def test_the_session_is_recorded_the_same_for_everybody(twins: Twins) -> None:
    """The names of the events in hook lines are hookkit's, with the agent's own beside them where they differ."""

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Bash("echo b > b.txt")], [Text("Done.")]]))]

    played: Played = twins.play(act)

    lines = hook_lines(played.box)
    # An agent may announce every request to the model as a prompt, and all but the first as an empty one.
    empty = [line for line in lines if line["event"] == "UserPromptSubmit" and not line["data"].get("prompt")]
    events = Counter(line["event"] for line in lines if line not in empty)
    assert {"UserPromptSubmit": 1, "PreToolUse": 1, "PostToolUse": 1, "Stop": 1}.items() <= events.items()
    own = {line["data"].get("agent_event", line["event"]) for line in lines}
    registered = next(
        agent["events"]
        for agent in json.loads(hookkit("agents", "--json").stdout)
        if agent["name"] == played.box.agent.name
    )
    assert own <= set(registered)
