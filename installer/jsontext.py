"""A lossless view of JSON and JSONC text: every value with its place in the text.

Comments, trailing commas, a byte order mark, duplicate keys and any whitespace are read; nothing is normalised.
Offsets are characters of the text as given.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json import JSONDecodeError, JSONDecoder
from typing import Literal

Kind = Literal["object", "array", "string", "number", "literal"]

# Far above any settings file, far below the interpreter's recursion limit.
MAX_DEPTH = 200

_SPACE = re.compile(r"[ \t\n\r]*")
_LINE_END = re.compile(r"[\n\r]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRINGS = JSONDecoder()
_LITERALS: Mapping[str, object] = {"true": True, "false": False, "null": None}


class JsonTextError(ValueError):
    """The text is not JSON or JSONC. ``line`` and ``column`` count from 1."""

    def __init__(self, reason: str, text: str, offset: int) -> None:
        before = text[:offset]
        lines = re.split(r"\r\n|\n|\r", before)
        self.reason = reason
        self.line = len(lines)
        self.column = len(lines[-1]) + 1
        super().__init__(f"{reason} at line {self.line}, column {self.column}")


@dataclass(frozen=True, slots=True)
class Value:
    """One JSON value. ``start`` and ``end`` bound its text; a container's bounds include its brackets.

    children: the members of an object, the elements of an array.
    commas: for each child the offset of the comma after it, or None.
    """

    kind: Kind
    start: int
    end: int
    scalar: object = None
    children: tuple[Child, ...] = ()
    commas: tuple[int | None, ...] = ()

    def member(self, key: str) -> Child | None:
        """The member that counts: with duplicate keys, the last one."""
        return next((c for c in reversed(self.children) if c.key == key), None)

    def data(self) -> object:
        """The value as plain Python data; of duplicate keys the last one counts."""
        if self.kind == "object":
            return {c.key: c.value.data() for c in self.children}
        if self.kind == "array":
            return [c.value.data() for c in self.children]
        return self.scalar


@dataclass(frozen=True, slots=True)
class Child:
    """A member of an object (``key`` is a string) or an element of an array (``key`` is None)."""

    key: str | None
    start: int
    key_end: int
    value: Value

    @property
    def end(self) -> int:
        return self.value.end


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text. ``root`` is None where the text holds whitespace and comments only.

    comments: spans, in order. trailing_commas: offsets, in order.
    """

    text: str
    root: Value | None
    comments: tuple[tuple[int, int], ...]
    trailing_commas: tuple[int, ...]

    def comments_in(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """The comments that lie between two offsets."""
        first = bisect_left(self.comments, (start, start))
        return tuple(span for span in self.comments[first:] if span[1] <= end)

    def line_of(self, offset: int) -> int:
        """The line of an offset, counted from 1."""
        return len(re.split(r"\r\n|\n|\r", self.text[:offset]))


@lru_cache(maxsize=16)  # one install looks at the same few texts from many sides
def parse(text: str) -> Document:
    """Read JSON or JSONC. Raises JsonTextError."""
    reader = _Reader(text)
    reader.trivia()
    root = reader.value(0) if reader.at < len(text) else None
    reader.trivia()
    if reader.at < len(text):
        raise JsonTextError("unexpected text after the end", text, reader.at)
    return Document(text, root, tuple(reader.comments), tuple(reader.trailing_commas))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self.comments: list[tuple[int, int]] = []
        self.trailing_commas: list[int] = []

    def fail(self, reason: str) -> JsonTextError:
        return JsonTextError(reason, self.text, self.at)

    def trivia(self) -> None:
        text = self.text
        while True:
            space = _SPACE.match(text, self.at)
            self.at = space.end() if space else self.at
            if text.startswith("//", self.at):
                line_end = _LINE_END.search(text, self.at)
                end = line_end.start() if line_end else len(text)
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2) + 2
                if end == 1:
                    raise self.fail("a comment is not closed")
            else:
                return
            self.comments.append((self.at, end))
            self.at = end

    def string(self) -> str:
        if self.text[self.at : self.at + 1] != '"':
            raise self.fail("a string in double quotes is missing")
        try:
            value, self.at = _STRINGS.raw_decode(self.text, self.at)
        except JSONDecodeError as error:
            raise JsonTextError("a string is not valid", self.text, error.pos) from None
        return str(value)

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self.fail(f"values are nested more than {MAX_DEPTH} deep")
        start = self.at
        first = self.text[start : start + 1]
        if first == "{":
            return self.container("object", "}", depth)
        if first == "[":
            return self.container("array", "]", depth)
        if first == '"':
            string = self.string()
            return Value("string", start, self.at, string)
        if number := _NUMBER.match(self.text, start):
            self.at = number.end()
            return Value("number", start, self.at, _number(number.group()))
        for word, literal in _LITERALS.items():
            if self.text.startswith(word, start):
                self.at += len(word)
                return Value("literal", start, self.at, literal)
        raise self.fail("a value is missing")

    def container(self, kind: Literal["object", "array"], closer: str, depth: int) -> Value:
        start = self.at
        children: list[Child] = []
        commas: list[int | None] = []
        self.at += 1
        self.trivia()
        while self.text[self.at : self.at + 1] != closer:
            children.append(self.child(kind, depth))
            self.trivia()
            if self.text[self.at : self.at + 1] == ",":
                commas.append(self.at)
                self.at += 1
                self.trivia()
                continue
            commas.append(None)
            if self.text[self.at : self.at + 1] != closer:
                raise self.fail(f"a comma or {closer} is missing")
        if commas and commas[-1] is not None:
            self.trailing_commas.append(commas[-1])
        self.at += 1
        return Value(kind, start, self.at, None, tuple(children), tuple(commas))

    def child(self, kind: str, depth: int) -> Child:
        start = self.at
        if kind == "array":
            return Child(None, start, start, self.value(depth + 1))
        key = self.string()
        key_end = self.at
        self.trivia()
        if self.text[self.at : self.at + 1] != ":":
            raise self.fail("a colon is missing")
        self.at += 1
        self.trivia()
        return Child(key, start, key_end, self.value(depth + 1))


def _number(token: str) -> int | float:
    if any(mark in token for mark in ".eE"):
        return float(token)
    try:
        return int(token)
    except ValueError:  # longer than int() converts
        return float(token)
