from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hookkit.git import GitError, Worktree, find
from hookkit.git.diff import FileChange, Hunk, diff_trees
from hookkit.git.objects import kinds, new_objects
from tests.git.trees import Files, blob_id, git, make_repository, make_trees

OLD: Files = {
    "code.py": ("100644", b"one\ntwo\nthree\n"),
    "lock": ("100644", b"a\nb\n"),
    "caf\u00e9.md": ("100644", b"# x\n"),
    "moved.txt": ("100644", b"".join(b"line %d\n" % number for number in range(40))),
    "image": ("100644", b"\0\1"),
    "vendor": ("160000", b"1" * 40),
}
NEW: Files = {
    "code.py": ("100755", b"one\n2\nthree\r\nfour"),
    "lock": ("100644", b"a\nc\n"),
    "caf\u00e9.md": ("100644", b"# y\n"),
    "new/name.txt": ("100644", b"".join(b"line %d\n" % number for number in range(41))),
    "image": ("100644", b"\0\2"),
    "vendor": ("160000", b"2" * 40),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / 'work: "tree"')


def at(root: Path) -> Worktree:
    worktree = find(root)
    assert worktree is not None
    return worktree


def changes(root: Path, old: Files, new: Files, paths: tuple[str, ...] = ()) -> dict[str, FileChange]:
    before, after = make_trees(root, [old, new])
    (found,) = diff_trees(at(root), [(before, after)], paths=paths)
    return {change.path: change for change in found}


def test_hunks_count_from_zero_and_hold_raw_lines(repository: Path) -> None:
    found = changes(repository, OLD, NEW)
    assert found["code.py"].hunks == (Hunk(1, 2, 1, 3, b"two\nthree\n", b"2\nthree\r\nfour"),)
    assert found["new/name.txt"].hunks == (Hunk(40, 0, 40, 1, b"", b"line 40\n"),)
    assert (found["code.py"].old_mode, found["code.py"].new_mode) == ("100644", "100755")


def test_each_kind_of_change_is_told(repository: Path) -> None:
    found = changes(repository, OLD, NEW)
    assert {path: change.status for path, change in found.items()} == {
        "caf\u00e9.md": "modified", "code.py": "modified", "image": "modified", "lock": "modified",
        "new/name.txt": "renamed", "vendor": "modified",
    }  # fmt: skip
    assert found["new/name.txt"].old_path == "moved.txt"
    assert (found["image"].binary, found["image"].hunks) == (True, ())
    vendor = found["vendor"]
    assert (vendor.old_blob, vendor.new_blob, vendor.new_mode, vendor.hunks) == ("1" * 40, "2" * 40, "160000", ())
    assert found["lock"].new_blob == blob_id(b"a\nc\n", 40)


def test_a_file_that_became_a_link_is_deleted_and_added(repository: Path) -> None:
    before, after = make_trees(repository, [{"x": ("100644", b"y\n")}, {"x": ("120000", b"y")}])
    (gone, come), (come_back, gone_again) = (
        sorted(each, key=lambda change: change.new_mode)
        for each in diff_trees(at(repository), [(before, after), (after, before)])
    )
    assert (gone.status, gone.hunks, gone.new_blob) == ("deleted", (Hunk(0, 1, 0, 0, b"y\n", b""),), "")
    assert (come.status, come.new_mode, come.hunks, come.old_blob) == ("added", "120000", (), "")
    assert (come_back.status, come_back.old_mode, come_back.hunks) == ("deleted", "120000", ())
    assert (gone_again.status, gone_again.hunks) == ("added", (Hunk(0, 0, 0, 1, b"", b"y\n"),))


def test_the_empty_tree_stands_for_nothing(repository: Path) -> None:
    (tree,) = make_trees(repository, [OLD])
    born, died, nothing = diff_trees(at(repository), [("", tree), (tree, ""), ("", "")])
    assert {change.status for change in born} == {"added"}
    assert {change.status for change in died} == {"deleted"}
    assert (len(born), len(died), nothing) == (6, 6, ())


