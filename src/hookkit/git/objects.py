"""Objects of both stores, the user's and the private one: what is there, what is new, and what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hookkit.git.plain import EMPTY_TREE, plain
from hookkit.git.run import GitError, Stream, run, stream
from hookkit.git.worktree import Worktree

_AT_ONCE = 400  # questions that fit into a pipe together with their answers
_END = b"end of pair\n"  # see hookkit.git.diff
_SUBMODULE = b"160000"


def write(worktree: Worktree, kind: str, content: bytes) -> str:
    """Put an object into the private store; its id. GitError if git finds it malformed."""
    with plain(worktree, private=True) as variables:
        answer = run(worktree.root, "hash-object", "-t", kind, "-w", "--stdin", stdin=content, extra=variables)
    return answer.decode().strip()


def read(worktree: Worktree, names: Iterable[str]) -> Iterator[tuple[str, bytes] | None]:
    """(type, content) of each named object (``<hex>``, ``<commit>:<path>``), in order; None for one that is missing."""
    with plain(worktree) as variables, stream(worktree.root, "cat-file", "--batch", extra=variables) as child:
        for name in names:
            facts = _ask(child, name.encode() + b"\n").split()
            if len(facts) != 3:  # "<name> missing"; a name with a space would be echoed in full
                yield None
                continue
            size = int(facts[2])
            content = child.stdout.read(size)
            if len(content) < size or child.stdout.read(1) != b"\n":
                raise child.died()
            yield facts[1].decode(), content


def kinds(worktree: Worktree, ids: Iterable[str]) -> dict[str, str]:
    """The type of each object that is there; the others are left out."""
    with plain(worktree) as variables, _checker(worktree, variables) as child:
        return _kinds(child, list(ids))


@dataclass(slots=True)
class NewObjects:
    """What trees need beyond a tree that is complete. objects: id -> a path it has. missing: trees not to be had."""

    objects: dict[str, str] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def new_objects(worktree: Worktree, base: str, trees: Iterable[str]) -> NewObjects:
    """The objects that ``trees`` are made of, without those of ``base`` ("": nothing), which must be complete.

    The work is that of what differs between one tree and the next. A tree that lacks an object (the user's git may have
    pruned it before it was needed here) is missing as a whole.
    """
    out = NewObjects()
    with contextlib.ExitStack() as stack:
        variables = stack.enter_context(plain(worktree))
        checker = stack.enter_context(_checker(worktree, variables))
        lister = stack.enter_context(contextlib.closing(_Lister(worktree, variables)))
        for tree in dict.fromkeys(trees):
            found = lister.between(base, tree) if _kinds(checker, [tree]).get(tree) == "tree" else None
            fresh = [each for each in found or () if each not in out.objects]
            if found is None or len(_kinds(checker, fresh)) < len(fresh):
                out.missing.append(tree)
                continue
            out.objects.update(found)
            out.complete.append(tree)
            base = tree
    return out


class _Lister:
    """One git child that tells trees apart. It dies of a folder that is missing, and is started again."""

    def __init__(self, worktree: Worktree, variables: dict[str, str]) -> None:
        self._worktree, self._variables = worktree, variables
        self._stack = contextlib.ExitStack()
        self._child: Stream | None = None

    def close(self) -> None:
        self._stack.close()
        self._child = None

    def between(self, base: str, tree: str) -> dict[str, str] | None:
        """The objects of ``tree`` that ``base`` does not have at the same place; None if they cannot be listed."""
        if base == tree:
            return {}
        for start in dict.fromkeys((base, "")):
            try:
                return {tree: ""} | self._listing(start or EMPTY_TREE[len(tree)], tree)
            except GitError:  # what is missing may be in the base
                self.close()
        return None

    def _listing(self, base: str, tree: str) -> dict[str, str]:
        if self._child is None:
            options = ("--stdin", "-r", "-t", "--raw", "--no-renames", "--no-abbrev")
            self._child = self._stack.enter_context(
                stream(self._worktree.root, "diff-tree", *options, extra=self._variables)
            )
        found = {}
        line = _ask(self._child, f"{base} {tree}\n".encode() + _END)
        if line == _END:
            raise self._child.died()
        while (line := _line(self._child)) != _END:
            facts, _, path = line[:-1].partition(b"\t")
            _, mode, _, new, _ = facts.split(b" ")
            if mode != _SUBMODULE and new.strip(b"0"):
                found[new.decode()] = path.decode(errors="replace")
        return found


def _checker(worktree: Worktree, variables: dict[str, str]) -> contextlib.AbstractContextManager[Stream]:
    return stream(worktree.root, "cat-file", "--batch-check=%(objectname) %(objecttype)", extra=variables)


def _kinds(child: Stream, ids: Sequence[str]) -> dict[str, str]:
    found = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        line = _ask(child, "".join(f"{each}\n" for each in some).encode())
        for number in range(len(some)):
            name, kind = (line if not number else _line(child)).decode().split()
            if kind != "missing":
                found[name] = kind
    return found


def _ask(child: Stream, question: bytes) -> bytes:
    try:
        child.stdin.write(question)
        child.stdin.flush()
    except BrokenPipeError:
        raise child.died() from None
    return _line(child)


def _line(child: Stream) -> bytes:
    line = child.stdout.readline()
    if line[-1:] != b"\n":
        raise child.died()
    return line
