"""What ``git blame`` says, line by line, whatever the user has configured."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hookkit.git.plain import plain
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree, quoted
from hookkit.trails.lines.objects import blob_ids

_OPTIONS = ("blame", "--porcelain", "--no-textconv", "--encoding=UTF-8", "--no-progress")
NOT_COMMITTED = "Not Committed Yet"
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


class Current(NamedTuple):
    """A file as it is in the worktree. text: as a commit would have it, after line ends and filters; blob: its id."""

    text: bytes
    blob: str


def git_blame(
    worktree: Worktree,
    path: str,
    rev: str | None,
    ranges: Sequence[tuple[int, int]] = (),
    *,
    now: Current | None = None,
) -> Blamed:
    """Blame ``path`` (relative to the root) at ``rev``, or as it is in the worktree; moved lines are followed.

    now: the file as it is, if that is known. GitError as git says it. A file that HEAD does not have is blamed as a
    whole on what is not committed yet.
    """
    limits = [f"-L{first},{last}" for first, last in ranges]
    if rev is not None:
        return _parse(_ask(worktree, commit_id(worktree, rev), path, limits))
    now = now or current(worktree, path)
    head = run(worktree.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False).decode().strip()
    there = blob_ids(worktree, [(head, os.fsencode(path))])[0] if head else ""
    if not there:
        return _uncommitted(path, now, ranges)
    if there == now.blob:
        return _parse(_ask(worktree, head, path, limits))
    with tempfile.TemporaryDirectory(prefix="hookkit-") as scratch:
        file = Path(scratch) / "contents"
        file.write_bytes(now.text)
        return _parse(_ask(worktree, head, path, [*limits, f"--contents={file}"], as_head=Path(scratch)))


def commit_id(worktree: Worktree, rev: str) -> str:
    """The full id of a commit; GitError for anything else."""
    found = run(worktree.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", check=False)
    if not found:
        raise GitError("UNKNOWN_REVISION", f"There is no commit {rev!r}.", "See `git log --oneline`.")
    return found.decode().strip()


def current(worktree: Worktree, path: str) -> Current:
    """A file of the worktree; the target of a symbolic link, as git has it. GitError if there is none."""
    place = worktree.root / path
    if not (os.path.isfile(place) or os.path.islink(place)):
        raise GitError("NO_SUCH_FILE", f"There is no file {path} in {worktree.root}.", "Check the path, or give --rev.")
    with tempfile.TemporaryDirectory(prefix="hookkit-") as scratch:
        extra = {
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(worktree.common_dir / "objects"),
        }
        link = os.path.islink(place)
        what, stdin = (("--stdin",), os.fsencode(os.readlink(place))) if link else (("--", path), b"")
        blob = run(worktree.root, "hash-object", "-w", *what, extra=extra, stdin=stdin).decode().strip()
        return Current(run(worktree.root, "cat-file", "blob", blob, extra=extra), blob)


def _ask(worktree: Worktree, commit: str, path: str, options: Sequence[str], *, as_head: Path | None = None) -> bytes:
    """git's answer, in an environment without configuration: a list of ignored commits that is missing, say, stops git.

    as_head: a folder in which a git folder can be made whose HEAD is the commit; where contents are given, git takes no
    other. Where that environment lacks what git needs (a partial clone has to fetch), the user's own is tried.
    """
    question = (*_OPTIONS, "-M", "-C", *options, *([] if as_head else [commit]), "--", path)
    with plain(worktree) as variables:
        if as_head:
            variables |= {"GIT_DIR": _with_head(as_head, Path(variables["GIT_DIR"]), commit)}
            variables |= {"GIT_WORK_TREE": str(worktree.root)}
        if (worktree.common_dir / "shallow").exists():
            variables |= {"GIT_SHALLOW_FILE": str(worktree.common_dir / "shallow")}
        try:
            return run(worktree.root, *question, extra=variables, timeout=600)
        except GitError:
            return run(worktree.root, *question, timeout=600)


def _with_head(scratch: Path, like: Path, commit: str) -> str:
    folder = scratch / "git"
    for name in ("refs", "objects"):
        (folder / name).mkdir(parents=True)
    (folder / "config").write_bytes((like / "config").read_bytes())
    (folder / "HEAD").write_text(commit + "\n")
    return str(folder)


def _uncommitted(path: str, file: Current, ranges: Sequence[tuple[int, int]]) -> Blamed:
    """A file that no commit has yet: every line as git shows lines that are not committed."""
    texts = file.text.split(b"\n")
    texts = texts if texts[-1] else texts[:-1]
    zeros = "0" * len(file.blob)
    now = int(time.time())
    lines = [
        (zeros, os.fsencode(path), number, number, text)
        for number, text in enumerate(texts, 1)
        if not ranges or any(first <= number <= last for first, last in ranges)
    ]
    return Blamed({zeros: Commit(NOT_COMMITTED, now, now, f"Version of {path} from {path}")}, lines)


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
        external = value == b"External file (--contents)"
        commit.author = NOT_COMMITTED if external else value.decode("utf-8", "replace")
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
