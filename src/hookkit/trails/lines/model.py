"""What a line's origin is, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["tool_call", "outside_tool_call", "unknown"]
Firmness = Literal["firm", "provisional", "none"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a line.

    kind: ``outside_tool_call`` = seen at the boundaries of recorded sessions, but by no recorded call; ``unknown`` =
    nothing was recorded of it. firmness: ``firm`` only where tree, blob or commit ids prove it. limitations: of the
    closed vocabulary (``trails.vocabulary``). path, blob, line (1-based): where the line was when it was written, in
    the file as it was after that change; None if unknown.
    """

    kind: Kind
    firmness: Firmness
    limitations: tuple[str, ...] = ()
    trace_id: str | None = None
    tool_call_id: str | None = None
    step_index: int | None = None
    path: str | None = None
    blob: str | None = None
    line: int | None = None


UNKNOWN = Origin("unknown", "none")


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the trace says of a call. turn: 1-based. prompt: the first words of the turn's prompt, on one line."""

    trace_id: str
    session_id: str
    agent: str
    model: str | None
    tool: str
    step_index: int
    turn: int | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """One line of ``git blame``, with its origin.

    line, original_line: 1-based. commit: 40 (or 64) zeros where the line is not committed. author_time: seconds since
    1970. text: the line without its newline.
    """

    line: int
    text: bytes
    commit: str
    author: str
    author_time: int
    summary: str
    original_path: str
    original_line: int
    origin: Origin
    call: CallFacts | None
