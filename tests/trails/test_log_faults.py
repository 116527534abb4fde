"""A kill between any two steps of an append loses nothing, and several processes that append at once all get in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookkit.git import Worktree
from hookkit.trails.events import TrailEventDraft
from hookkit.trails.log import REF, append_events, read_events
from hookkit.trails.pack import pack_folder
from hookkit.trails.verify import verify
from tests.trails.log_support import assert_whole, at, change, git, make_repository, private_files, record, snapshot

pytestmark = pytest.mark.long

# A commit that the ref never got to stays behind, until the user's gc takes it.
DANGLING = ("--no-dangling",)

DRAFTS = """
def drafts(path):
    import json
    from hookkit.trails.events import TrailEventDraft
    return [TrailEventDraft(**each) for each in json.loads(open(path).read())]
"""

# Appends in a copy of the repository, killed at its n-th step, for every n; the last copy's append comes to its end.
KILLER = (
    DRAFTS
    + """
import os, shutil, sys
from pathlib import Path
from hookkit.git import find
from hookkit.trails import log, pack

base, times = Path(sys.argv[1]), int(sys.argv[2])
number = 0
while True:
    number += 1
    root = base / str(number)
    shutil.copytree(base / "start", root, symlinks=True)
    child = os.fork()
    if not child:
        count = 0
        def step(name):
            global count
            count += 1
            if count == number:
                (root.with_suffix(".killed")).write_text(name)
                os._exit(9)
        pack.step = step
        try:
            for each in range(times):
                given = drafts(f"{base}/{each}.json")
                trees = [draft.payload["tree_id"]["hex"] for draft in given]
                log.append_events(find(root), given, writer="test", trees=trees)
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        break
    assert code == 9, code
print(number)
"""
)

# Appends its own events, one at a time, and some that everybody appends.
WRITER = (
    DRAFTS
    + """
import contextlib, sys
from pathlib import Path
from hookkit.git import find
from hookkit.trails import log

root, path, alone = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if alone == "unlocked":
    log.locked = lambda worktree: contextlib.nullcontext(False)
    log._TRIES = 400
worktree = find(root)
print("ready", flush=True)
sys.stdin.readline()
for draft in drafts(path):
    log.append_events(worktree, [draft], writer="test", trees=[draft.payload["tree_id"]["hex"]])
