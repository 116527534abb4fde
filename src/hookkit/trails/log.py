"""The event log: an append-only line of commits under one ref of the user's repository.

Each commit is a batch: ``batch.json``, ``events.jsonl`` (one event a line), and ``trees/<hex>``, the snapshot trees
that its events name, which makes git keep them. Each event names the one before it, and its id is a hash of all that it
says.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git import objects
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree, find
from hookkit.trails import log_batch, pack
from hookkit.trails.events import TrailError, TrailEvent, TrailEventDraft, chain
from hookkit.trails.log_cache import Cache

REF = "refs/opentraces/local/events/v1"

_TRIES = 25
_STALE_LOCK = 10.0  # seconds; git holds the lock of one ref for far less
_PATIENCE = 60.0  # seconds to wait for other appends; after that only the compare-and-swap keeps them apart


def append_events(
    worktree: Worktree, drafts: Iterable[TrailEventDraft], *, writer: str, trees: Iterable[str] = ()
) -> list[TrailEvent]:
    """Append the facts that the log does not state yet, as one batch; [] if there are none.

    ``trees`` are the hex ids of the snapshot trees that the drafts name, oldest first: their objects move from the
    private store into the user's. A tree of which git has lost an object is left out; the batch says so.
    TrailError when the log is damaged, or the ref cannot be had in time; then nothing was appended.
    """
    given: dict[str, TrailEventDraft] = {}
    for draft in drafts:
        given.setdefault(draft.fact(), draft)
    if not given:
        return []
    try:
        return _append(worktree, given, writer, list(trees))
    except OSError as error:
        raise TrailError(
            "LOG_UNWRITABLE",
            f"The event log of {worktree.root} cannot be written: {error}.",
            "Make the git folder writable for you, with room on its disk.",
        ) from error


def read_events(repo: Path | Worktree, *, since: int = 0) -> list[TrailEvent]:
    """The events with a sequence above ``since``, in order; [] without a log. TrailError if it is damaged."""
    worktree = _worktree(repo)
    head = log_head(worktree)
    if not head:
        return []
    with Cache(worktree) as cache:
        cache.sync(head)
        commits = cache.commits(since)
    return [event for event in _events(worktree, commits) if event.event_sequence > since]


def read_events_for_trace(repo: Path | Worktree, trace_id: str) -> list[TrailEvent]:
    """The events of one trace, in order."""
    worktree = _worktree(repo)
    head = log_head(worktree)
    if not head:
        return []
    with Cache(worktree) as cache:
        cache.sync(head)
        commits = cache.commits(trace=trace_id)
    return [event for event in _events(worktree, commits) if event.trace_id == trace_id]


def known_facts(worktree: Worktree) -> set[str]:
    """Every fact (``TrailEventDraft.fact``) that the log states."""
    with Cache(worktree) as cache:
        cache.sync(log_head(worktree))
        return cache.facts()


def has_fact(worktree: Worktree, fact: str) -> bool:
    """Whether the log states a fact."""
    with Cache(worktree) as cache:
        cache.sync(log_head(worktree))
        return cache.has(fact)


def log_head(worktree: Worktree) -> str:
    """The newest commit of the log; "" if there is none."""
    return run(worktree.root, "rev-parse", "--verify", "--quiet", REF, check=False).decode().strip()


def _append(
    worktree: Worktree, given: Mapping[str, TrailEventDraft], writer: str, wanted: Sequence[str]
) -> list[TrailEvent]:
    _make_private(worktree)
    with locked(worktree) as alone, contextlib.ExitStack() as packs:
        if alone:
            pack.heal(worktree)
        found: objects.NewObjects | None = None
        for attempt in range(_TRIES):
            head = log_head(worktree)
            with Cache(worktree) as cache:
                cache.sync(head)
                new = [draft for each, draft in given.items() if not cache.has(each)]
                last = cache.last()
            if not new:
                return []
            if found is None:
                found = objects.new_objects(worktree, _base(worktree, head), wanted)
                pack.step("objects found")
            events = chain(new, writer=writer, last=last)
            made = log_batch.write(worktree, events, head, found.complete, found.missing)
            pack.step("batch written")
            every = found.objects | made
            if name := pack.store(worktree, every):
                packs.callback(pack.release, worktree, name)
            if _swap(worktree, head, list(made)[-1]):
                pack.step("ref updated")
                pack.prune(worktree, every)
                if alone:
                    packs.close()
                    pack.merge(worktree, list(made)[-1])
                    pack.tidy(worktree)
                return events
            pack.prune(worktree, made)
            time.sleep(random.uniform(0.0, 0.02 * (attempt + 1)))
    raise TrailError(
        "LOG_BUSY", f"{REF} could not be updated: something else holds it.", "Try again; see `git update-ref`."
    )


def _events(worktree: Worktree, commits: list[str]) -> Iterator[TrailEvent]:
    for batch in log_batch.batches(worktree, [(commit, ()) for commit in commits]):
        yield from batch.events


def _worktree(repo: Path | Worktree) -> Worktree:
    worktree = repo if isinstance(repo, Worktree) else find(repo)
    if worktree is None:
        raise HookkitError("NOT_A_WORKTREE", f"{repo} is in no git worktree.", "Name a folder of a git repository.")
    return worktree


def _base(worktree: Worktree, head: str) -> str:
    """A tree that git keeps whole, and that is like those to come; "" if there is none."""
    if head and isinstance(tree := log_batch.about(worktree, head).get("last_tree"), dict):
        return str(tree["hex"])
    said = run(worktree.root, "rev-parse", "--verify", "--quiet", "HEAD^{tree}", check=False)
    return said.decode().strip()


def _swap(worktree: Worktree, old: str, new: str) -> bool:
    """Let the ref point at ``new`` if it still points at ``old``; False if it does not, or git has it locked."""
    try:
        # A log of the ref's changes is of no use: the ref is one itself.
        setting = ("-c", "core.logAllRefUpdates=false")
        run(worktree.root, *setting, "update-ref", "--no-deref", REF, new, old or "0" * len(new))
    except GitError:
        if log_head(worktree) == old:
            lock = worktree.common_dir / f"{REF}.lock"  # of a git that was killed
            with contextlib.suppress(OSError):
                if time.time() - lock.stat().st_mtime > _STALE_LOCK:
                    lock.unlink()
        return False
    return True


def _make_private(worktree: Worktree) -> None:
    for folder in (worktree.common_dir / "hookkit", worktree.objects):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)


@contextlib.contextmanager
def locked(worktree: Worktree) -> Iterator[bool]:
    """Keep other appends waiting; yields False when one of them takes too long to wait for."""
    own = worktree.common_dir / "hookkit"
    with contextlib.ExitStack() as files:
        alone = _take(files, own / "log.lock", fcntl.LOCK_EX, _PATIENCE)
        # Hooks take this one too: whoever has it alone may drop half-written objects of the private store.
        _take(files, own / "objects.lock", fcntl.LOCK_SH, 1.0)
        yield alone


def _take(files: contextlib.ExitStack, path: Path, kind: int, patience: float) -> bool:
    """Lock a file for as long as ``files`` is open; False when somebody else has it for too long."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    files.callback(os.close, handle)
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(random.uniform(0.005, 0.05))
        except OSError:  # a file system without locks
            return False
