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
from hookkit.store.files import replace_file


def folder() -> Path:
    """Where states, locks and requests of ingests are."""
    return paths.state() / "ingest"


def state_path(trace_id: str) -> Path:
    """Line 1: a hash of the rest. Line 2: the state. Then one text a line, as the state refers to them."""
    return folder() / f"{trace_id}.state.jsonl"


def save(trace_id: str, state: dict[str, Any], texts: list[bytes]) -> None:
    """Write a state in place of the old one."""

    def pieces() -> Iterator[bytes]:
        yield json.dumps(state, separators=(",", ":")).encode() + b"\n"
        for text in texts:
            yield text + b"\n"

    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces():
        digest.update(piece)
    paths.private_dir(folder())
    replace_file(state_path(trace_id), _with_digest(digest.hexdigest(), pieces()), durable=False)


def load(trace_id: str) -> tuple[dict[str, Any], list[bytes]] | None:
    """The state and its texts; None if there is none that can be trusted."""
    try:
        content = state_path(trace_id).read_bytes()
    except OSError:
        return None
    digest, _, rest = content.partition(b"\n")
    if hashlib.blake2b(rest, digest_size=16).hexdigest().encode() != digest:
        return None
    lines = rest.split(b"\n")
    return json.loads(lines[0]), lines[1:-1]


def _with_digest(digest: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield digest.encode() + b"\n"
    yield from pieces
