"""What scenarios ask about a session that was recorded, whatever agent it is of: trees, lines, errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .evidence import (
    Window,
    assert_lines_match_the_witness,
    assert_no_trace_of_hooks_in_the_transcript,
    assert_trace_matches_the_witness,
    recorded_trace,
    windows,
    written_tree,
)
from .sandbox import Json, Run, Sandbox
from .script import Script, Turn

START = {"README.md": b"A project.\n", "old.txt": b"one\ntwo\nthree\n"}


def play(box: Sandbox, turns: Sequence[Turn], **options: object) -> Run:
    run = box.run(Script(turns), **options)  # type: ignore[arg-type]
    assert run.returncode == 0, (run.stdout, run.stderr)
    return run


def trees(scratch: Path, *states: dict[str, bytes]) -> list[str]:
    """The tree ids of literal states of the project, made with plain git."""
    return [written_tree(scratch / f"state-{number}", state) for number, state in enumerate(states)]


def witnessed_trace(box: Sandbox) -> Json:
    """The trace, after lines and trace were held to the witness."""
    trace = recorded_trace(box)
    assert_lines_match_the_witness(box)
    assert_trace_matches_the_witness(box, trace)
    assert_no_trace_of_hooks_in_the_transcript(box)
    return trace


def bound(seen: Sequence[Window]) -> list[tuple[str | None, str | None]]:
    return [(window.before, window.after) for window in seen]


def blame(box: Sandbox, trace: Json, path: str) -> list[str]:
    """``number: text`` of each line. number: which call of the session wrote it, from 1.

    ``~`` behind it: provisional.
    """
    numbers = {window.call: str(number) for number, window in enumerate(windows(trace), start=1)}
    tools = {window.call: window.tool for window in windows(trace)}
    said = []
    for line in map(json.loads, box.hookkit("blame", path, "--json").stdout.splitlines()):
        origin = line["origin"]
        who = {"outside_tool_call": "human", "unknown": "?"}.get(origin["kind"]) or numbers[origin["tool_call_id"]]
        said.append(f"{who}{'~' if origin['firmness'] == 'provisional' else ''}: {line['text']}")
        if origin["kind"] == "tool_call":
            assert (origin["session_id"], origin["agent"]) == (box.session_id, box.agent.name)
            assert origin["tool"] == tools[origin["tool_call_id"]]
    return said


def errors(trace: Json) -> list[str | None]:
    """What each call's result says went wrong, in the order of ``windows``."""
    found = {
        observed["source_call_id"]: observed.get("error")
        for step in trace["steps"]
        for observed in step["observations"]
    }
    return [found.get(window.call) for window in windows(trace)]
