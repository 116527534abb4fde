"""`hookkit show --tree` and `hookkit export REF --format belay`: the tree of a session, and trees in files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from hookkit.cli import run
from hookkit.store.files import trace_path
from hookkit.store.node import Node, read_file, read_latest, write

from .recorded import Session, valid

TREE = Node("n", "trace", "nightly", children=(Node("00000001", "phase", "default", cost_usd=0.5),))


def test_a_session_is_a_tree_of_its_turns(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "last", "--tree"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [re.match(r"[│ ]*(.*?)(  |$)", line)[1] for line in said[1:]] == [  # type: ignore[index]
        "claude-code",
        "├── → turn 1: Add retry to fetch,", "├── Write", "└── Edit",
        "└── → turn 2: Now move it", "├── Bash", "├── Read", "├── Bash", "└── Edit",
    ]  # fmt: skip
    assert all(len(line) <= 100 for line in said)


def test_the_tree_as_json_is_what_is_exported(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", inside.session_id, "--tree", "--json"]) == 0
    shown = capsys.readouterr().out
    assert run(["export", inside.session_id, "--format", "belay"]) == 0
    assert f"{capsys.readouterr().out}\n" == shown
    assert valid(shown, "trace-node")["id"] == inside.trace_id


def test_an_export_goes_to_a_file_or_into_a_folder(
    inside: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "last", "--format", "belay", "-o", str(tmp_path / "one.json")]) == 0
    assert run(["export", "last", "--format", "belay", "-o", f"{tmp_path}/.belay/traces/"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert (tmp_path / ".belay" / "traces" / f"{inside.trace_id}.json").is_file()
    assert read_latest(tmp_path / ".belay" / "traces") == read_file(tmp_path / "one.json")
    assert not (tmp_path / "one.json").read_bytes().endswith(b"\n")
    assert run(["show", "--tree", f"{tmp_path}/.belay/traces"]) == 0
    assert "└── → turn 2: Now move it" in capsys.readouterr().out


def test_a_file_and_the_newest_of_a_folder_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(TREE, tmp_path)
    os.utime(write(Node("old", "trace", "older"), tmp_path), (1, 1))
    for ref in (path, tmp_path):
        assert run(["show", "--tree", str(ref)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "                cost", "nightly      $0.5000", "└── default  $0.5000",
        ]  # fmt: skip
    assert run(["show", "--tree", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == TREE.body()


@pytest.mark.parametrize("folder", [".", "t", "./t"])
def test_a_folder_may_have_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    write(TREE, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    assert run(["show", "--tree", folder]) == 0
    assert "nightly" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[1]", '{"id": 7}', '{"children": [' * 2000])
def test_a_file_that_is_no_tree_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    assert run(["show", "--tree", str(tmp_path / "bad.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert run(["show", "--tree", f"{tmp_path}/none.json", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "UNREADABLE_NODE_FILE"


def test_an_output_that_cannot_be_written_is_an_error(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "last", "--format", "belay", "-o", "app.py/x/"]) == 1
    assert "app.py/x/ cannot be written: Not a directory." in capsys.readouterr().err
    assert run(["export", "last", "--format", "belay", "-o", "app.py/x.json"]) == 1
    assert "app.py/x.json cannot be written: Not a directory." in capsys.readouterr().err
    assert run(["export", "deadbeef", "--format", "belay"]) == 2
    assert "hookkit list" in capsys.readouterr().err


def test_the_costs_of_a_session_s_tree_are_marked_as_estimates(
    inside: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trace_path(inside.trace_id)
    record = json.loads(path.read_bytes())
    record["metadata"]["cost"] = {"usd": 0.5, "source": "estimate", "unpriced": [], "models": {}, "steps": {}}
    record["metrics"]["estimated_cost_usd"] = 0.5
    path.write_text(json.dumps(record))
    assert run(["show", "last", "--tree"]) == 0
    said = capsys.readouterr().out
    assert "~$" in said
    assert said.count("~$") == said.count("$")
