"""Trees of any content, made by git's own importer, and what applying a diff to one gives."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hookkit.git.diff import FileChange, Hunk

Files = Mapping[str, tuple[str, bytes]]  # path -> (mode, content); of a submodule the hex of a commit


def git(root: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=root, input=stdin, capture_output=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.strip()


def make_repository(root: Path, *options: str) -> Path:
    root.mkdir(parents=True)
    git(root, "init", "-q", *options)
    return root


def make_trees(root: Path, versions: Sequence[Files]) -> list[str]:
    """The tree id of each version of the files."""
    script = bytearray()
    for number, files in enumerate(versions):
        script += b"commit refs/made/%d\ncommitter A <a@localhost> 0 +0000\ndata 0\n" % number
        script += b"deleteall\n"
        for path, (mode, content) in files.items():
            if mode == "160000":
                script += b"M 160000 %s %s\n" % (content, _quoted(path))
            else:
                script += b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), _quoted(path), len(content), content)
    git(root, "fast-import", "--quiet", "--force", stdin=bytes(script))
    names = [f"refs/made/{number}^{{tree}}" for number in range(len(versions))]
    return git(root, "rev-parse", *names).decode().split()


def _quoted(path: str) -> bytes:
    raw = os.fsencode(path)
    return b'"' + b"".join(b"\\%03o" % byte for byte in raw) + b'"'


def apply(old: Files, changes: Sequence[FileChange], new: Files) -> dict[str, tuple[str, bytes]]:
    """``old`` after the changes. What has no hunks takes the content that its new blob id names, out of ``new``."""
    files = dict(old)
    for change in changes:
        if change.status in ("deleted", "renamed"):
            assert files.pop(change.old_path)[0] == change.old_mode
    for change in changes:
        before = b"" if change.status == "added" else old[change.old_path][1]
        if change.status == "deleted":
            assert not change.hunks or applied(before, change.hunks) == b""
            continue
        if change.new_mode == "160000":
            files[change.path] = (change.new_mode, change.new_blob.encode())
            continue
        if change.binary or "120000" in (change.new_mode, change.old_mode):
            assert not change.hunks
            after = new[change.path][1]
        else:
            after = applied(before, change.hunks)
        assert blob_id(after, len(change.new_blob)) == change.new_blob
        files[change.path] = (change.new_mode, after)
    return files


def applied(old: bytes, hunks: Sequence[Hunk]) -> bytes:
    """The bytes that hunks make of the old ones; every count and every removed line is checked."""
    lines, out, at = _lines(old), [], 0
    for hunk in hunks:
        removed, added = _lines(hunk.removed), _lines(hunk.added)
        assert (len(removed), len(added)) == (hunk.old_count, hunk.new_count)
        assert hunk.old_count or hunk.new_count
        out += lines[at : hunk.old_start]
        assert len(out) == hunk.new_start
        assert lines[hunk.old_start : hunk.old_start + hunk.old_count] == removed
        out += added
        at = hunk.old_start + hunk.old_count
    return b"".join(out + lines[at:])


def _lines(content: bytes) -> list[bytes]:
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def blob_id(content: bytes, length: int) -> str:
    digest = hashlib.sha1 if length == 40 else hashlib.sha256
    return digest(b"blob %d\0" % len(content) + content).hexdigest()
