"""The lines that a file tool of Qwen Code wrote, from its diff and both texts. Standard library only.

Qwen makes its diff without regard to blanks: a line of which only the indentation changed stands there as unchanged.
The diff tells which line of the old text became which of the new one; what differs between these was written, too.
"""

import re

from hookkit_hunks import range_of, split

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


def ranges(diff: str, before: str, after: str) -> list[dict[str, object]] | None:
    """The changed ranges of the file after the call, each with its "lines"; None where diff and texts disagree."""
    walk = _Walk(split(before), split(after))
    inside = False
    try:
        for line in diff.split("\n"):
            hunk = _HUNK.match(line)
            mark = line[:1]
            if hunk:
                old, olds, new, news = (1 if each is None else int(each) for each in hunk.groups())
                inside = walk.same(old - (1 if olds else 0), new - (1 if news else 0))
            elif not inside or mark in ("", "\\"):
                continue
            elif mark == " ":
                walk.pair()
            elif mark == "-":
                walk.remove(line[1:])
            elif mark == "+":
                walk.add(line[1:])
            else:
                return None
        walk.same(len(walk.old), len(walk.new))
    except (IndexError, ValueError):
        return None
    walk.close()
    return walk.found


class _Walk:
    """Both texts, side by side. at: how many lines of each are behind us."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        self.old, self.new = old, new
        self.at = [0, 0]
        self.found: list[dict[str, object]] = []
        self._added: list[str] = []
        self._removed = 0

    def same(self, old: int, new: int) -> bool:
        """Go on to these lines, through what the diff leaves out as unchanged."""
        if old - self.at[0] != new - self.at[1] or old < self.at[0]:
            raise ValueError
        while self.at[0] < old:
            self.pair()
        return True

    def pair(self) -> None:
        """A line that is the same in both but for blanks."""
        old, new = self.old[self.at[0]], self.new[self.at[1]]
        if old == new:
            self.close()
        elif "".join(old.split()) == "".join(new.split()):
            self._added.append(new)
            self._removed += 1
        else:
            raise ValueError
        self.at[0] += 1
        self.at[1] += 1

    def remove(self, text: str) -> None:
        self._check(self.old[self.at[0]], text)
        self.at[0] += 1
        self._removed += 1

    def add(self, text: str) -> None:
        self._check(self.new[self.at[1]], text)
        self._added.append(self.new[self.at[1]])
        self.at[1] += 1

    def close(self) -> None:
        """Here nothing was changed: what was before it is one range."""
        if self._added or self._removed:
            self.found.append(range_of(self.at[1] - len(self._added) + 1, self._added, self._removed))
        self._added, self._removed = [], 0

    @staticmethod
    def _check(line: str, text: str) -> None:
        if line != text.removeprefix("\ufeff").removesuffix("\r"):
            raise ValueError
