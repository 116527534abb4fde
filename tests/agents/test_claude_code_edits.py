"""Real Claude Code changes files with its own tools; hookkit binds each call to the trees around it."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from .evidence import hook_lines, windows, written_tree
from .sandbox import Run, Sandbox
from .script import Call, Edit, Read, Script, Text, Write
from .twins import Twins

pytestmark = pytest.mark.real_agent

START = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def sha256_of(*lines: str) -> str:
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_a_written_file_is_bound_to_the_trees_before_and_after_it(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/a.txt", "x\ny\n")], [Text("Written.")]]))]

    played = twins.play(act)

    (window,) = windows(played.trace)
    assert played.runs[0].result["result"] == "Written."
    assert window.tool == "Write"
    assert window.before == written_tree(tmp_path / "before", START)
    assert window.after == written_tree(tmp_path / "after", {**START, "a.txt": b"x\ny\n"})
    post = played.post(window.call)
    assert (post["file_path"], post["start_line"], post["end_line"]) == (f"{played.box.project}/a.txt", 1, 2)
    assert post["content_hash"] == sha256_of("x", "y")
    assert (post["capture_status"], post["confidence"], post["limitations"]) == ("captured", "high", [])


def test_an_edit_is_attributed_to_exactly_the_lines_it_changed(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        old = f"{box.project}/old.txt"
        return [box.run(Script([[Read(old)], [Edit(old, "two\n", "two\nand\na half\n")], [Text("Edited.")]]))]

    played = twins.play(act)

    read, edit = windows(played.trace)
    assert read.before == read.after == edit.before == written_tree(tmp_path / "before", START)
    changed = {**START, "old.txt": b"one\ntwo\nand\na half\nthree\n"}
    assert edit.after == written_tree(tmp_path / "after", changed)
    post = played.post(edit.call)
    assert (post["start_line"], post["end_line"], post["capture_status"]) == (3, 4, "captured")
    assert post["content_hash"] == sha256_of("and", "a half")


def test_several_edits_in_one_turn_have_a_window_each(twins: Twins, tmp_path: Path) -> None:
    def act(box: Sandbox) -> list[Run]:
        old = f"{box.project}/old.txt"
        edits = [Edit(old, "one", "1"), Edit(old, "two", "2"), Edit(old, "three", "3")]
        return [box.run(Script([[Read(old)], edits, [Text("All three.")]]))]

    played = twins.play(act)

    states = [b"one\ntwo\nthree\n", b"1\ntwo\nthree\n", b"1\n2\nthree\n", b"1\n2\n3\n"]
    trees = [written_tree(tmp_path / str(n), {**START, "old.txt": text}) for n, text in enumerate(states)]
    assert [(w.before, w.after) for w in windows(played.trace)[1:]] == list(itertools.pairwise(trees))
    assert [played.post(call)["start_line"] for call in played.calls("Edit")] == [1, 2, 3]


def test_an_edit_of_every_occurrence_reports_every_range(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        path = f"{box.project}/many.txt"
        script = Script([[Read(path)], [Edit(path, "x", "y", replace_all=True)], [Text("Replaced.")]])
        return [box.run(script)]

    played = twins.play(act, lambda box: box.repository({"many.txt": "x\na\nb\nx\n"}))

    (edit,) = played.calls("Edit")
    ranges = [(found["start_line"], found["end_line"]) for found in played.post(edit)["ranges"]]
    assert ranges == [(1, 1), (4, 4)]
    assert (played.post(edit)["start_line"], played.post(edit)["end_line"]) == (1, 4)


def test_an_edit_that_only_deletes_lines_claims_none(twins: Twins) -> None:
    def act(box: Sandbox) -> list[Run]:
        old = f"{box.project}/old.txt"
        return [box.run(Script([[Read(old)], [Edit(old, "two\n", "")], [Text("Shorter.")]]))]

    played = twins.play(act)

    (edit,) = played.calls("Edit")
    post = played.post(edit)
    assert post.get("start_line") is None
    assert post.get("content_hash") is None
    assert "lines_deleted_only" in post["limitations"]
    assert [found["change_type"] for found in post["ranges"]] == ["deletion"]


def test_a_notebook_edit_is_attributed_to_lines_of_the_file(twins: Twins) -> None:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "c1",
        "metadata": {},
        "outputs": [],
        "source": "1",
    }
    notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)

    def act(box: Sandbox) -> list[Run]:
        path = f"{box.project}/nb.ipynb"
        edit = Call("NotebookEdit", {"notebook_path": path, "cell_id": "c1", "new_source": "2"})
        return [box.run(Script([[Read(path)], [edit], [Text("Edited.")]]))]

    played = twins.play(act, lambda box: box.repository({"nb.ipynb": notebook}))

    (edit,) = played.calls("NotebookEdit")
    post = played.post(edit)
    lines = (played.box.project / "nb.ipynb").read_text().split("\n")
    assert post["capture_status"] == "captured"
    assert '"source": "2"' in "\n".join(lines[post["start_line"] - 1 : post["end_line"]])


def test_a_large_write_is_a_small_line_and_whole_in_the_trace(twins: Twins) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/large.txt", text)], [Text("Written.")]]))]

    played = twins.play(act)

    (call,) = played.calls("Write")
    assert all(len(json.dumps(line)) < 16 << 10 for line in hook_lines(played.box))
    assert played.trace["metadata"]["hook_pre_tool_use"][call]["tool_input"]["content"] == text
    assert (played.post(call)["start_line"], played.post(call)["end_line"]) == (1, 20_000)


def test_names_and_contents_beyond_ascii_come_out_as_git_has_them(twins: Twins, tmp_path: Path) -> None:
    name, text = '日本/naïve ünï \t"q".txt', "λ\r\n🦜\n"

    def act(box: Sandbox) -> list[Run]:
        return [box.run(Script([[Write(f"{box.project}/{name}", text)], [Text("Geschrieben.")]]), "Schreibe: äöü")]

    played = twins.play(act)

    (window,) = windows(played.trace)
    assert window.after == written_tree(tmp_path / "after", {**START, name: text.encode()})
    assert played.post(window.call)["file_path"] == f"{played.box.project}/{name}"
