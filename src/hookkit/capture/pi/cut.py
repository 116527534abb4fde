"""A copy of a session that ends at a step, for `pi --session` to go on from there."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hookkit.capture.jsonl import LineReader
from hookkit.capture.pi.parser import PiParser, encoded
from hookkit.errors import HookkitError
from hookkit.store.files import replace_file


def cut(transcript: Path, step: int, session_id: str, folder: Path, *, dry_run: bool = False) -> Path:
    """Write a copy of ``transcript`` that ends with ``step``, under a new session id, as if it had been in ``folder``.

    The copy holds the entries that lead to the step's message, and the results of its calls: Pi takes the last entry of
    a file for the tip of its tree, and earlier branches stay beside it. Paths inside of calls stay as they were.
    HookkitError if the step is not in the transcript.
    """
    head, *entries = _upto(transcript, step)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = f"{now.replace(':', '-').replace('.', '-')}_{session_id}.jsonl"
    storage = PiParser().storage()
    flat = transcript.parent == storage  # a folder of sessions that the user chose has no levels
    place = storage / name if flat else storage / encoded(folder) / name
    if dry_run:
        return place
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = {"id": session_id, "timestamp": now, "cwd": os.fspath(folder), "parentSession": os.fspath(transcript)}
    lines = [{**head, **own}, *entries]
    replace_file(place, [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines])
    return place


def _upto(transcript: Path, step: int) -> list[dict[str, Any]]:
    """The entries up to the end of a step, the session's own first."""
    parser = PiParser()
    fold = parser.new_fold(parser.session_id_from_path(transcript))
    reader = LineReader(transcript)
    entries: list[dict[str, Any]] = []
    last = -1
    calls: set[str] = set()
    for entry in reader:
        entries.append(entry)
        fold.feed("", entry, reader.line)
        cells = fold.streams[0].cells
        message = entry.get("message")
        if len(cells) == step + 1 and last < 0:
            last = len(entries) - 1
            calls = {call["tool_call_id"] for call in fold.cells.open(cells[step])["tool_calls"]}
        elif last >= 0 and isinstance(message, dict) and str(message.get("toolCallId")) in calls:
            last = len(entries) - 1
    if last < 0 or not entries or entries[0].get("type") != "session":
        raise HookkitError(
            "STEP_NOT_IN_TRANSCRIPT", f"Step {step} is not in {transcript}.", "Run `hookkit ingest`, then try again."
        )
    return entries[: last + 1]
