"""What opentraces 0.4.13, run on the same cases, was seen to get wrong, and what is right.

The name of a test says what must hold; the docstring what happened there, where that is not plain.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookkit.cli import run as run_command
from hookkit.trails import anchors, log
from hookkit.trails.lines.commit import attribute
from hookkit.trails.lines.fate import fates
from hookkit.trails.verify import verify

from .fuzz.scene import Scene, scene

ONE = b"first line of the file\nsecond line of the file\nthird line of the file\nfourth line of the file\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """A repository with one commit, and the recorder watching."""
    with scene(tmp_path) as found:
        found.write("a.py", ONE)
        found.commit()
        found.start()
        yield found


def share(stage: Scene, sha: str) -> dict[str, int]:
    """Name of the call, "outside" or "unknown" -> lines that the commit adds."""
    found: dict[str, int] = {}
    for run in attribute(stage.worktree(), sha):
        name, _ = stage.answer(run.origin)
        found[name] = found.get(name, 0) + run.count
    return found


def anchored(stage: Scene) -> set[tuple[str, str]]:
    """(name of the call, commit) of all anchors."""
    anchors.update(stage.worktree())
    patches = {event.payload["trace_patch_id"]: event.payload for event in stage.events("trace_patch_created")}
    found = set()
    for event in stage.events("git_anchor_created"):
        patch = patches.get(event.payload.get("trace_patch_id"), event.payload)
        found.add((stage.names[patch["tool_call_id"]], event.payload["commit_id"]["hex"]))
    return found


# What becomes a patch


def test_deletes_renames_modes_and_binaries_are_patches(stage: Scene) -> None:
    stage.write("gone.txt", b"this one will be deleted\n")
    stage.write("old.txt", ONE)
    stage.write("run.sh", b"#!/bin/sh\n")
    stage.write("image.bin", b"\x00\x01\x02 binary")
    with stage.call("delete"):
        stage.write("gone.txt", None)
    with stage.call("rename"):
        os.rename(stage.root / "old.txt", stage.root / "new.txt")
        stage.world.note("renamed")
    with stage.call("mode"):
        (stage.root / "run.sh").chmod(0o755)
        stage.world.note("chmod")
    with stage.call("binary"):
        stage.write("image.bin", b"\x00\x02\x03 other binary")
    stage.ingest()
    (delete,), (rename,), (mode,), (binary,) = map(stage.patches, ("delete", "rename", "mode", "binary"))
    assert (delete["file_path"], delete["status"], delete["after_blob_id"]) == ("gone.txt", "deleted", None)
    assert (rename["status"], rename["old_path"], rename["file_path"]) == ("renamed", "old.txt", "new.txt")
    assert (mode["file_path"], mode["old_mode"], mode["new_mode"]) == ("run.sh", "100644", "100755")
    assert (binary["file_path"], binary["binary"]) == ("image.bin", True)


@pytest.mark.parametrize("name", [b"caf\xc3\xa9.py", b'q"uote.py', b"tab\there.py", b"new\nline.py", b"caf\xe9.py"])
def test_a_hunk_belongs_to_its_own_file_however_git_writes_the_name(stage: Scene, name: bytes) -> None:
    path = os.fsdecode(name)
    stage.write(path, ONE)
    with stage.call("both"):
        stage.write("a.py", b"new in a, at the top of it\n" + ONE)
        stage.write(path, ONE + b"new in the other, at the end of it\n")
    stage.ingest()
    ranges = {each["file_path"]: each["affected_range"] for each in stage.patches("both")}
    assert ranges == {"a.py": {"start_line": 1, "end_line": 1}, path: {"start_line": 5, "end_line": 5}}
    assert stage.who(path)[-1] == "both"


def test_an_added_line_that_looks_like_a_header_does_not_end_the_patch(stage: Scene) -> None:
    trap = b"++ b/else.py\n-- a/else.py\n@@ -1,3 +1,9 @@\ndiff --git a/x b/x\n\\ No newline at end of file\nafter\n"
    stage.edit("trap", "a.py", ONE + trap)
    stage.ingest()
    (patch,) = stage.patches("trap")
    assert patch["affected_range"] == {"start_line": 5, "end_line": 10}
    assert stage.who("a.py") == ["unknown"] * 4 + ["trap"] * 6


def test_a_removed_line_that_looks_like_a_header_is_a_removed_line(stage: Scene) -> None:
    stage.write("a.py", b"-- a/x\n++ b/x\n" + ONE + b"-- a/y\n")
    with stage.call("remove"):
        stage.write("a.py", ONE + b"one more line at the end\n")
    stage.ingest()
    assert [each["removed_range"] for each in stage.patches("remove")] == [
        {"start_line": 1, "end_line": 2},
        {"start_line": 7, "end_line": 7},
    ]


def test_a_file_that_is_not_utf_8_costs_nobody_anything(stage: Scene) -> None:
    stage.write("latin.txt", b"caf\xe9\n")
    with stage.call("latin"):
        stage.write("latin.txt", b"caf\xe9\nth\xe9 \xff\xfe\x80\n")
    stage.edit("other", "a.py", ONE + b"a line of another file\n")
    stage.ingest()
    assert {each["file_path"] for each in stage.patches()} == {"latin.txt", "a.py"}
    assert stage.who("latin.txt") == ["outside", "latin"]
    assert stage.who("a.py")[-1] == "other"


def test_what_a_shell_command_writes_is_a_patch(stage: Scene) -> None:
    with stage.call("shell"):
        stage.write("made.txt", b"made by a command\nthe second line is, too\n")
    stage.ingest()
    assert [each["file_path"] for each in stage.patches("shell")] == ["made.txt"]
    assert stage.who("made.txt") == ["shell", "shell"]


def test_a_call_that_failed_still_wrote_what_it_wrote(stage: Scene) -> None:
    with stage.call("failed", failed=True):
        stage.write("half.txt", b"half of the work\n")
    stage.ingest()
    assert stage.who("half.txt") == ["failed"]


def test_every_patch_is_told_once(stage: Scene) -> None:
    """A watcher told each one again."""
    with stage.call("edits"):
        stage.write("a.py", b"new top line of the file\n" + ONE + b"new last line of the file\n")
    stage.ingest()
    stage.ingest()
    stage.emit()
    patches = stage.patches()
    assert len(patches) == 2
    assert len({each["trace_patch_id"] for each in patches}) == 2


def test_the_patch_of_a_call_is_what_that_call_did_and_no_more(stage: Scene) -> None:
    """The whole repository was the delta of a step."""
    stage.edit("first", "b.py", b"the first call made this\n")
    stage.write("c.py", b"a person made this\n")
    stage.edit("second", "d.py", b"the second call made this\n")
    stage.ingest()
    assert [each["file_path"] for each in stage.patches("second")] == ["d.py"]
    (change,) = stage.events("filesystem_mutation_observed")
    assert [each["path"] for each in change.payload["paths"]] == ["c.py"]


def test_the_recorders_own_files_are_in_no_patch(stage: Scene) -> None:
    """Sidecars inside the worktree became patches of the agent, and firm anchors."""
    folder = stage.root / ".opentraces"
    (folder / "claude-code" / "hooks").mkdir(parents=True)
    (folder / ".gitignore").write_text("*\n")
    for number in range(3):
        (folder / "claude-code" / "hooks" / "s.jsonl").write_text("{}\n" * number)
        stage.edit(f"call{number}", "a.py", ONE + b"line number %d of the calls\n" % number)
    sha = stage.commit()
    stage.ingest()
    assert {each["file_path"] for each in stage.patches()} == {"a.py"}
    assert share(stage, sha) == {"call2": 1}
    assert not stage.events("filesystem_mutation_observed")


@pytest.mark.parametrize(
    "settings",
    [
        {"diff.noprefix": "true"},
        {"diff.external": "false"},
        {"diff.mnemonicPrefix": "true"},
        {"core.quotePath": "false"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_the_users_diff_settings_hide_no_patch(tmp_path: Path, settings: dict[str, str]) -> None:
    with scene(tmp_path, settings=settings) as stage:
        stage.write("a.py", ONE)
        stage.commit()
        stage.edit("edit", "a.py", ONE + b"one more line, by the call\n")
        stage.ingest()
        assert len(stage.patches("edit")) == 1
        assert stage.who("a.py") == ["unknown"] * 4 + ["edit"]


# Commits


def test_commits_that_the_agent_makes_are_found(stage: Scene) -> None:
    """They had no anchor."""
    stage.edit("edit", "a.py", ONE + b"written by an edit, then committed\n")
    with stage.call("commit"):
        stage.write("b.py", b"written and committed in one go\n")
        sha = stage.commit()
    stage.ingest()
    assert share(stage, sha) == {"edit": 1, "commit": 1}
    assert {("edit", sha), ("commit", sha)} <= anchored(stage)
    assert stage.who("a.py", "HEAD")[-1] == "edit"


def test_half_of_a_patch_is_anchored_when_half_of_it_is_committed(stage: Scene) -> None:
    whole = b"the call wrote this line, one\n" + ONE + b"the call wrote this line, two\n"
    stage.edit("edit", "a.py", whole)
    blob = stage.world.git(stage.world.main, "hash-object", "-w", "--stdin", feed=ONE + whole.splitlines(True)[-1])
    stage.git("update-index", "--cacheinfo", f"100644,{blob.decode().strip()},a.py")
    assert stage.world.commit(stage.world.main, stage=False)
    sha = stage.git("rev-parse", "HEAD")
    stage.ingest()
    assert share(stage, sha) == {"edit": 1}
    assert ("edit", sha) in anchored(stage)
    states = {
        fate.text: fate.committed for each in fates(stage.worktree(), stage.session.trace_id).values() for fate in each
    }  # type: ignore[union-attr]
    assert {text.strip(): done for text, done in states.items()} == {
        b"the call wrote this line, one": False,
        b"the call wrote this line, two": True,
    }


def test_a_persons_line_is_never_the_agents_because_it_contains_the_agents_text(stage: Scene) -> None:
    stage.edit("edit", "b.py", b"x\n")
    stage.write("c.py", b"max(a)\nx = 1\n")
    sha = stage.commit("--", "c.py")
    stage.ingest()
    assert share(stage, sha) == {"outside": 2}
    assert anchored(stage) == set()
    assert stage.who("c.py") == ["outside", "outside"]


def test_the_share_of_a_commit_counts_every_line_that_calls_wrote(stage: Scene) -> None:
    """It said 0 %, and after a backfill 30 %: its own files counted, lines of commands did not."""
    stage.edit("edit", "a.py", ONE + b"".join(b"edited line number %d\n" % number for number in range(3)))
    with stage.call("shell"):
        stage.write("b.py", b"line one of a command\nline two of a command\n")
    sha = stage.commit()
    stage.ingest()
    assert share(stage, sha) == {"edit": 3, "shell": 2}


@pytest.mark.parametrize("way", ["amend", "rebase", "squash", "cherry-pick", "no-ff"])
def test_rewritten_history_keeps_its_authors(stage: Scene, way: str) -> None:
    stage.git("switch", "-q", "-c", "topic")
    stage.edit("edit", "a.py", ONE + b"written by the call on the topic\n")
    stage.commit()
    stage.edit("more", "b.py", b"written by another call on the topic\n")
    stage.commit()
    if way == "amend":
        stage.write("c.py", b"a person adds this while amending\n")
        stage.commit("--amend", "--no-edit")
    else:
        stage.git("switch", "-q", "main")
        stage.write("a.py", b"a person adds this on main\n" + ONE)
        stage.commit()
        commands = {
            "rebase": (("rebase", "-q", "main", "topic"),),
            "squash": (("merge", "-q", "--squash", "topic"), ("commit", "-q", "-m", "squashed")),
            "cherry-pick": (("cherry-pick", "topic~1", "topic"),),
            "no-ff": (("merge", "-q", "--no-ff", "--no-edit", "topic"),),
        }
        for command in commands[way]:
            stage.git(*command)
    stage.ingest()
    assert stage.who("a.py", "HEAD")[-1] == "edit"
    assert stage.who("b.py", "HEAD") == ["more"]
    if way == "amend":
        assert stage.who("c.py", "HEAD") == ["outside"]
    else:
        assert stage.who("a.py", "HEAD")[0] == "outside"


def test_an_anchor_is_superseded_when_its_commit_is_rewritten(stage: Scene) -> None:
    """Nothing ever ran the code for it."""
    stage.edit("edit", "b.py", b"written by the call, then amended\n")
    old = stage.commit()
    stage.ingest()
    assert ("edit", old) in anchored(stage)
    new = stage.commit("--amend", "-m", "another message", "--date", "2020-01-01T00:00:00Z")
    assert new != old
    assert ("edit", new) in anchored(stage)
    superseded = [event.payload for event in stage.events("git_anchor_superseded")]
    assert any(old in str(each) and new in str(each) for each in superseded)


# Blame


def test_blame_follows_lines_when_others_are_inserted_above(stage: Scene) -> None:
    """A person's lines were the agent's, and the agent's unknown."""
    stage.edit(
        "edit", "a.py", ONE + b"the call wrote this: one\nthe call wrote this: two\nthe call wrote this: three\n"
    )
    stage.commit()
    stage.ingest()
    above = b"a person put this above, one\na person put this above, two\na person put this above, three\n"
    stage.write("a.py", above + stage.read("a.py"))
    stage.commit()
    stage.session.prompt()  # type: ignore[union-attr]
    stage.ingest()
    assert stage.who("a.py") == ["outside"] * 3 + ["unknown"] * 4 + ["edit"] * 3


