"""`hookkit track`: what became of the lines that calls wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookkit.cli import run

from .recorded import Session, World, rows


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(["track", *arguments]) == 0
    return capsys.readouterr().out


def states(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, int]]:
    calls = rows(said(capsys, *arguments, "--json"), "track")
    return {call["tool_call_id"]: {key: n for key, n in call["states"].items() if n} for call in calls}


def test_a_session_shows_every_call_and_its_lines_by_state(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert states(capsys, "last") == {
        "toolu_01write": {"moved": 2}, "toolu_02edit": {"alive": 2}, "toolu_04move": {"alive": 1},
        "toolu_05read": {}, "toolu_06commit": {}, "toolu_07edit": {"alive": 1},
    }  # fmt: skip
    text = said(capsys, "last")
    name = inside.trace_id[:8]
    assert f"Trace {name}  claude-code  Add retry to fetch,…" in text
    assert "2 other calls wrote no lines." in text
    (row,) = [line for line in text.splitlines() if line.startswith(f"{name}:1 ")]
    assert row.split() == [f"{name}:1", "1", "Write", "2", "2", "fetch.py"]


def test_one_call_shows_where_each_of_its_lines_is(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    head = inside.world.git("rev-parse", "HEAD")
    text = said(capsys, "last:1")
    assert f"fetch.py:1-2  moved  now net/fetch.py:1-2 in {head[:8]}  def fetch(url):" in text
    (call,) = rows(said(capsys, "last:1", "--json"), "track")
    assert [(line["now_path"], line["now_line"], line["commit"]) for line in call["lines"]] == [
        ("net/fetch.py", 1, head), ("net/fetch.py", 2, head),
    ]  # fmt: skip


def test_lines_that_are_not_committed_yet_are_said_to_be(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not committed" in said(capsys, "last:7")


def test_a_turn_is_all_of_its_calls(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    expected = ["toolu_01write", "toolu_02edit"]
    for form in ("last:turn_1", "last:0", "last:step_0", f"t:{inside.trace_id[:8]}:turn_1"):
        assert [*states(capsys, form)] == expected, form


def test_lines_that_went_say_how(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="one\ntwo\n")
    session = world.session()
    session.prompt("Write")
    session.edit("toolu_01write", "a.txt", "one\nmine\ntwo\nlast\n")
    session.ingest()
    world.commit("By the agent")
    session.prompt("Again")
    session.edit("toolu_02write", "a.txt", "one\nother\ntwo\n")
    session.edit("toolu_03lost", "b.txt", "never kept\n")
    session.edit("toolu_04lost", "b.txt", "kept\n")
    session.stop()
    world.commit("Again")
    session.ingest()
    from hookkit.git.worktree import find
    from hookkit.trails import anchors

    worktree = find(world.root)
    assert worktree
    anchors.update(worktree)
    found = states(capsys)
    assert found["toolu_03lost"] == {"never_committed": 1}
    assert found["toolu_01write"].get("changed") == 1
    (call,) = rows(said(capsys, "last:1", "--json"), "track")
    assert call["lines"][0]["by"]["tool_call_id"] == "toolu_02write"
    assert "by " + session.trace_id[:8] in said(capsys, "last:1")


def test_another_revision_can_be_asked_about(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    (call,) = rows(said(capsys, "last:2", "--rev", "HEAD~1", "--json"), "track")
    assert {line["commit"] for line in call["lines"]} == {None}


def test_a_session_without_recorded_lines_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    session = world.session()
    session.prompt("Look")
    with session.call("Read", "toolu_01read", file_path="a.txt"):
        pass
    session.ingest()
    assert "1 call wrote no line that was recorded." in said(capsys)


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("last:99", "UNKNOWN_STEP"),
        ("last:turn_9", "UNKNOWN_STEP"),
        ("last:toolu_99", "UNKNOWN_STEP"),
        ("last:toolu_0", "AMBIGUOUS_REF"),
        ("deadbeef", "UNKNOWN_TRACE"),
        ("ab", "REF_TOO_SHORT"),
        ("c:deadbeef", "NOT_A_CALL"),
        ("tp:deadbeef", "UNKNOWN_REFERENCE"),
        ("tp:x", "BAD_REFERENCE"),
    ],
)
def test_a_reference_that_means_no_call_is_refused_with_a_hint(
    inside: Session, capsys: pytest.CaptureFixture[str], ref: str, code: str
) -> None:
    capsys.readouterr()
    assert run(["track", ref, "--json"]) == 2
    error: dict[str, Any] = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert error["hint"]


def test_an_unknown_revision_is_refused(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["track", "last", "--rev", "nowhere"]) == 2


def test_it_works_from_outside_of_the_repository(
    inside: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert states(capsys, "last:1") == {"toolu_01write": {"moved": 2}}
