"""The text of a git-ai note (Git AI Standard, ``authorship/3.0.0``): which session wrote which lines of a commit.

A note is an attestation section, a line ``---`` and a JSON object:

    src/main.rs
      s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15
      h_31dce776f88375 20
    ---
    {"schema_version": "authorship/3.0.0", "base_commit_sha": "…", "prompts": {}, "sessions": {…}, "humans": {…}}

Keys: ``s_<14 hex>::t_<14 hex>`` a session and one edit of it (``sessions``), ``h_<14 hex>`` a person seen typing
(``humans``), 16 (once 7) bare hex digits a session as older versions wrote it (``prompts``). Source: the project's
specs/git_ai_standard_v3.0.0.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

VERSION = "authorship/3.0.0"

# git-ai's own word for an agent, where it has another one: with it both tools give a session the same id.
TOOLS = {"claude-code": "claude"}

Lines = tuple[int, int]  # first and last line, 1-based, both included

_KEY = re.compile(r"s_[0-9a-f]+::t_[0-9a-f]+|h_[0-9a-f]+|[0-9a-f]{7,64}")
_LINES = re.compile(r"([1-9]\d{0,9})(?:-([1-9]\d{0,9}))?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and the lines it claims; of two entries that claim a line the later one holds."""

    key: str
    lines: tuple[Lines, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A note. files: path -> entries, in the note's order. metadata: the JSON object, as it stands."""

    files: Mapping[str, tuple[Entry, ...]]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a note says of some lines of a file in its commit.

    tool, session_id, model: of an ``ai`` claim; author: of a ``human`` one; "" where the note does not say.
    """

    path: str
    lines: tuple[Lines, ...]
    kind: Literal["ai", "human"]
    key: str
    tool: str = ""
    session_id: str = ""
    model: str = ""
    author: str = ""


def session_key(tool: str, session_id: str) -> str:
    """The id of a session in a note: the same for whoever computes it."""
    return f"s_{_digits(f'{tool}:{session_id}')}"


def call_key(trace_id: str, tool_call_id: str) -> str:
    """The id of one call in a note. git-ai draws it; ours is derived, so that a second export gives the same note."""
    return f"t_{_digits(f'{trace_id}:{tool_call_id}')}"


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:14]


def parse(data: bytes) -> Note:
    """The note in ``data``; ValueError says why it is none of this version."""
    lines = data.decode(errors="surrogateescape").replace("\r\n", "\n").split("\n")
    if "---" not in lines:
        raise ValueError("it has no line `---`")
    divider = lines.index("---")
    try:
        metadata = json.loads("\n".join(lines[divider + 1 :]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"what follows `---` is not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise ValueError("what follows `---` is no JSON object")
    if metadata.get("schema_version") != VERSION:
        raise ValueError(f"its schema_version is {metadata.get('schema_version')!r}, not {VERSION!r}")
    for part in ("prompts", "sessions", "humans"):
        if not isinstance(metadata.get(part, {}), dict):
            raise ValueError(f"{part!r} is no JSON object")
    return Note(_attestations(lines[:divider]), metadata)


def _attestations(lines: Sequence[str]) -> dict[str, tuple[Entry, ...]]:
    files: dict[str, list[Entry]] = {}
    entries: list[Entry] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not line.startswith("  "):
            path = line.rstrip()
            quoted = len(path) > 1 and path[0] == path[-1] == '"'
            entries = files.setdefault(path[1:-1] if quoted else path, [])
            continue
        key, _, spans = line[2:].rstrip().partition(" ")
        if entries is None or not _KEY.fullmatch(key):
            raise ValueError(f"line {number} is neither a path nor a key with lines: {line[:80]!r}")
        entries.append(Entry(key, tuple(_span(text, number) for text in spans.split(",") if text)))
    return {path: tuple(entries) for path, entries in files.items() if entries}


def _span(text: str, number: int) -> Lines:
    found = _LINES.fullmatch(text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise ValueError(f"{text[:80]!r} in line {number} names no lines")
    return int(found[1]), int(found[2] or found[1])


def text(note: Note) -> bytes:
    """The bytes of a note. Every path must be ``can_be_named``."""
    written = []
    for path, entries in note.files.items():
        written.append(f'"{path}"\n' if _needs_quotes(path) else f"{path}\n")
        for entry in entries:
            spans = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in entry.lines)
            written.append(f"  {entry.key} {spans}\n")
    body = "".join(written) + "---\n" + json.dumps(note.metadata, indent=2, ensure_ascii=False)
    return body.encode(errors="surrogateescape")


def can_be_named(path: str) -> bool:
    """Whether a note can name the file: the format has no escapes, and its readers expect UTF-8."""
    return "\n" not in path and is_text(path)


def is_text(path: str) -> bool:
    """Whether the bytes of a path are UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


def _needs_quotes(path: str) -> bool:
    return path == "---" or path[0] == '"' or any(char.isspace() for char in path)


def claims(note: Note) -> Iterator[Claim]:
    """What the note says, the later of two claims about a line last. Keys without a record are left out."""
    for path, entries in note.files.items():
        for entry in entries:
            part = {"s": "sessions", "h": "humans"}.get(entry.key[0]) if "_" in entry.key else "prompts"
            record = note.metadata.get(str(part), {}).get(entry.key.partition("::")[0])
            if not isinstance(record, dict):
                continue
            if part == "humans":
                yield Claim(path, entry.lines, "human", entry.key, author=_string(record.get("author")))
                continue
            agent = record.get("agent_id")
            if isinstance(agent, dict):
                tool, session_id, model = (_string(agent.get(name)) for name in ("tool", "id", "model"))
                yield Claim(path, entry.lines, "ai", entry.key, tool, session_id, model)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def joined(lines: Iterable[Lines]) -> tuple[Lines, ...]:
    """The same lines in order, neighbours as one range."""
    found: list[Lines] = []
    for first, last in sorted(lines):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def without(lines: Iterable[Lines], taken: Iterable[Lines]) -> tuple[Lines, ...]:
    """``lines`` but not those in ``taken``."""
    left = joined(lines)
    for gone_first, gone_last in joined(taken):
        left = tuple(
            piece
            for first, last in left
            for piece in ((first, min(last, gone_first - 1)), (max(first, gone_last + 1), last))
            if piece[0] <= piece[1]
        )
    return left


def count(lines: Iterable[Lines]) -> int:
    """How many lines the ranges hold."""
    return sum(last - first + 1 for first, last in lines)
