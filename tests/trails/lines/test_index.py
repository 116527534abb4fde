"""The index is a cache: whatever happens to it, and in whatever order sessions arrive, the answers are the same."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkit.errors import HookkitError
from hookkit.git.worktree import Worktree, find
from hookkit.trails import log
from hookkit.trails.emit import emit_step_window_events_from_record
from hookkit.trails.lines import database
from hookkit.trails.lines.blame import blame
from hookkit.trails.lines.database import database_path
from hookkit.trails.lines.fate import fates
from hookkit.trails.lines.index import LinesIndex, sync
from hookkit.trails.rebuild import rebuild
from tests.trails.recorded import Session, git, repository

ONE, TWO, THREE = (f"{n}1111111-1111-5111-8111-111111111111" for n in (1, 2, 3))


def line(who: str, number: int = 0) -> str:
    return f"{who} wrote line {number} of this file, and nobody else did\n"


class Story:
    """Three sessions at work in one worktree at the same time, and a person; ``session`` gives their traces."""

    def __init__(self, folder: Path) -> None:
        self.root = repository(folder / "repo")
        self.sessions = [Session(self.root, trace) for trace in (ONE, TWO, THREE)]
        one, two, three = self.sessions
        clock = [one]

        def turn(session: Session) -> Session:
            session.clock = max(each.clock for each in self.sessions)
            clock[0] = session
            return session

        turn(one).prompt()
        turn(two).before("two-open", "Bash")
        with turn(one).call("one-1", "Write", file_path=str(self.root / "a")):
            self.write("a", line("one"), line("one", 1))
        turn(two).after("two-open")
        self.write("a", line("human"), line("one"), line("one", 1))
        with turn(three).call("three-1"):
            self.write("b", *(line("three", n) for n in range(4)))
            self.write("a", line("human"), line("one"), line("three"), line("one", 1))
        turn(one).before("one-lost", "Bash")
        self.write("b", *(line("three", n) for n in range(3)), line("lost"))
        turn(two).prompt()
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "all of it")
        with turn(two).call("two-2"):
            (self.root / "b").rename(self.root / "c")
        turn(three).before("three-server", "Bash", run_in_background=True)
        turn(three).after("three-server")
        self.write("c", line("server"), *(line("three", n) for n in range(3)), line("lost"))
        turn(one).prompt()
        self.write("c", line("human", 2), line("server"), *(line("three", n) for n in range(3)), line("lost"))
        turn(three).stop()
        turn(two).stop()

    def write(self, path: str, *lines: str) -> None:
        (self.root / path).write_text("".join(lines))

    def emit(self, *numbers: int, root: Path | None = None) -> None:
        for number in numbers:
            emit_step_window_events_from_record(root or self.root, self.sessions[number].record())

    @property
    def worktree(self) -> Worktree:
        found = find(self.root)
        assert found is not None
        return found

    def answers(self) -> list[object]:
        found = []
        for path, rev in (("a", None), ("a", "HEAD"), ("b", "HEAD"), ("c", None)):
            for each in blame(self.root, path, rev=rev):
                o = each.origin
                found.append((path, rev, each.line, o.kind, o.firmness, o.limitations, o.tool_call_id, o.path, o.line))
        return found


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_the_story_is_told_right(story: Story) -> None:
    story.emit(0, 1, 2)
    told = [(o.tool_call_id, o.firmness) for o in (each.origin for each in blame(story.root, "a"))]
    assert told[0] == (None, "firm")
    assert told[2] == ("three-1", "firm")
    assert {told[1], told[3]} == {("one-1", "provisional")}  # a shell was at work, and no lines were told


@settings(  # an example costs as much as ten tests
    max_examples=settings.default.max_examples // 10, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3))
def test_in_whatever_order_sessions_arrive_the_answers_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], synced: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("story")
    story = Story(folder)
    for number, now in zip(order, synced, strict=True):
        story.emit(number)
        if now:
            sync(story.worktree)
    late = story.answers()
    database.discard(story.worktree)
    assert story.answers() == late
    rebuild(story.worktree, [session.record() for session in story.sessions])
    assert story.answers() == late


def test_a_session_that_grows_is_answered_as_if_it_had_come_at_once(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    session, other = Session(root), Session(root, TWO)
    session.before("open", "Bash")
    with other.call("other", "Write", file_path=str(root / "b")):
        (root / "b").write_text(line("other"))
    other.emit()
    session.clock = other.clock
    (root / "a").write_text(line("open"))
    other.clock = session.clock
    other.prompt()
    other.emit()
    sync(find(root))  # type: ignore[arg-type]
    session.clock = other.clock
    session.prompt()
    session.emit()
    late = [each.origin for name in "ab" for each in blame(root, name)]
    database.discard(find(root))  # type: ignore[arg-type]
    assert [each.origin for name in "ab" for each in blame(root, name)] == late
    assert late[0].tool_call_id == "open"
    assert late[0].firmness == "provisional"


def _delete(worktree: Worktree) -> None:
    database.discard(worktree)


def _garbage(worktree: Worktree) -> None:
    database_path(worktree).write_bytes(b"this is no database, and never was one" * 300)


def _cut_off(worktree: Worktree) -> None:
    with closing(sqlite3.connect(database_path(worktree))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(database_path(worktree), 8192)


def _damage_inside(worktree: Worktree) -> None:
    with closing(sqlite3.connect(database_path(worktree))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = database_path(worktree).stat().st_size
    with database_path(worktree).open("r+b") as file:
        file.seek(8192)
        file.write(b"\xaa" * (size - 8192))


def _other_version(worktree: Worktree) -> None:
    with closing(sqlite3.connect(database_path(worktree), isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 1")


def _not_json(worktree: Worktree) -> None:
    with closing(sqlite3.connect(database_path(worktree), isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = 'x'")


def test_a_damaged_index_is_made_anew(story: Story) -> None:
    story.emit(0, 1, 2)
    before = story.answers()
    for harm in (_delete, _garbage, _cut_off, _damage_inside, _other_version, _not_json):
        harm(story.worktree)
        assert story.answers() == before, harm.__name__


def test_a_log_that_was_purged_leaves_nothing_known(story: Story) -> None:
    story.emit(0, 1, 2)
    assert any(each.origin.tool_call_id for each in blame(story.root, "a"))
    git(story.root, "update-ref", "-d", log.REF)
    assert not any(each.origin.tool_call_id for each in blame(story.root, "a"))


def test_looking_at_a_repository_in_which_nothing_was_recorded_leaves_nothing_in_it(story: Story) -> None:
    other = repository(story.root.parent / "other")
    assert {each.origin.kind for each in blame(other, "old.txt")} == {"unknown"}
    assert not (other / ".git" / "hookkit").exists()


def test_a_repository_that_was_moved_still_answers(story: Story) -> None:
    story.emit(0, 1, 2)
    moved = story.root.parent / "elsewhere"
    story.root.rename(moved)
    assert [each.origin.tool_call_id for each in blame(moved, "a", rev="HEAD")][2] == "three-1"
    assert [each.origin.tool_call_id for each in blame(moved, "a")][2] == "three-1"


def test_where_nothing_can_be_written_the_index_is_in_memory(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.emit(0, 1, 2)
    before = story.answers()
    database.discard(story.worktree)

    def refused(_: Path) -> sqlite3.Connection:
        raise PermissionError("read only")

    monkeypatch.setattr(database, "_open", refused)
    assert story.answers() == before
    assert not database_path(story.worktree).exists()


def test_an_index_that_somebody_holds_for_too_long_is_an_error_with_a_hint(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.emit(0)
    sync(story.worktree)
    story.emit(1)
    monkeypatch.setattr(database, "_BUSY", 0.1)
    with closing(sqlite3.connect(database_path(story.worktree), isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(HookkitError) as caught:
            blame(story.root, "a")
    assert caught.value.code == "INDEX_BUSY"
    assert caught.value.hint


def test_processes_that_look_at_the_same_time_agree(story: Story) -> None:
    story.emit(0, 1, 2)
    before = story.answers()
    database.discard(story.worktree)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: story.answers(), range(3))) == [before] * 3


def test_events_of_somebody_else_are_passed_over(story: Story) -> None:
    from hookkit.trails.events import TrailEventDraft

    odd = [
        {"tool_call_id": "x"},
        {"worktree_root": 3, "event_time": "never", "tree_id": {"algo": "sha1", "hex": "1" * 40}},
        {"worktree_root": "\ud800", "event_time": "2026-11-22T09:00:00Z", "tool_call_id": ["x"]},
        {"worktree_root": str(story.root), "event_time": "2026-11-22T09:00:00Z", "tool_call_id": "y",
         "declared_write_paths": ["\ud800", 5]},
        {"worktree_root": str(story.root), "event_time": "2026-11-22T09:00:00Z",
         "tree_id": {"algo": "sha1", "hex": "1" * 40}, "tool_call_id": "y"},
    ]  # fmt: skip
    drafts = [
        TrailEventDraft(kind, payload, ("hook",), trace_id=THREE, event_time="2026-11-22T09:00:00Z")
        for kind in ("trace_step_window_opened", "trace_step_window_closed", "trace_session_closed")
        for payload in odd
    ]
    log.append_events(story.worktree, drafts, writer="somebody")
    story.emit(0, 1, 2)
    assert [each.origin.tool_call_id for each in blame(story.root, "a")][2] == "three-1"


def test_what_became_of_lines_is_told_by_call(story: Story) -> None:
    story.emit(0, 1, 2)
    found = fates(story.worktree, THREE)
    states = {(each.path, each.line): (each.state, each.now_path) for each in found["three-1"]}
    assert states[("a", 3)] == ("alive", "a")
    assert states[("b", 1)] == ("alive", "b")
    assert states[("b", 4)][0] in ("changed", "never_committed")


def test_an_ingest_derives_only_what_is_new(story: Story) -> None:
    story.emit(0, 1, 2)
    sync(story.worktree)
    with LinesIndex(story.worktree) as index:
        before = [row[0] for row in index.db.execute("SELECT id FROM changes ORDER BY us")]
    session = story.sessions[1]
    session.clock = max(each.clock for each in story.sessions)
    with session.call("next"):
        (story.root / "new").write_text(line("next"))
    story.emit(1)
    with LinesIndex(story.worktree) as index:
        after = [row[0] for row in index.sync().db.execute("SELECT id FROM changes ORDER BY us")]
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
