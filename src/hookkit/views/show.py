"""The text of ``hookkit show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hookkit.store.index import activity
from hookkit.store.plain import plain
from hookkit.store.summary import summarise
from hookkit.trails.timeline import Gap, Window, timeline
from hookkit.views import text

_WIDTH = 100
# Said of every call that is not a file edit: its tree ids are there, its lines are not known by the hook.
_EXPECTED = frozenset({"hook_only", "posttooluse_no_file_range"})
_TELLING = (
    "file_path",
    "notebook_path",
    "command",
    "pattern",
    "url",
    "query",
    "skill",
    "description",
    "prompt",
    "path",
)


def render(record: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a trace: what it is, then its turns with their calls, windows and gaps."""
    yield from _header(record)
    metadata = record.get("metadata") or {}
    yield from _Steps(record).lines()
    for error in metadata.get("session_errors", []):
        yield text.styled(f"  error: {text.one_line(str(error.get('message')), _WIDTH)}", "red")


def _header(record: Mapping[str, Any]) -> Iterator[str]:
    summary = summarise(record)
    agent = " ".join(plain(str(word)) for word in (summary["agent"], summary["agent_version"]) if word)
    yield text.styled(f"Trace {summary['trace_id']}", "bold") + f"  {agent}"
    rows = [
        ("title", text.one_line(summary["title"] or "(no prompt)", _WIDTH)),
        ("session", plain(summary["session_id"])),
        ("project", plain(str(summary["project"])) + (f" ({plain(summary['branch'])})" if summary["branch"] else "")),
        ("time", _time(summary)),
        ("model", ", ".join(plain(model) for model in summary["models"])),
        ("work", _work(summary)),
        ("tokens", _tokens(summary)),
        ("capture", _capture(summary)),
        ("state", _state(summary)),
    ]
    for name, value in rows:
        if value:
            yield f"  {name:<8} {value}"


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
        return text.styled("blocked: " + "; ".join(plain(reason) for reason in summary["blocked"]), "yellow")
    return "complete" if summary["complete"] else "the last turn had not ended when this was read"


class _Steps:
    def __init__(self, record: Mapping[str, Any]) -> None:
        self.steps: list[Mapping[str, Any]] = record["steps"]
        self.root = f"{(record.get('metadata') or {}).get('project')}/"
        times = timeline(record)
        self.windows = times.windows
        found = times.gaps()
        self.call_gaps = {gap.call_id: gap for gap in found if gap.call_id}
        self.turn_gaps = [gap for gap in found if not gap.call_id]
        self.turn = 0

    def lines(self) -> Iterator[str]:
        depths: dict[int, int] = {}
        for step in self.steps:
            parent = step.get("parent_step")
            depth = depths.get(parent, 0) + 1 if parent is not None else int(step.get("call_type") == "subagent")
            depths[step["step_index"]] = depth
            if step["role"] == "user" and not depth:
                yield from self._gaps_before(step.get("timestamp"))
            yield from self._step(step, "  " + "    " * depth, depth)
        yield from ("  " + _gap(gap) for gap in self.turn_gaps)

    def _gaps_before(self, stamp: object) -> Iterator[str]:
        """The gaps that began before a turn and that no call of an earlier turn shows."""
        while self.turn_gaps and activity(self.turn_gaps[0].since) < activity(stamp):
            yield "  " + _gap(self.turn_gaps.pop(0))

    def _step(self, step: Mapping[str, Any], indent: str, depth: int) -> Iterator[str]:
        said = text.one_line(step.get("content") or "", _WIDTH)
        if step["role"] == "user" and not depth:
            self.turn += 1
            clock = text.local(step.get("timestamp"), "%H:%M:%S")
            yield ""
            yield text.styled(f"Turn {self.turn}  {clock}  {said}", "bold")
        elif step["role"] == "user":
            yield f"{indent}{plain(step.get('agent_role') or 'subagent')}: {said}"
        elif said:
            yield f"{indent}{said}"
        results = {item["source_call_id"]: item for item in step["observations"]}
        for call in step["tool_calls"]:
            call_id = call["tool_call_id"]
            if call_id in self.call_gaps:
                yield indent + _gap(self.call_gaps[call_id])
            yield indent + self._call(call, results.get(call_id) or {}) + text.styled(f"  :{step['step_index']}", "dim")
        usage = step["token_usage"]
        prompted = usage["input_tokens"] + usage["cache_read_tokens"] + usage["cache_write_tokens"]
        if step["role"] == "agent" and (prompted or usage["output_tokens"]):
            yield text.styled(f"{indent}  {text.tokens(prompted)} in, {text.tokens(usage['output_tokens'])} out", "dim")

    def _call(self, call: Mapping[str, Any], result: Mapping[str, Any]) -> str:
        given = next((str(call["input"][key]) for key in _TELLING if isinstance(call["input"].get(key), str)), "")
        name, error = text.styled(plain(call["tool_name"]), "cyan"), result.get("error")
        parts = [
            f"{name}  {text.one_line(given.removeprefix(self.root), 60)}".rstrip(),
            text.duration(call.get("duration_ms")),
        ]
        window = self.windows.get(call["tool_call_id"])
        parts.append(_window(window) if window else "no hook line")
        if error:
            parts.append(
                text.styled("no result" if error == "no_result" else f"failed: {text.one_line(error, 60)}", "red")
            )
        return "  ".join(part for part in parts if part)


def _window(window: Window) -> str:
    before, after = (tree[:7] if tree else "?" for tree in (window.before, window.after))
    arrow = before if before == after and before != "?" else f"{before}..{after}"
    return f"[{arrow}{' inferred' if window.inferred else ''}]"


def _gap(gap: Gap) -> str:
    return text.styled(f"gap: changed outside any tool call [{gap.before[:7]}..{gap.after[:7]}]", "yellow")
