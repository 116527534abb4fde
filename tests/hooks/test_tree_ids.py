"""A tree id is what `git add -A && git write-tree` gives on a copy of the user's index, whatever the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .rig import Rig, commit, expected_tree, git, make_repository, private


def _tracked_but_ignored(root: Path) -> None:
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    (root / "kept.log").write_text("tracked\n")
    git(root, "add", "-f", "kept.log")
    commit(root)
    (root / "kept.log").write_text("changed\n")
    (root / "other.log").write_text("ignored\n")
    (root / "build").mkdir()
    (root / "build" / "out").write_text("ignored\n")


def _sparse(root: Path) -> None:
    git(root, "sparse-checkout", "set", "--no-cone", "/a.txt")
    assert not (root / "sub").exists()
    (root / "a.txt").write_text("changed\n")


def _sparse_with_a_file_outside(root: Path) -> None:
    _sparse(root)
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("back\n")


def _sparse_cone(root: Path) -> None:
    git(root, "sparse-checkout", "set", "--cone", "--sparse-index", "other")
    (root / "a.txt").write_text("changed\n")


def _autocrlf(root: Path) -> None:
    git(root, "config", "core.autocrlf", "true")
    git(root, "config", "core.safecrlf", "true")
    (root / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (root / "new.txt").write_bytes(b"one\r\ntwo\n")


def _text_attributes(root: Path) -> None:
    (root / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    commit(root)
    (root / ".gitattributes").write_text("* text=auto\n*.bin -text\n")
    (root / "crlf.txt").write_bytes(b"a\r\nb\r\nc\r\n")
    (root / "x.bin").write_bytes(b"a\r\n")


def _clean_filter(root: Path) -> None:
    git(root, "config", "filter.upper.clean", "tr a-z A-Z")
    (root / ".gitattributes").write_text("*.up filter=upper\n")
    (root / "x.up").write_text("shout\n")


def _required_filter_that_fails(root: Path) -> None:
    git(root, "config", "filter.broken.clean", "false")
    git(root, "config", "filter.broken.required", "true")
    (root / ".gitattributes").write_text("*.broken filter=broken\n")
    (root / "x.broken").write_text("x\n")
    (root / "good").write_text("x\n")


def _submodule(root: Path) -> None:
    inner = make_repository(root.parent / "library")
    (inner / "code").write_text("1\n")
    commit(inner)
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "library")
    commit(root)
    (root / "library" / "code").write_text("2\n")
    git(root / "library", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qam", "moved on")
    (root / "library" / "dirty").write_text("not the superproject's\n")


def _nested_with_commits(root: Path) -> None:
    inner = make_repository(root / "nested")
    (inner / "file").write_text("x\n")
    commit(inner)


def _nested_without_commits(root: Path) -> None:
    inner = make_repository(root / "nested")
    (inner / "file").write_text("x\n")
    (root / "beside").write_text("x\n")


def _links_and_bits(root: Path) -> None:
    (root / "link").symlink_to("a.txt")
    (root / "dead").symlink_to("/nowhere/at/all")
    (root / "loop").symlink_to("loop")
    (root / "folder link").symlink_to("sub")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "a.txt").chmod(0o755)


def _names(root: Path) -> None:
    plain = (b"new\nline", b"tab\t", b'quo"te', b":colon", b"-dash", b" space ", b"*")
    for name in (b"\xc3\xbcnic\xc3\xb6de", b"\xff\xfe not utf-8", *plain):
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(name)


def _intent_to_add(root: Path) -> None:
    (root / "meant").write_text("meant\n")
    (root / "gone").write_text("gone\n")
    git(root, "add", "-N", "meant", "gone")
    (root / "gone").unlink()


def _staged_deletes(root: Path) -> None:
    git(root, "rm", "-q", "--cached", "a.txt")
    (root / ".gitignore").write_text("a.txt\n")
    (root / "staged").write_text("staged, then gone\n")
    git(root, "add", "staged")
    (root / "staged").unlink()


def _split_index(root: Path) -> None:
    git(root, "update-index", "--split-index")
    (root / "new").write_text("x\n")
    git(root, "add", "new")


def _untracked_cache(root: Path) -> None:
    git(root, "update-index", "--untracked-cache")
    git(root, "status")
    (root / "new").write_text("x\n")


def _fsmonitor(root: Path) -> None:
    witness = root.parent / "monitor was run"
    program = root.parent / "monitor"
    program.write_text(f"#!/bin/sh\ntouch '{witness}'\nprintf 'token\\0'\n")
    program.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(program))
    git(root, "update-index", "--fsmonitor")
    witness.unlink(missing_ok=True)
    (root / "a.txt").write_text("the monitor says that nothing changed\n")


def _assumed_unchanged(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "a.txt")
    git(root, "update-index", "--skip-worktree", "sub/b.txt")
    (root / "a.txt").write_text("not looked at\n")
    (root / "sub" / "b.txt").write_text("not looked at\n")


def _merge_conflict(root: Path) -> None:
    git(root, "switch", "-q", "-c", "other")
    (root / "a.txt").write_text("theirs\n")
    commit(root)
    git(root, "switch", "-q", "main")
    (root / "a.txt").write_text("ours\n")
    commit(root)
    git(root, "merge", "other", check=False)
    assert git(root, "ls-files", "-u")


def _index_version_4(root: Path) -> None:
    git(root, "update-index", "--index-version", "4")
    (root / "new").write_text("x\n")


def _file_becomes_folder(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").mkdir()
    (root / "a.txt" / "inside").write_text("x\n")
    shutil.rmtree(root / "sub")
    (root / "sub").write_text("a file now\n")


def _special_files(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "beside").write_text("x\n")


def _user_hooks(root: Path) -> None:
    for name in ("post-index-change", "pre-commit", "reference-transaction"):
        program = root / ".git" / "hooks" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch '{root.parent}/hook was run'\n")
        program.chmod(0o755)
    (root / "new").write_text("x\n")


def _empty_folders(root: Path) -> None:
    (root / "empty" / "deeper").mkdir(parents=True)


def _excludes_outside_the_tree(root: Path) -> None:
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text("secret\n")
    (root / "secret").write_text("x\n")


SETUPS: list[Callable[[Path], None]] = [
    _tracked_but_ignored, _sparse, _sparse_with_a_file_outside, _sparse_cone, _autocrlf, _text_attributes,
    _clean_filter, _submodule, _nested_with_commits, _nested_without_commits, _links_and_bits, _names,
    _intent_to_add, _staged_deletes, _split_index, _untracked_cache, _fsmonitor, _assumed_unchanged, _merge_conflict,
    _index_version_4, _file_becomes_folder, _special_files, _user_hooks, _empty_folders, _excludes_outside_the_tree,
]  # fmt: skip


@pytest.mark.parametrize("arrange", SETUPS, ids=lambda arrange: arrange.__name__.strip("_"))
def test_a_tree_id_is_what_git_itself_gives(rig: Rig, arrange: Callable[[Path], None]) -> None:
    rig.tree()
    arrange(rig.project)
    expected = expected_tree(rig.project)
    assert [rig.tree(), rig.tree("PostToolUse")] == [expected, expected]
    assert not list(rig.base.glob("*was run"))


def test_what_git_cannot_add_is_said(rig: Rig) -> None:
    _nested_without_commits(rig.project)
    rig.tree()
    assert rig.limitations() == ["unreadable_paths"]


def test_a_file_that_git_refuses_altogether_leaves_no_tree_id_and_that_is_said(rig: Rig) -> None:
    _required_filter_that_fails(rig.project)
    data = rig.fire("PreToolUse")["data"]
    assert "trail" not in data
    assert data["limitations"] == ["git_failed"]


@pytest.mark.parametrize("option", ["--object-format=sha256", "--ref-format=reftable"])
def test_other_formats_of_repositories(tmp_path: Path, option: str) -> None:
    probe = subprocess.run(["git", "init", "-q", option, str(tmp_path / "probe")], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"this git knows no {option}")
    rig = Rig(tmp_path, make_repository(tmp_path / "project", option))
    (rig.project / "a").write_text("x\n")
    algo = "sha256" if "sha256" in option else "sha1"
    for head in (None, commit):
        if head:
            head(rig.project)
        data = rig.fire("Stop")["data"]
        assert data["trail"]["tree_id"] == {"algo": algo, "hex": expected_tree(rig.project)}
        sha = git(rig.project, "rev-parse", "HEAD") if head else None
        assert data["trail"]["git_head"] == (sha and {"algo": algo, "hex": sha})
        assert data["git"] == {
            "sha": sha,
            "dirty": not head,
            "files_changed": 0 if head else 1,
            "changed_paths": [] if head else ["a"],
        }


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    rig = Rig(tmp_path, make_repository(tmp_path / "project"))
    assert rig.tree() == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    (rig.project / "a").write_text("x\n")
    line = rig.fire("Stop")
    assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(rig.project)
    assert line["data"]["trail"]["git_head"] is None
    assert line["data"]["git"] == {"sha": None, "dirty": True, "files_changed": 1, "changed_paths": ["a"]}
    assert not (rig.project / ".git" / "index").exists()


def test_a_linked_worktree_has_its_own_index_and_head(rig: Rig) -> None:
    git(rig.project, "worktree", "add", "-q", "-b", "side", str(rig.base / "side tree "))
    side = Rig(rig.base / "second", rig.base / "side tree ")
    (side.project / "a.txt").write_text("only here\n")
    commit(side.project)
    (side.project / "new").write_text("x\n")
    line = side.fire("PreToolUse")
    assert line["data"]["trail"] == {
        "worktree_root": str(side.project.resolve()),
        "tree_id": {"algo": "sha1", "hex": expected_tree(side.project)},
        "git_head": {"algo": "sha1", "hex": git(side.project, "rev-parse", "HEAD")},
    }
    assert line["data"]["trail"]["git_head"]["hex"] != git(rig.project, "rev-parse", "HEAD")
    assert rig.tree() == expected_tree(rig.project) == git(rig.project, "rev-parse", "HEAD^{tree}")


def test_a_submodule_is_a_worktree_of_its_own(rig: Rig) -> None:
    _submodule(rig.project)
    inside = rig.project / "library"
    tool_input = {"file_path": str(inside / "code"), "content": "x"}
    trail = rig.fire("PreToolUse", tool_name="Write", tool_input=tool_input)["data"]["trail"]
    assert (trail["worktree_root"], trail["tree_id"]["hex"]) == (str(inside.resolve()), expected_tree(inside))


def test_a_file_of_another_worktree_binds_the_call_to_that_one(rig: Rig) -> None:
    other = make_repository(rig.base / "other")
    (other / "x").write_text("x\n")
    for path in (other / "x", other / "not" / "there" / "yet"):
        trail = rig.fire("PreToolUse", tool_name="Write", tool_input={"file_path": str(path)})["data"]["trail"]
        assert (trail["worktree_root"], trail["tree_id"]["hex"]) == (str(other.resolve()), expected_tree(other))
    tool_input = {"notebook_path": str(other / "n.ipynb")}
    trail = rig.fire("PreToolUse", tool_name="NotebookEdit", tool_input=tool_input)["data"]["trail"]
    assert trail["worktree_root"] == str(other.resolve())
    assert rig.sidecars() == [rig.project / ".opentraces" / "claude-code" / "hooks" / f"{rig.session}.jsonl"]


def test_a_file_outside_any_repository_leaves_the_call_with_the_current_folder(rig: Rig) -> None:
    tool_input = {"file_path": str(rig.home / "plan.md")}
    trail = rig.fire("PreToolUse", tool_name="Write", tool_input=tool_input)["data"]["trail"]
    assert trail["worktree_root"] == str(rig.project.resolve())


def test_a_link_into_a_repository_is_followed(rig: Rig) -> None:
    link = rig.base / "link to it"
    link.symlink_to(rig.project / "sub")
    trail = rig.fire("PreToolUse", tool_name="Write", tool_input={"file_path": str(link / "x")})["data"]["trail"]
    assert trail["worktree_root"] == str(rig.project.resolve())


def test_in_a_subfolder_the_whole_worktree_counts(rig: Rig) -> None:
    (rig.project / "a.txt").write_text("changed above\n")
    sub = str(rig.project / "sub")
    for event in ("PreToolUse", "Stop"):
        line = rig.fire(event, cwd=rig.project / "sub", env={"CLAUDE_PROJECT_DIR": sub})
        assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(rig.project)


def test_git_variables_of_the_environment_change_nothing(rig: Rig) -> None:
    other = make_repository(rig.base / "other")
    (other / "x").write_text("x\n")
    commit(other)
    expected = expected_tree(rig.project)
    hostile = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_NAMESPACE": "x",
        "GIT_PREFIX": "sub/",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_TRACE": str(rig.base / "trace"),
        "GIT_CEILING_DIRECTORIES": str(rig.project.parent),
    }
    assert rig.tree(env=hostile) == expected
    assert not (rig.base / "trace").exists()
    assert not (other / ".git" / "hookkit").exists()


NAMES = ["a:b", 'quo"te', " spaces ", "new\nline", "back\\slash", "ü:\"\n'", "#", "-x", "$(touch x)"]


@pytest.mark.parametrize("name", NAMES)
def test_folder_names_that_git_or_a_shell_could_take_for_something_else(tmp_path: Path, name: str) -> None:
    root = make_repository(tmp_path / name)
    (root / "a").write_text("in the user's objects\n")
    commit(root)
    rig = Rig(tmp_path / f"rig {name}", root)
    (root / "b").write_text("new\n")
    line = rig.fire("PreToolUse")
    assert line["data"]["trail"]["worktree_root"] == str(root)
    assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(root)
    stored = [path for path in (private(root) / "objects").rglob("*") if path.is_file()]
    assert len(stored) == 2  # the new blob and the new tree: what the user's store has is not stored again


def test_a_folder_name_that_is_not_utf_8(tmp_path: Path) -> None:
    root = make_repository(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")))
    (root / "a").write_text("x\n")
    rig = Rig(tmp_path, root)
    line = rig.fire("PreToolUse", cwd=root)
    assert os.fsencode(line["data"]["trail"]["worktree_root"]) == os.fsencode(root)
    assert line["data"]["trail"]["tree_id"]["hex"] == expected_tree(root)
