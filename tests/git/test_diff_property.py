"""For any two trees: the changes, applied to the older one, give the newer one byte for byte."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkit.git import find
from hookkit.git.diff import diff_trees
from tests.git.trees import Files, apply, make_repository, make_trees

LINES = st.sampled_from([
    b"", b"a", b"b", b"c", b"d", b"+", b"-", b" ", b"++ b/x", b"-- a/x", b"+++ b/x", b"--- a/x", b"@@ -1 +1 @@",
    b"@@ -0,0 +1,2 @@", b"\\ No newline at end of file", b"diff --git a/x b/x", b"Binary files a/x and b/x differ",
    b"end of pair", b"index 1..2", b"\r", b"a\r", b"\xff\xfe", b"\xe9", "\u00e9\u2028".encode(), b"\x0c", b"\x1b[31m",
    b":100644 100644 1 2 M\tx",
])  # fmt: skip
TEXT = st.builds(
    lambda lines, glue, end: glue.join(lines) + end,
    st.lists(LINES, max_size=12), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n", b"\r\n"]),
)  # fmt: skip
BINARY = st.builds(lambda text: b"\0" + text, TEXT)
NAMES = st.sampled_from([
    "x", "d", "d/x", "d/y", "a b", ' "q" ', "a\tb", "new\nline", "caf\u00e9.py", "\udcff\udcfe", "x => y", "b/x",
    "-dash", "*", ":(top)x", "\\", "\\303", "{a,b}", "end of pair", "x\r", "\u202e",
])  # fmt: skip
ENTRY = st.one_of(
    st.tuples(st.sampled_from(["100644", "100755"]), st.one_of(TEXT, TEXT, BINARY)),
    st.tuples(st.just("120000"), st.sampled_from([b"x", b"../x\n", b"\xff"])),
    st.tuples(st.just("160000"), st.sampled_from([b"1" * 40, b"2" * 40])),
)


def _possible(files: Files) -> bool:
    return not any(f"{path}/".startswith(f"{other}/") for path in files for other in files if path != other)


FILES = st.dictionaries(NAMES, ENTRY, max_size=6).filter(_possible)


@st.composite
def histories(draw: st.DrawFn) -> list[Files]:
    """Versions of a tree; each keeps much of the one before, so that there is something to find in them."""
    versions: list[Files] = [draw(FILES)]
    for _ in range(draw(st.integers(1, 3))):
        files = dict(versions[-1])
        for _ in range(draw(st.integers(0, 4))):
            names = sorted(files)
            kind = draw(st.sampled_from(["put", "drop", "move", "mode", "edit"]))
            if kind == "put" or not names:
                files[draw(NAMES)] = draw(ENTRY)
                continue
            name = draw(st.sampled_from(names))
            mode, content = files.pop(name)
            if kind == "move":
                files[draw(NAMES)] = (mode, content)
            elif kind == "mode" and mode.startswith("100"):
                files[name] = ("100755" if mode == "100644" else "100644", content)
            elif kind == "edit" and mode.startswith("100"):
                lines = content.split(b"\n")
                lines[draw(st.integers(0, len(lines) - 1))] = draw(LINES)
                files[name] = (mode, b"\n".join(lines))
        versions.append(files if _possible(files) else draw(FILES))
    return versions


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("diff") / "repository")


@settings(suppress_health_check=list(HealthCheck))
@given(histories())
def test_the_changes_applied_to_the_old_tree_give_the_new_one(repository: Path, versions: list[Files]) -> None:
    worktree = find(repository)
    assert worktree is not None
    trees = make_trees(repository, versions)
    known: list[tuple[str, Files]] = [("", {}), *zip(trees, versions, strict=True)]
    pairs = [*pairwise(known), (known[-1], known[0]), (known[-1], known[1])]
    answers = list(diff_trees(worktree, ((old[0], new[0]) for old, new in pairs)))
    for ((_, old), (_, new)), changes in zip(pairs, answers, strict=True):
        assert apply(old, changes, new) == new
        for change in changes:
            told = (change.old_mode, change.new_mode)
            assert (change.status == "renamed") == (change.path != change.old_path)
            assert (change.status == "added") == (told[0] == "000000") == (change.old_blob == "")
            assert (change.status == "deleted") == (told[1] == "000000") == (change.new_blob == "")
            if change.binary:
                sides = [files.get(path, ("", b""))[1] for files, path in ((old, change.old_path), (new, change.path))]
                assert any(b"\0" in side for side in sides)
