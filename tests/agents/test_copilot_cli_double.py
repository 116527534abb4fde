"""Copilot CLI runs the hooks of a project's Claude settings too: nothing of a session is lost or told twice by it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from .drivers.base import Driver
from .drivers.copilot_cli import CopilotCli
from .evidence import hook_lines, tree_of, windows
from .questions import START, blame, bound, errors, play, trees
from .sandbox import Json, Sandbox
from .script import Agent, Bash, Edit, Script, Text, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent


@pytest.fixture
def driver() -> Driver:
    return CopilotCli()


def prepared(twins: Twins, name: str, *, own: bool) -> Sandbox:
    """A repository whose settings for Claude Code hold hookkit's hooks; own: Copilot's are there as well."""
    box = twins.bare(name)
    box.repository({**{path: text.decode() for path, text in START.items()}, ".gitignore": ".claude/\n"})
    (box.project / ".claude").mkdir()
    config = box.home / ".copilot" / "config.json"  # the settings of a folder that is not trusted are passed over
    config.parent.mkdir()
    config.write_text(json.dumps({"trustedFolders": [str(box.project)]}))
    if own:
        box.install()
    box.hookkit("install", "claude-code", "--scope", "project")
    return box


def session(box: Sandbox) -> Json:
    """Calls of the main agent and of a subagent, two of them the same in one answer, one that fails."""
    same = Bash("echo same >> same.txt")
    turns = [
        [Write(f"{box.project}/a.txt", "a\n")],
        [Edit(f"{box.project}/old.txt", "two\n", "2\n")],
        [same, same],
        [Bash("echo half > half.txt; exit 4")],
        [Agent("sub")],
        [Text("Done.")],
    ]
    inner = [[Write(f"{box.project}/inner.txt", "inner\n")], [Bash("echo more >> inner.txt")], [Text("Sub is done.")]]
    run = box.run(Script(turns, {"sub": inner}))
    assert run.returncode == 0, (run.stdout, run.stderr)
    return box.trace(lambda trace: bool(trace["metadata"]["hook_stop"]) and trace["metadata"]["capture"]["complete"])


def callers(box: Sandbox) -> Counter[bool]:
    """How many lines there are, by whether another agent's hook wrote them."""
    lines = (path.read_text().splitlines() for path in (box.project / ".opentraces").rglob("*.jsonl"))
    found = [json.loads(line)["data"] for each in lines for line in each]
    assert {data["agent"] for data in found} == {"copilot-cli"}
    return Counter("foreign_caller" in data.get("limitations", []) for data in found)


def whole(trace: Json) -> None:
    """Every call of the session has a line before and one after it, and no other call has."""
    metadata = trace["metadata"]
    calls = [call["tool_call_id"] for step in trace["steps"] for call in step["tool_calls"]]
    assert len(calls) == len(set(calls)) == 8
    assert set(metadata["hook_pre_tool_use"]) == set(metadata["hook_post_tool_use"]) == set(calls)
    assert metadata["capture"]["missing_pre_or_post_hook"] == metadata["capture"]["post_inferred"] == 0
    assert len(metadata["hook_stop"]) == 1
    events = Counter(event["event"] for event in metadata["hook_events"])
    assert (events["SessionStart"], events["UserPromptSubmit"], events["SessionEnd"]) == (1, 1, 1)
    assert (trace["metadata"]["capture"]["turns"], trace["metadata"]["capture"]["subagents"]) == (1, 1)
    assert sum(error is not None for error in errors(trace)) == 1


def test_what_both_hooks_tell_is_recorded_once(twins: Twins) -> None:
    box = prepared(twins, "both", own=True)

    trace = session(box)

    assert callers(box)[True]
    assert callers(box)[False]
    whole(trace)
    capture = trace["metadata"]["capture"]
    assert capture["double_loaded_hook_lines"] > 0
    assert "foreign_caller" not in capture["limitations"]
    assert len(box.hookkit("list", "--json").stdout.splitlines()) == 1
    assert blame(box, trace, "a.txt") == ["1: a"]
    assert blame(box, trace, "half.txt") == ["5: half"]


def test_what_only_claudes_hooks_tell_is_recorded_as_copilots(twins: Twins) -> None:
    box = prepared(twins, "claude", own=False)

    trace = session(box)

    assert callers(box) == {True: callers(box)[True]}
    whole(trace)
    assert "double_loaded_hook_lines" not in trace["metadata"]["capture"]
    assert len(box.hookkit("list", "--json").stdout.splitlines()) == 1
    assert blame(box, trace, "a.txt") == ["1: a"]


def test_both_tell_of_the_same_trees(twins: Twins, tmp_path: Path) -> None:
    box = prepared(twins, "trees", own=True)
    play(box, [[Write(f"{box.project}/a.txt", "a\n")], [Bash("echo b > b.txt")], [Text("Done.")]])
    trace = box.trace(lambda trace: bool(trace["metadata"]["hook_stop"]))

    start = {**START, ".gitignore": b".claude/\n"}
    written = {**start, "a.txt": b"a\n"}
    expected = trees(tmp_path, start, written, {**written, "b.txt": b"b\n"})
    assert bound(windows(trace)) == [(expected[0], expected[1]), (expected[1], expected[2])]
    seen = Counter((line["event"], tree_of(line)) for line in hook_lines(box) if "Tool" in line["event"])
    assert set(seen.values()) == {2}
