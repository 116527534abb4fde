"""What ``git blame`` says, line by line, whatever the user has configured."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree

_OPTIONS = (
    "-c", "blame.ignoreRevsFile=", "-c", "blame.markIgnoredLines=false", "-c", "blame.markUnblamableLines=false",
    "-c", "core.quotePath=true", "-c", "diff.algorithm=histogram", "-c", "log.showSignature=false",
)  # fmt: skip
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(slots=True)
class Commit:
    """What blame tells of a commit."""

    author: str = ""
    author_time: int = 0
    committer_time: int = 0
    summary: str = ""


@dataclass(slots=True)
class Blamed:
    """lines: (commit, path there, line there, line here, text without newline); line numbers are 1-based."""

    commits: dict[str, Commit] = field(default_factory=dict)
    lines: list[tuple[str, bytes, int, int, bytes]] = field(default_factory=list)


def git_blame(
    worktree: Worktree, path: str, rev: str | None, ranges: Sequence[tuple[int, int]] = (), *, moved: bool = True
) -> Blamed:
    """Blame ``path`` (relative to the root) at ``rev``, or as it is in the worktree. GitError as git says it."""
    limits = [f"-L{first},{last}" for first, last in ranges]
    follow = ["-M", "-C"] if moved else []
    place = [rev] if rev else []
    if rev is None and not _is_in_head(worktree, path):
        return _uncommitted(worktree, path, ranges)
    text = run(
        worktree.root, *_OPTIONS, "blame", "--porcelain", "--no-textconv", "--encoding=UTF-8", "--no-progress",
        *follow, *limits, *place, "--", path,
        timeout=600,
    )  # fmt: skip
    return _parse(text)


def _is_in_head(worktree: Worktree, path: str) -> bool:
    """Whether git can blame the file of the worktree: it needs one of that name in HEAD."""
    listed = run(worktree.root, "ls-tree", "--full-tree", "--name-only", "-z", "HEAD", "--", path, check=False)
    return listed == os.fsencode(path) + b"\0"


def _uncommitted(worktree: Worktree, path: str, ranges: Sequence[tuple[int, int]]) -> Blamed:
    """A file that no commit has yet: every line as git shows lines that are not committed."""
    try:
        texts = (worktree.root / path).read_bytes().split(b"\n")
    except OSError as error:
        raise GitError(
            "NO_SUCH_FILE",
            f"There is no file {path} in {worktree.root}: {error.strerror}.",
            "Check the path, or give --rev.",
        ) from None
    texts = texts if texts[-1] else texts[:-1]
    zeros = "0" * len(run(worktree.root, "hash-object", "--stdin").decode().strip())
    wanted = ranges or [(1, len(texts))]
    now = int(time.time())
    lines = [
        (zeros, os.fsencode(path), number, number, text)
        for number, text in enumerate(texts, 1)
        if any(first <= number <= last for first, last in wanted)
    ]
    return Blamed({zeros: Commit("Not Committed Yet", now, now, f"Version of {path} from {path}")}, lines)


def _parse(text: bytes) -> Blamed:
    found = Blamed()
    paths: dict[str, bytes] = {}
    commit, original, final = "", 0, 0
    fresh = True
    for row in text.split(b"\n"):
        if row[:1] == b"\t":
            found.lines.append((commit, paths.get(commit, b""), original, final, row[1:]))
            fresh = True
        elif fresh:
            words = row.split(b" ")
            if len(words) < 3:
                break
            commit, original, final = words[0].decode(), int(words[1]), int(words[2])
            found.commits.setdefault(commit, Commit())
            fresh = False
        else:
            key, _, value = row.partition(b" ")
            _note(found.commits[commit], key, value)
            if key == b"filename":
                paths[commit] = unquoted(value)
    return found


def _note(commit: Commit, key: bytes, value: bytes) -> None:
    if key == b"author":
        commit.author = value.decode("utf-8", "replace")
    elif key == b"author-time":
        commit.author_time = int(value)
    elif key == b"committer-time":
        commit.committer_time = int(value)
    elif key == b"summary":
        commit.summary = value.decode("utf-8", "replace")


def unquoted(name: bytes) -> bytes:
    """A path as git prints it: in C quotes if it holds anything unusual."""
    if len(name) < 2 or not (name.startswith(b'"') and name.endswith(b'"')):
        return name
    return _ESCAPE.sub(_unescaped, name[1:-1])


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPED.get(code, code)
