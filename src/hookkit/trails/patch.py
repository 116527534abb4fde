"""Changes folded into one difference that ``git apply`` takes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hookkit.errors import HookkitError
from hookkit.git.plain import EMPTY_TREE, plain
from hookkit.git.run import GitError, run
from hookkit.git.worktree import Worktree, quoted
from hookkit.trails.changed import Change, Entry

# core.quotePath off: names outside ASCII are readable, and git apply takes them.
_DIFF = (
    "-c", "core.quotePath=false", "diff-tree", "-r", "-M50%", "-l400", "--no-ext-diff", "--no-textconv", "--no-color",
    "--diff-algorithm=histogram", "--submodule=short", "--ignore-submodules=none",
)  # fmt: skip
_LINK, _SUBMODULE = "120000", "160000"

Variables = Mapping[str, str]  # the environment of a git child


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file of a patch.

    status: as ``git diff --raw`` has it (A, D, M, R, T). added, removed: lines; None if binary.
    """

    status: str
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Patch:
    """A difference as git writes it (or its diffstat), and its files."""

    text: bytes
    files: tuple[FileStat, ...]


@dataclass(slots=True)
class Layer:
    """Files of a worktree before and after: a difference. None: no file."""

    root: str = ""
    before: dict[str, Entry | None] = field(default_factory=dict)
    after: dict[str, Entry | None] = field(default_factory=dict)

    def take(self, change: Change) -> bool:
        """Put a change on top; False if it does not follow from what is here, and then nothing is changed."""
        if self.after and change.root != self.root:
            return False
        known = self.after.get(change.old_path, change.before)
        target = self.after.get(change.path) if change.path != change.old_path else None
        if known != change.before or target is not None or self._in_the_way(change):
            return False
        self.root = change.root
        if change.path not in self.after:
            self.before[change.path] = None
        if change.old_path not in self.after:
            self.before[change.old_path] = change.before
        self.after[change.old_path] = None
        self.after[change.path] = change.after
        return True

    def _in_the_way(self, change: Change) -> bool:
        """Whether a folder would have the name of a file that is in the same tree."""
        for path, tree, new in (
            (change.old_path, self.before, change.before),
            (change.path, self.after, change.after),
        ):
            if new is None or tree.get(path):
                continue
            parents = path.split("/")[:-1]
            if any(tree.get("/".join(parents[: end + 1])) for end in range(len(parents))):
                return True
            if any(entry and other.startswith(f"{path}/") for other, entry in tree.items()):
                return True
        return False


def fold(found: Iterable[Change]) -> list[Layer]:
    """Changes as few differences, one after the other.

    A change that follows from the state that the ones before it left goes on top of them. Where something else came
    between (a gap, another session), a new layer begins.
    """
    layers: list[Layer] = []
    pending = list(found)
    while pending:
        layer, rest, stuck = Layer(), [], set[str]()
        for change in pending:
            # What comes after a change that does not fit must not overtake it.
            if {change.path, change.old_path} & stuck or not layer.take(change):
                stuck |= {change.path, change.old_path}
                rest.append(change)
        layers.append(layer)
        pending = rest
    return layers


def combined(worktree: Worktree, changes: Sequence[Change], *, stat: bool = False) -> Patch:
    """The patch of changes that came one after the other. stat: a diffstat in place of the text.

    HookkitError if git no longer has an object.
    """
    text: list[bytes] = []
    files: list[FileStat] = []
    with objects_needed(worktree), _scratch(worktree) as (variables, folder):
        for layer in fold([_partial(worktree, variables, change) for change in changes]):
            pair = [
                _tree(worktree, variables, folder / f"index.{side}", entries)
                for side, entries in enumerate((layer.before, layer.after))
            ]
            text.append(_difference(worktree, variables, *pair, stat=stat))
            files += _files(worktree, variables, *pair)
    return Patch(b"".join(text), tuple(files))


def between(worktree: Worktree, before: str, after: str, *, stat: bool = False) -> Patch:
    """The patch between two trees (hex ids; "" is the empty one)."""
    old, new = before or EMPTY_TREE[len(after)], after or EMPTY_TREE[len(before)]
    with objects_needed(worktree), plain(worktree) as variables:
        text = _difference(worktree, variables, old, new, stat=stat)
        return Patch(text, tuple(_files(worktree, variables, old, new)))


