"""What the fuzzer once found, each in its smallest form."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookkit.trails.lines.commit import attribute

from .scene import Scene, scene
from .session import Session

pytestmark = pytest.mark.long


def lines(*names: str) -> bytes:
    """A long line for each name."""
    return b"".join(f"{name} {name * 30}\n".encode() for name in names)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """A repository with one commit, x.py of lines a, b and c, and the recorder watching."""
    with scene(tmp_path) as found:
        found.write("x.py", lines("a", "b", "c"))
        found.commit()
        found.start()
        yield found


def names(answers: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in answers]


# Files that are not committed


def test_a_file_that_git_does_not_track_has_authors(stage: Scene) -> None:
    stage.edit("call", "new.py", lines("d", "e"))
    stage.ingest()
    assert stage.who("new.py") == ["call", "call"]
    stage.git("add", "-N", "new.py")
    assert stage.who("new.py") == ["call", "call"]
    stage.git("add", "new.py")
    assert stage.who("new.py") == ["call", "call"]


def test_a_repository_without_any_commit_has_authors(tmp_path: Path) -> None:
    with scene(tmp_path) as stage:
        stage.write("old.py", lines("a"))
        stage.edit("call", "new.py", lines("b"))
        stage.ingest()
        assert stage.who("new.py") == ["call"]
        assert stage.who("old.py") == ["unknown"] or stage.who("old.py") == ["outside"]


@pytest.mark.parametrize("by_git", [True, False])
@pytest.mark.parametrize("committed", [True, False])
def test_a_rename_after_the_last_boundary_keeps_the_authors(stage: Scene, by_git: bool, committed: bool) -> None:
    stage.edit("call", "new.py", lines("d", "e", "f", "g"))
    if committed or by_git:
        stage.commit()
    stage.ingest()
    if by_git:
        stage.git("mv", "new.py", "other.py")
    else:
        os.rename(stage.root / "new.py", stage.root / "other.py")
    assert names(stage.blame("other.py")) == ["call"] * 4
    stage.write("other.py", lines("d", "e", "h", "f", "g"))
    found = names(stage.blame("other.py"))
    assert [*found[:2], *found[3:]] == ["call"] * 4
    assert found[2] in ("outside", "unknown")


def test_what_is_written_back_after_the_last_boundary_has_the_author_that_it_had(stage: Scene) -> None:
    stage.edit("call", "x.py", lines("a", "d", "e"))
    before = stage.read("x.py")
    stage.edit("other", "x.py", lines("a", "f"))
    stage.commit()
    stage.ingest()
    stage.write("x.py", before)
    assert names(stage.blame("x.py")) == ["unknown", "call", "call"]


# Commits that no boundary shows


@pytest.mark.parametrize("way", ["merge", "rebase", "squash"])
def test_what_a_person_commits_on_a_branch_between_two_calls_is_the_persons(stage: Scene, way: str) -> None:
    stage.edit("one", "y.py", lines("d"))
    stage.commit()
    stage.git("switch", "-q", "-c", "topic")
    stage.write("z.py", lines("e", "f"))
    stage.commit()
    stage.git("switch", "-q", "main")
    stage.edit("two", "y.py", lines("d", "g"))
    stage.commit()
    with stage.call("three"):
        if way == "merge":
            stage.git("merge", "-q", "--no-ff", "--no-edit", "topic")
        elif way == "rebase":
            stage.git("rebase", "-q", "main", "topic")
        else:
            stage.git("merge", "-q", "--squash", "topic")
            stage.commit()
    stage.ingest()
    assert names(stage.blame("z.py")) == ["outside", "outside"]


def test_what_a_call_commits_and_changes_again_is_the_calls_in_both_commits(stage: Scene) -> None:
    with stage.call("call"):
        stage.write("x.py", lines("a", "d", "b", "c"))
        first = stage.commit()
        stage.write("x.py", lines("a", "e", "b", "c"))
        second = stage.commit()
    stage.ingest()
    assert names(stage.blame("x.py", first))[1] == "call"
    assert names(stage.blame("x.py", second))[1] == "call"
    stage.git("revert", "--no-edit", "HEAD")
    assert names(stage.blame("x.py"))[1] == "call"


def test_what_a_person_commits_twice_between_two_calls_is_the_persons_in_both_commits(stage: Scene) -> None:
    stage.edit("one", "y.py", lines("d"))
    stage.commit()
    stage.write("x.py", lines("a", "e", "f", "b", "c"))
    first = stage.commit()
    stage.write("x.py", lines("a", "g", "b", "c"))
    stage.commit()
    stage.edit("two", "y.py", lines("d", "h"))
    stage.ingest()
    found = [(run.start, run.count, stage.answer(run.origin)[0]) for run in attribute(stage.worktree(), first)]
    assert found == [(2, 2, "outside")]


@pytest.mark.parametrize("hidden", ["staged", "overwritten"])
def test_nothing_firm_is_said_of_a_line_that_was_staged_and_overwritten_unseen(stage: Scene, hidden: str) -> None:
    """Who staged it, no boundary tells: the index is not in a tree."""
    with stage.call("call"):
        stage.write("x.py", lines("a", "hidden", "b", "c"))
        stage.git("add", "x.py")
        stage.write("x.py", lines("a", "shown", "b", "c"))
    stage.world.clock.tick()
    stage.git("commit", "-q", "-m", "what is staged")
    stage.ingest()
    (name, firmness) = stage.blame("x.py", "HEAD")[1]
    assert (name, firmness) != ("outside", "firm")
    assert stage.who("x.py")[1] == "call"


# Conflicts that somebody resolves


@pytest.mark.parametrize("way", ["cherry-pick", "rebase", "merge", "no commit"])
@pytest.mark.parametrize("by_call", [True, False], ids=["by a call", "by a person"])
@pytest.mark.parametrize("added", [True, False], ids=["both added", "both changed"])
def test_who_resolves_a_conflict_wrote_neither_side(stage: Scene, way: str, by_call: bool, added: bool) -> None:
    path, (above, below) = ("new.py", (b"", b"")) if added else ("x.py", (lines("a"), lines("c")))
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("topic", path, above + lines("d", "e", "f") + below)
    stage.commit()
    stage.git("switch", "-q", "main")
    stage.edit("main", path, above + lines("g", "h") + below)
    stage.commit()

    def resolve() -> None:
        start = {"cherry-pick": ("cherry-pick", "topic"), "rebase": ("rebase", "-q", "main", "topic")}
        start |= {"merge": ("merge", "-q", "topic"), "no commit": ("cherry-pick", "-n", "topic")}
        assert stage.world.try_git(stage.world.main, *start[way]).returncode
        stage.write(path, above + lines("g", "h", "resolved", "d", "e", "f") + below)
        stage.git("add", path)
        end = {"cherry-pick": ("cherry-pick", "--continue"), "rebase": ("rebase", "--continue")}
        stage.git(*end.get(way, ("commit", "-q", "--no-edit", "-m", "resolved")))
        stage.world.clock.tick()

    if by_call:
        with stage.call("resolver"):
            resolve()
    else:
        resolve()
    stage.ingest()
    found = stage.blame(path)
    right = ["main", "main", "resolver" if by_call else "outside", "topic", "topic", "topic"]
    right = right if added else ["unknown", *right, "unknown"]
    assert not [name for (name, firm), wanted in zip(found, right, strict=True) if name != wanted and firm == "firm"]


def test_lines_that_a_squash_carries_into_a_renamed_file_keep_their_author(stage: Scene) -> None:
    stage.write("old.py", lines(*"defghijk"))
    stage.commit()
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("topic", "old.py", lines(*"defg", "l", "m", *"hijk"))
    stage.commit()
    stage.git("switch", "-q", "main")
    stage.git("mv", "old.py", "new.py")
    stage.write("new.py", lines(*"defghijk", "n"))
    stage.commit()
    with stage.call("squash"):
        stage.git("merge", "-q", "--squash", "topic")
        stage.commit()
    stage.ingest()
    found = stage.blame("new.py")
    assert names(found)[4:6] == ["topic", "topic"]


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_short_lines_of_a_merge_result_are_never_firmly_the_mergers(stage: Scene, side: str) -> None:
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("topic", "x.py", lines("a", "d") + b"}\n" + lines("e") + b"\n" + lines("f", "b", "c", "t"))
    stage.commit()
    stage.git("switch", "-q", "main")
    stage.edit("main", "x.py", lines("a", "g") + b"}\n" + lines("h") + b"\n" + lines("i", "b", "c"))
    stage.commit()
    with stage.call("merger"):
        stage.git("cherry-pick", "-X", side, "topic")
    stage.write("x.py", None)
    stage.world.clock.tick()
    stage.commit()
    stage.git("revert", "--no-edit", "HEAD")
    stage.ingest()
    assert ("merger", "firm") not in stage.blame("x.py")


# Boundaries that are missing


def _other(stage: Scene) -> Session:
    session = Session("other", stage.world.main, stage.recorder, stage.world)
    session.event("SessionStart", source="startup")
    session.prompt()
    return session


def test_a_boundary_without_a_tree_stops_nothing(stage: Scene) -> None:
    assert stage.session is not None
    call = stage.session.open("Bash", stage.world.main, lost=True, command="make")
    stage.session.close(call)
    stage.edit("next", "y.py", lines("d"))
    stage.ingest()
    assert stage.who("y.py") == ["next"]


@pytest.mark.parametrize("lost", ["before", "after", "both", "no end"])
@pytest.mark.parametrize("seen_by", ["itself", "another session"])
def test_what_a_call_with_a_lost_boundary_wrote_is_nobody_elses_firmly(stage: Scene, lost: str, seen_by: str) -> None:
    assert stage.session is not None
    other = _other(stage) if seen_by == "another session" else None
    call = stage.session.open("Bash", stage.world.main, lost=lost in ("before", "both"), command="make")
    stage.write("y.py", lines("d", "e"))
    if lost != "no end":
        stage.session.close(call, lost=lost in ("after", "both"))
    stage.world.clock.tick()
    if other is None:
        stage.ingest()
    else:
        other.stop()
        stage.emit()
        stage.session, mine = other, stage.session
        stage.emit()
        stage.session = mine
    stage.names[call.id] = "call"
    if (lost, seen_by) == ("both", "another session"):
        pytest.xfail("Nothing in the log says when a call ran that has no tree at either end.")
    assert not {("outside", "firm")} & set(stage.blame("y.py"))


def test_what_a_command_writes_in_the_background_is_nobody_elses_firmly(stage: Scene) -> None:
    with stage.call("background", command="make &", run_in_background=True):
        pass
    stage.write("y.py", lines("d", "e"))
    stage.ingest()
    assert ("outside", "firm") not in stage.blame("y.py")


def test_an_end_that_was_inferred_makes_nothing_firm(stage: Scene) -> None:
    assert stage.session is not None
    call = stage.session.open("Bash", stage.world.main, command="make")
    stage.names[call.id] = "call"
    stage.write("y.py", lines("d"))
    stage.session.forget(call)
    stage.ingest()
    assert stage.blame("y.py") == [("call", "provisional")]
