"""Whatever the user told git, the same session gives the same log and the same answers."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hookkit.trails import anchors
from hookkit.trails.lines.commit import attribute

from .fuzz.run import environment, fast_folder, judge, play
from .fuzz.scene import Scene, scene

pytestmark = pytest.mark.long

ONE = b"".join(b"line number %d of the first file\n" % number for number in range(12))
BLOCK = b"".join(b"line number %d of a block that moves\n" % number for number in range(5))

# Those that do not get in each other's way are tried together; whoever looks into a failure takes them apart.
SETTINGS: dict[str, Mapping[str, str]] = {
    "diff": {
        "diff.noprefix": "true", "core.quotePath": "false", "diff.external": "/bin/false", "diff.renames": "false",
        "diff.algorithm": "patience", "diff.indentHeuristic": "false", "diff.ignoreSubmodules": "all",
        "diff.submodule": "diff", "diff.statGraphWidth": "1", "diff.dirstat": "lines,0", "diff.wsErrorHighlight": "all",
        "core.whitespace": "tab-in-indent,cr-at-eol", "diff.orderFile": "@ORDER@", "status.renames": "false",
        "merge.renames": "true",
    },
    "other diff": {
        "diff.mnemonicPrefix": "true", "diff.srcPrefix": "old-", "diff.dstPrefix": "new-", "diff.relative": "true",
        "diff.external": "echo --- a/x; echo +++ b/x; true", "diff.renames": "copies", "diff.renameLimit": "1",
        "diff.context": "9", "diff.interHunkContext": "20", "diff.suppressBlankEmpty": "true", "diff.wordRegex": ".",
        "diff.colorMoved": "zebra", "diff.algorithm": "minimal",
    },
    "colour and log": {
        "color.ui": "always", "color.diff": "always", "color.branch": "always", "color.blame.repeatedLines": "red",
        "column.ui": "always", "core.pager": "sed s/^/PAGER/", "pager.diff": "true", "pager.blame": "cat",
        "log.showSignature": "true", "log.showRoot": "false", "log.decorate": "full", "log.mailmap": "false",
        "log.date": "relative", "log.abbrevCommit": "true", "log.follow": "true", "format.pretty": "oneline",
        "log.diffMerges": "separate", "format.notes": "true", "core.abbrev": "4",
        "alias.blame": "!false", "alias.diff-tree": "!false", "alias.log": "!false", "grep.lineNumber": "true",
        "tag.sort": "-taggerdate", "merge.conflictStyle": "diff3", "merge.directoryRenames": "false",
    },
    "blame and attributes": {
        "blame.coloring": "highlightRecent", "blame.date": "relative", "blame.showEmail": "true",
        "blame.showRoot": "true", "blame.blankBoundary": "true", "blame.markIgnoredLines": "true",
        "blame.markUnblamableLines": "true", "blame.ignoreRevsFile": ".git-blame-ignore-revs",
        "core.attributesFile": "@ATTRIBUTES@", "diff.shout.textconv": "tr a-z A-Z <", "diff.shout.command": "false",
        "diff.shout.xfuncname": "x", "core.bigFileThreshold": "10",
    },
    "monitor and hooks": {
        "core.fsmonitor": "@HOOK@", "core.fsmonitorHookVersion": "2", "core.hooksPath": "@HOOKS@",
        "core.untrackedCache": "true", "core.splitIndex": "true", "index.version": "4", "core.checkStat": "minimal",
        "status.showUntrackedFiles": "no", "status.relativePaths": "false", "core.trustctime": "false",
    },
    "storage": {
        "core.commitGraph": "true", "gc.writeCommitGraph": "true", "core.logAllRefUpdates": "always",
        "transfer.fsckObjects": "true", "core.compression": "0", "core.sharedRepository": "group",
        "i18n.commitEncoding": "ISO-8859-1", "i18n.logOutputEncoding": "KOI8-R", "safe.directory": "/no/such/folder",
        "user.useConfigOnly": "true", "rebase.autoStash": "true", "blame.ignoreRevsFile": "/no/such/file",
        "core.autocrlf": "input", "core.safecrlf": "warn",
    },
}  # fmt: skip


def _fill_in(settings: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Files that settings name."""
    witness = folder / "somebody-was-here"
    script = folder / "monitor"
    script.write_text(f"#!/bin/sh\ntouch '{witness}'\nprintf 'token\\0/\\0'\n")
    hooks = folder / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{witness}'\n")
        (hooks / name).chmod(0o755)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    attributes = folder / "attributes"
    attributes.write_text("*.py diff=shout -text\n*.txt -diff\n*.md binary\n*.c diff=shout\n")
    order = folder / "order"
    order.write_text("*.txt\n*\n")
    places = {"@ORDER@": str(order), "@HOOK@": str(script), "@HOOKS@": str(hooks), "@ATTRIBUTES@": str(attributes)}
    return {key: places.get(value, value) for key, value in settings.items()}


