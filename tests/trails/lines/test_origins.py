"""Who wrote the lines of real files, in real repositories."""

from __future__ import annotations

import os

import pytest

from hookkit.trails.lines.fate import fates
from tests.trails.fuzz.scene import Scene

from .conftest import OLD


def told(name: str, count: int = 3) -> bytes:
    return b"".join(b"%s wrote the line number %d of its block here\n" % (name.encode(), n) for n in range(count))


def test_what_a_call_wrote_is_its_own_and_what_was_there_is_unknown(stage: Scene) -> None:
    stage.edit("edit", "a.txt", OLD + told("edit"))
    with stage.call("bash"):
        stage.write("b.txt", told("bash"))
    stage.write("c.txt", told("human"))
    stage.ingest()
    stage.commit()
    assert stage.who("a.txt", "HEAD") == ["unknown"] * 6 + ["edit"] * 3
    assert stage.who("b.txt", "HEAD") == ["bash"] * 3
    assert stage.who("c.txt", "HEAD") == ["outside"] * 3


def test_moved_and_renamed_lines_keep_their_author(stage: Scene) -> None:
    stage.edit("edit", "a.txt", OLD + told("edit"))
    stage.edit("other", "b.txt", told("other"))
    with stage.call("bash"):
        stage.write("a.txt", OLD)
        stage.write("b.txt", told("edit") + told("other"))
    with stage.call("mv"):
        os.rename(stage.root / "b.txt", stage.root / "new\nname.txt")
        stage.world.note("renamed")
    stage.ingest()
    stage.commit()
    assert stage.who("new\nname.txt") == ["edit"] * 3 + ["other"] * 3
    assert stage.who("new\nname.txt", "HEAD") == ["edit"] * 3 + ["other"] * 3


def test_a_file_that_is_restored_whole_is_its_authors(stage: Scene) -> None:
    stage.edit("edit", "a.txt", OLD + told("edit"))
    stage.edit("away", "a.txt", OLD)
    stage.write("a.txt", OLD + told("edit"))
    stage.ingest()
    assert stage.who("a.txt")[6:] == ["edit"] * 3


def test_a_line_that_is_back_in_another_content_is_perhaps_its_authors(stage: Scene) -> None:
    stage.edit("edit", "a.txt", OLD + told("edit"))
    stage.edit("away", "a.txt", OLD)
    stage.write("a.txt", OLD + told("edit", 2))
    stage.ingest()
    assert stage.who("a.txt")[6:] == ["(edit)"] * 2