def test_paths_limit_the_answer_literally(repository: Path) -> None:
    old = dict.fromkeys(("*", ":x", "y", "d/e", "dd"), ("100644", b"a\n"))
    new = dict.fromkeys(old, ("100644", b"b\n"))
    assert set(changes(repository, old, new, ("*", ":x", "d"))) == {"*", ":x", "d/e"}


def test_whatever_the_user_has_configured_the_answer_is_the_same(
    repository: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = changes(repository, OLD, NEW)
    reached = isolated_home / "reached"
    program = isolated_home / "program"
    program.write_text(f"#!/bin/sh\necho reached >> '{reached}'\n")
    program.chmod(0o755)
    settings = {
        "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "diff.external": str(program), "diff.renames": "false",
        "core.quotePath": "false", "core.autocrlf": "true", "diff.suppressBlankEmpty": "true", "diff.context": "9",
        "diff.interHunkContext": "9", "diff.orderFile": str(isolated_home / "order"), "diff.algorithm": "patience",
        "diff.submodule": "log", "diff.ignoreSubmodules": "all", "color.ui": "always", "color.diff": "always",
        "diff.wsErrorHighlight": "all", "diff.colorMoved": "zebra", "diff.wordRegex": ".", "diff.relative": "true",
        "core.attributesFile": str(isolated_home / "attributes"), "diff.odd.command": str(program),
        "diff.odd.textconv": str(program), "diff.odd.binary": "true", "diff.odd.xfuncname": "(",
        "diff.indentHeuristic": "false",
        "core.whitespace": "cr-at-eol", "diff.renameLimit": "1", "core.fsmonitor": str(program), "core.abbrev": "5",
        "diff.statGraphWidth": "1", "core.bigFileThreshold": "1", "core.pager": str(program), "diff.dirstat": "lines",
    }  # fmt: skip
    (isolated_home / "order").write_text("vendor\nlock\n")
    attributes = (
        "*.py diff=odd\nlock -diff\n*.md binary\nimage diff\n*.txt working-tree-encoding=UTF-16 text eol=crlf\n"
    )
    for place in (isolated_home / "attributes", repository / ".gitattributes", repository / ".git/info/attributes"):
        place.write_text(attributes)
    for name, value in settings.items():
        git(repository, "config", name, value)
        git(repository, "config", "--global", name, value)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(program))
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u9")
    assert changes(repository, OLD, NEW) == plain
    assert list(changes(repository, OLD, NEW)) == list(plain)
    assert not reached.exists()


def test_attributes_that_are_committed_and_replaced_objects_change_nothing(repository: Path) -> None:
    plain = changes(repository, OLD, NEW)
    (repository / ".gitattributes").write_text("* -diff\n")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "-qm", "attributes")
    other = git(repository, "hash-object", "-w", "--stdin", stdin=b"another\n").decode()
    git(repository, "replace", blob_id(NEW["lock"][1], 40), other)
    assert changes(repository, OLD, NEW) == plain


def test_a_repository_with_sha256_ids(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r", "--object-format=sha256")
    old, new = ({**files, "vendor": ("160000", digit * 64)} for files, digit in ((OLD, b"1"), (NEW, b"2")))
    found = changes(repository, old, new)
    assert found["lock"].hunks == (Hunk(1, 1, 1, 1, b"b\n", b"c\n"),)
    assert found["lock"].new_blob == blob_id(b"a\nc\n", 64)
    (tree,) = make_trees(repository, [OLD | {"vendor": ("160000", b"1" * 64)}])
    assert len(next(diff_trees(at(repository), [("", tree)]))) == 6


def test_trees_in_the_private_store_are_read(repository: Path) -> None:
    worktree = at(repository)
    worktree.objects.mkdir(parents=True)
    store = {"GIT_OBJECT_DIRECTORY": str(worktree.objects), "GIT_INDEX_FILE": str(repository / ".git" / "scratch")}
    (repository / "f").write_text("1\n")
    git(repository, "add", "-A", **store)
    tree = git(repository, "write-tree", **store).decode()
    (found,) = diff_trees(worktree, [("", tree)])
    assert found[0].hunks == (Hunk(0, 0, 0, 1, b"", b"1\n"),)


def test_a_linked_worktree_reads_the_same_store(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / 'linked:"one'))
    before, after = make_trees(repository, [OLD, NEW])
    (found,) = diff_trees(at(tmp_path / 'linked:"one'), [(before, after)])
    assert len(found) == 6


