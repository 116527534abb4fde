"""One commit of the log: a batch of events, and the trees that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hookkit.git import objects
from hookkit.git.plain import plain
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree
from hookkit.trails.events import TrailError, TrailEvent, canonical, object_id

WHO = "hookkit <hookkit@localhost>"
_OTHERS = re.compile(rb"(\d+) blob ([0-9a-f]+)\t(.+\.json)")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored. ours: in the layout of this module, with event ids that cover every field."""

    commit: str
    parents: tuple[str, ...]
    events: tuple[TrailEvent, ...]
    ours: bool


def write(
    worktree: Worktree, events: Sequence[TrailEvent], head: str, trees: Sequence[str], missing: Sequence[str]
) -> dict[str, str]:
    """Put a batch after the commit ``head`` ("": the first) into the private store.

    Its objects (id -> path in it); the last one is the commit.
    """
    about = {
        "batch_id": events[0].batch_id,
        "writer": events[0].writer,
        "previous_event_log_head": head or None,
        "event_count": len(events),
        "last_tree": object_id(trees[-1]) if trees else None,
        "missing_trees": [object_id(tree) for tree in sorted(missing)],
    }
    lines = b"".join(canonical(event.to_json()) + b"\n" for event in events)
    entries = [
        (b"100644 batch.json", objects.write(worktree, "blob", canonical(about) + b"\n")),
        (b"100644 events.jsonl", objects.write(worktree, "blob", lines)),
    ]
    if trees:
        kept = _tree((b"40000 " + tree.encode(), tree) for tree in sorted(set(trees)))
        entries.append((b"40000 trees", objects.write(worktree, "tree", kept)))
    root = objects.write(worktree, "tree", _tree(entries))
    who = f"{WHO} {_seconds(events[-1].event_time)} +0000"
    parent = f"parent {head}\n" if head else ""
    text = f"tree {root}\n{parent}author {who}\ncommitter {who}\n\nopentraces trail event batch {events[0].batch_id}\n"
    made = {each: name.split()[1].decode() for name, each in entries}
    return made | {root: "", objects.write(worktree, "commit", text.encode()): ""}


def history(worktree: Worktree, head: str, since: str = "") -> list[tuple[str, tuple[str, ...]]] | None:
    """(commit, parents) of the batches after the commit ``since`` up to ``head``, oldest first.

    None if ``since`` is not one of them. TrailError when a commit is missing.
    """
    with plain(worktree) as variables:
        limit = [f"^{since}"] if since else []
        try:
            said = run(
                worktree.root, "rev-list", "--first-parent", "--parents", "--reverse", head, *limit, extra=variables
            )
        except GitError as error:
            if since:
                return None
            raise damaged(str(error.message)) from None
    rows = [line.split() for line in said.decode().splitlines()]
    found = [(row[0], tuple(row[1:])) for row in rows]
    if since and (found[0][1][:1] != (since,) if found else head != since):
        return None
    return found


def batches(worktree: Worktree, commits: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[Batch]:
    """The batches of commits as ``history`` gives them. TrailError for one that cannot be read."""
    found = objects.read(worktree, (f"{commit}:events.jsonl" for commit, _ in commits))
    for (commit, parents), content in zip(commits, found, strict=True):
        if content is None:
            yield Batch(commit, parents, tuple(_theirs(worktree, commit)), False)
        else:
            yield Batch(commit, parents, tuple(_events(content[1].splitlines(), commit)), True)


def _theirs(worktree: Worktree, commit: str) -> Iterator[TrailEvent]:
    """Events as other programs store them: one file each, ``events/000000000001.json``."""
    with plain(worktree) as variables:
        listing = run(worktree.root, "ls-tree", "-r", commit, "events/", extra=variables).splitlines()
    names = sorted((found[3], found[2].decode()) for line in listing if (found := _OTHERS.fullmatch(line)))
    for content in objects.read(worktree, [name for _, name in names]):
        if content is None:
            raise damaged(f"{commit} lacks an event")
        yield from _events([content[1]], commit)


def _events(lines: Iterable[bytes], commit: str) -> Iterator[TrailEvent]:
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise damaged(f"{commit} has a line that is not JSON") from None
        if not isinstance(value, Mapping):
            raise damaged(f"{commit} has a line that is no object")
        yield TrailEvent.from_json(value)


def damaged(why: str) -> TrailError:
    """The error for a log that cannot be read."""
    return TrailError(
        "LOG_DAMAGED", f"The event log cannot be read: {why}.", "Run `hookkit trail rebuild` to make it anew."
    )


def _tree(entries: Iterable[tuple[bytes, str]]) -> bytes:
    return b"".join(name + b"\0" + bytes.fromhex(each) for name, each in entries)


def _seconds(stamp: str) -> int:
    return max(0, int(datetime.fromisoformat(stamp).timestamp()))


def about(worktree: Worktree, commit: str) -> dict[str, Any]:
    """What ``batch.json`` says of a batch; {} where there is none."""
    found = next(objects.read(worktree, [f"{commit}:batch.json"]))
    value = json.loads(found[1]) if found else {}
    return value if isinstance(value, dict) else {}
