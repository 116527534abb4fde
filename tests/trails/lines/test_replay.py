"""Origins carried through changes that are written into the index by hand."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from hookkit.git.diff import Hunk
from hookkit.git.worktree import Worktree
from hookkit.trails.lines.chain import Chains
from hookkit.trails.lines.changes import Move, pack_marks, pack_moves, pack_owners, pack_spans
from hookkit.trails.lines.database import connect
from hookkit.trails.lines.intervals import OUTSIDE, Owner, _owner_id
from hookkit.trails.lines.replay import FIRST, LAST, LINE, LINE_BITS, RETURNED

CALL = Owner("tool_call", "t", "c", 1)
TELLING = b"this line of text says enough to be known again\n"


class Table:
    """Changes, as they are written one after the other."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.chains = Chains(db)

    def add(
        self,
        us: int,
        path: bytes,
        blobs: tuple[str, str],
        hunks: Sequence[Hunk] = (),
        *,
        old_path: bytes = b"",
        moves: Sequence[Move] = (),
        owner: Owner = CALL,
        root: int = 1,
    ) -> int:
        """Blobs: before and after, "" for none. Gives the number of the change."""
        old, new = blobs
        status = "added" if not old else "deleted" if not new else "renamed" if old_path else "modified"
        owners = pack_owners([_owner_id(self.db, owner)] * max(1, len(hunks)))
        row = (
            root, us - 1, us, status, path, old_path or path, old, new, pack_spans(hunks), pack_moves(moves),
            pack_marks(each.removed for each in hunks), pack_marks(each.added for each in hunks), owners, owner.typed,
        )  # fmt: skip
        return int(
            self.db.execute(
                "INSERT INTO changes (root, since, us, status, path, old_path, old_blob, new_blob, hunks, moves,"
                " removed, added, owners, typed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
            or 0
        )

    def last(self, path: bytes, root: int = 1) -> list[tuple[int, int]] | None:
        """(change, line) of every line."""
        codes = Chains(self.db).replay([path]).codes(root, path)
        return None if codes is None else [(code >> LINE_BITS & 0x3FFFFFFF, code & LINE) for code in codes]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(connect(Worktree(tmp_path, tmp_path / ".git", tmp_path / ".git")))


def put(at: int, count: int, text: bytes = TELLING, removed: int = 0) -> Hunk:
    return Hunk(at, removed, at, count, TELLING * removed, text * count)


def test_lines_that_stay_keep_their_origin_where_others_come_and_go(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 3)])
    two = table.add(20, b"a", ("1", "2"), [put(1, 2, removed=1)])
    assert table.last(b"a") == [(one, 0), (two, 1), (two, 2), (one, 2)]


def test_what_was_there_before_is_nobodys(table: Table) -> None:
    two = table.add(20, b"a", ("1", "2"), [put(2, 1)])
    assert table.last(b"a") == [(0, 0), (0, 0), (two, 2)]
    (version,) = table.chains.replay([b"a"], {"1"}).versions[b"a"]
    assert (version.since, version.until, version.codes) == (FIRST, 20, [])


def test_two_files_can_change_places(table: Table) -> None:
    one, two = table.add(10, b"a", ("", "1"), [put(0, 1)]), table.add(11, b"b", ("", "2"), [put(0, 2)])
    table.add(20, b"b", ("1", "1"), old_path=b"a")
    table.add(20, b"a", ("2", "2"), old_path=b"b")
    assert table.last(b"a") == [(two, 0), (two, 1)]
    assert table.last(b"b") == [(one, 0)]


def test_a_name_that_is_taken_again_is_another_file(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 1)])
    table.add(20, b"b", ("1", "1"), old_path=b"a")
    three = table.add(20, b"a", ("", "3"), [put(0, 2)])
    assert table.last(b"a") == [(three, 0), (three, 1)]
    assert table.last(b"b") == [(one, 0)]


def test_lines_that_move_both_ways_at_once_keep_their_origins(table: Table) -> None:
    one, two = table.add(10, b"a", ("", "1"), [put(0, 2)]), table.add(10, b"b", ("", "2"), [put(0, 2)])
    table.add(20, b"a", ("1", "3"), [put(0, 1, removed=1)], moves=[Move(0, 1, b"b", 1)])
    table.add(20, b"b", ("2", "4"), [put(1, 1, removed=1)], moves=[Move(1, 1, b"a", 0)])
    assert table.last(b"a") == [(two, 1), (one, 1)]
    assert table.last(b"b") == [(two, 0), (one, 0)]


def test_a_content_that_is_back_has_the_origins_it_had(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 1)])
    table.add(20, b"a", ("1", "2"), [put(0, 1, b"other\n", removed=1)])
    table.add(30, b"a", ("2", "1"), [put(0, 1, removed=1)], owner=OUTSIDE)
    assert table.last(b"a") == [(one, 0)]


