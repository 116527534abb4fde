"""Edits of a file's bytes, as people, tools and formatters make them. All lines that are new hold a new token."""

from __future__ import annotations

import random

from .model import Ledger, has_token

# Beginnings that a reader of patches could take for something else.
TRAPS = (
    b"++ b/", b"-- a/", b"+++ b/x ", b"--- a/x ", b"@@ -1,2 +3 @@ ", b"diff --git a/x b/x ", b"\\ No newline at end ",
    b"index 0000000..1111111 ", b"new file mode 100644 ", b"\t", b" ", b"Binary files ", b"commit ", b"author ",
    b"rename from ", b"<<<<<<< ", b"\x1b[31m", b"\x0c", b"-", b"+", b"#",
)  # fmt: skip
PLAIN = (b"}", b"", b"    return", b"};", b"    }", b"")


class Text:
    """A file's content in its own style; every edit gives the new content."""

    def __init__(self, rng: random.Random, ledger: Ledger, content: bytes | None = None, eol: bytes = b"\n") -> None:
        self.rng, self.ledger = rng, ledger
        self.lines = (content or b"").split(b"\n")
        self.final = not content or self.lines[-1] == b""
        if self.lines[-1] == b"":
            self.lines.pop()
        crlf = bool(self.lines) and self.lines[0].endswith(b"\r")
        self.eol = b"\r\n" if crlf or (not self.lines and eol == b"\r\n") else b"\n"
        self.latin = b"\xe9" in (content or b"")
        if not self.final and self.lines:
            self.lines[-1] = self._ended(self.lines[-1])  # as if it had an end, in case that it gets one

    def content(self) -> bytes:
        """No line that is there has its end changed, but the last one when it gets or loses it."""
        lines = list(self.lines)
        if lines and not self.final:
            lines[-1] = lines[-1].removesuffix(b"\r")
        return b"\n".join(lines) + (b"\n" if self.final and lines else b"")

    def line(self) -> bytes:
        chance = self.rng.random()
        head = self.rng.choice(TRAPS) if chance < 0.12 else b"    " * self.rng.randrange(3)
        tail = self.rng.choice((b"", b"(x)", b" = 1;", b"  ", b" {", b" \xe9" if self.latin else b" \xc3\xa9"))
        return self._ended(head + self.ledger.token() + tail)

    def plain(self) -> bytes:
        return self._ended(self.rng.choice(PLAIN))

    def _ended(self, line: bytes) -> bytes:
        return line + b"\r" if self.eol == b"\r\n" else line

    def some(self, most: int = 5) -> list[bytes]:
        """New lines; now and then short ones among them, never at the ends."""
        found = [self.line() for _ in range(self.rng.randint(1, most))]
        if len(found) > 2 and self.rng.random() < 0.4:
            found.insert(self.rng.randint(1, len(found) - 1), self.plain())
        return found

    def insert(self) -> None:
        at = self.rng.randint(0, len(self.lines))
        if at == len(self.lines):
            self.final = True
        self.lines[at:at] = self.some()

    def append(self) -> None:
        self.final = True
        self.lines += self.some()

    def replace(self) -> None:
        if not self.lines:
            return self.append()
        at = self.rng.randrange(len(self.lines))
        self.lines[at : at + self.rng.randint(1, 3)] = self.some(3)
        self.final = True
        return None

    def delete(self) -> None:
        if len(self.lines) < 3:
            return self.append()
        at = self.rng.randrange(len(self.lines))
        del self.lines[at : at + self.rng.randint(1, 3)]
        return None

    def block(self, least: int = 3) -> tuple[int, int] | None:
        """(start, end) of lines that git, too, takes for a block that moved: all with tokens, none of the last."""
        for _ in range(8):
            size = self.rng.randint(least, 6)
            if len(self.lines) < size + 3:
                return None
            at = self.rng.randrange(len(self.lines) - size)
            if all(map(has_token, self.lines[at : at + size])):
                return at, at + size
        return None

    def cut(self) -> list[bytes]:
        """Take a block out; [] where there is none."""
        found = self.block()
        if found is None:
            return []
        taken = self.lines[found[0] : found[1]]
        del self.lines[found[0] : found[1]]
        return taken

    def paste(self, lines: list[bytes]) -> None:
        at = self.rng.randint(0, len(self.lines))
        if at == len(self.lines):
            self.final = True
        self.lines[at:at] = lines

    def move(self) -> None:
        taken = self.cut()
        if not taken:
            return self.insert()
        self.paste(taken)
        return None

    def format(self) -> None:
        """Rewrite every line's indentation, to one that no line had before."""
        self.ledger.formats += 1
        depth = b" " * (20 + self.ledger.formats)
        self.lines = [depth + line.lstrip(b" \t") if has_token(line) else line for line in self.lines]

    def drop_final_newline(self) -> None:
        if self.lines and has_token(self.lines[-1]):
            self.final = False

    def edit(self) -> None:
        """Any edit."""
        kinds = (self.insert, self.append, self.replace, self.delete, self.move, self.insert, self.replace)
        self.rng.choice(kinds)()
        if self.rng.random() < 0.06:
            self.drop_final_newline()
