"""Copilot CLI's hook lines: its hooks name no call, but the session's events tell whose hooks ran, and when."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hookkit.capture.copilot_cli.parser import CopilotCliParser
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.session import Session as Reading

from .copilot_support import FIXTURES, HOOKED, SESSION, START, hooks, lines_of, recorded, session_of

LATER = timedelta(milliseconds=300)


def index_of(path: Path, lines: list[dict[str, Any]], folder: Path) -> tuple[HookIndex, HookIndex]:
    """(the lines in their places, the same before)"""
    parser = CopilotCliParser()
    session = Reading(parser, session_of(path), recorded(path.stem, folder), None)
    session.read()
    for line in lines:
        session.hooks.add(line, owned=True)
    return session.hooks.whole(lambda: parser.keyed_calls(session.fold)), session.hooks


def truth(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Agent -> ids of the calls in the order of their hooks, before and after: without a look at times or inputs."""
    before, after, ending = defaultdict(list), defaultdict(list), set()
    for line in map(json.loads, path.read_text().split("\n")[:-1]):
        agent, data = line.get("agentId") or "", line.get("data") or {}
        if line["type"] == "hook.start" and data["hookType"] == "preToolUse":
            before[agent] += [call["id"] for call in data["input"]["toolCalls"]]
        elif line["type"] == "hook.start" and data["hookType"].startswith("postToolUse"):
            ending.add(agent)
        elif line["type"] == "tool.execution_complete" and agent in ending:
            ending.remove(agent)
            after[agent].append(data["toolCallId"])
    return before, after


def heard(lines: list[dict[str, Any]], *names: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in lines:
        if line["event"] in names:
            found[line["data"].get("agent_id", "")].append(line["timestamp"])
    return found


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_every_recorded_hook_is_bound_to_its_call(path: Path, tmp_path: Path) -> None:
    lines = lines_of(path)
    whole, _ = index_of(path, lines, tmp_path)
    before, after = truth(path)
    pre = {agent: dict(zip(stamps, before[agent], strict=True)) for agent, stamps in heard(lines, "PreToolUse").items()}
    posts = heard(lines, "PostToolUse", "PostToolUseFailure")
    post = {agent: dict(zip(stamps, after[agent], strict=True)) for agent, stamps in posts.items()}
    assert _placed(whole.pre) == {stamp: call for each in pre.values() for stamp, call in each.items()}
    assert _placed(whole.post) == {stamp: call for each in post.values() for stamp, call in each.items()}


def _placed(rows: Any) -> dict[str, str]:
    return {json.loads(row.text)["timestamp"]: call for call, row in rows.items()}


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_hooks_that_are_registered_twice_change_nothing(path: Path, tmp_path: Path) -> None:
    """They run one registration after the other, each for all calls of the answer; Copilot waits for them."""
    lines = lines_of(path)
    once, _ = index_of(path, lines, tmp_path)
    stamps = sorted(_moment(line) for line in lines)
    gaps = {stamp: after - stamp for stamp, after in pairwise([*stamps, stamps[-1] + 2 * LATER])}
    again = [_later(line, LATER if "Tool" in line["event"] else min(LATER, gaps[_moment(line)] / 2)) for line in lines]
    twice, _ = index_of(path, [*lines, *again], tmp_path)
    assert {call: row.text for call, row in twice.pre.items()} == {call: row.text for call, row in once.pre.items()}
    assert {call: row.text for call, row in twice.post.items()} == {call: row.text for call, row in once.post.items()}
    assert [event for event, _ in twice.events()] == [event for event, _ in once.events()]


def _moment(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def _later(line: dict[str, Any], by: timedelta = LATER, **data: Any) -> dict[str, Any]:
    stamp = (_moment(line) + by).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {**line, "timestamp": stamp, "data": {**line["data"], **data}}


@pytest.mark.parametrize("path", HOOKED, ids=lambda path: path.stem)
def test_what_claudes_hooks_wrote_for_copilot_is_bound_to_the_same_calls(path: Path, tmp_path: Path) -> None:
    """Copilot runs the hooks of a project's Claude settings too: alone they count, beside its own they do not."""
    lines = [line for line in lines_of(path) if "Tool" in line["event"]]
    foreign = [_later(line, limitations=["foreign_caller"]) for line in lines]
    own, _ = index_of(path, lines, tmp_path)
    alone, _ = index_of(path, foreign, tmp_path)
    both, _ = index_of(path, [*foreign, *lines], tmp_path)
    assert (alone.pre.keys(), alone.post.keys()) == (own.pre.keys(), own.post.keys())
    assert {call: row.text for call, row in both.pre.items()} == {call: row.text for call, row in own.pre.items()}
    assert both.counts["double_loaded_hook_lines"] == len(foreign)
    assert both.counts["duplicate_hook_lines"] == own.counts["duplicate_hook_lines"]


def test_two_short_turns_are_two() -> None:
    """Their ends say the same, but for the time of their payloads; a hook that is registered twice says that twice."""
    index = HookIndex("copilot-cli", SESSION, named=False)
    for second, sent in ((0, 0), (0.3, 0), (1, 1), (1.3, 1)):
        payload = {"hook_event_name": "Stop", "timestamp": f"2026-11-28T14:00:0{sent}.000Z", "stop_hook_active": False}
        data = {"session_id": SESSION, "agent": "copilot-cli", **hooks.data("turn_end", payload, False)}
        stamp = (START + timedelta(seconds=second)).isoformat()
        index.add({"type": "opentraces_hook", "event": "Stop", "timestamp": stamp, "data": data}, owned=True)
    assert len(index.events()) == 2


def test_hooks_are_paired_in_order_where_the_transcript_does_not_tell(tmp_path: Path) -> None:
    """It holds nothing of the hooks, as when the agent was killed."""
    lines = [line for line in lines_of(FIXTURES / "parallel.jsonl") if "Tool" in line["event"]]
    index = HookIndex("copilot-cli", session_of(FIXTURES / "parallel.jsonl"), named=False)
    index.inside = {line["data"]["session_id"] for line in lines} - {index.session_id}
    for line in lines:
        index.add(line, owned=True)
    whole = index.whole(list)
    before = Counter(line["data"]["call_key"] for line in lines if line["event"] == "PreToolUse")
    assert len(whole.pre) == before.total()
    assert whole.post.keys() <= whole.pre.keys()