def test_blame_follows_a_file_that_was_renamed(stage: Scene) -> None:
    stage.edit("edit", "a.py", ONE + b"the call wrote this before the rename\n")
    stage.commit()
    stage.git("mv", "a.py", "z.py")
    stage.commit()
    stage.ingest()
    assert stage.who("z.py") == ["unknown"] * 4 + ["edit"]


# What became of it


def _fates(stage: Scene) -> dict[bytes, tuple[str, bool]]:
    """Text -> (state, committed) of every line that calls wrote."""
    assert stage.session is not None
    found = fates(stage.worktree(), stage.session.trace_id)
    return {fate.text.rstrip(): (fate.state, fate.committed) for each in found.values() for fate in each}


def _states(stage: Scene) -> dict[bytes, str]:
    return {text: state for text, (state, _) in _fates(stage).items()}


def test_what_became_of_a_line_is_never_told_from_a_stale_cache(stage: Scene) -> None:
    """The cache went by HEAD alone: a new anchor changed nothing until HEAD moved."""
    line = b"written by the call, not committed yet"
    stage.edit("edit", "b.py", line + b"\n")
    stage.ingest()
    assert not _fates(stage)[line][1]
    stage.commit()
    assert _fates(stage) == {line: ("alive", True)}
    stage.write("b.py", b"written by a person in its place\n")
    stage.commit()
    assert _states(stage)[line] in ("changed", "lost")