def _session(stage: Scene) -> dict[str, Any]:
    """A session with a bit of everything; gives all that the product says of it."""
    moved, text = "caf\xe9 b/z.py", "notes.txt"
    stage.write("a.py", ONE)
    stage.write(text, b"".join(ONE.splitlines(True)[:4]))
    stage.write("image.md", b"\0\1\2")
    stage.commit()
    stage.edit("edit", "a.py", ONE + b"  \nwritten by the edit, one\n\n\twritten by the edit, two  \n")
    with stage.call("shell"):
        stage.write(text, b"++ b/x\n" + stage.read(text) + BLOCK)
        stage.write("image.md", b"\0\2\3")
        (stage.root / "a.py").chmod(0o755)
        stage.commit()
    stage.write("a.py", b"written by a person, at the top\n" + stage.read("a.py"))
    with stage.call("move"):
        stage.write(text, stage.read(text).replace(BLOCK, b""))
        stage.write("a.py", stage.read("a.py") + BLOCK)
        (stage.root / "caf\xe9 b").mkdir()
        os.rename(stage.root / "a.py", stage.root / moved)
        stage.world.note("renamed")
    stage.commit()
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("topic", text, stage.read(text) + b"written by the call on the topic\n")
    stage.commit()
    stage.git("switch", "-q", "main")
    stage.write(text, b"written by a person on main\n" + stage.read(text))
    stage.commit()
    stage.git("rebase", "-q", "main", "topic")
    stage.git("switch", "-q", "main")
    stage.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    stage.edit("last", "new.c", b"written last\n}\n\nand not committed\n")
    stage.ingest()
    anchors.update(stage.worktree())
    keys = (
        "tool_call_id", "file_path", "old_path", "status", "binary", "affected_range", "removed_range",
        "raw_authored_hash", "new_mode",
    )  # fmt: skip
    return {
        "patches": [[each[key] for key in keys] for each in stage.patches()],
        "events": [event.event_type for event in stage.events()],
        "gaps": [
            [each["path"] for each in event.payload["paths"]]
            for event in stage.events("filesystem_mutation_observed")
        ],
        "blame": {path: stage.blame(path) for path in (moved, text, "image.md", "new.c")},
        "head": {path: stage.blame(path, "HEAD") for path in (moved, text)},
        "commits": [
            [(run.path, run.start, run.count, stage.answer(run.origin)) for run in attribute(stage.worktree(), sha)]
            for sha in stage.git("rev-list", "--no-merges", "--topo-order", "--branches").split()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes out for somebody who set nothing."""
    with scene(tmp_path_factory.mktemp("plain")) as stage:
        return _session(stage)


def test_the_session_without_any_setting_is_told_right(plain: dict[str, Any]) -> None:
    moved = plain["blame"]["caf\xe9 b/z.py"]
    names = [name for name, _ in moved]
    assert names == ["outside", *["unknown"] * 12, "edit", "edit", "edit", "edit", *["shell"] * 5]
    assert [name for name, _ in plain["blame"]["new.c"]] == ["last"] * 4
    text = [name for name, _ in plain["head"]["notes.txt"]]
    assert text[:2] == ["outside", "shell"]
    assert text[-1] == "topic"
    assert plain["gaps"][0] == ["a.py"]


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_change_no_answer(name: str, tmp_path: Path, plain: dict[str, Any]) -> None:
    with scene(tmp_path, settings=_fill_in(SETTINGS[name], tmp_path)) as stage:
        found = _session(stage)
        for key in plain:
            assert found[key] == plain[key], key
        if name == "monitor and hooks":
            _nobody_was_asked(stage, tmp_path / "somebody-was-here")


def _nobody_was_asked(stage: Scene, witness: Path) -> None:
    """The user's own git called the monitor and the hooks. The product never does."""
    witness.unlink()
    stage.session.prompt()  # type: ignore[union-attr]
    stage.ingest()
    anchors.update(stage.worktree())
    stage.blame("notes.txt")
    stage.blame("notes.txt", "HEAD")
    assert not witness.exists()


def test_attributes_in_the_repository_change_no_answer(tmp_path: Path, plain: dict[str, Any]) -> None:
    settings = {"diff.shout.textconv": "tr a-z A-Z <", "diff.shout.command": "/bin/false", "diff.shout.xfuncname": "x"}
    with scene(tmp_path, settings=settings) as stage:
        (stage.root / ".git" / "info").mkdir(exist_ok=True)
        (stage.root / ".git" / "info" / "attributes").write_text("*.py diff=shout\n*.txt -diff\n*.c binary\n")
        found = _session(stage)
    assert found == plain


def test_variables_change_no_answer(tmp_path: Path, plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "GIT_EXTERNAL_DIFF": "/bin/false", "GIT_DIFF_OPTS": "-u9", "GIT_PAGER": "sed s/^/PAGER/", "GIT_TRACE": "1",
        "GIT_CONFIG_PARAMETERS": "'diff.noprefix=true'", "GIT_DIR": str(tmp_path / "nowhere"),
        "GIT_INDEX_FILE": str(tmp_path / "no-index"), "GIT_WORK_TREE": str(tmp_path), "GIT_LITERAL_PATHSPECS": "1",
    }  # fmt: skip
    with scene(tmp_path) as stage:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert _session(stage) == plain


def test_a_sha256_repository_gives_the_same_answers(tmp_path: Path, plain: dict[str, Any]) -> None:
    with scene(tmp_path, object_format="sha256") as stage:
        found = _session(stage)
        assert {each["before_blob_id"]["algo"] for each in stage.patches() if each["before_blob_id"]} == {"sha256"}
    assert {key: found[key] for key in ("patches", "events", "blame", "head", "gaps")} == {
        key: plain[key] for key in ("patches", "events", "blame", "head", "gaps")
    }


def test_a_repository_with_reftable_gives_the_same_answers(tmp_path: Path, plain: dict[str, Any]) -> None:
    tried = subprocess.run(
        ["git", "init", "-q", "--ref-format=reftable", str(tmp_path / "try")], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip("this git has no reftable")
    with scene(tmp_path, settings={"init.defaultRefFormat": "reftable"}) as stage:
        assert (stage.root / ".git" / "reftable").is_dir()
        assert _session(stage) == plain


def test_packed_refs_and_packed_reflogs_give_the_same_answers(tmp_path: Path) -> None:
    with scene(tmp_path) as stage:
        _session(stage)
        before = {path: stage.blame(path) for path in ("notes.txt", "new.c")}
        stage.git("pack-refs", "--all")
        stage.git("gc", "-q", "--prune=now")
        assert {path: stage.blame(path) for path in ("notes.txt", "new.c")} == before


def test_autocrlf_changes_no_author(tmp_path: Path, plain: dict[str, Any]) -> None:
    with scene(tmp_path, settings={"core.autocrlf": "true", "core.safecrlf": "warn"}) as stage:
        found = _session(stage)
    assert found["blame"] == plain["blame"]
    assert found["head"] == plain["head"]


def test_crlf_in_the_worktree_alone_changes_no_author(tmp_path: Path) -> None:
    with scene(tmp_path, settings={"core.autocrlf": "true"}) as stage:
        stage.write("a.txt", ONE)
        stage.commit()
        stage.edit("edit", "a.txt", (ONE + b"written by the call\n").replace(b"\n", b"\r\n"))
        assert stage.who("a.txt") == ["unknown"] * 12 + ["unknown"]
        stage.ingest()
        assert stage.who("a.txt") == ["unknown"] * 12 + ["edit"]
        stage.commit()
        assert stage.who("a.txt") == stage.who("a.txt", "HEAD") == ["unknown"] * 12 + ["edit"]


@pytest.mark.parametrize("name", ["diff", "blame and attributes"])
def test_random_sessions_are_told_right_under_hostile_settings(name: str, tmp_path: Path) -> None:
    folder = fast_folder()
    try:
        with environment(folder / "home"):
            report = judge(play(7001, folder, settings=_fill_in(SETTINGS[name], tmp_path)))
    finally:
        shutil.rmtree(folder)
    assert not report.problems, report.problems[:10]
