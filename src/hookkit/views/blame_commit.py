"""The text and the JSON of ``hookkit blame commit``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hookkit.store.plain import plain
from hookkit.trails.graph import CallLines, Commit, Share
from hookkit.views import origins, text
from hookkit.views.blame import stamp

_WIDTH = 100
_PROMPT = 40
_FILES = 60


def render(share: Share) -> Iterator[str]:
    """The commit as ``git show`` heads it, the share of the calls, then one line a call, most lines first."""
    commit = share.commit
    yield text.styled(f"commit {plain(commit.id)}", "yellow") + decoration(commit)
    yield f"Author: {plain(commit.author)}"
    yield f"Date:   {text.local(stamp(commit.author_time), '%Y-%m-%d %H:%M:%S')}"
    yield ""
    yield f"    {text.one_line(commit.summary, _WIDTH)}"
    yield ""
    if not share.added:
        yield "A merge adds no lines of its own." if len(commit.parents) > 1 else "This commit adds no lines."
        return
    yield headline(share)
    yield ""
    rows = [row(call) for call in share.calls]
    rows += [(str(share.outside), "-", "outside of all tool calls", "", "", "", "")] * bool(share.outside)
    rows += [(str(share.unknown), "?", "unknown", "", "", "", "")] * bool(share.unknown)
    yield from (f"  {line}" for line in text.table(rows, right=frozenset({0})))


def headline(share: Share) -> str:
    """``14 of 20 added lines were written by 3 tool calls (70 %)``."""
    if not share.calls:
        return f"No tool call is known to have written any of its {text.counted(share.added, 'added line')}."
    lines = f"{share.by_calls} of {text.counted(share.added, 'added line')}"
    doubt = f", {share.provisional} of them provisional" if share.provisional else ""
    return f"{lines} by {text.counted(len(share.calls), 'tool call')} ({percent(share)}){doubt}"


def percent(share: Share) -> str:
    """The share of the calls, never rounded up to all nor down to nothing."""
    if share.ratio is None:
        return ""
    rounded = round(share.ratio * 100)
    if share.by_calls and share.by_calls < share.added:
        rounded = min(99, max(1, rounded))
    return f"{rounded} %"


def row(call: CallLines) -> tuple[str, ...]:
    """Lines, mark, agent, turn, tool, what to type, files."""
    facts, origin = call.call, call.origin
    said = origins.prompt(facts, _PROMPT)
    turn = f"{facts.turn} {said}".rstrip() if facts and facts.turn is not None else said
    return (
        str(call.lines),
        origins.PROVISIONAL if call.provisional else "*",
        text.one_line(facts.agent, 20) if facts else "an agent",
        turn,
        text.one_line(facts.tool, 20) if facts else "",
        origins.address(origin.trace_id, origins.step(origin, facts)),
        text.one_line(" ".join(_places(path, ranges) for path, ranges in call.files.items()), _FILES),
    )


def _places(path: str, ranges: list[tuple[int, int]]) -> str:
    spans = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    return f"{origins.shown_path(path)}:{spans}"


def decoration(commit: Commit) -> str:
    """`` (HEAD -> main, tag: v1)``; "" if nothing points at it."""
    return text.styled(f" ({plain(', '.join(commit.refs))})", "yellow") if commit.refs else ""


def commit_json(commit: Commit) -> Mapping[str, Any]:
    """A commit; schemas/blame-commit.schema.json, ``commit``."""
    return {
        "id": commit.id,
        "parents": list(commit.parents),
        "author": commit.author,
        "author_time": stamp(commit.author_time),
        "summary": commit.summary,
        "refs": list(commit.refs),
    }


def share_json(share: Share) -> Mapping[str, Any]:
    """A commit, its numbers and its calls."""
    return {
        "commit": commit_json(share.commit),
        "added_lines": share.added,
        "tool_call_lines": share.by_calls,
        "outside_tool_call_lines": share.outside,
        "unknown_lines": share.unknown,
        "provisional_lines": share.provisional,
        "tool_call_ratio": share.ratio,
        "calls": [
            {
                **origins.call_json(call.origin, call.call),
                "lines": call.lines,
                "provisional_lines": call.provisional,
                "files": [
                    {"path": path, "ranges": [list(span) for span in ranges]} for path, ranges in call.files.items()
                ],
            }
            for call in share.calls
        ],
    }


def dump(share: Share) -> str:
    """The whole report as JSON; schemas/blame-commit.schema.json."""
    runs = [
        {
            "path": run.path,
            "first_line": run.start,
            "last_line": run.start + run.count - 1,
            "blob": run.blob,
            "origin": origins.origin_json(run.origin, run.call),
        }
        for run in share.runs
    ]
    return json.dumps({**share_json(share), "runs": runs})