def test_a_line_that_is_gone_and_was_in_no_commit_was_never_committed(stage: Scene) -> None:
    line = b"written by the call, gone before any commit"
    stage.edit("edit", "b.py", line + b"\n")
    stage.write("b.py", None)
    stage.ingest()
    assert _fates(stage) == {line: ("never_committed", False)}


def test_a_reverted_line_is_reverted_and_a_revert_of_that_gives_it_its_author_back(stage: Scene) -> None:
    line = b"written by the call, reverted, and back again"
    stage.edit("edit", "a.py", ONE + line + b"\n")
    stage.commit()
    stage.ingest()
    stage.git("revert", "--no-edit", "HEAD")
    stage.world.clock.tick()
    assert _states(stage) == {line: "reverted"}
    stage.git("revert", "--no-edit", "HEAD")
    assert _states(stage) == {line: "alive"}
    assert stage.blame("a.py", "HEAD")[-1][0] == "edit"


def test_a_line_that_moved_with_its_file_is_alive_or_moved(stage: Scene) -> None:
    stage.edit("edit", "a.py", ONE + b"written by the call, in a file that moves\n")
    stage.commit()
    stage.git("mv", "a.py", "z.py")
    stage.commit()
    stage.ingest()
    assert set(_states(stage).values()) == {"moved"}


