"""The whole story of one line: ``hookkit blame PATH:LINE``."""

from __future__ import annotations

from collections.abc import Iterator

from hookkit.store.plain import plain
from hookkit.trails.calls import Session
from hookkit.trails.lines.model import BlamedLine
from hookkit.views import origins, text
from hookkit.views.blame import stamp
from hookkit.views.patch import told

_WIDTH = 100
_FIRMNESS = {
    "firm": "firm: tree ids prove it",
    "provisional": "provisional: likely, not proven",
    "none": "none",
}
_UNKNOWN = "unknown: nothing was recorded of how this line came to be"
_OUTSIDE = "nobody's tool call: it was written between the boundaries of recorded sessions"


def render(path: str, line: BlamedLine, session: Session | None) -> Iterator[str]:
    """The lines of the story. session: that of the call that wrote it, if its trace is still there."""
    yield text.styled(f"{origins.shown_path(path)}:{line.line}", "bold")
    yield f"    {origins.code(line.text)}".rstrip()
    yield ""
    rows = [*_origin(line, session), *_commit(line)]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"{name:<{width}}  {value}"
    if line.origin.trace_id is not None:
        at = origins.address(line.origin.trace_id, origins.step(line.origin, line.call))
        yield ""
        yield text.styled(f"hookkit diff {at}", "cyan") + "   the patch of that call"
        yield text.styled(f"hookkit track {at}", "cyan") + "  what became of its lines"


def _origin(line: BlamedLine, session: Session | None) -> Iterator[tuple[str, str]]:
    origin, facts = line.origin, line.call
    call = session.call(origin.tool_call_id) if session else None
    if origin.kind == "unknown":
        yield "written by", _UNKNOWN
        return
    if origin.kind == "outside_tool_call":
        yield "written by", _OUTSIDE
    else:
        agent = plain(facts.agent) if facts else "a call whose trace is gone"
        yield "written by", agent + (f" ({plain(facts.model)})" if facts and facts.model else "")
        if call:
            yield "call", f"{told(call, session.project if session else None)}  {plain(call.call_id)}"
            yield "when", text.local(call.closed or call.opened, "%Y-%m-%d %H:%M:%S")
        elif origin.tool_call_id:
            yield "call", f"{plain(facts.tool) + '  ' if facts else ''}{plain(origin.tool_call_id)}"
        said = call.turn.prompt if call and call.turn else facts.prompt if facts else None
        if facts and facts.turn is not None:
            yield "turn", f"{facts.turn}" + (f'  "{text.one_line(said, _WIDTH)}"' if said else "")
        if origin.trace_id:
            said = f"session {plain(facts.session_id)}, " if facts else ""
            yield "trace", plain(origin.trace_id[:8]) + f" ({said}step {origins.step(origin, facts)})"
    if origin.path is not None and (origin.path, origin.line) != (line.original_path, line.line):
        yield "was at", f"{origins.shown_path(origin.path)}:{origin.line} when it was written"
    yield "evidence", _FIRMNESS[origin.firmness]
    if origin.limitations:
        yield "limited by", ", ".join(plain(name) for name in origin.limitations)


def _commit(line: BlamedLine) -> Iterator[tuple[str, str]]:
    if not origins.committed(line.commit):
        yield "commit", origins.NOT_COMMITTED
        return
    when = text.local(stamp(line.author_time))
    yield "commit", f"{plain(line.commit[:8])}  {plain(line.author)}, {when}: {text.one_line(line.summary, _WIDTH)}"
