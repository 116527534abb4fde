from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.errors import HookInstallError
from hookkit.installer import SettingsHookInstaller
from hookkit.installer.purge import purge, recorded
from hookkit.store.index import Index

Install = Callable[..., SettingsHookInstaller]
LINE = {
    "type": "opentraces_hook",
    "event": "Stop",
    "timestamp": "2026-11-22T06:36:35.246250Z",
    "data": {"session_id": "s", "agent": "claude-code"},
}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """A repository that hooks have written into, listed in the state folder."""
    root = tmp_path / "work tree"
    root.mkdir()
    git(root, "init", "-q")
    (root / "a.txt").write_text("a")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a")
    leave_traces(root)
    remember(root)
    return root


def remember(*roots: Path) -> None:
    paths.private_dir(paths.state())
    with (paths.state() / "worktrees").open("ab") as stream:
        stream.writelines(os.fsencode(root) + b"\n" for root in roots)


def leave_traces(root: Path, agent: str = "claude-code") -> Path:
    hooks = root / ".opentraces" / agent / "hooks"
    hooks.mkdir(parents=True)
    (root / ".opentraces" / ".gitignore").write_text("*\n")
    (hooks / "s.jsonl").write_text(json.dumps(LINE) + "\n")
    git_dir = Path(git(root, "rev-parse", "--absolute-git-dir").strip())
    common = (root / git(root, "rev-parse", "--git-common-dir").strip()).resolve()
    for folder in (git_dir / "hookkit", common / "hookkit" / "objects" / "ab"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text("x")
    return hooks / "s.jsonl"


def test_everything_that_was_recorded_goes_and_the_repository_is_as_before(worktree: Path) -> None:
    (paths.traces()).mkdir(parents=True)
    (paths.traces() / "0c1d2e3f-0000-5000-8000-0123456789ab.json").write_text("{}")
    (paths.home() / "index.sqlite").write_text("")
    (paths.hooks() / "__pycache__").mkdir(parents=True)
    (paths.hooks() / "hookkit_recorder.py").write_text("changed")
    (paths.hooks() / "__pycache__" / "hookkit_recorder.cpython-311.pyc").write_text("")
    doomed = recorded()
    assert purge() == doomed
    assert not (worktree / ".opentraces").exists()
    assert not (worktree / ".git" / "hookkit").exists()
    assert not paths.state().exists()
    assert not paths.home().exists()
    assert git(worktree, "status", "--porcelain") == ""
    assert git(worktree, "fsck").strip() == ""
    assert purge() == ()


def test_lines_that_lie_by_the_name_of_a_subagent_go_too(worktree: Path) -> None:
    nested = worktree / ".opentraces" / "copilot-cli" / "hooks" / "agents"
    nested.mkdir(parents=True)
    (nested / "sub.jsonl").write_text(json.dumps(LINE) + "\n")
    purge()
    assert not (worktree / ".opentraces").exists()


def test_a_linked_worktree_is_cleaned_too(worktree: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(worktree, "worktree", "add", "-q", str(linked))
    leave_traces(linked, agent="cursor")
    remember(linked, worktree)
    purge()
    assert not (linked / ".opentraces").exists()
    assert list((worktree / ".git").rglob("hookkit")) == []
    assert git(linked, "status", "--porcelain") == ""


def test_files_of_others_stay(worktree: Path) -> None:
    base = worktree / ".opentraces"
    theirs = base / "codex-cli" / "hooks" / "s.jsonl"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"type":"opentraces_hook","event":"Stop","timestamp":"x","data":{"session_id":"s"}}\n')
    (base / "claude-code" / "hooks" / "notes.txt").write_text("mine")
    (base / "excluded").write_text("off")
    purge()
    assert theirs.exists()
    assert (base / "claude-code" / "hooks" / "notes.txt").exists()
    assert not (base / "claude-code" / "hooks" / "s.jsonl").exists()
    assert (base / ".gitignore").read_text() == "*\n"
    assert (base / "excluded").exists()


def test_an_ignore_file_that_somebody_wrote_stays(worktree: Path) -> None:
    (worktree / ".opentraces" / ".gitignore").write_text("*\n!keep\n")
    purge()
    assert (worktree / ".opentraces" / ".gitignore").read_text() == "*\n!keep\n"


@pytest.mark.parametrize("place", [".opentraces", ".opentraces/evil", ".opentraces/evil/hooks"])
def test_links_in_a_worktree_are_not_followed(place: str, worktree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "evil" / "hooks"
    elsewhere.mkdir(parents=True)
    (elsewhere / "s.jsonl").write_text(json.dumps(LINE) + "\n")
    target = {0: tmp_path / "elsewhere", 1: elsewhere.parent, 2: elsewhere}[place.count("/")]
    if place == ".opentraces":
        subprocess.run(["rm", "-r", str(worktree / ".opentraces")], check=True)
    (worktree / place).parent.mkdir(parents=True, exist_ok=True)
    (worktree / place).symlink_to(target)
    purge()
    assert (elsewhere / "s.jsonl").exists()


def test_a_worktree_that_is_gone_or_no_repository_is_no_obstacle(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    (plain / "hookkit").mkdir(parents=True)
    remember(tmp_path / "gone", plain, Path("relative"))
    purge()
    assert (plain / "hookkit").exists()


def test_nothing_is_purged_while_hooks_are_installed(installer: Install, settings: Path, worktree: Path) -> None:
    installer().install()
    with pytest.raises(HookInstallError) as caught:
        purge()
    assert caught.value.code == "STILL_INSTALLED"
    assert str(settings) in caught.value.message
    assert (worktree / ".git" / "hookkit").exists()


def test_other_files_in_the_home_of_hookkit_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "shared"
    monkeypatch.setenv("HOOKKIT_HOME", str(home))
    (home / "traces").mkdir(parents=True)
    mine = [home / "thesis.tex", home / "traces" / "gps.json", home / "hooks" / "pre-commit", home / "state" / "x.db"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("years of work")
    (home / "traces" / "0c1d2e3f-0000-5000-8000-0123456789ab.json").write_text("{}")
    (home / "state" / "worktrees").write_text("")
    purge()
    assert sorted(path for path in home.rglob("*") if path.is_file()) == sorted(mine)


def test_folders_that_were_made_for_our_own_go_and_those_of_others_stay(
    installer: Install, isolated_home: Path, tmp_path: Path
) -> None:
    (isolated_home / ".local").mkdir()
    here = installer(settings_file=tmp_path / "s.json")
    here.install()
    (paths.traces()).mkdir(parents=True)
    (paths.traces() / "0c1d2e3f-0000-5000-8000-0123456789ab.json").write_text("{}")
    (paths.state() / "ingest.log.1").write_text("old")
    here.remove()
    purge()
    assert [path.name for path in isolated_home.iterdir()] == [".local"]
    assert list((isolated_home / ".local").iterdir()) == []


def test_a_repository_that_was_moved_is_found_by_the_sessions_recorded_there(worktree: Path, tmp_path: Path) -> None:
    moved = worktree.rename(tmp_path / "moved")
    trace = "0c1d2e3f-0000-5000-8000-0123456789ab"
    paths.traces().mkdir(parents=True)
    (paths.traces() / f"{trace}.json").write_text("{}")
    with Index() as index:
        index.put(trace, (paths.traces() / f"{trace}.json").stat(), {"session_id": "s", "project": str(moved)})
    purge()
    assert not (moved / ".opentraces").exists()
    assert not (moved / ".git" / "hookkit").exists()


def test_the_logs_of_programs_go_and_what_is_not_named_like_one_stays() -> None:
    runs = paths.private_dir(paths.runs())
    for name in ("2026-11-28_ab12.jsonl", "notes.jsonl"):
        (runs / name).write_text("{}\n")
    assert purge() == (runs,)
    assert os.listdir(runs) == ["notes.jsonl"]
    (runs / "notes.jsonl").unlink()
