"""`hookkit graph`: commits, and the calls that wrote them."""

from __future__ import annotations

import pytest

from hookkit.cli import run

from .recorded import Session, World, rows


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(["graph", *arguments]) == 0
    return capsys.readouterr().out


def test_each_commit_names_the_calls_that_wrote_it(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    head, begin = rows(said(capsys, "--json"), "graph")
    assert head["commit"]["refs"] == ["HEAD -> main"]
    assert [(call["tool_call_id"], call["lines"]) for call in head["calls"]] == [
        ("toolu_01write", 2), ("toolu_02edit", 2), ("toolu_04move", 1),
    ]  # fmt: skip
    assert begin["calls"] == []
    assert begin["unknown_lines"] == begin["added_lines"] == 6


def test_text_is_gits_graph_with_the_calls_below(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    shas = inside.world.git("log", "--format=%h", "--abbrev=8").splitlines()
    name = inside.trace_id[:8]
    assert said(capsys).splitlines() == [
        f"* {shas[0]} (HEAD -> main) Add fetch  Jane Doe, 2026-01-05 10:00  71 % by calls",
        f'|   * +2 Write {name}:1 claude-code turn 1 "Add retry to fetch, please"',
        f'|   * +2 Edit {name}:2 claude-code turn 1 "Add retry to fetch, please"',
        f'|   * +1 Bash {name}:4 claude-code turn 2 "Now move it"',
        "|   - +2 outside of all tool calls",
        f"* {shas[1]} Begin  Jane Doe, 2026-01-05 10:00",
    ]


def test_branches_and_merges_are_drawn_and_calls_stand_beside_them(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit("Begin", a_txt="x\n")
    world.git("checkout", "-q", "-b", "side")
    session = world.session()
    session.prompt("Write")
    session.edit("toolu_01write", "b.txt", "by a call\n")
    session.stop()
    session.ingest()
    world.commit("On the side")
    world.git("checkout", "-q", "main")
    world.commit("On main", c_txt="by hand\n")
    world.tick()
    world.git("merge", "-q", "--no-edit", "side")
    lines = said(capsys).splitlines()
    assert lines[0].startswith("*   ")
    assert "Merge branch 'side'" in lines[0]
    assert lines[1] == "|\\"
    (call,) = [line for line in lines if "toolu" in line or ":1 claude-code" in line]
    assert call.startswith("| |   * +1 Write ")
    assert "|/" in lines
    merge = rows(said(capsys, "--json"), "graph")[0]
    assert (merge["added_lines"], merge["tool_call_ratio"]) == (0, None)


def test_ranges_limits_and_all_branches(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        world.commit(f"Commit {number}", a_txt=f"{number}\n")
    world.git("checkout", "-q", "-b", "side", "HEAD~2")
    world.commit("Side", b_txt="x\n")

    def subjects(*arguments: str) -> list[str]:
        return [row["commit"]["summary"] for row in rows(said(capsys, *arguments, "--json"), "graph")]

    assert subjects() == ["Side", "Commit 1", "Commit 0"]
    assert subjects("main~2..main") == ["Commit 3", "Commit 2"]
    assert subjects("main", "--limit", "1") == ["Commit 3"]
    assert set(subjects("--all")) == {"Side", "Commit 0", "Commit 1", "Commit 2", "Commit 3"}
    capsys.readouterr()
    assert run(["graph", "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert "--limit 0" in err


def test_the_event_log_is_no_part_of_the_graph(inside: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert inside.world.git("for-each-ref", "refs/opentraces")
    assert len(rows(said(capsys, "--all", "--json"), "graph")) == 2
    assert "opentraces" not in said(capsys, "--all")


def test_the_users_settings_for_logs_change_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.commit("Begin", a_txt="x\n")
    plain = said(capsys)
    for name, value in (
        ("color.ui", "always"), ("log.decorate", "full"), ("log.showSignature", "true"), ("format.pretty", "fuller"),
        ("log.date", "relative"), ("log.graphColors", "red"), ("log.abbrevCommit", "true"), ("log.follow", "true"),
    ):  # fmt: skip
        world.git("config", name, value)
    assert said(capsys) == plain


@pytest.mark.parametrize("rev", ["nowhere", "--output=x", "--all-nonsense"])
def test_an_unknown_revision_is_a_usage_error(inside: Session, capsys: pytest.CaptureFixture[str], rev: str) -> None:
    assert run(["graph", "--", rev]) == 2
    assert "is no commit here" in capsys.readouterr().err


def test_a_branch_without_commits_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["graph"]) == 2
    assert "no commit yet" in capsys.readouterr().err


def test_hostile_subjects_and_names_are_shown_and_harmless(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.git("config", "user.name", "x")
    world.write("a.txt", "x\n")
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "one \x01 two \x02 three \x1b[31m")
    assert "\x1b" not in said(capsys)
    (row,) = rows(said(capsys, "--json"), "graph")
    assert "three" in row["commit"]["summary"]
