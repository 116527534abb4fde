"""The text of ``hookkit show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hookkit.store.plain import plain
from hookkit.store.summary import summarise
from hookkit.trails.timeline import Gap, Window
from hookkit.views import cost, filters, text
from hookkit.views.cells import width
from hookkit.views.clock import Clock, Times
from hookkit.views.filters import Predicate
from hookkit.views.outline import Item, outline

_WIDTH = 100  # cells of a text, at most
_TOLD = 60  # cells of what a call was given, and of its error
_NAMES = 11  # cells that the names in the head take
_CLOCK = 12  # cells of a row's time
# Said of every call that is not a file edit: its tree ids are there, its lines are not known by the hook.
_EXPECTED = frozenset({"hook_only", "posttooluse_no_file_range"})


def render(record: Mapping[str, Any], wanted: Predicate | None = None, times: Times | None = None) -> Iterator[str]:
    """The lines of a trace: what it is, then its turns with their calls, windows and gaps.

    wanted: which rows. times: how to tell the time of every row; None: only when a turn began, by the clock.
    """
    yield from header(record)
    items = outline(record)
    clock = Clock(times, record.get("timestamp_start")) if times else None
    for item in filters.chosen(items, wanted) if wanted else items:
        if item.kind == "turn":
            yield ""
        if clock is None:
            yield row(item)
        else:
            told = clock.tell(item.time) if item.kind not in ("tokens", "gap") else ""
            yield text.styled(f"{told:>{_CLOCK}}", "dim") + " " + row(item, with_time=False)


def header(record: Mapping[str, Any]) -> Iterator[str]:
    """What the session is, in a few lines."""
    summary = summarise(record)
    agent = " ".join(plain(str(word)) for word in (summary["agent"], summary["agent_version"]) if word)
    name = f"Trace {summary['trace_id']}"
    beside = width(f"{name}  {agent}") <= text.columns()
    for part in text.folded(name, text.columns()):
        yield text.styled(part, "bold") + f"  {agent}" * beside
    rows = [
        ("agent", "" if beside else agent),
        ("title", text.one_line(summary["title"] or "(no prompt)", min(_WIDTH, text.fits(_NAMES)))),
        ("session", plain(summary["session_id"])),
        ("project", plain(str(summary["project"])) + (f" ({plain(summary['branch'])})" if summary["branch"] else "")),
        ("time", _time(summary)),
        ("model", ", ".join(plain(model) for model in summary["models"])),
        ("work", _work(summary)),
        ("tokens", _tokens(summary)),
        ("cost", cost.told(record)),
        ("capture", _capture(summary)),
        ("state", _state(summary)),
    ]
    for name, value in rows:
        style = "yellow" if name == "state" and summary["blocked"] else ""
        for at, part in enumerate(text.folded(value, text.fits(_NAMES)) if value else ()):
            yield f"  {'' if at else name:<8} {text.styled(part, style) if style else part}"


def _time(summary: Mapping[str, Any]) -> str:
    seconds = summary["duration_s"]
    lasted = f" ({text.duration(seconds * 1000)})" if seconds is not None else ""
    return text.local(summary["started_at"], "%Y-%m-%d %H:%M:%S") + lasted


def _work(summary: Mapping[str, Any]) -> str:
    parts = [text.counted(summary["turns"], "turn"), text.counted(summary["tool_calls"], "tool call")]
    failed, denied = summary["failed_tool_calls"], summary["denied_tool_calls"]
    if failed or denied:  # a denied call is one of those that failed
        parts.append(f"{failed} failed" + (f" ({denied} denied)" if denied else ""))
    return ", ".join(parts + [text.counted(summary["subagents"], "subagent")] * bool(summary["subagents"]))


def _tokens(summary: Mapping[str, Any]) -> str:
    names = (
        ("input", "input_tokens"),
        ("output", "output_tokens"),
        ("cache read", "cache_read_tokens"),
        ("cache write", "cache_write_tokens"),
    )
    return ", ".join(f"{name} {summary[key]:,}" for name, key in names)


def _capture(summary: Mapping[str, Any]) -> str:
    parts = [f"{summary['hooked_tool_calls']} of {summary['tool_calls']} calls seen by a hook"]
    if summary["unpaired_tool_calls"]:
        parts.append(f"{summary['unpaired_tool_calls']} without a window")
    told = {name: number for name, number in summary["limitations"].items() if name not in _EXPECTED}
    parts += [f"{plain(name)} {number}" for name, number in told.items()]
    return ", ".join(parts)


def _state(summary: Mapping[str, Any]) -> str:
    if summary["blocked"]:
        return "blocked: " + "; ".join(plain(reason) for reason in summary["blocked"])
    return "complete" if summary["complete"] else "the last turn had not ended when this was read"


def row(item: Item, *, with_time: bool = True, indented: bool = True) -> str:
    """One row as text, without the blank line before a turn. with_time: say when a turn began. indented: below a turn.

    Texts are cut so that the row fits on the terminal, as far as its other parts leave room.
    """
    indent, before = "  " * indented + "    " * item.depth, 0 if with_time else _CLOCK + 1
    if item.kind == "turn":
        clock = f"  {text.local(item.time, '%H:%M:%S')}" if with_time else ""
        return text.styled(_cut(f"Turn {item.turn}{clock}  ", item.text, before), "bold")
    if item.kind == "subagent":
        return _cut(f"{indent}{plain(item.name)}: ", item.text, before)
    if item.kind == "said":
        return _cut(indent, item.text, before)
    if item.kind == "tokens":
        return text.styled(f"{indent}  {text.tokens(item.prompted)} in, {text.tokens(item.made)} out", "dim")
    if item.kind == "error":
        return text.styled(_cut(f"{'  ' * indented}error: ", item.text, before), "red")
    if item.gap is not None:
        return indent + _gap(item.gap)
    return indent + _call(item, before + len(indent))


def _cut(head: str, said: str, before: int) -> str:
    return head + text.one_line(said, min(_WIDTH, text.fits(before + width(head))))


def _call(item: Item, before: int) -> str:
    name, lasted, step = plain(item.name), text.duration(item.duration_ms), f":{item.step}"
    trees = _window(item.window) if item.window else "no hook line" if item.unseen else ""
    failed = {"": "", "no_result": "no result", "failed": "failed: "}[item.state]
    fixed = [part for part in (name, lasted, trees, failed, step) if part]
    room = text.fits(before + sum(map(width, fixed)) + 2 * len(fixed))
    told = text.one_line(item.text, min(_TOLD, room // 2 if item.state == "failed" else room))
    if item.state == "failed":
        failed += text.one_line(item.error, min(_TOLD, room - width(told)))
    parts = [f"{text.styled(name, 'cyan')}  {told}".rstrip(), lasted, trees, failed and text.styled(failed, "red")]
    return "  ".join(part for part in parts if part) + text.styled(f"  {step}", "dim")


def _window(window: Window) -> str:
    before, after = (tree[:7] if tree else "?" for tree in (window.before, window.after))
    arrow = before if before == after and before != "?" else f"{before}..{after}"
    return f"[{arrow}{' inferred' if window.inferred else ''}]"


def _gap(gap: Gap) -> str:
    return text.styled(f"gap: changed outside any tool call [{gap.before[:7]}..{gap.after[:7]}]", "yellow")
