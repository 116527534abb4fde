"""The fuzzer's own idea of who wrote which line. It knows nothing of trees, diffs or the product.

Every line that the fuzzer writes holds a token that is written nowhere else, so a line's author is whoever wrote its
text first: a line that is moved, renamed, committed, rebased, squashed, stashed or reverted back into life keeps that
author, and a formatter that changes a line's text is the author of the new text. Lines without a token (blank, ``}``)
have no single author; of those only this is asserted: the answer is somebody who wrote such a line, or changed a file
that holds one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
MARK = b"tok"  # what every token starts with
# Characters, the mark included: more than the 20 that git asks of lines that move in their file, and more than the 40
# that it asks of lines that move between files, so that of one line alone can be told that it moved.
TOKEN = 44


@dataclass(frozen=True, slots=True)
class Author:
    """call: a tool call. outside: somebody while the recorder watched and no call was at work. before: whoever wrote
    the line before the recorder saw this repository. elsewhere: whoever wrote it in another clone."""

    kind: Literal["call", "outside", "before", "elsewhere"]
    call: str = ""

    def __str__(self) -> str:
        return self.call or self.kind


OUTSIDE, BEFORE, ELSEWHERE = Author("outside"), Author("before"), Author("elsewhere")


@dataclass(slots=True)
class Written:
    """What is known of a text.

    authors: more than one where nobody can tell. path: where it was first. seen: there is evidence, as it was written
    between two boundaries of its worktree, and the later one, or a commit made before that, has it. blurred: those
    boundaries were not the hook's, or had no tree id, so that nothing firm can be said of it.
    """

    authors: set[Author] = field(default_factory=set)
    path: str = ""
    seen: bool = False
    blurred: bool = False


def has_token(text: bytes) -> bool:
    return MARK in text


def texts(content: bytes) -> list[bytes]:
    """The lines of a file without their ends."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


class Ledger:
    """Who wrote what, by text."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = self.formats = 0
        self.written: dict[bytes, Written] = {}
        self._pending: dict[str, set[bytes]] = {}  # worktree root -> texts written since its last boundary
        self._committed: dict[str, set[bytes]] = {}  # those of them that are in a commit
        self._roots: set[str] = set()  # the worktrees that had a boundary
        self.contents: set[tuple[str, bytes]] = set()  # (path, content) of all files at all boundaries

    def token(self) -> bytes:
        """A word that was never there before."""
        self._count += 1
        number = f"{self._count:04d}"
        return MARK + "".join(self._rng.choices(ALPHABET, k=TOKEN - len(MARK) - len(number))).encode() + number.encode()

    def write(
        self, author: Author, root: str, path: str, before: bytes | None, after: bytes, *, blurred: bool = False
    ) -> None:
        """``author`` changed the file at ``path``: the texts that were never seen before are his."""
        old = set(texts(before or b""))
        for text in texts(after):
            if has_token(text):
                if text not in self.written:
                    self.written[text] = Written({author}, path, blurred=blurred)
                    self._pending.setdefault(root, set()).add(text)
            elif text not in old or before != after:
                self.written.setdefault(text, Written(path=path, seen=True)).authors.add(author)

        for one, other in ((before, after), (after, before)):
            if one and other and not one.endswith(b"\n"):
                last = texts(one)[-1]
                if last in texts(other) and not (other.endswith(last) or other == one):
                    self.share(author, [last])  # it got, or lost, its newline: git calls that a change

    def share(self, author: Author, path_texts: Iterable[bytes]) -> None:
        """``author`` may pass for the author of those texts, too: nobody could tell him from the other."""
        for text in path_texts:
            self.written.setdefault(text, Written()).authors.add(author)

    def pending(self, root: str) -> set[bytes]:
        return self._pending.get(root, set())

    def boundary(self, root: str, contents: Mapping[str, bytes]) -> None:
        """A tree of the worktree was taken, with these files. What it does not hold is never seen."""
        self.contents |= contents.items()
        committed = self._committed.pop(root, set())
        waiting = self._pending.pop(root, set())
        if waiting and root in self._roots:
            there = {text for content in contents.values() for text in texts(content)} | committed
            for text in waiting & there:
                self.written[text].seen = True
        self._roots.add(root)

    def committed(self, root: str, there: set[bytes]) -> None:
        """A commit was made that holds the texts ``there``."""
        self._committed.setdefault(root, set()).update(self.pending(root) & there)

    def blur(self, root: str) -> None:
        """The interval that just ended had no boundary that proves anything."""
        for text in self.pending(root):
            self.written[text].blurred = True
