"""What changed between two trees: files and hunks, exact for every content, name and user configuration."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from hookkit.git.plain import EMPTY_TREE, plain
from hookkit.git.run import GitError, Stream, stream
from hookkit.git.worktree import Worktree

Status = Literal["added", "deleted", "modified", "renamed"]

RENAME_LIMIT = 400  # files on either side; above it only renames without a change of content are found
_OPTIONS = (
    "--stdin", "-r", "--raw", "-p", "-U0", "--inter-hunk-context=0", "--full-index", "--no-abbrev",
    "--diff-algorithm=histogram", "--indent-heuristic", "-M50%", f"-l{RENAME_LIMIT}", "--no-rename-empty",
    "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=none",
)  # fmt: skip
_END = b"end of pair\n"  # git repeats lines that name no object, so it marks where the answer ends
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NO_MODE = "000000"


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that were replaced. Starts count from 0; where a count is 0 the start is the line before which it happened.

    ``removed`` and ``added`` are the raw lines, newlines included; only the last line of a file can be without one.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    removed: bytes = b""
    added: bytes = b""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs. Paths are relative to the root, as ``os.fsdecode`` gives them.

    ``hunks`` is empty for renames and mode changes without other changes, binaries, submodules and symbolic links.
    ``binary`` is what git found in changed content: a NUL byte near the beginning.
    """

    status: Status
    path: str
    old_path: str  # the same unless renamed
    old_mode: str  # "100644"; "000000" where there was no file
    new_mode: str
    old_blob: str  # hex; "" where there was no file
    new_blob: str
    binary: bool
    hunks: tuple[Hunk, ...]


def diff_trees(
    worktree: Worktree, pairs: Iterable[tuple[str, str]], *, paths: Sequence[str] = ()
) -> Iterator[tuple[FileChange, ...]]:
    """For each pair of tree (or commit) ids, older first, the files that differ, in git's order. "" is the empty tree.

    One git child answers all pairs, one after the other, as they are asked for. A file that became a symbolic link (or
    the other way round) is deleted and added. ``paths`` limits the answer to files and folders; a rename across that
    limit is a deletion or an addition. GitError for a tree that is missing or damaged.
    """
    with contextlib.ExitStack() as stack:
        child: Stream | None = None
        for old, new in pairs:
            if old == new:
                yield ()
                continue
            if child is None:  # no process where nothing changed
                variables = stack.enter_context(plain(worktree))
                limit = ("--", *paths) if paths else ()
                child = stack.enter_context(stream(worktree.root, "diff-tree", *_OPTIONS, *limit, extra=variables))
            yield _ask(child, old or EMPTY_TREE[len(new)], new or EMPTY_TREE[len(old)])


def _ask(child: Stream, old: str, new: str) -> tuple[FileChange, ...]:
    question = f"{old} {new}\n".encode()
    try:
        child.stdin.write(question + _END)
        child.stdin.flush()
    except BrokenPipeError:
        raise child.died() from None
    lines = _Lines(child)
    first = lines.next()
    if first == _END:
        raise GitError(
            "TREE_MISSING", f"git has no tree {old} or no tree {new}.", "It was removed, or never got into this clone."
        )
    return tuple(_changes(lines))


class _Lines:
    """Lines of git's answer, with one line of looking ahead. GitError where git died in the middle."""

    __slots__ = ("_ahead", "_child", "_out")

    def __init__(self, child: Stream) -> None:
        self._child = child
        self._out: IO[bytes] = child.stdout
        self._ahead = b""

    def next(self) -> bytes:
        line, self._ahead = self._ahead or self._out.readline(), b""
        if line[-1:] != b"\n":
            raise self._child.died()
        return line

    def peek(self) -> bytes:
        self._ahead = self.next()
        return self._ahead


def _changes(lines: _Lines) -> Iterator[FileChange]:
    """The changes of one pair: a list of files, an empty line, then for each file what its content became."""
    files = []
    while (line := lines.next()) not in (b"\n", _END):
        files.append(_file(line))
    for each in files:
        kinds = each.old_mode[:3], each.new_mode[:3]
        if _NO_MODE[:3] not in kinds and kinds[0] != kinds[1]:
            yield _with_content(lines, _half(each, "deleted"))
            yield _with_content(lines, _half(each, "added"))
        else:
            yield _with_content(lines, each)
    if files and lines.next() != _END:
        raise GitError("GIT_FAILED", "git diff-tree said something unexpected.", "Please report this.")


def _file(line: bytes) -> FileChange:
    """``:100644 100644 <hex> <hex> R097\\told\\tnew`` as a change without hunks."""
    facts, *names = line[1:-1].split(b"\t")
    old_mode, new_mode, old, new, letter = facts.decode().split(" ")
    paths = [_path(name) for name in names]
    status: Status = "renamed" if letter[0] == "R" else "modified"
    if letter[0] in "AD":
        status = "added" if letter[0] == "A" else "deleted"
    blobs = [name if name.strip("0") else "" for name in (old, new)]
    return FileChange(status, paths[-1], paths[0], old_mode, new_mode, blobs[0], blobs[1], False, ())


def _half(change: FileChange, status: Literal["deleted", "added"]) -> FileChange:
    if status == "deleted":
        return FileChange(status, change.path, change.path, change.old_mode, _NO_MODE, change.old_blob, "", False, ())
    return FileChange(status, change.path, change.path, _NO_MODE, change.new_mode, "", change.new_blob, False, ())


def _with_content(lines: _Lines, change: FileChange) -> FileChange:
    """The change with the hunks of the next section, which git begins with ``diff --git``."""
    lines.next()
    binary = False
    # Header lines hold no content and names in quotes, so each of them is one line and none begins like a hunk.
    while not (line := lines.peek()).startswith((b"@@ ", b"diff --git ")) and line != _END:
        binary = binary or line.startswith(b"Binary files ")
        lines.next()
    hunks = []
    while lines.peek().startswith(b"@@ "):
        hunks.append(_hunk(lines))
    # The content of a symbolic link is a path and that of a submodule a commit: neither has lines.
    kept = tuple(hunks) if {change.old_mode[:3], change.new_mode[:3]} <= {"100", "000"} else ()
    return FileChange(
        change.status, change.path, change.old_path, change.old_mode, change.new_mode, change.old_blob,
        change.new_blob, binary, kept,
    )  # fmt: skip


def _hunk(lines: _Lines) -> Hunk:
    found = _HUNK.match(lines.next())
    assert found
    old, old_count, new, new_count = (1 if number is None else int(number) for number in found.groups())
    removed, added = _body(lines, old_count), _body(lines, new_count)
    # Where there is no line, git names the one before.
    return Hunk(old - (old_count > 0), old_count, new - (new_count > 0), new_count, removed, added)


def _body(lines: _Lines, count: int) -> bytes:
    """``count`` lines without their sign: how a line begins says nothing, it may look like any header."""
    if not count:
        return b""
    text = b"".join([lines.next()[1:] for _ in range(count)])
    if lines.peek().startswith(b"\\"):  # "\ No newline at end of file"
        lines.next()
        text = text[:-1]
    return text


def _path(name: bytes) -> str:
    """A name as git prints it: in C quotes if it has bytes that are not plain ASCII."""
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return os.fsdecode(name)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPED.get(code, code)