# The log


def test_all_events_of_a_trace_have_one_generation(stage: Scene) -> None:
    stage.edit("edit", "a.py", ONE + b"one more line\n")
    stage.commit()
    stage.ingest()
    anchors.update(stage.worktree())
    assert {event.generation_index for event in stage.events() if event.trace_id} == {0}


@pytest.mark.parametrize("field", ["event_time", "writer", "payload", "batch_id"])
def test_no_field_of_an_event_can_be_changed_unnoticed(stage: Scene, field: str) -> None:
    """Time and writer were in no hash."""
    stage.edit("edit", "a.py", ONE + b"one more line\n")
    stage.ingest()
    assert verify(stage.worktree(), full=True).ok
    listing = stage.git("ls-tree", "-r", log.REF).splitlines()
    entry = next(line for line in listing if line.endswith("\tevents.jsonl"))
    lines = stage.git("cat-file", "blob", entry.split()[2]).splitlines()
    event = json.loads(lines[1])
    event[field] = {**event["payload"], "forged": True} if field == "payload" else "2001-01-01T00:00:00Z"
    lines[1] = json.dumps(event, sort_keys=True, separators=(",", ":"))
    forged = stage.world.git(stage.world.main, "hash-object", "-w", "--stdin", feed="\n".join([*lines, ""]).encode())
    top = stage.git("ls-tree", log.REF).replace(entry.split()[2], forged.decode().strip())
    tree = stage.world.git(stage.world.main, "mktree", feed=top.encode() + b"\n").decode().strip()
    parents = stage.git("rev-list", "--parents", "-1", log.REF).split()[1:]
    sha = stage.git("commit-tree", tree, "-m", "forged", *(word for each in parents for word in ("-p", each)))
    stage.git("update-ref", log.REF, sha)
    verdict = verify(stage.worktree(), full=True)
    assert not verdict.ok
    assert verdict.first_bad == event["event_sequence"] or str(event["event_sequence"]) in str(verdict.first_bad)


