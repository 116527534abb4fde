"""A copy of a session that ends at a step, for `claude --resume` to go on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookkit.capture.claude_code.parser import ClaudeCodeParser, encoded
from hookkit.capture.claude_code.subagents import metas
from hookkit.capture.fold.assemble import order
from hookkit.capture.fold.streams import Stream
from hookkit.capture.jsonl import LineReader
from hookkit.capture.session import HOOK_LINE
from hookkit.capture.values import text_of
from hookkit.errors import HookkitError
from hookkit.store.files import replace_file

# Lines of the agent's own books that name places in the whole session, or what came last in it.
_WHOLE_SESSION = frozenset({"file-history-snapshot", "last-prompt", "summary", "ai-title", "custom-title"})


def cut(transcript: Path, step: int, session_id: str, folder: Path, *, dry_run: bool = False) -> Path:
    """Write a copy of ``transcript`` that ends with ``step``, under a new session id, as if it had been in ``folder``.

    The copy holds the step's message and the results of its calls, each marked as Claude Code itself marks what a
    branch copies, so that nothing counts twice. Paths inside of calls stay as they were. Hook lines are left out: they
    are of the other session. HookkitError if the step is a subagent's, or not in the transcript.
    """
    last = _last_line(transcript, step)
    parser = ClaudeCodeParser()
    place = parser.storage() / encoded(folder) / f"{session_id}.jsonl"
    if dry_run:
        return place
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    reader = LineReader(transcript)
    texts = []
    for entry in reader:
        if reader.line > last:
            break
        if text_of(entry.get("type")) in (HOOK_LINE, *_WHOLE_SESSION):
            continue
        texts.append(json.dumps(_moved(entry, session_id, folder), ensure_ascii=False).encode() + b"\n")
    replace_file(place, texts)
    return place


def _moved(entry: Mapping[str, Any], session_id: str, folder: Path) -> dict[str, Any]:
    moved = dict(entry)
    if "uuid" in moved:
        moved["forkedFrom"] = {"sessionId": moved.get("sessionId"), "messageUuid": moved["uuid"]}
    if "sessionId" in moved:
        moved["sessionId"] = session_id
    if "cwd" in moved:
        moved["cwd"] = os.fspath(folder)
    return moved


def _last_line(transcript: Path, step: int) -> int:
    """The number of the last line of the transcript that belongs to a step, or to an earlier one."""
    parser = ClaudeCodeParser()
    fold = parser.new_fold(parser.session_id_from_path(transcript))
    ends: dict[int, int] = {}  # cell -> the last line before the main conversation went on to another one
    main = fold.stream()
    for entry, line in _numbered(transcript):
        if entry.get("type") != HOOK_LINE:
            fold.feed("", entry, line)
            if fold.streams[main].cells:
                ends[fold.streams[main].cells[-1]] = line
    for source in parser.subagent_sources(transcript, fold):
        for entry, line in _numbered(source.path):
            fold.feed(source.file, entry, line)
    placed: list[tuple[int, Stream]] = [(cell, stream) for cell, stream, _ in order(fold, metas(transcript))]
    if step < len(placed) and placed[step][1].rank != ("", ""):
        raise HookkitError(
            "STEP_OF_A_SUBAGENT",
            f"Step {step} is a subagent's; Claude Code resumes main conversations only.",
            "Give the step that started the subagent, or one after it.",
        )
    if step >= len(placed) or placed[step][0] not in ends:
        raise HookkitError(
            "STEP_NOT_IN_TRANSCRIPT", f"Step {step} is not in {transcript}.", "Run `hookkit ingest`, then try again."
        )
    return ends[placed[step][0]]


def _numbered(path: Path) -> list[tuple[dict[str, Any], int]]:
    reader = LineReader(path)
    return [(entry, reader.line) for entry in reader]