@contextlib.contextmanager
def objects_needed(worktree: Worktree) -> Iterator[None]:
    """Have a failure of git say what it means: something that was recorded is gone."""
    try:
        yield
    except GitError as error:
        if error.code not in ("GIT_FAILED", "TREE_MISSING"):
            raise
        raise HookkitError(
            "OBJECTS_LOST",
            f"{worktree.root} no longer has all that this is made of. {error.message}",
            "`hookkit trail verify --full` tells what the log has lost.",
        ) from error


def _partial(worktree: Worktree, variables: Variables, change: Change) -> Change:
    """A change of which only some hunks are meant, as one whose file after it holds only these."""
    if change.spans is None or change.after is None or change.after[0] in (_LINK, _SUBMODULE):
        return change
    old = _lines(_content(worktree, variables, change.before)) if change.before else []
    new = _lines(_content(worktree, variables, change.after))
    lines: list[bytes] = []
    done = 0
    for first, last, new_first, new_last in sorted(change.spans):
        lines += old[done : first - 1] + new[new_first - 1 : new_last]
        done = max(last, first - 1)
    lines += old[done:]
    made = run(worktree.root, "hash-object", "-w", "--stdin", extra=variables, stdin=b"".join(lines))
    return replace(change, after=(change.after[0], made.decode().strip()), spans=None)


def _content(worktree: Worktree, variables: Variables, entry: Entry) -> bytes:
    return run(worktree.root, "cat-file", "blob", entry[1], extra=variables)


def _lines(content: bytes) -> list[bytes]:
    """Lines with their newlines; only the last one can be without."""
    *whole, rest = content.split(b"\n")
    return [line + b"\n" for line in whole] + [rest] * bool(rest)


@contextlib.contextmanager
def _scratch(worktree: Worktree) -> Iterator[tuple[dict[str, str], Path]]:
    """Environment in which git writes into a folder that goes away, and that folder: trees that nobody else needs."""
    stores = (worktree.common_dir / "objects", worktree.objects)
    with plain(worktree) as variables, tempfile.TemporaryDirectory(prefix="hookkit-") as folder:
        alternates = ":".join(quoted(store) for store in stores)
        own = {"GIT_OBJECT_DIRECTORY": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates}
        yield variables | own, Path(folder)


def _tree(worktree: Worktree, variables: Variables, index: Path, entries: Mapping[str, Entry | None]) -> str:
    lines = [
        b"%s %s\t%s\0" % (entry[0].encode(), entry[1].encode(), os.fsencode(path))
        for path, entry in entries.items()
        if entry
    ]
    index.unlink(missing_ok=True)
    extra = {**variables, "GIT_INDEX_FILE": str(index)}
    run(worktree.root, "update-index", "-z", "--index-info", extra=extra, stdin=b"".join(lines))
    return run(worktree.root, "write-tree", "--missing-ok", extra=extra).decode().strip()


def _difference(worktree: Worktree, variables: Variables, old: str, new: str, *, stat: bool = False) -> bytes:
    form = ("--stat=100", "--summary") if stat else ("-p", "--binary", "--src-prefix=a/", "--dst-prefix=b/")
    return run(worktree.root, *_DIFF, *form, old, new, extra=variables)


def _files(worktree: Worktree, variables: Variables, old: str, new: str) -> Iterator[FileStat]:
    """The files of a difference, from ``--raw --numstat``: first all of the one, then all of the other."""
    words = iter(run(worktree.root, *_DIFF, "--raw", "--numstat", "-z", old, new, extra=variables).split(b"\0")[:-1])
    raw: list[tuple[str, str, str, str, str]] = []
    counts: list[tuple[bytes, bytes]] = []
    for word in words:
        if word.startswith(b":"):
            old_mode, new_mode, _, _, status = word[1:].decode().split(" ")
            first = os.fsdecode(next(words))
            second = os.fsdecode(next(words)) if status[0] in "RC" else first
            raw.append((status[0], second, first, old_mode, new_mode))
            continue
        added, removed, name = word.split(b"\t", 2)
        if not name:  # a rename: both names follow
            next(words)
            next(words)
        counts.append((added, removed))
    for (status, path, old_path, old_mode, new_mode), (added, removed) in zip(raw, counts, strict=True):
        lines = (None, None) if added == b"-" else (int(added), int(removed))
        yield FileStat(status, path, old_path, old_mode, new_mode, *lines)
