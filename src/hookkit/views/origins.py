"""How an origin reads, as text and as JSON; what blame, track and graph share."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from hookkit.store.plain import plain
from hookkit.trails.lines.model import CallFacts, Origin
from hookkit.views import text

# One character a line: firm call, provisional call, outside of all calls, unknown.
MARKS = {"tool_call": "*", "outside_tool_call": "-", "unknown": "?"}
PROVISIONAL = "~"
NOT_COMMITTED = "not committed"
_STYLES = {"*": "cyan", "~": "yellow", "-": "", "?": "dim"}


def mark(origin: Origin) -> str:
    """``*`` a call, proven; ``~`` a call, provisional; ``-`` outside of all calls; ``?`` unknown."""
    if origin.kind == "tool_call" and origin.firmness != "firm":
        return PROVISIONAL
    return MARKS[origin.kind]


def styled(origin: Origin, said: str) -> str:
    """``said`` in the colour of an origin."""
    style = _STYLES[mark(origin)]
    return text.styled(said, style) if style else said


def committed(commit: str) -> bool:
    """Whether a commit id names a commit; git writes zeros for lines that are not committed."""
    return bool(commit.strip("0"))


def shown_path(path: str) -> str:
    """A path on one line; bytes outside UTF-8 as U+FFFD."""
    return plain(os.fsencode(path).decode("utf-8", "replace"))


def code(content: bytes) -> str:
    """A line of a file for the terminal: tabs stay, other control characters are spelled out."""
    said = content.removesuffix(b"\r").decode("utf-8", "replace")
    return "\t".join(plain(part) for part in said.split("\t"))


def content(line: bytes) -> dict[str, Any]:
    """``text``, and ``text_base64`` where the bytes are not UTF-8 and the text is not all of them."""
    try:
        return {"text": line.decode("utf-8")}
    except UnicodeDecodeError:
        return {"text": line.decode("utf-8", "replace"), "text_base64": base64.b64encode(line).decode()}


def prompt(facts: CallFacts | None, width: int) -> str:
    """The first words of the turn's prompt in quotes; "" if there is none."""
    return f'"{text.one_line(facts.prompt, width)}"' if facts and facts.prompt else ""


def address(trace_id: str | None, step_index: int | None) -> str:
    """What to type to mean a call: ``8aa45309:12``."""
    if trace_id is None:
        return ""
    return plain(trace_id[:8]) + (f":{step_index}" if step_index is not None else "")


def step(origin: Origin, facts: CallFacts | None) -> int | None:
    """The step of an origin's call; None for the claim of another recorder, which knows no steps."""
    return facts.step_index if facts and origin.trace_id else origin.step_index


def call_json(origin: Origin, facts: CallFacts | None) -> Mapping[str, Any]:
    """Who the call of an origin is. All keys are there; null where there is no call or its trace is gone."""
    return {
        "trace_id": origin.trace_id,
        "session_id": facts.session_id if facts else None,
        "agent": facts.agent if facts else None,
        "model": facts.model if facts else None,
        "turn": facts.turn if facts else None,
        "prompt": facts.prompt if facts else None,
        "step_index": step(origin, facts),
        "tool_call_id": origin.tool_call_id,
        "tool": facts.tool if facts else None,
    }


def origin_json(origin: Origin, facts: CallFacts | None) -> Mapping[str, Any]:
    """An origin with its call; schemas/blame.schema.json, ``origin``."""
    return {
        "kind": origin.kind,
        "firmness": origin.firmness,
        "limitations": list(origin.limitations),
        **call_json(origin, facts),
        "path": origin.path,
        "blob": origin.blob,
        "line": origin.line,
    }