def test_a_call_that_names_the_file_wrote_what_it_gave_even_if_it_was_there_once(table: Table) -> None:
    table.add(10, b"a", ("", "1"), [put(0, 1)])
    table.add(20, b"a", ("1", "2"), [put(0, 1, b"other\n", removed=1)])
    three = table.add(30, b"a", ("2", "1"), [put(0, 1, removed=1)], owner=Owner("tool_call", "t", "d", 2, typed=True))
    assert table.last(b"a") == [(three, 0)]


def test_a_line_that_is_back_by_its_text_is_marked(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 1)])
    table.add(20, b"a", ("1", "2"), [put(0, 1, b"other\n", removed=1)])
    table.add(30, b"a", ("2", "3"), [put(0, 1)], owner=OUTSIDE)
    (code, *_) = table.chains.replay([b"a"]).codes(1, b"a") or ()
    assert code == one << LINE_BITS | RETURNED


def test_another_worktree_that_starts_with_the_same_content_has_the_same_origins(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 2)])
    two = table.add(20, b"a", ("1", "2"), [put(2, 1)], root=2)
    assert table.last(b"a", root=2) == [(one, 0), (one, 1), (two, 2)]


def test_many_hunks_come_out_as_few_do(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 100)])
    two = table.add(20, b"a", ("1", "2"), [put(at, 1, removed=1) for at in range(0, 100, 2)])
    assert table.last(b"a") == [(one if line % 2 else two, line) for line in range(100)]
    three = table.add(30, b"a", ("2", "3"), [Hunk(at, 1, at // 2, 0, TELLING, b"") for at in range(0, 100, 2)])
    assert table.last(b"a") == [(one, line) for line in range(1, 100, 2)]
    assert three


def test_a_difference_that_is_missing_makes_lines_unknown_not_wrong(table: Table) -> None:
    table.add(10, b"a", ("", "1"), [put(0, 2)])
    three = table.add(30, b"a", ("2", "3"), [put(1, 1)])
    assert table.last(b"a") == [(0, 0), (three, 1)]


def test_a_file_after_each_moment_that_is_asked_for(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 1)])
    two = table.add(20, b"a", ("1", "2"), [put(1, 1)])
    replay = table.chains.replay([b"a"], moments=[9, 10, 19, 20, LAST])
    counts = [len(replay.codes_at(1, b"a", us)) for us in (9, 10, 19, 20, LAST)]
    assert counts == [0, 1, 1, 2, 2]
    assert replay.codes_at(1, b"a", 20) == [one << LINE_BITS, two << LINE_BITS | 1]


def test_a_thousand_renames_in_a_row_are_followed(table: Table) -> None:
    one = table.add(10, b"0", ("", "1"), [put(0, 1)])
    table.db.execute("BEGIN")
    for number in range(1, 2000):
        table.add(10 + number, b"%d" % number, ("1", "1"), old_path=b"%d" % (number - 1))
    table.db.execute("COMMIT")
    assert table.last(b"1999") == [(one, 0)]
    assert table.last(b"0") is None


def test_two_files_that_exchange_lines_all_the_time_take_time_by_the_number_of_changes(table: Table) -> None:
    table.add(1, b"a", ("", "a0"), [put(0, 50)])
    table.add(1, b"b", ("", "b0"), [put(0, 50)])
    table.db.execute("BEGIN")
    for number in range(1500):
        one, two = (b"a", b"b") if number % 2 else (b"b", b"a")
        moves = [Move(0, 1, two, 0)]
        blobs = (f"{one.decode()}{number // 2}", f"{one.decode()}{number // 2 + 1}")
        table.add(10 + number, one, blobs, [put(0, 1, removed=1)], moves=moves)
    table.db.execute("COMMIT")
    started = time.perf_counter()
    assert len(table.last(b"a") or ()) == 50
    assert time.perf_counter() - started < 5


def test_a_line_of_a_file_with_seventeen_million_of_them_is_not_taken_for_another_change(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [Hunk(0, 0, 17_000_000, 1, b"", TELLING)])
    codes = table.chains.replay([b"a"]).codes(1, b"a") or ()
    change = table.chains.change(codes[-1])
    assert change is not None
    assert (change.id, codes[-1] & LINE) == (one, 17_000_000)


def test_a_change_that_another_process_derived_anew_meanwhile_is_nobodys(table: Table) -> None:
    one = table.add(10, b"a", ("", "1"), [put(0, 1)])
    (code,) = table.chains.replay([b"a"]).codes(1, b"a") or ()
    table.db.execute("DELETE FROM changes")
    assert Chains(table.db).change(code) is None
    assert table.add(10, b"a", ("", "1"), [put(0, 1)]) > one
