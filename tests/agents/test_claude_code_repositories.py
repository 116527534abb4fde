"""The places a session can happen in: linked worktrees, repositories without a commit, no repository at all."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .evidence import (
    assert_lines_match_the_witness,
    assert_trace_matches_the_witness,
    hook_lines,
    recorded_trace,
    tree_of,
    windows,
    written_tree,
)
from .sandbox import Run, Sandbox
from .script import Bash, Call, Script, Text, Turn, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent

START = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def linked(box: Sandbox) -> Path:
    return box.base / "linked"


def test_a_session_in_a_linked_worktree_is_bound_to_that_worktree(twins: Twins, tmp_path: Path) -> None:
    def prepare(box: Sandbox) -> None:
        box.repository()
        box.git("worktree", "add", "-q", "-b", "topic", str(linked(box)))
        box.write({"main-only.txt": "uncommitted in the main worktree\n"})

    def act(box: Sandbox) -> list[Run]:
        script = Script(
            [[Write(f"{linked(box)}/a.txt", "a\n")], [Bash("git add a.txt && echo b > b.txt")], [Text("Done.")]]
        )
        return [box.run(script, cwd=linked(box))]

    played = twins.play(act, prepare, folders=lambda box: [box.project, linked(box)])

    write, bash = windows(played.trace)
    assert write.before == written_tree(tmp_path / "before", START)
    assert bash.after == written_tree(tmp_path / "after", {**START, "a.txt": b"a\n", "b.txt": b"b\n"})
    assert played.post(write.call)["trail"]["worktree_root"] == str(linked(played.box))
    assert not (played.box.project / ".opentraces").exists()


def test_a_repository_without_a_commit_has_trees_and_no_head(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("Done.")]]))]

    played = twins.play(act, lambda box: box.repository(commit=False))

    (window,) = windows(played.trace)
    assert window.before == written_tree(tmp_path / "before", START)
    assert window.after == written_tree(tmp_path / "after", {**START, "a.txt": b"a\n"})
    assert played.post(window.call)["trail"]["git_head"] is None
    assert played.trace["metadata"]["hook_stop"][-1]["git"]["sha"] is None


def test_outside_a_repository_the_session_is_recorded_and_the_folder_stays_clean(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Bash("false")], [Text("Done.")]]))]

    played = twins.play(act, lambda box: box.write({"README.md": "No repository.\n"}))

    assert sorted(path.name for path in played.box.project.iterdir()) == ["README.md", "a.txt"]
    with_tree = [line for line in hook_lines(played.box) if line["event"] in ("PreToolUse", "PostToolUse", "Stop")]
    assert all("no_worktree" in line["data"]["limitations"] for line in with_tree)
    write, _ = windows(played.trace)
    assert played.post(write.call)["capture_status"] == "captured"


def test_a_repository_that_the_agent_makes_itself_is_recorded_from_then_on(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        turns: list[Turn] = [
            [Bash("git init -q")],
            [Write(f"{box.project}/a.txt", "a\n")],
            [Bash("git add -A && git commit -qm First")],
            [Text("Done.")],
        ]
        return [box.run(Script(turns))]

    played = twins.play(act, lambda box: box.write({"README.md": "No repository yet.\n"}))

    init, write, commit = windows(played.trace)
    assert init.before is None
    assert init.after == written_tree(tmp_path / "init", {"README.md": b"No repository yet.\n"})
    assert write.after == commit.after == played.box.git("rev-parse", "HEAD^{tree}").strip()


def test_a_subagent_in_a_worktree_of_its_own_is_bound_to_that_worktree(twins: Twins, tmp_path: Path) -> None:
    """Not a twin: the agent draws the worktree's name."""
    box = twins.box("recorded", install=True)
    box.repository()
    task = {"description": "Isolated", "prompt": "Work apart. [[conversation sub]]", "subagent_type": "general-purpose"}
    turns: list[Turn] = [[Call("Agent", {**task, "isolation": "worktree"})], [Text("Done.")]]

    run = box.run(Script(turns, {"sub": [[Bash("echo apart > apart.txt")], [Text("Done apart.")]]}))
    trace = recorded_trace(box)

    assert (run.returncode, run.stderr) == (0, "")
    assert_lines_match_the_witness(box)
    assert_trace_matches_the_witness(box, trace)
    entries = trace["metadata"]["hook_post_tool_use"].values()
    (apart,) = [entry for entry in entries if entry["trail"]["worktree_root"] != str(box.project)]
    assert tree_of(apart) == written_tree(tmp_path / "apart", {**START, "apart.txt": b"apart\n"})


def test_a_sha256_repository_has_sha256_trees(twins: Twins) -> None:
    def prepare(box: Sandbox) -> None:
        box.git("init", "-q", "--object-format=sha256")
        box.repository()

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("Done.")]]))]

    played = twins.play(act, prepare)

    (window,) = windows(played.trace)
    tree = played.post(window.call)["trail"]["tree_id"]
    assert (tree["algo"], len(tree["hex"])) == ("sha256", 64)


def test_a_repository_inside_the_worktree_and_odd_files_do_not_stop_the_recording(twins: Twins) -> None:
    def prepare(box: Sandbox) -> None:
        box.repository()
        inner = box.project / "inner"
        inner.mkdir()
        box.git("init", "-q", cwd=inner)
        box.write({"inner/file.txt": "inner\n"})
        box.git("add", "-A", cwd=inner)
        box.git("commit", "-qm", "Inner", cwd=inner)
        subprocess.run(["mkfifo", str(box.project / "pipe")], check=True)

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("Done.")]]))]

    played = twins.play(act, prepare)

    (window,) = windows(played.trace)
    assert window.before != window.after


def test_a_project_that_was_excluded_is_left_alone(twins: Twins) -> None:
    box = twins.box("recorded", install=True)
    box.repository()
    box.hookkit("exclude", str(box.project))

    run = box.run(Script([[Write(f"{box.project}/a.txt", "a\n")], [Text("Done.")]]))
    box.settle()

    assert (run.returncode, run.stderr, run.result["result"]) == (0, "", "Done.")
    assert len(box.notes()) == 6, "the witness ran"
    assert hook_lines(box) == []
    assert box.hookkit("list", "--json").stdout == ""
    assert not (box.project / ".git" / "hookkit").exists()


def test_the_recorded_session_is_on_the_list_with_its_numbers(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        turns: list[Turn] = [
            [Text("Writing."), Write(f"{box.project}/a.txt", "a\n")],
            [Bash("exit 1")],
            [Text("Done.")],
        ]
        return [box.run(Script(turns), "Write a file, then fail.")]

    played = twins.play(act)

    (row,) = [json.loads(line) for line in played.box.hookkit("list", "--json").stdout.splitlines()]
    assert row["session_id"] == played.box.session_id
    assert row["trace_id"] == played.trace["trace_id"]
    assert (row["agent"], row["project"]) == ("claude-code", str(played.box.project))
    assert (row["turns"], row["tool_calls"], row["failed_tool_calls"]) == (1, 2, 1)
    usage = played.runs[0].result["usage"]
    assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert row["cache_read_tokens"] == usage["cache_read_input_tokens"]
    assert row["cache_write_tokens"] == usage["cache_creation_input_tokens"]