"""
)


def write_drafts(path: Path, drafts: list[TrailEventDraft]) -> None:
    names = ("event_type", "payload", "capture_method", "trace_id", "generation_index", "step_index")
    path.write_text(json.dumps([{name: getattr(draft, name) for name in names} for draft in drafts]))


def prepared(base: Path, batches: int) -> tuple[Worktree, list[str]]:
    """The repository that every run gets a copy of, with what is to be appended; and the trees."""
    worktree = make_repository(base / "start")
    record(worktree, "c900")
    trees: list[str] = []
    for number in range(batches):
        new = [change(worktree, f"{number}.{each}.txt", f"{number} {each}\n" * 9) for each in range(2)]
        drafts = [snapshot(worktree, tree, f"c{number}{each}") for each, tree in enumerate(new)]
        write_drafts(base / f"{number}.json", drafts)
        trees += new
    return worktree, trees


def drive(base: Path, batches: int) -> list[Worktree]:
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(base), str(batches)], capture_output=True, text=True, check=False, cwd=base
    )
    assert done.returncode == 0, done.stderr
    return [at(base / str(number)) for number in range(1, int(done.stdout) + 1)]


def finish(base: Path, worktree: Worktree, batches: int) -> None:
    for number in range(batches):
        drafts = [TrailEventDraft(**each) for each in json.loads((base / f"{number}.json").read_text())]
        trees = [draft.payload["tree_id"]["hex"] for draft in drafts]
        append_events(worktree, drafts, writer="test", trees=trees)


def test_a_kill_at_any_step_of_an_append_loses_nothing_and_the_next_one_heals(tmp_path: Path) -> None:
    _, trees = prepared(tmp_path, 1)
    runs = drive(tmp_path, 1)
    assert len(runs) > 8
    for number, worktree in enumerate(runs, 1):
        assert git(worktree.root, "fsck", "--strict", *DANGLING) == ""
        before = [event.payload["tool_call_id"] for event in read_events(worktree)]
        assert before in (["c900"], ["c900", "c00", "c01"]), number
        assert verify(worktree, full=True).ok
        finish(tmp_path, worktree, 1)
        assert [event.payload["tool_call_id"] for event in read_events(worktree)] == ["c900", "c00", "c01"]
        record(worktree, "c7")
        assert_whole(worktree, trees, *DANGLING)
        git(worktree.root, "gc", "-q", "--prune=now")
        assert_whole(worktree, trees, *DANGLING)
        assert verify(worktree, full=True).ok
        left = {path.name for path in (worktree.common_dir / "hookkit").iterdir()}
        assert not [name for name in left if name.endswith(".stage")]


def test_a_kill_while_packs_are_merged_loses_nothing(tmp_path: Path) -> None:
    _, trees = prepared(tmp_path, 0)
    worktree = at(tmp_path / "start")
    for number in range(7):
        trees += [event.payload["tree_id"]["hex"] for event in record(worktree, f"c{number}")]
    tree = change(worktree, "last", "last\n")
    write_drafts(tmp_path / "0.json", [snapshot(worktree, tree, "c50")])
    runs = drive(tmp_path, 1)
    steps = {path.read_text() for path in tmp_path.glob("*.killed")}
    assert "packs merged" in steps
    for each in runs:
        for kept in trees:
            git(each.root, "rev-list", "--objects", "--verify-objects", kept)
        finish(tmp_path, each, 1)
        assert_whole(each, [*trees, tree], *DANGLING)
        git(each.root, "gc", "-q", "--prune=now")
        assert_whole(each, [*trees, tree], *DANGLING)


@pytest.mark.parametrize("alone", ["locked", "unlocked"])
def test_all_events_of_processes_that_append_at_once_get_in(alone: str, tmp_path: Path) -> None:
    worktree = make_repository(tmp_path / "start")
    shared = [change(worktree, f"s{number}.txt", f"{number}") for number in range(2)]
    trees, writers = list(shared), []
    for writer in range(4):
        own = [change(worktree, f"{writer}.{number}.txt", f"{writer} {number}") for number in range(4)]
        drafts = [snapshot(worktree, tree, f"c{writer}{number}") for number, tree in enumerate(own)]
        drafts += [snapshot(worktree, tree, f"c9{number}", trace="shared") for number, tree in enumerate(shared)]
        write_drafts(tmp_path / f"{writer}.json", drafts)
        trees += own
        writers.append(
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(worktree.root), str(tmp_path / f"{writer}.json"), alone],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    for each in writers:
        assert each.stdout is not None
        assert each.stdout.readline() == b"ready\n"
    for each in writers:
        assert each.stdin is not None
        each.stdin.write(b"go\n")
        each.stdin.flush()
    for each in writers:
        _, said = each.communicate(timeout=120)
        assert each.returncode == 0, said.decode()
    events = read_events(worktree)
    assert sorted(str(event.payload["tool_call_id"]) for event in events) == sorted(
        [f"c{writer}{number}" for writer in range(4) for number in range(4)] + ["c90", "c91"]
    )
    assert verify(worktree, full=True).ok
    record(worktree, "c999")
    assert_whole(worktree, trees, *DANGLING)
    assert private_files(worktree) == []


def test_killing_an_append_with_all_its_children_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    worktree, trees = prepared(tmp_path, 1)
    for number in range(6):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(worktree.root, copy, symlinks=True)
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(copy), str(tmp_path / "0.json"), "locked"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        child.stdin.write(b"go\n")
        child.stdin.flush()
        time.sleep(0.012 * number)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        there = at(copy)
        for lock in (there.common_dir / REF).parent.glob("*.lock"):
            os.utime(lock, (1, 1))  # as if some time had passed
        finish(tmp_path, there, 1)
        assert sorted(event.payload["tool_call_id"] for event in read_events(there)) == ["c00", "c01", "c900"]
        record(there, "c7")
        assert_whole(there, trees, *DANGLING)
        assert not list(pack_folder(there).glob("*.keep"))
        assert verify(there, full=True).ok
