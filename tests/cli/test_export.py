"""`hookkit export`: recorded sessions, in the formats of others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hookkit.cli import run
from hookkit.store.files import replace_file, trace_path
from tests.exporters.support import check, check_note

from .recorded import World

TEXT = "one\nalpha\ntwo\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three commits: one before any session, one with lines of two calls and of a human, one of a human alone."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    world = World(tmp_path / "repo")
    world.commit("first", a_txt="one\ntwo\n")
    session = world.session()
    session.prompt("Add lines.")
    session.edit("toolu_1", "a.txt", TEXT)
    session.edit("toolu_2", "b c.txt", "beta\ngamma\n")
    world.write("a.txt", TEXT + "human\n")
    session.stop()
    session.ingest()
    world.commit("second")
    world.commit("third", c_txt="human\n")
    monkeypatch.chdir(world.root)
    return world


def out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run([*arguments]) == code
    return capsys.readouterr().out


def commits(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    body = json.loads(out(capsys, "export", "git-ai", "--json", *arguments))
    check("export-git-ai", body)
    found: list[dict[str, Any]] = body["commits"]
    return found


def note(world: World, revision: str) -> str:
    return world.git("notes", "--ref=ai", "show", revision, check=False)


def test_the_notes_of_a_range_claim_exactly_the_lines_of_calls(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    found = commits(capsys, "--all")
    assert [(one["status"], one["lines"], one["calls"]) for one in found] == [
        ("nothing", 0, 0),
        ("written", 3, 2),
        ("nothing", 0, 0),
    ]
    metadata = check_note(note(world, "HEAD~1"))
    (session,) = metadata["sessions"]
    assert metadata["sessions"][session]["agent_id"]["id"] == world.sessions[0].session_id
    head = re.sub("::t_[0-9a-f]{14}", "", note(world, "HEAD~1").partition("---")[0])
    assert head == f'a.txt\n  {session} 2\n"b c.txt"\n  {session} 1-2\n'
    assert note(world, "HEAD") == note(world, "HEAD~2") == ""


def test_a_single_revision_is_that_commit_and_nothing_is_the_newest(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = world.git("rev-list", "HEAD").split()
    assert [one["commit"] for one in commits(capsys, "--dry-run")] == ids[:1]
    assert [one["commit"] for one in commits(capsys, "--dry-run", "HEAD~1")] == [ids[1]]
    assert [one["commit"] for one in commits(capsys, "--dry-run", "HEAD~2..HEAD")] == [ids[1], ids[0]]
    assert note(world, "HEAD~1") == ""


def test_it_says_what_it_did(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "export", "git-ai", "--all", "--dry-run")
    assert "1 note to be written to refs/notes/ai; 2 commits without lines of calls." in said
    said = out(capsys, "export", "git-ai", "--all")
    assert said.splitlines()[0].endswith("  3 lines of 2 calls")
    assert said.splitlines()[-1] == "1 note written to refs/notes/ai; 2 commits without lines of calls."
    assert out(capsys, "export", "git-ai", "HEAD~1") == "0 notes written to refs/notes/ai; 1 note had it all.\n"


def test_a_note_of_another_form_makes_the_exit_code_1(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.git("notes", "--ref=ai", "add", "-m", "mine\x1b[31m", "HEAD~1")
    assert run(["export", "git-ai", "HEAD~1"]) == 1
    assert "has a note that stays as it is: it has no line `---`" in capsys.readouterr().err
    assert note(world, "HEAD~1") == "mine\x1b[31m"


def test_agent_trace_is_one_valid_record_a_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = [json.loads(line) for line in out(capsys, "export", "agent-trace", "--all").splitlines()]
    check("agent-trace", record)
    assert record["vcs"]["revision"] == world.git("rev-parse", "HEAD~1")
    ranges = {
        file["path"]: [(r["start_line"], r["end_line"]) for c in file["conversations"] for r in c["ranges"]]
        for file in record["files"]
    }
    assert ranges == {"a.txt": [(2, 2)], "b c.txt": [(1, 2)]}
    assert {call["tool_call_id"] for call in record["metadata"]["hookkit"]["calls"]} == {"toolu_1", "toolu_2"}
    assert "Add lines." not in json.dumps(record)
    assert out(capsys, "export", "agent-trace", "--json") == ""


def test_lines_after_a_rebase_are_those_of_the_calls(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.git("checkout", "-q", "-b", "side", "HEAD~2")
    world.commit("zeroth", z_txt="z\n")
    world.git("cherry-pick", "main~1")
    assert [(one["status"], one["lines"]) for one in commits(capsys, "HEAD")] == [("written", 3)]


def test_a_trace_that_was_not_read_in_full_is_not_exported(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path = trace_path(world.sessions[0].trace_id)
    record = json.loads(path.read_bytes())
    record["metadata"]["capture"]["blocked"] = ["A line was torn."]
    replace_file(path, [json.dumps(record).encode()])
    (one,) = commits(capsys, "HEAD~1")
    assert (one["status"], one["left_out"]) == ("nothing", {"trace_blocked": 3})
    capsys.readouterr()
    assert run(["export", "agent-trace", "HEAD~1"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("3 lines left out: their session could not be read in full")


def test_lines_of_a_pruned_trace_are_left_out_and_said_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    trace_path(world.sessions[0].trace_id).unlink()
    assert [one["left_out"] for one in commits(capsys, "HEAD~1")] == [{"trace_missing": 3}]


def test_a_file_that_the_format_cannot_name_is_left_out_and_said_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    session = world.session(2)
    session.prompt("Odd names.")
    with session.call("Bash", "toolu_3", command="make"):
        world.write("caf\udce9", "x\n")
        world.write("new\nline", "y\n")
    session.stop()
    session.ingest()
    world.commit("odd")
    assert [(one["status"], one["left_out"]) for one in commits(capsys)] == [("nothing", {"path": 2})]
    (record,) = [json.loads(line) for line in out(capsys, "export", "agent-trace").splitlines()]
    assert [file["path"] for file in record["files"]] == ["new\nline"]


def test_what_is_no_revision_is_a_usage_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for revision in ("nope", "", "--output=x", "HEAD..nope"):
        assert run(["export", "git-ai", "--json", "--", revision]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "UNKNOWN_REVISION"
    assert not (world.root / "x").exists()


def test_outside_of_a_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for format_ in ("git-ai", "agent-trace"):
        assert run(["export", format_]) == 2
        assert "not inside a git worktree" in capsys.readouterr().err
