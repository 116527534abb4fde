"""Adds what the recorded calls wrote to the git-ai notes of a repository.

What a note already says stays: a line that has a claim keeps it, a key, record or field that is not ours is kept as it
is, and a note of another version is left alone. The ref moves only forward, from where it was when we read it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hookkit.errors import HookkitError
from hookkit.exporters.git_ai_format import (
    TOOLS,
    VERSION,
    Entry,
    Lines,
    Note,
    call_key,
    count,
    joined,
    parse,
    session_key,
    text,
    without,
)
from hookkit.exporters.git_ai_ref import REF, contents, note_ids, tip
from hookkit.exporters.recorded import Silence, Told
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree

_TRIES = 8

Status = Literal["written", "unchanged", "nothing", "unreadable"]


@dataclass(frozen=True, slots=True)
class Noted:
    """What came of one commit.

    status: ``nothing`` = no lines to tell of; ``unreadable`` = it has a note that we cannot add to, problem says why.
    lines: told by the note that were recorded here, and new_lines of them told for the first time.
    """

    commit: str
    status: Status
    lines: int
    new_lines: int
    calls: int
    sessions: int
    silent: Mapping[Silence, int]
    problem: str = ""


def add(worktree: Worktree, told: Iterable[Told], *, dry_run: bool = False) -> list[Noted]:
    """Write what was told into the notes of its commits; see the top. One commit on the ref, or none.

    HookkitError NOTES_BUSY if others move the ref faster than we can follow.
    """
    commits = [*told]
    for attempt in range(_TRIES):
        old = tip(worktree)
        ids = note_ids(worktree) if old else {}
        present = dict(contents(worktree, sorted({ids[one.commit] for one in commits if one.commit in ids})))
        results, changed = [], {}
        for one in commits:
            noted, content = _noted(one, present.get(ids.get(one.commit, "")))
            results.append(noted)
            if content is not None:
                changed[one.commit] = content
        if dry_run or not changed or _write(worktree, changed, old):
            return results
        time.sleep(0.02 * 2**attempt)
    raise HookkitError("NOTES_BUSY", f"{REF} was moved by others at each of {_TRIES} tries.", "Run the export again.")


def _noted(told: Told, present: bytes | None) -> tuple[Noted, bytes | None]:
    """What comes of one commit, and its new note; None if the present one stays."""
    sessions = len({one.facts.session_id for one in told.written})
    calls = len({one.tool_call_id for one in told.written})
    lines = count(one.lines for one in told.written)
    if not told.written:
        return Noted(told.commit, "nothing", 0, 0, 0, 0, told.silent), None
    try:
        note = parse(present) if present is not None else Note({}, _metadata(told.commit))
    except ValueError as error:
        return Noted(told.commit, "unreadable", lines, 0, calls, sessions, told.silent, str(error)), None
    merged, new = _merged(note, told)
    status: Status = "written" if new else "unchanged"
    return Noted(told.commit, status, lines, new, calls, sessions, told.silent), text(merged) if new else None


def _metadata(commit: str) -> dict[str, Any]:
    # git_ai_version is left out: it names the version of git-ai that made a note.
    return {"schema_version": VERSION, "base_commit_sha": commit, "prompts": {}}


def _merged(note: Note, told: Told) -> tuple[Note, int]:
    """The note with what was told, and how many lines that adds."""
    files = dict(note.files)
    sessions = dict(note.metadata.get("sessions", {}))
    claimed: dict[str, dict[str, list[Lines]]] = {}
    taken = {path: joined(lines for entry in entries for lines in entry.lines) for path, entries in note.files.items()}
    new = 0
    for one in told.written:
        tool = TOOLS.get(one.facts.agent, one.facts.agent)
        session = session_key(tool, one.facts.session_id)
        key = f"{session}::{call_key(one.facts.trace_id, one.tool_call_id)}"
        left = without([one.lines], taken.get(one.path, ()))
        if not left:
            continue
        new += count(left)
        claimed.setdefault(one.path, {}).setdefault(key, []).extend(left)
        agent = {"tool": tool, "id": one.facts.session_id, "model": one.facts.model or "unknown"}
        sessions.setdefault(session, {"agent_id": agent})
    for path, keys in claimed.items():
        others = tuple(entry for entry in files.get(path, ()) if entry.key not in keys)
        before = [entry for entry in files.get(path, ()) if entry.key in keys]
        for entry in before:
            keys[entry.key].extend(entry.lines)
        files[path] = (*others, *(Entry(key, joined(lines)) for key, lines in keys.items()))
    return Note(files, {**note.metadata, "sessions": sessions} if new else note.metadata), new


def _write(worktree: Worktree, notes: Mapping[str, bytes], old: str | None) -> bool:
    """Add one commit to the ref; False if it is no longer at ``old``. git lays out the folders of the notes' tree."""
    noun = "commit" if len(notes) == 1 else "commits"
    message = f"Lines of recorded sessions in {len(notes)} {noun} (hookkit)\n".encode()
    stream = [f"commit {REF}\ncommitter {_identity(worktree)}\ndata {len(message)}\n".encode(), message]
    if old:
        stream.append(f"from {old}\n".encode())
    for commit, note in notes.items():
        stream.append(f"N inline {commit}\ndata {len(note)}\n".encode() + note + b"\n")
    reports = {*worktree.git_dir.glob("fast_import_crash_*")}
    try:
        run(worktree.root, "fast-import", "--quiet", "--date-format=raw", stdin=b"".join(stream))
    except GitError:
        for report in {*worktree.git_dir.glob("fast_import_crash_*")} - reports:
            report.unlink(missing_ok=True)
        if tip(worktree) == old:
            raise
        return False
    return True


def _identity(worktree: Worktree) -> str:
    """Name, address and time, as git would sign a commit here; ours where the user told git no name."""
    found = run(worktree.root, "var", "GIT_COMMITTER_IDENT", check=False).decode(errors="replace").strip()
    return found or f"hookkit <hookkit@localhost> {int(time.time())} +0000"
