"""Blocks that move, and what lines are known by."""

from __future__ import annotations

import time

from hookkit.git.diff import FileChange, Hunk
from hookkit.trails.lines.changes import (
    NO_MARK,
    Move,
    Moves,
    mark,
    marks_of,
    pack_marks,
    pack_moves,
    unpack_marks,
    unpack_moves,
)

BLOCK = b"{\n    the first line of a block that says enough\n    and the second one of it\n}\n"


def change(path: str, *hunks: Hunk) -> FileChange:
    return FileChange("modified", path, path, "100644", "100644", "1" * 40, "2" * 40, False, hunks)


def cut(at: int, text: bytes) -> Hunk:
    return Hunk(at, text.count(b"\n"), at, 0, text, b"")


def paste(at: int, text: bytes) -> Hunk:
    return Hunk(at, 0, at, text.count(b"\n"), b"", text)


def moves(*files: FileChange) -> list[list[Move]]:
    found = Moves(files, [(each.old_path.encode(), each.path.encode()) for each in files])
    return [found.into(number) for number in range(len(files))]


def test_a_block_that_moves_brings_the_lines_along_that_say_nothing() -> None:
    assert moves(change("a", cut(3, BLOCK)), change("b", paste(7, BLOCK))) == [[], [Move(7, 4, b"a", 3)]]


def test_a_block_moves_once() -> None:
    (_, came) = moves(change("a", cut(3, BLOCK)), change("b", paste(7, BLOCK), paste(20, BLOCK)))
    assert came == [Move(7, 4, b"a", 3)]


def test_what_says_too_little_does_not_move_between_files_but_within_one() -> None:
    line = b"only twenty-five characters\n"
    assert moves(change("a", cut(3, line)), change("b", paste(7, line))) == [[], []]
    assert moves(change("a", cut(3, line), paste(9, line))) == [[Move(9, 1, b"a", 3)]]


def test_files_of_lines_that_are_all_the_same_take_no_time() -> None:
    started = time.perf_counter()
    for text in (b"}\n", b"0,0\n", b"\n", b"x\n" + b"}\n" * 200):
        many = text * (30_000 // text.count(b"\n"))
        moves(change("a", cut(0, many)), change("b", paste(0, many[2:])))
    assert time.perf_counter() - started < 10


def test_marks_and_moves_come_back_as_they_were_packed() -> None:
    texts = [b"a line that says quite a lot of things\nshort\n", b"", b"another line that says a lot"]
    said = [mark(b"a line that says quite a lot of things"), NO_MARK, mark(b"another line that says a lot\n")]
    assert list(unpack_marks(pack_marks(texts))) == said
    assert marks_of([pack_marks(texts), b""]) == {said[0], said[2]}
    given = [Move(1, 2, b"new\nline \xff", 3), Move(4, 5, b"", 6)]
    assert list(unpack_moves(pack_moves(given))) == given
