"""The ingest state of one session on disk: where it stopped, and what it needs to go on.

The state saves time and nothing else. Missing, damaged or written by other code, it is dropped, and the session is
read again from its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hookkit import paths
from hookkit.store.files import replace_file, trace_path

_DIGEST = 32  # characters


def folder() -> Path:
    """Where states, locks and requests of ingests are."""
    return paths.state() / "ingest"


def state_path(trace_id: str) -> Path:
    """Line 1: the state. Then one text a line, as the state refers to them. Last line: a hash of all before it."""
    return folder() / f"{trace_id}.state.jsonl"


def stamp(trace_id: str) -> list[int] | None:
    """What tells whether a trace file is still the one that was written; None if there is none."""
    try:
        found = trace_path(trace_id).stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]


def save(trace_id: str, state: dict[str, Any], texts: list[bytes]) -> None:
    """Write a state in place of the old one."""
    paths.private_dir(folder())
    replace_file(state_path(trace_id), _pieces(state, texts), durable=False)


def load(trace_id: str) -> tuple[dict[str, Any], list[bytes]] | None:
    """The state and its texts; None if there is none that can be trusted."""
    try:
        content = state_path(trace_id).read_bytes()
    except OSError:
        return None
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST // 2).hexdigest().encode() != digest:
        return None
    first, *texts = body.split(b"\n")
    return json.loads(first), texts[:-1]


def _pieces(state: dict[str, Any], texts: list[bytes]) -> Iterator[bytes]:
    digest = hashlib.blake2b(digest_size=_DIGEST // 2)
    for text in (json.dumps(state, separators=(",", ":")).encode(), *texts):
        digest.update(text)
        digest.update(b"\n")
        yield text
        yield b"\n"
    yield digest.hexdigest().encode()