def test_a_tree_that_is_missing_is_an_error_that_says_so(repository: Path) -> None:
    (tree,) = make_trees(repository, [OLD])
    answers = diff_trees(at(repository), [("", tree), (tree, "1" * 40)])
    assert len(next(answers)) == 6
    with pytest.raises(GitError) as caught:
        next(answers)
    assert caught.value.code == "TREE_MISSING"


def test_a_file_that_is_missing_is_an_error_and_no_wrong_answer(repository: Path) -> None:
    before, after = make_trees(repository, [OLD, NEW])
    blob = blob_id(NEW["lock"][1], 40)
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError) as caught:
        list(diff_trees(at(repository), [(before, after)]))
    assert caught.value.code == "GIT_FAILED"


def test_looking_at_a_repository_leaves_nothing_in_it(repository: Path) -> None:
    before, after = make_trees(repository, [OLD, NEW])
    there = set((repository / ".git").rglob("*"))
    list(diff_trees(at(repository), [(before, after)]))
    assert set((repository / ".git").rglob("*")) == there


def test_pairs_are_asked_for_one_by_one_with_one_process_that_ends(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = make_trees(repository, [OLD, NEW])
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            if "diff-tree" in self.args:
                started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    asked = []

    def pairs() -> object:
        for number in range(100):
            asked.append(number)
            yield (before, after)

    answers = diff_trees(at(repository), pairs())  # type: ignore[arg-type]
    first = next(answers)
    assert [next(answers) for _ in range(3)] == [first] * 3
    assert asked == [0, 1, 2, 3]
    answers.close()  # type: ignore[attr-defined]
    assert [child.returncode is not None for child in started] == [True]


def test_new_objects_are_those_that_the_base_lacks(repository: Path) -> None:
    before, after = make_trees(repository, [OLD, NEW])
    found = new_objects(at(repository), before, [after, after])
    there = set(git(repository, "rev-list", "--objects", "--no-object-names", after).decode().split())
    had = set(git(repository, "rev-list", "--objects", "--no-object-names", before).decode().split())
    assert set(found.objects) >= there - had
    assert (found.complete, found.missing) == ([after], [])
    assert set(new_objects(at(repository), "", [after]).objects) == there


@pytest.mark.parametrize("lost", ["blob", "folder", "root"])
def test_a_tree_that_lacks_an_object_is_missing_and_later_ones_are_not(lost: str, repository: Path) -> None:
    one, two, three = make_trees(repository, [OLD, {**OLD, "a/b/c": ("100644", b"lost\n")}, NEW])
    names = {
        "blob": blob_id(b"lost\n", 40),
        "folder": git(repository, "rev-parse", f"{two}:a/b").decode(),
        "root": two,
    }
    (repository / ".git/objects" / names[lost][:2] / names[lost][2:]).unlink()
    found = new_objects(at(repository), one, [two, three])
    assert (found.complete, found.missing) == ([three], [two])
    assert kinds(at(repository), [one, names[lost]]) == {one: "tree"}


def test_a_name_that_is_no_utf8_comes_back_as_the_file_system_gives_it(repository: Path) -> None:
    name = os.fsdecode(b'\xff\n"\\\t')
    found = changes(repository, {}, {name: ("100644", b"x\n")})
    assert list(found) == [name]
