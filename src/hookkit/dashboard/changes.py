"""What calls changed, as patches, and a patch as rows of a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hookkit.dashboard.catalogue import Session
from hookkit.dashboard.entries import Entry
from hookkit.dashboard.opened import Opened
from hookkit.errors import HookkitError
from hookkit.git.worktree import Worktree, find
from hookkit.store.plain import plain
from hookkit.trails.patch import FileStat, Patch

_LINES = 4000  # of a patch that a page shows; the rest is in the file to download
_WIDTH = 2000  # characters of a line
_KINDS = {"+": "added", "-": "removed", "@": "hunk", "\\": "note"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a patch. kind: added, removed, hunk, note or "". old, new: its numbers, 1-based, where it has any."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(slots=True)
class File:
    """One file of a patch."""

    stat: FileStat
    lines: list[Line] = field(default_factory=list)

    @property
    def path(self) -> str:
        """To be shown."""
        return plain(self.stat.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))

    @property
    def name(self) -> str:
        """Where it is, and where it was before."""
        old = plain(self.stat.old_path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return self.path if self.stat.status in "AM" or old == self.path else f"{old} → {self.path}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A patch with what has to be said of it. notes: why it may be more or less than the calls' own."""

    patch: Patch
    notes: tuple[str, ...] = ()


def worktree_of(session: Session) -> Worktree:
    """The worktree that a session was recorded in. HookkitError if it is gone."""
    project = session["project"]
    found = find(Path(project)) if project and Path(project).is_dir() else None
    if found is None:
        where = f"{project} is no git worktree (any more)" if project else "it names no project"
        raise HookkitError(
            "NOT_A_REPOSITORY", f"The session has no repository: {where}.", "Sessions in a git repository have diffs."
        )
    return found


def of_calls(session: Session, opened: Opened, calls: Collection[str]) -> Changed:
    """What these calls changed, and nobody else. HookkitError where nothing is known of it, or git lost an object."""
    from hookkit.trails.changed import changes, limitations
    from hookkit.trails.log import read_events_for_trace
    from hookkit.trails.patch import combined

    worktree = worktree_of(session)
    events = read_events_for_trace(worktree, session["id"])
    if events:
        notes = tuple(limitations(events, calls))
        return Changed(combined(worktree, changes(events, calls)), notes)
    seen = [entry for entry in opened.entries if entry.kind == "call" and entry.call_id in calls and entry.trees]
    if not seen:
        raise HookkitError(
            "NOT_CAPTURED",
            "No hook saw these calls, so nothing is known of what they changed.",
            "`hookkit install` wires the agent; sessions from then on have diffs.",
        )
    return _between(worktree, seen)


def of_gap(session: Session, opened: Opened, number: int) -> Changed:
    """What changed in a gap: outside of every call. number: of its entry."""
    entry = opened.entries[number] if 0 <= number < len(opened.entries) else None
    if entry is None or entry.kind != "gap":
        raise HookkitError("UNKNOWN_GAP", "There is no such gap.", "The timeline of the session links to those it has.")
    return _between(worktree_of(session), [entry], "")


def _between(worktree: Worktree, seen: list[Entry], note: str = "also what others changed meanwhile") -> Changed:
    from hookkit.trails.patch import between

    first, last = seen[0].trees, seen[-1].trees
    assert first is not None
    assert last is not None
    return Changed(between(worktree, first[0], last[1]), (note,) if note else ())


def files(patch: Patch) -> list[File]:
    """The files of a patch with their lines, as far as a page can show them."""
    found: list[File] = []
    left = iter(patch.files)
    old = new = shown = 0
    body = binary = False
    for raw in patch.text.split(b"\n"):
        if raw.startswith(b"diff --git ") and (stat := next(left, None)):
            found.append(File(stat))
            body = binary = False
            continue
        if not found or shown >= _LINES or (not body and not raw.startswith((b"@@", b"GIT binary"))):
            continue
        if raw.startswith(b"GIT binary"):
            binary = True
            found[-1].lines.append(Line("note", "Binary file"))
        if binary:
            continue
        body = True
        shown += 1
        said = raw.decode("utf-8", "replace")
        kind = _KINDS.get(said[:1], "")
        if kind == "hunk":
            old, new = _numbers(said)
            found[-1].lines.append(Line(kind, _shown(said)))
            continue
        if not said:
            continue
        numbers = (None if kind in ("added", "note") else old, None if kind in ("removed", "note") else new)
        found[-1].lines.append(Line(kind, _shown(said[1:]), *numbers))
        old, new = old + (numbers[0] is not None), new + (numbers[1] is not None)
    return found


def is_cut(found: list[File]) -> bool:
    """Whether a page shows less than the patch has."""
    return sum(len(file.lines) for file in found) >= _LINES


def _numbers(hunk: str) -> tuple[int, int]:
    words = hunk.split(" ")
    return int(words[1][1:].split(",")[0]), int(words[2][1:].split(",")[0])


def _shown(said: str) -> str:
    said = said.removesuffix("\r")
    cut = said[:_WIDTH]
    return "\t".join(plain(piece) for piece in cut.split("\t")) + ("…" if len(said) > _WIDTH else "")


def call_ids(opened: Opened, turn: int | None = None) -> Iterator[str]:
    """The calls of a session, or of one of its turns."""
    return (
        entry.call_id
        for entry in opened.entries
        if entry.kind == "call" and turn in (None, entry.turn) and entry.call_id
    )
