"""Changes folded into patches: what goes on top of what, and hunks without their neighbours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hookkit.errors import HookkitError
from hookkit.git.worktree import Worktree, find
from hookkit.trails.changed import Change, Entry
from hookkit.trails.patch import combined, fold


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        subprocess.run(["git", "init", "-q", str(root)], check=True)

    @property
    def worktree(self) -> Worktree:
        found = find(self.root)
        assert found
        return found

    def blob(self, content: bytes, mode: str = "100644") -> Entry:
        command = ["git", "-C", str(self.root), "hash-object", "-w", "--stdin"]
        done = subprocess.run(command, input=content, capture_output=True, check=True)
        return mode, done.stdout.decode().strip()

    def change(self, path: str, before: Entry | None, after: Entry | None, **more: object) -> Change:
        return Change("root", path, str(more.pop("old_path", path)), before, after, **more)  # type: ignore[arg-type]

    def applied(self, changes: list[Change], **content: bytes) -> dict[str, bytes]:
        """The files ``content`` (``a_txt`` is a.txt) with the patch of the changes applied by git."""
        text = combined(self.worktree, changes).text
        for name, body in content.items():
            (self.root / name.replace("_", ".")).write_bytes(body)
        done = subprocess.run(["git", "-C", str(self.root), "apply", "-"], input=text, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in self.root.iterdir() if path.is_file()}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


ONE, TWO, THREE = b"one\n", b"one\ntwo\n", b"one\ntwo\nthree\n"


def test_changes_that_follow_from_each_other_are_one_difference(repository: Repository) -> None:
    one, two, three = (repository.blob(content) for content in (ONE, TWO, THREE))
    changes = [repository.change("a.txt", one, two), repository.change("a.txt", two, three)]
    assert len(fold(changes)) == 1
    assert repository.applied(changes, a_txt=ONE) == {"a.txt": THREE}


def test_what_is_undone_is_no_difference(repository: Repository) -> None:
    one, two = repository.blob(ONE), repository.blob(TWO)
    changes = [
        repository.change("a.txt", one, two), repository.change("a.txt", two, one),
        repository.change("b.txt", None, one), repository.change("b.txt", one, None),
    ]  # fmt: skip
    patch = combined(repository.worktree, changes)
    assert (patch.text, patch.files) == (b"", ())


def test_a_file_that_is_made_and_moved_is_new_where_it_went(repository: Repository) -> None:
    one, two = repository.blob(ONE), repository.blob(TWO)
    changes = [
        repository.change("a.txt", None, one), repository.change("b.txt", one, two, old_path="a.txt"),
    ]  # fmt: skip
    (file,) = combined(repository.worktree, changes).files
    assert (file.status, file.path, file.added) == ("A", "b.txt", 2)


def test_a_change_that_does_not_follow_begins_a_new_part_and_what_follows_stays_behind_it(
    repository: Repository,
) -> None:
    one, two, three = (repository.blob(content) for content in (ONE, TWO, THREE))
    changes = [
        repository.change("a.txt", None, one),
        repository.change("a.txt", two, three),  # somebody else made two of one
        repository.change("a.txt", three, two),
        repository.change("b.txt", None, one),
    ]
    first, second = fold(changes)
    assert (first.after, second.before, second.after) == (
        {"a.txt": one, "b.txt": one}, {"a.txt": two}, {"a.txt": two},
    )  # fmt: skip


def test_a_file_in_place_of_a_folder_begins_a_new_part(repository: Repository) -> None:
    one = repository.blob(ONE)
    changes = [repository.change("a/b.txt", one, one), repository.change("a", one, None)]
    assert len(fold(changes)) == 2
    assert combined(repository.worktree, changes).files[0].status == "D"


def test_changes_of_two_worktrees_are_never_mixed(repository: Repository) -> None:
    one = repository.blob(ONE)
    assert len(fold([Change("r1", "a", "a", None, one), Change("r2", "a", "a", None, one)])) == 2


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        (((1, 0, 1, 1),), b"new\n1\n2\n3\n4"),
        (((2, 2, 3, 2),), b"1\n3\n4"),
        (((4, 4, 4, 4),), b"1\n2\n3\nlast"),
        (((1, 0, 1, 1), (4, 4, 4, 4)), b"new\n1\n2\n3\nlast"),
        (((1, 0, 1, 1), (2, 2, 3, 2), (4, 4, 4, 4)), b"new\n1\n3\nlast"),
    ],
)
def test_only_the_hunks_that_are_meant_are_in_the_patch(
    repository: Repository, spans: tuple[tuple[int, int, int, int], ...], expected: bytes
) -> None:
    before, after = repository.blob(b"1\n2\n3\n4"), repository.blob(b"new\n1\n3\nlast")
    changes = [repository.change("a.txt", before, after, spans=spans)]
    assert repository.applied(changes, a_txt=b"1\n2\n3\n4") == {"a.txt": expected}


def test_a_missing_object_is_an_error_that_says_so(repository: Repository) -> None:
    gone = ("100644", "1" * 40)
    with pytest.raises(HookkitError) as caught:
        combined(repository.worktree, [repository.change("a.txt", None, gone)])
    assert caught.value.code == "OBJECTS_LOST"
    assert "trail verify" in caught.value.hint


def test_making_a_patch_leaves_nothing_in_the_repository(repository: Repository) -> None:
    one, two = repository.blob(ONE), repository.blob(TWO)
    before = sorted(path for path in (repository.root / ".git").rglob("*"))
    combined(repository.worktree, [repository.change("a.txt", one, two, spans=((2, 1, 2, 2),))])
    assert sorted(path for path in (repository.root / ".git").rglob("*")) == before
