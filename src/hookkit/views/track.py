"""The text and the JSON of ``hookkit track``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from hookkit.store.plain import plain
from hookkit.trails.calls import Call, Session
from hookkit.trails.lines.fate import LineFate, State
from hookkit.views import origins, text
from hookkit.views.patch import told

STATES: tuple[State, ...] = get_args(State)
_STYLES = {"alive": "", "moved": "", "changed": "yellow", "reverted": "red", "lost": "red", "never_committed": "red"}
_TEXT = 60

Fates = Mapping[str, Sequence[LineFate]]


def render(session: Session, calls: Sequence[Call], fates: Fates, *, lines: bool) -> Iterator[str]:
    """What became of the lines: all together, then by call; lines: where each of them is now, too."""
    wrote = [call for call in calls if fates.get(call.call_id)]
    agent = plain(session.agent)
    yield text.styled(f"Trace {plain(session.trace_id[:8])}", "bold") + f"  {agent}  {text.one_line(session.title, 80)}"
    everything = [fate for call in wrote for fate in fates[call.call_id]]
    if not everything:
        yield f"{_number(calls)} wrote no line that was recorded."
        return
    yield f"{_number(wrote)} wrote {text.counted(len(everything), 'line')}: {_sum(everything)}."
    silent = len(calls) - len(wrote)
    if silent:
        yield f"{text.counted(silent, 'other call')} wrote no lines."
    if lines:
        for call in wrote:
            yield ""
            yield f"{_address(session, call)}  {told(call, session.project)}  {_turn(call)}".rstrip()
            yield from _runs(fates[call.call_id])
        return
    yield ""
    yield from _table(session, wrote, fates)


def _number(calls: Sequence[Call]) -> str:
    return text.counted(len(calls), "call")


def _sum(fates: Sequence[LineFate]) -> str:
    counts = Counter(fate.state for fate in fates)
    parts = [f"{counts[state]} {_name(state)}" for state in STATES if counts[state]]
    waiting = sum(not fate.committed and fate.now_line is not None for fate in fates)
    return ", ".join(parts) + (f" ({waiting} not committed yet)" if waiting else "")


def _name(state: str) -> str:
    return state.replace("_", " ")


def _address(session: Session, call: Call) -> str:
    return text.styled(f"{plain(session.trace_id[:8])}:{call.step_index}", "cyan")


def _turn(call: Call) -> str:
    return f'turn {call.turn.number} "{text.one_line(call.turn.prompt, 40)}"' if call.turn else ""


def _table(session: Session, calls: Sequence[Call], fates: Fates) -> Iterator[str]:
    counts = {call.call_id: Counter(fate.state for fate in fates[call.call_id]) for call in calls}
    states = [state for state in STATES if any(count[state] for count in counts.values())]
    head = ("CALL", "TURN", "TOOL", "LINES", *(_name(state).upper() for state in states), "FILES")
    rows = [head]
    for call in calls:
        files = dict.fromkeys(origins.shown_path(fate.path) for fate in fates[call.call_id])
        rows.append(
            (
                f"{plain(session.trace_id[:8])}:{call.step_index}",
                str(call.turn.number) if call.turn else "",
                text.one_line(call.tool, 20),
                str(len(fates[call.call_id])),
                *(str(counts[call.call_id][state] or "") for state in states),
                text.one_line(" ".join(files), 60),
            )
        )
    drawn = text.table(rows, right=frozenset({1, *range(3, 4 + len(states))}))
    yield text.styled(drawn[0], "dim")
    yield from drawn[1:]


def _runs(fates: Sequence[LineFate]) -> Iterator[str]:
    """Neighbouring lines with the same fate on one line of text."""
    groups: list[list[LineFate]] = []
    for fate in fates:
        if groups and _follows(groups[-1][-1], fate):
            groups[-1].append(fate)
        else:
            groups.append([fate])
    rows = []
    for group in groups:
        first, last = group[0], group[-1]
        rows.append(
            (
                _place(first.path, first.line, last.line),
                _name(first.state),
                _now(first, last),
                text.one_line(origins.code(first.text).strip(), _TEXT),
            )
        )
    for group, line in zip(groups, text.table(rows), strict=True):
        style = _STYLES[group[0].state]
        yield "  " + (text.styled(line, style) if style else line)


def _follows(one: LineFate, other: LineFate) -> bool:
    same = (one.path, one.state, one.committed, one.commit, one.now_path, one.by and one.by.tool_call_id) == (
        other.path, other.state, other.committed, other.commit, other.now_path, other.by and other.by.tool_call_id,
    )  # fmt: skip
    along = one.now_line is None or other.now_line == one.now_line + 1
    return same and along and other.line == one.line + 1


def _place(path: str | None, first: int | None, last: int | None) -> str:
    span = f"{first}" if first == last else f"{first}-{last}"
    return f"{origins.shown_path(path or '')}:{span}"


def _now(first: LineFate, last: LineFate) -> str:
    if first.now_line is not None:
        where = f"now {_place(first.now_path, first.now_line, last.now_line)}"
        return f"{where} in {plain(first.commit[:8])}" if first.commit else f"{where}, {_waiting(first)}"
    if first.by is None:
        return ""
    if first.by.kind == "tool_call":
        return f"by {origins.address(first.by.trace_id, first.by.step_index)}"
    return "outside of all tool calls" if first.by.kind == "outside_tool_call" else ""


def _waiting(fate: LineFate) -> str:
    return "not at HEAD" if fate.committed else origins.NOT_COMMITTED


def dump(session: Session, calls: Sequence[Call], fates: Fates) -> Iterator[str]:
    """One JSON object a call; schemas/track.schema.json."""
    return (json.dumps(_call_json(session, call, fates.get(call.call_id, ()))) for call in calls)


def _call_json(session: Session, call: Call, fates: Sequence[LineFate]) -> Mapping[str, Any]:
    counts = Counter(fate.state for fate in fates)
    return {
        "trace_id": session.trace_id,
        "session_id": session.session_id,
        "agent": session.agent,
        "turn": call.turn.number if call.turn else None,
        "step_index": call.step_index,
        "tool_call_id": call.call_id,
        "tool": call.tool,
        "written_lines": len(fates),
        "states": {state: counts[state] for state in STATES},
        "lines": [
            {
                "path": fate.path,
                "line": fate.line,
                **origins.content(fate.text),
                "state": fate.state,
                "committed": fate.committed,
                "now_path": fate.now_path,
                "now_line": fate.now_line,
                "commit": fate.commit,
                "by": origins.origin_json(fate.by, None) if fate.by else None,
            }
            for fate in fates
        ],
    }
