"""Real Claude Code changes the worktree through the shell, where only the trees tell what happened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .evidence import windows, written_tree
from .sandbox import Run, Sandbox
from .script import Bash, Script, Text, Turn, Write
from .twins import Played, Twins

pytestmark = pytest.mark.real_agent

START: dict[str, bytes] = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def play_command(twins: Twins, command: str) -> Played:
    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Bash(command)], [Text("Done.")]]))]

    return twins.play(act)


def test_a_command_that_changes_files_is_recorded_without_claiming_lines(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "echo four >> old.txt; mkdir deep; echo new > deep/new.txt")

    (window,) = windows(played.trace)
    after = {**START, "old.txt": b"one\ntwo\nthree\nfour\n", "deep/new.txt": b"new\n"}
    assert (window.before, window.after) == (
        written_tree(tmp_path / "before", START),
        written_tree(tmp_path / "after", after),
    )
    post = played.post(window.call)
    assert post["capture_status"] == "hook_only"
    assert {"hook_only", "posttooluse_no_file_range"} <= set(post["limitations"])
    assert post.get("start_line") is None


def test_a_command_that_fails_after_changing_files_keeps_its_window(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "echo half > half.txt; exit 3")

    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {**START, "half.txt": b"half\n"})
    assert "Exit code 3" in played.post(window.call)["error"]
    (row,) = [step for step in played.trace["steps"] if step["tool_calls"]]
    assert row["observations"][0]["error"]


def test_a_deleted_file_is_gone_from_the_tree(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "rm old.txt")

    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {"README.md": START["README.md"]})


def test_a_renamed_file_is_in_the_tree_under_its_new_name(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "mkdir kept && git mv old.txt kept/moved.txt && mv README.md READ.me")

    (window,) = windows(played.trace)
    after = {"READ.me": START["README.md"], "kept/moved.txt": START["old.txt"]}
    assert window.after == written_tree(tmp_path / "after", after)


def test_a_change_of_mode_and_a_new_link_are_in_the_tree(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "chmod +x old.txt; ln -s README.md link; ln -s nowhere dead")

    (window,) = windows(played.trace)
    after: dict[str, bytes | tuple[str, bytes]] = {
        **START,
        "old.txt": ("100755", START["old.txt"]),
        "link": ("120000", b"README.md"),
        "dead": ("120000", b"nowhere"),
    }
    assert window.after == written_tree(tmp_path / "after", after)


def test_binary_content_is_in_the_tree_byte_for_byte(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, r"printf '\000\001\377\376PNG\r\n' > image.bin")

    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {**START, "image.bin": b"\0\1\xff\xfePNG\r\n"})


def test_names_that_are_no_utf8_are_in_the_tree(twins: Twins) -> None:
    played = play_command(twins, r"""printf x > "$(printf 'caf\351 \n.txt')" """)

    (window,) = windows(played.trace)
    assert window.before != window.after
    assert b"caf\xe9 \n.txt" in [os.fsencode(path.name) for path in played.box.project.iterdir()]


def test_ignored_files_stay_out_of_the_tree(twins: Twins, tmp_path: Path) -> None:
    played = play_command(twins, "echo '*.log' > .gitignore; echo noise > noise.log")

    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {**START, ".gitignore": b"*.log\n"})


def test_a_session_that_went_into_a_subfolder_is_still_the_session_of_its_project(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        turns: list[Turn] = [
            [Bash("mkdir -p sub/deeper && cd sub/deeper && pwd")],
            [Bash("echo here > here.txt && pwd")],
            [Write(f"{box.project}/top.txt", "top\n")],
            [Text("Done.")],
        ]
        return [box.run(Script(turns))]

    played = twins.play(act)

    roots = {
        entry["trail"]["worktree_root"]
        for name in ("hook_pre_tool_use", "hook_post_tool_use")
        for entry in played.trace["metadata"][name].values()
    }
    assert roots == {str(played.box.project)}
    assert (played.box.project / "sub/deeper/here.txt").exists()
    assert [path.parent for path in played.box.base.rglob(".opentraces")] == [played.box.project]


def test_a_commit_made_by_the_agent_is_its_own_and_nothing_of_ours_is_in_it(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        turns: list[Turn] = [
            [Write(f"{box.project}/a.txt", "a\n")],
            [Bash("git add -A && git commit -qm 'Add a' && git log --format=%s")],
            [Bash("git checkout -qb topic && git stash list && echo b > b.txt && git stash -qu && git stash pop -q")],
            [Text("Committed.")],
        ]
        return [box.run(Script(turns))]

    played = twins.play(act)

    box = played.box
    assert box.git("log", "--format=%s", "-1") == "Add a\n"
    assert box.git("ls-tree", "-r", "--name-only", "HEAD").split() == ["README.md", "a.txt", "old.txt"]
    write, commit, _ = windows(played.trace)
    assert write.after == commit.before == commit.after == box.git("rev-parse", "HEAD^{tree}").strip()
    heads = [played.post(call)["trail"]["git_head"]["hex"] for call in played.calls("Bash")]
    assert heads == [box.git("rev-parse", "HEAD").strip()] * 2
    stop = played.trace["metadata"]["hook_stop"][-1]
    assert stop["git"]["sha"] == heads[-1]
    assert (stop["git"]["dirty"], stop["git"]["files_changed"], stop["git"]["changed_paths"]) == (True, 1, ["b.txt"])
