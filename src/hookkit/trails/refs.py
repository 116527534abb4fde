"""What a user types to mean calls, events and commits.

``TRACE:STEP``, ``ot://…``, ``tp:``, ``ga:``, ``snap:``, ``t:``, ``c:``. A TRACE is whatever ``store.refs`` resolves. A
STEP is ``12`` or ``step_12`` (of a prompt: its whole turn), ``turn_3``, or the start of a tool call id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from hookkit.errors import UsageError
from hookkit.trails.calls import Call, Session, load

Kind = Literal["trace", "patch", "anchor", "snapshot", "commit", "line"]
Part = Literal["session", "turn", "step", "call"]

_SHORTEST = 4
_DISPLAY: dict[str, Kind] = {"tp": "patch", "ga": "anchor", "snap": "snapshot", "c": "commit", "t": "trace"}
_RESOURCES: dict[str, Kind] = {"trace-patch": "patch", "git-anchor": "anchor", "trace-snapshot": "snapshot"}
_ID_KEYS = {"patch": "trace_patch_id", "anchor": "git_anchor_id", "snapshot": "snapshot_id"}
_HINT = "See `hookkit list` for traces, `hookkit track TRACE` for the steps of one."


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference, read but not looked up.

    id: of the object; the path of a line. part: the STEP of a trace, the number of a line.
    """

    kind: Kind
    id: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls of one session that a reference means, in order. turn_prompt: see ``Call.turn`` of the first one."""

    part: Part
    session: Session
    calls: tuple[Call, ...]

    @property
    def call_ids(self) -> tuple[str, ...]:
        return tuple(call.call_id for call in self.calls)


def parse(text: str) -> Ref:
    """Read a reference; UsageError for one of no form that exists. Nothing is looked up."""
    if text.startswith("ot://"):
        return _resource(text)
    head, colon, rest = text.partition(":")
    if colon and head in _DISPLAY:
        kind = _DISPLAY[head]
        if kind == "trace":
            trace, _, step = rest.partition(":")
            return Ref("trace", trace, step)
        digits = rest.rpartition(":")[2].lower()
        if len(digits) < _SHORTEST or not re.fullmatch("[0-9a-f]+", digits):
            raise UsageError(
                "BAD_REFERENCE", f"{text!r} names nothing.", f"After {head}: come {_SHORTEST} or more hex digits."
            )
        return Ref(kind, digits)
    return Ref("trace", head, rest)


def _resource(text: str) -> Ref:
    kind, _, rest = text.removeprefix("ot://").partition("/")
    parts = [unquote(part, errors="surrogateescape") for part in rest.split("/") if part]
    if kind == "trace" and len(parts) == 1:
        return Ref("trace", parts[0])
    if kind == "trace" and len(parts) >= 3 and parts[1] in ("steps", "step"):
        return Ref("trace", parts[0], parts[2])
    if kind in _RESOURCES and parts and parts[-1] == "trail":
        parts.pop()
    if kind in _RESOURCES and len(parts) in (1, 2):
        return Ref(_RESOURCES[kind], parts[-1].rpartition(":")[2].lower())
    if kind == "repo" and len(parts) == 5 and parts[1:3] == ["git", "commit"]:
        return Ref("commit", parts[4].lower())
    if kind == "file" and len(parts) >= 4 and parts[-3] == "line" and parts[-1] == "origin" and parts[-2].isdecimal():
        return Ref("line", "/".join(parts[:-3]), parts[-2])
    raise UsageError(
        "BAD_REFERENCE",
        f"{text!r} is no reference that hookkit knows.",
        "ot://trace/ID, ot://trace-patch/sha256/ID, ot://git-anchor/sha256/ID, ot://trace-snapshot/sha256/ID, "
        "ot://repo/local/git/commit/ALGO/ID or ot://file/PATH/line/N/origin.",
    )


def trace(text: str) -> str:
    """The trace id that TRACE means; see ``store.refs.resolve``."""
    from hookkit.store.index import Index
    from hookkit.store.refs import resolve

    with Index().sync() as index:
        return resolve(index, text)


def select(ref: Ref) -> Selection:
    """The calls that a reference of kind ``trace`` means. UsageError if there is no such trace, step, turn or call."""
    session = load(trace(ref.id))
    return narrow(session, ref.part) if ref.part else Selection("session", session, session.calls)


def narrow(session: Session, step: str) -> Selection:
    """The calls of a session that STEP means."""
    turn = re.fullmatch(r"turn_?(\d{1,9})", step)
    if turn:
        return _turn(session, int(turn[1]))
    number = re.fullmatch(r"(?:step_?)?(\d{1,9})", step)
    if number:
        return _step(session, int(number[1]))
    found = [call for call in session.calls if call.call_id.startswith(step)] if len(step) >= _SHORTEST else []
    exact = [call for call in found if call.call_id == step] or found
    if len(exact) == 1:
        return Selection("call", session, (exact[0],))
    name = session.trace_id[:8]
    if exact:
        ids = ", ".join(call.call_id for call in exact[:8])
        raise UsageError("AMBIGUOUS_REF", f"{step!r} is the start of {len(exact)} calls: {ids}.", "Give more of it.")
    raise UsageError(
        "UNKNOWN_STEP",
        f"Trace {name} has no step, turn or call {step!r}.",
        f"A step is 12 or step_12, a turn turn_3, a call the start of its id; `hookkit track {name}` lists them.",
    )


def only(session: Session, call_id: str) -> Selection:
    """The one call of that very id. UsageError if the trace does not have it (any more)."""
    call = session.call(call_id)
    if call is None:
        raise UsageError(
            "UNKNOWN_CALL",
            f"Trace {session.trace_id[:8]} has no call {call_id!r}.",
            f"`hookkit track {session.trace_id[:8]}` lists those that it has.",
        )
    return Selection("call", session, (call,))


def _turn(session: Session, number: int) -> Selection:
    if not 1 <= number <= len(session.turns):
        raise UsageError(
            "UNKNOWN_STEP",
            f"Trace {session.trace_id[:8]} has {len(session.turns)} turns, and no turn {number}.",
            f"`hookkit show {session.trace_id[:8]}` shows them.",
        )
    calls = tuple(call for call in session.calls if call.turn and call.turn.number == number)
    return Selection("turn", session, calls)


def _step(session: Session, index: int) -> Selection:
    turn = next((turn for turn in session.turns if turn.step_index == index), None)
    if turn:
        return _turn(session, turn.number)
    calls = tuple(call for call in session.calls if call.step_index == index)
    if calls:
        return Selection("call" if len(calls) == 1 else "step", session, calls)
    name = session.trace_id[:8]
    if index not in session.steps:
        last = f"its last one is {session.steps[-1]}" if session.steps else "it has none"
        raise UsageError(
            "UNKNOWN_STEP",
            f"Trace {name} has no step {index}; {last}.",
            f"`hookkit track {name}` lists those with calls.",
        )
    with_calls = sorted({call.step_index for call in session.calls}, key=lambda step: (abs(step - index), step))
    near = f"The nearest step with one is {name}:{with_calls[0]}." if with_calls else f"`hookkit show {name}` shows it."
    raise UsageError("NO_CALL", f"Step {index} of trace {name} made no tool call.", near)


def short(kind: Kind, identifier: str) -> str:
    """An id as people read it: ``tp:4f2ff654``."""
    prefix = next(name for name, known in _DISPLAY.items() if known == kind)
    return f"{prefix}:{identifier.rpartition(':')[2][:8]}"


def resource(kind: Kind, identifier: str) -> str:
    """An object's stable name: ``ot://trace-patch/sha256/…``."""
    digits = identifier.rpartition(":")[2]
    if kind == "trace":
        return f"ot://trace/{digits}"
    if kind == "commit":
        return f"ot://repo/local/git/commit/{'sha1' if len(digits) == 40 else 'sha256'}/{digits}"
    return f"ot://{next(name for name, known in _RESOURCES.items() if known == kind)}/sha256/{digits}"


def id_key(kind: Kind) -> str:
    """The payload key that holds the id of a patch, an anchor or a snapshot."""
    return _ID_KEYS[kind]