def test_what_a_shell_brings_back_from_before_the_recording_is_not_firm(stage: Scene) -> None:
    with stage.call("cut"):
        stage.write("a.txt", b"")
    with stage.call("back"):
        stage.write("a.txt", OLD[: len(OLD) // 2])
    stage.ingest()
    assert all(name.startswith("(") or name == "unknown" for name in stage.who("a.txt"))


def test_lines_that_say_little_are_no_firmer_than_those_around_them(stage: Scene) -> None:
    block = told("edit") + b"}\n"
    stage.edit("edit", "a.txt", OLD + block)
    stage.edit("away", "a.txt", OLD)
    with stage.call("back"):
        stage.write("a.txt", OLD + block + told("new", 1))
    stage.ingest()
    assert stage.who("a.txt")[6:9] == ["(edit)"] * 3
    assert stage.who("a.txt")[9].startswith("(")


def test_blank_lines_follow_their_hunk(stage: Scene) -> None:
    stage.edit("edit", "b.txt", told("edit", 1) + b"\n\n" + told("edit", 2))
    stage.write("b.txt", told("edit", 1) + b"\n\n\n\n" + told("edit", 2))
    stage.ingest()
    who = stage.who("b.txt")
    assert {name.strip("()") for name in who} == {"edit"}
    assert [who[0], who[-1]] == ["edit", "edit"]
    assert "(edit)" in who, "nothing proves whose a blank line is that somebody else put in"


def test_lines_since_the_last_boundary_are_nobodys_we_know_of(stage: Scene) -> None:
    stage.edit("edit", "b.txt", told("edit"))
    stage.ingest()
    stage.write("b.txt", told("edit") + told("later"))
    stage.write("a.txt", told("later") + OLD)
    stage.write("new.txt", told("later"))
    assert stage.who("b.txt") == ["edit"] * 3 + ["(outside)"] * 3
    assert stage.who("a.txt") == ["(outside)"] * 3 + ["unknown"] * 6
    assert stage.who("new.txt") == ["(outside)"] * 3


def test_a_rename_since_the_last_boundary_keeps_the_authors(stage: Scene) -> None:
    stage.edit("edit", "b.txt", told("edit", 6))
    stage.ingest()
    (stage.root / "b.txt").rename(stage.root / "c.txt")
    stage.write("c.txt", told("later", 1) + told("edit", 6))
    assert stage.who("c.txt") == ["(outside)"] + ["edit"] * 6


def test_a_line_that_stands_twice_is_not_firm_where_only_one_was_committed(stage: Scene) -> None:
    """Which of the two it is, nothing tells."""
    line = told("edit", 1)
    stage.edit("edit", "b.txt", line)
    stage.write("b.txt", line + told("human") + line)
    stage.session.prompt()  # type: ignore[union-attr]
    stage.write("b.txt", told("human") + line + b"and then something else\n")
    stage.git("add", "b.txt")
    stage.write("b.txt", line + told("human") + line)
    stage.git("commit", "-q", "-m", "part")
    stage.ingest()
    assert stage.blame("b.txt", "HEAD")[3][1] == "provisional"


@pytest.mark.parametrize("how", ["cherry-pick", "squash", "revert"])
def test_commits_that_git_makes_of_others_keep_the_authors(stage: Scene, how: str) -> None:
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("edit", "a.txt", OLD + told("edit"))
    first = stage.commit()
    stage.edit("more", "a.txt", told("more") + OLD + told("edit"))
    stage.commit()
    if how == "revert":
        stage.edit("away", "a.txt", told("more") + OLD)
        away = stage.commit()
        stage.world.clock.us += 100_000_000
        stage.git("revert", "--no-edit", away)
        stage.ingest()
        assert stage.who("a.txt", "HEAD") == ["more"] * 3 + ["unknown"] * 6 + ["edit"] * 3
        return
    stage.git("switch", "-q", "main")
    stage.write("other.txt", b"something else\n")
    stage.commit()
    stage.world.clock.us += 100_000_000
    if how == "cherry-pick":
        stage.git("cherry-pick", first)
    else:
        stage.git("merge", "-q", "--squash", "topic")
        stage.commit()
    stage.ingest()
    more = ["more"] * 3 if how == "squash" else []
    assert stage.who("a.txt", "HEAD") == [*more, *["unknown"] * 6, *["edit"] * 3]


def test_what_was_only_fetched_is_unknown(stage: Scene) -> None:
    stage.edit("edit", "b.txt", told("edit"))
    stage.commit()
    clone = stage.world.other_clone()
    stage.world.clock.us += 100_000_000
    (clone.root / "b.txt").write_bytes(told("edit") + told("stranger"))
    stage.world.git(clone, "commit", "-q", "-a", "-m", "theirs")
    stage.git("pull", "-q", "--ff-only", str(clone.root), "main")
    stage.ingest()
    assert stage.who("b.txt", "HEAD") == ["edit"] * 3 + ["unknown"] * 3


def test_a_call_whose_end_nobody_saw_is_perhaps_the_author(stage: Scene) -> None:
    session = stage.session
    assert session is not None
    call = session.open("Bash", stage.world.main)
    stage.names[call.id] = "bash"
    stage.write("b.txt", told("bash"))
    session.prompt()
    stage.ingest()
    stage.commit()
    assert stage.who("b.txt", "HEAD") == ["(bash)"] * 3


def test_files_of_all_kinds_are_answered(stage: Scene) -> None:
    with stage.call("bash"):
        stage.write("empty", b"")
        stage.write("binary", b"\0\1\2\n\0")
        stage.write("latin-\udce9.txt", b"caf\xe9 au lait et croissants\n")
        stage.write("no-newline", b"the only line of the file, without an end")
        (stage.root / "link").symlink_to("a.txt")
        stage.world.note("link")
    stage.ingest()
    stage.commit()
    for rev in (None, "HEAD"):
        assert stage.who("empty", rev) == []
        assert len(stage.who("binary", rev)) == 2
        assert stage.who("latin-\udce9.txt", rev) == ["bash"]
        assert stage.who("no-newline", rev) == ["bash"]
        assert len(stage.who("link", rev)) == 1


def test_what_became_of_each_line_of_a_call(stage: Scene) -> None:
    stage.edit("edit", "a.txt", OLD + told("this very call", 5))
    stage.ingest()
    stage.commit()
    one, two, *rest = told("this very call", 5).splitlines(keepends=True)
    with stage.call("change"):
        stage.write("a.txt", OLD + told("change", 1) + two + b"".join(rest[1:]))
    with stage.call("move"):
        stage.write("a.txt", OLD + told("change", 1) + b"".join(rest[1:]))
        stage.write("b.txt", two)
    stage.ingest()
    stage.commit()
    (call,) = [each for each, name in stage.names.items() if name == "edit"]
    found = fates(stage.worktree(), stage.session.trace_id, [call])[call]  # type: ignore[union-attr]
    assert [each.state for each in found] == ["changed", "moved", "lost", "alive", "alive"]
    assert [each.text for each in found] == [line[:-1] for line in (one, two, *rest)]
    assert [each.now_path for each in found] == [None, "b.txt", None, "a.txt", "a.txt"]
    assert [stage.answer(each.by)[0] for each in found if each.by] == ["change", "change"]