# Installing


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository that has no notes of anybody; the current folder."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    with scene(tmp_path) as stage:
        stage.write("a.py", ONE)
        stage.commit()
        stage.world.git(tmp_path, "clone", "-q", str(stage.root), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)


def test_fetch_and_pull_work_as_before_with_the_git_hooks_and_without_them_again(clone: Path) -> None:
    """A refspec for notes that the remote does not have broke them, for good."""
    before = (clone / ".git" / "config").read_bytes()
    assert run_command(["install", "git"]) == 0
    assert (clone / ".git" / "config").read_bytes() == before
    assert _git(clone, "fetch").returncode == 0
    assert _git(clone, "pull").returncode == 0
    assert run_command(["remove", "git"]) == 0
    assert (clone / ".git" / "config").read_bytes() == before
    assert _git(clone, "fetch").returncode == 0


def test_a_repository_without_a_remote_has_none_after_the_git_hooks_either(clone: Path) -> None:
    """There was a phantom origin."""
    _git(clone, "remote", "remove", "origin")
    assert run_command(["install", "git"]) == 0
    assert _git(clone, "remote").stdout == b""
    assert _git(clone, "remote", "add", "origin", "somewhere").returncode == 0


def test_settings_keep_their_link_their_mode_and_every_byte_of_the_user(tmp_path: Path, isolated_home: Path) -> None:
    """A link became a file, 0600 became 0644, and everything was written anew."""
    text = b'\xef\xbb\xbf{\r\n\t"caf\xc3\xa9": 1e3,\r\n\t"env": {"A": "\\u00e9"},\r\n\t"hooks": {}}'
    kept = tmp_path / "dotfiles" / "claude.json"
    kept.parent.mkdir()
    kept.write_bytes(text)
    kept.chmod(0o600)
    settings = isolated_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.symlink_to(kept)
    assert run_command(["install", "claude-code"]) == 0
    assert settings.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_bytes() != text
    assert run_command(["remove", "claude-code"]) == 0
    assert (settings.is_symlink(), kept.read_bytes(), kept.stat().st_mode & 0o777) == (True, text, 0o600)


def test_removing_keeps_what_the_user_changed_since_installing(isolated_home: Path) -> None:
    """A backup of long ago came back over it."""
    settings = isolated_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  "model": "opus"\n}\n')
    assert run_command(["install", "claude-code"]) == 0
    mine = {"hooks": [{"type": "command", "command": "echo mine"}]}
    edited = json.loads(settings.read_text())
    edited["theme"] = "dark"
    edited["hooks"]["Stop"].insert(0, mine)
    settings.write_text(json.dumps(edited, indent=2))
    assert run_command(["remove", "claude-code"]) == 0
    left = json.loads(settings.read_text())
    assert left == {"model": "opus", "theme": "dark", "hooks": {"Stop": [mine]}}
