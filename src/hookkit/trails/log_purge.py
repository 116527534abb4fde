"""Take the event log out of a repository: the ref, and the packs that only it needed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from hookkit.git import objects
from hookkit.git.run import GitError, run, stream
from hookkit.git.worktree import Worktree
from hookkit.trails import pack
from hookkit.trails.log import REF, locked, log_head
from hookkit.trails.log_batch import WHO

_REBUILD = "refs/opentraces/local/rebuild/v1"  # where a rebuild that was killed left the old log
_HEX = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b")
# What git is in the middle of is in no ref.
_UNFINISHED = ("*_HEAD", "BISECT_*", "AUTO_MERGE", "rebase-*/*", "sequencer/*")
_LARGEST = 1 << 20


def what(worktree: Worktree) -> Iterator[Path]:
    """What ``purge`` would delete. The ref by the name that it has as a file, also where git keeps refs otherwise."""
    if log_head(worktree) and not shared(worktree):
        yield worktree.common_dir / REF
        for name in pack.listed(worktree):
            yield pack.pack_folder(worktree) / f"{name}.pack"


def purge(worktree: Worktree) -> bool:
    """Delete the ref and the packs of ours. False, with nothing changed, when others wrote into the log as well.

    Objects in a pack of ours that the user's own commits, index or reflogs need stay, in a pack of their own: git does
    not store again what it finds there.
    """
    own = worktree.common_dir / "hookkit"
    if not own.is_dir():
        if not log_head(worktree):
            return True
        own.mkdir(mode=0o700)  # for the locks
    with locked(worktree):
        head = log_head(worktree)
        if head and shared(worktree):
            return False
        for ref in (REF, _REBUILD):
            run(worktree.root, "-c", "core.logAllRefUpdates=false", "update-ref", "--no-deref", "-d", ref)
        pack.step("ref deleted")
        names = pack.listed(worktree)
        # Where git cannot tell what is needed, because the repository is damaged, everything is.
        with contextlib.suppress(GitError):
            ours = set(pack.objects_of(worktree, names))
            pack.replace(worktree, names, _needed(worktree, ours) if ours else {})
        for name in (REF, _REBUILD, f"logs/{REF}", f"logs/{_REBUILD}"):
            folder = (worktree.common_dir / name).parent
            while folder.name != "refs":
                with contextlib.suppress(OSError):
                    folder.rmdir()
                folder = folder.parent
    return True


def shared(worktree: Worktree) -> bool:
    """Whether another program has written batches into the log."""
    command = ("log", "--no-show-signature", "--no-mailmap", "--format=%cn <%ce>", REF, "--")
    writers = run(worktree.root, *command, check=False).decode(errors="replace")
    return bool(set(writers.splitlines()) - {WHO})


def _needed(worktree: Worktree, ours: Collection[str]) -> dict[str, str]:
    """Those of ``ours`` that anything but the log reaches, with a path of each."""
    options = ("--objects", "--all", "--reflog", "--indexed-objects", "--missing=allow-any", "--stdin")
    unfinished = "".join(f"{name}\n" for name in objects.kinds(worktree, _unfinished(worktree)))
    needed: dict[str, str] = {}
    with stream(worktree.root, "rev-list", *options, extra={"GIT_NO_REPLACE_OBJECTS": "1"}) as child:
        child.stdin.write(unfinished.encode())
        child.stdin.close()
        for line in child.stdout:
            name, _, path = line.decode(errors="replace").rstrip("\n").partition(" ")
            if name in ours:
                needed[name] = path
        child.ended()
    return needed


def _unfinished(worktree: Worktree) -> list[str]:
    """Whatever looks like an object's name in the files of merges, rebases and the like, of all worktrees."""
    found: dict[str, None] = {}
    for git_dir in (worktree.common_dir, *(worktree.common_dir / "worktrees").glob("*")):
        for path in (path for pattern in _UNFINISHED for path in git_dir.glob(pattern)):
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size < _LARGEST:
                    found.update(dict.fromkeys(_HEX.findall(path.read_text(errors="replace"))))
    return list(found)
