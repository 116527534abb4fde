"""What the tests of the event log share: repositories, captured trees, drafts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema

from hookkit.git import Worktree, find
from hookkit.trails.events import TrailEvent, TrailEventDraft, object_id
from hookkit.trails.log import append_events
from tests.hooks.rig import hook_module

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "trail-event.schema.json").read_text()))


def git(root: Path, *arguments: str, check: bool = True, stdin: bytes = b"", **environment: str) -> str:
    """stdout of a git command, run the way a user would."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, input=stdin, capture_output=True, env={**os.environ, **environment}, check=False
    )
    assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def make_repository(root: Path, *options: str) -> Worktree:
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", *options)
    (root / "base.txt").write_text("base\n" * 20)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "base")
    return at(root)


def at(root: Path) -> Worktree:
    worktree = find(root)
    assert worktree is not None
    return worktree


def capture(worktree: Worktree) -> str:
    """The tree id of the worktree, its objects put into the private store as the hooks do it."""
    modules = hook_module("hookkit_tree"), hook_module("hookkit_git")
    trail, limitations, _ = modules[0].capture(modules[1].find_worktree(str(worktree.root)), 60.0)
    assert trail, limitations
    return str(trail["tree_id"]["hex"])


def change(worktree: Worktree, name: str, text: str) -> str:
    """Write a file; the tree id of the worktree after that."""
    (worktree.root / name).parent.mkdir(parents=True, exist_ok=True)
    (worktree.root / name).write_text(text)
    return capture(worktree)


def snapshot(worktree: Worktree, tree: str, call: str, *, trace: str = "trace", **more: Any) -> TrailEventDraft:
    """A draft that names a tree. The call's number is its time."""
    number = int("".join(filter(str.isdigit, call)) or 0)
    payload = {
        "snapshot_id": "0" * 64,
        "snapshot_role": "after",
        "worktree_root": str(worktree.root),
        "tree_id": object_id(tree),
        "git_head": None,
        "event_time": f"2026-11-22T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000000Z",
        "session_id": "s",
        "agent": "claude-code",
        "tool_call_id": call,
        **more,
    }
    return TrailEventDraft("trace_snapshot_created", payload, ["hook_posttooluse"], trace, 0, number)


def record(worktree: Worktree, *calls: str, trace: str = "trace") -> list[TrailEvent]:
    """A file written by each call, and all of it appended as one batch."""
    trees = [change(worktree, f"{call}.txt", f"{call}\n" * 10) for call in calls]
    drafts = [snapshot(worktree, tree, call, trace=trace) for tree, call in zip(trees, calls, strict=True)]
    return append_events(worktree, drafts, writer="test", trees=trees)


def private_files(worktree: Worktree) -> list[Path]:
    """Objects in the private store."""
    return [path for path in worktree.objects.rglob("*") if path.is_file()]


def assert_whole(worktree: Worktree, trees: Sequence[str], *fsck: str) -> None:
    """git alone, knowing nothing of the private store, has every object of the trees, and nothing to complain about."""
    for tree in trees:
        git(worktree.root, "rev-list", "--objects", "--verify-objects", tree)
    assert git(worktree.root, "fsck", "--strict", *fsck) == ""
    assert not list((worktree.common_dir / "objects" / "pack").glob("*.keep"))
