from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentraces_schema import TraceRecord

from hookkit.capture.claude_code.parser import ClaudeCodeParser
from hookkit.capture.hook_lines import HookIndex
from hookkit.capture.session import Session

from .support import ROOT, SESSION, Transcript, fixture, hook, parse, stamp, tree

PRE_KEYS = {"timestamp", "tool", "tool_input", "trail"}
POST_KEYS = {
    "timestamp", "tool", "file_path", "start_line", "end_line", "content_hash", "confidence", "capture_status",
    "limitations", "trail",
}  # fmt: skip


def with_hooks(tmp_path: Path, transcript: Transcript, lines: Iterable[dict[str, Any]]) -> TraceRecord:
    return parse(tmp_path, copy.deepcopy(transcript) if not lines else _added(transcript, lines))


def _added(transcript: Transcript, lines: Iterable[dict[str, Any]]) -> Transcript:
    for line in lines:
        transcript.raw(line)
    return transcript


def capture(record: TraceRecord) -> dict[str, Any]:
    found = record.metadata["capture"]
    assert isinstance(found, dict)
    return found


def test_recorded_session_has_every_hooked_call_with_its_tree_ids(tmp_path: Path) -> None:
    transcript, project = fixture("recorded", tmp_path)
    session = Session(ClaudeCodeParser(), transcript.stem, transcript, project)
    session.read()
    found = session.record()
    assert found is not None
    record = TraceRecord.model_validate_json(b"".join(found.text()))
    pre, post = record.metadata["hook_pre_tool_use"], record.metadata["hook_post_tool_use"]
    calls = {call.tool_call_id: call for step in record.steps for call in step.tool_calls}
    assert calls.keys() - pre.keys() == {next(key for key, call in calls.items() if call.tool_name == "NoTool")}
    assert pre.keys() == post.keys()
    for entry in pre.values():
        assert entry.keys() >= PRE_KEYS
        assert len(entry["trail"]["tree_id"]["hex"]) == 40
    for entry in post.values():
        assert entry.keys() >= POST_KEYS
        assert len(entry["trail"]["tree_id"]["hex"]) == 40
    assert [stop["event"] for stop in record.metadata["hook_stop"]] == ["Stop", "Stop"]
    events = [event["event"] for event in record.metadata["hook_events"]]
    assert events.count("SubagentStart") == events.count("SubagentStop") == 3
    assert events[0] == "SessionStart"
    assert record.environment.vcs.base_commit == record.task.base_commit
    assert record.task.base_commit == pre[min(pre, key=lambda key: pre[key]["timestamp"])]["trail"]["git_head"]["hex"]
    # The hooks cut the 5,000 characters of this Write; the transcript has them.
    big = next(key for key, call in calls.items() if len(str(call.input.get("content", ""))) == 5000)
    assert pre[big]["tool_input"] == calls[big].input
    assert capture(record)["cut_tool_inputs"] == 0
    # The denied call: closed by the Stop of its turn.
    inferred = [entry for entry in post.values() if entry["capture_status"] == "post_inferred"]
    assert [(entry["event"], entry["tool"], entry["limitations"]) for entry in inferred] == [
        ("Stop", "Write", ["post_inferred"])
    ]
    assert inferred[0]["trail"] == record.metadata["hook_stop"][1]["trail"]
    assert capture(record)["unpaired"] == {"no_post": 0, "no_pre": 0, "no_hook": 1}
    assert capture(record)["missing_pre_or_post_hook"] == 1
    assert all(calls[key].duration_ms is not None for key in post if post[key].get("duration_ms"))


def test_entries_carry_the_keys_of_the_contract_and_ours(tmp_path: Path) -> None:
    ranges = [{"start_line": 1, "end_line": 2, "change_type": "addition", "content_hash": "sha256:ab"}]
    edit = {"file_path": "/a", "start_line": 1, "end_line": 2, "content_hash": "sha256:ab", "confidence": "high"}
    lines = [
        hook("PreToolUse", 1.1, "toolu_1", at=1, turn_id="t", agent_id="a"),
        hook(
            "PostToolUse",
            1.2,
            "toolu_1",
            at=2,
            ranges=ranges,
            capture_status="captured",
            duration_ms=9,
            turn_id="t",
            **edit,
        ),
    ]
    record = with_hooks(tmp_path, Transcript().turn(), lines)
    pre, post = record.metadata["hook_pre_tool_use"]["toolu_1"], record.metadata["hook_post_tool_use"]["toolu_1"]
    assert pre.keys() == PRE_KEYS | {"event", "turn_id", "agent_id"}
    assert post.keys() == POST_KEYS | {"event", "turn_id", "ranges", "duration_ms"}
    assert post["trail"] == {"worktree_root": ROOT, "tree_id": tree(2), "git_head": tree(999)}
    assert (post["ranges"], post["limitations"], post["file_path"]) == (ranges, [], "/a")
    assert record.steps[1].tool_calls[0].duration_ms == 9


def test_failure_line_closes_the_window(tmp_path: Path) -> None:
    lines = [
        hook("PreToolUse", 1.1, "toolu_1", at=1),
        hook("PostToolUseFailure", 1.2, "toolu_1", at=2, error="Exit code 1"),
    ]
    record = with_hooks(tmp_path, Transcript().turn(), lines)
    post = record.metadata["hook_post_tool_use"]["toolu_1"]
    assert (post["event"], post["error"]) == ("PostToolUseFailure", "Exit code 1")
    assert capture(record)["missing_pre_or_post_hook"] == 0


def test_lines_of_opentraces_0_4_are_understood(tmp_path: Path) -> None:
    old = {
        "session_id": SESSION,
        "tool": "Edit",
        "tool_use_id": "toolu_1",
        "tool_input": {},
        "file_path": "/a",
        "content_hash": "murmur3:0",
    }
    trail = {"worktree_root": ROOT, "tree_id": tree(1), "git_head": None}
    lines = [
        {
            "type": "opentraces_hook",
            "event": event,
            "timestamp": f"2026-11-22T09:00:0{second}.5+00:00",
            "data": old | {"trail": trail},
        }
        for event, second in (("PreToolUse", 1), ("PostToolUse", 2))
    ]
    record = with_hooks(tmp_path, Transcript().turn(), lines)
    assert record.metadata["hook_post_tool_use"]["toolu_1"]["capture_status"] == "captured"
    assert capture(record)["missing_pre_or_post_hook"] == 0


def index(lines: Iterable[dict[str, Any]]) -> HookIndex:
    found = HookIndex("claude-code", SESSION)
    for line in lines:
        found.add(line, owned=True)
    return found


def test_of_two_lines_about_one_call_the_one_with_a_trail_wins_then_the_earlier_in_any_order() -> None:
    lines = [
        hook("PreToolUse", 1, "toolu_1"),
        hook("PreToolUse", 2, "toolu_1", at=2),
        hook("PreToolUse", 3, "toolu_1", at=3),
    ]
    for order in itertools.permutations(lines):
        found = index(order)
        assert json.loads(found.pre["toolu_1"].text)["timestamp"] == stamp(2)
        assert found.counts["duplicate_hook_lines"] == 2


def test_event_of_a_hook_that_is_registered_twice_is_kept_once_in_any_order() -> None:
    bare = hook("Stop", 10, stop_hook_active=False)
    whole, late = (hook("Stop", second, at=1, stop_hook_active=False) for second in (10.2, 10.9))
    again = hook("Stop", 13, at=1, stop_hook_active=False)
    other = hook("Stop", 10.3, at=1, stop_hook_active=True)
    for lines in itertools.permutations((bare, whole, late, again, other)):
        kept = [json.loads(row.text) for _, row in index(lines).events()]
        assert [(entry["timestamp"], entry["stop_hook_active"]) for entry in kept] == [
            (stamp(10.2), False), (stamp(10.3), True), (stamp(13), False)
        ]  # fmt: skip


def test_identical_boundary_is_kept_once() -> None:
    found = index([hook("Stop", 1, at=1), hook("Stop", 1, at=1), hook("Stop", 4, at=1)])
    assert (len(found.events()), found.counts["duplicate_hook_lines"]) == (2, 1)


MALFORMED: list[dict[str, Any]] = [
    *[{"data": value} for value in ([], None, 5)],
    *[{"event": value} for value in (5, None)],
    *[{"timestamp": value} for value in ("yesterday", 5, None)],
]


@pytest.mark.parametrize("damage", MALFORMED)
def test_malformed_line_is_counted(damage: dict[str, Any]) -> None:
    found = index([hook("PreToolUse", 1, "toolu_1") | damage])
    assert (dict(found.counts), found.pre) == ({"malformed_hook_lines": 1}, {})


@pytest.mark.parametrize("call", [None, 5, [], {}, "", "a b", "x" * 300, "a\nb", "\x1b[31m", "ü"])
def test_hostile_call_id_is_counted(call: Any) -> None:
    found = index([hook("PreToolUse", 1, "x", tool_call_id=call), hook("PostToolUse", 1, "x", tool_call_id=call)])
    assert (found.counts["malformed_hook_lines"], found.pre, found.post) == (2, {}, {})


@pytest.mark.parametrize(
    "trail",
    [
        5,
        [],
        {"worktree_root": ROOT},
        {"worktree_root": 5, "tree_id": tree(1)},
        {"worktree_root": ROOT, "tree_id": {"algo": "md5", "hex": "0" * 40}},
        {"worktree_root": ROOT, "tree_id": {"algo": "sha1", "hex": "xyz"}},
    ],
)
def test_trail_that_is_none_is_left_out(trail: Any) -> None:
    assert json.loads(index([hook("PreToolUse", 1, "x", trail=trail)]).pre["x"].text)["trail"] is None


def test_lines_of_other_sessions_and_foreign_callers_are_not_merged(tmp_path: Path) -> None:
    lines = [
        hook("PreToolUse", 1, "toolu_1", at=1, session_id="other"),
        hook("PreToolUse", 1, "toolu_1", at=1, agent="copilot-cli"),
        hook("Stop", 9, at=1, agent=5),
    ]
    record = with_hooks(tmp_path, Transcript().turn(), lines)
    assert record.metadata["hook_pre_tool_use"] == {}
    assert record.metadata["hook_stop"] == []
    assert capture(record)["hook_lines_of_other_sessions"] == 1
    assert capture(record)["hook_lines_of_foreign_callers"] == 2


def unfinished(*, result: bool) -> Transcript:
    """A call at second 1, its result (if any) at second 2."""
    transcript = Transcript().prompt("Go.").call("toolu_1", command="true")
    return transcript.result("toolu_1", "denied", error=True) if result else transcript


@pytest.mark.parametrize(
    ("result", "boundaries", "closed_at"),
    [
        (True, [hook("PreToolUse", 5, "other", at=5), hook("Stop", 9, at=9)], 5),
        (True, [hook("PreToolUse", 1.5, "other", at=4), hook("Stop", 9, at=9)], 9),  # before the result
        (True, [hook("PreToolUse", 5, "other"), hook("Stop", 9, at=9)], 9),  # no tree id
        (True, [hook("Stop", 0.5, at=9)], None),
        (False, [hook("PreToolUse", 5, "other", at=5), hook("UserPromptSubmit", 8, at=8)], 8),  # may still run at 5
        (False, [hook("PostToolUse", 5, "other", at=5)], None),
        (True, [hook("Stop", 9, trail={"worktree_root": "/elsewhere", "tree_id": tree(9), "git_head": None})], None),
    ],
)
def test_window_without_an_end_closes_at_the_next_boundary_that_can_be_later(
    tmp_path: Path, result: bool, boundaries: list[dict[str, Any]], closed_at: int | None
) -> None:
    lines = [hook("PreToolUse", 1.2, "toolu_1", at=1), *boundaries]
    record = with_hooks(tmp_path, unfinished(result=result), lines)
    post = record.metadata["hook_post_tool_use"].get("toolu_1")
    if closed_at is None:
        assert post is None
        assert capture(record)["unpaired"]["no_post"] >= 1
    else:
        assert post["trail"]["tree_id"] == tree(closed_at)
        assert post["timestamp"] == stamp(closed_at)
        assert post.keys() >= POST_KEYS
        assert (post["capture_status"], post["limitations"]) == ("post_inferred", ["post_inferred"])


def test_window_whose_start_has_no_tree_id_is_not_closed(tmp_path: Path) -> None:
    record = with_hooks(tmp_path, unfinished(result=True), [hook("PreToolUse", 1.2, "toolu_1"), hook("Stop", 9, at=9)])
    assert record.metadata["hook_post_tool_use"] == {}
    assert capture(record)["unpaired"] == {"no_post": 1, "no_pre": 0, "no_hook": 0}


def test_calls_without_a_pair_are_counted_by_what_is_missing(tmp_path: Path) -> None:
    transcript = Transcript().turn("One.", "toolu_1").turn("Two.", "toolu_2")
    record = with_hooks(tmp_path, transcript, [hook("PostToolUse", 1.2, "toolu_1", at=1)])
    assert capture(record)["unpaired"] == {"no_post": 0, "no_pre": 1, "no_hook": 1}
    assert capture(record)["missing_pre_or_post_hook"] == 2


def cut(text: str) -> dict[str, Any]:
    return {"cut": text[:256], "length": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_cut_strings_come_back_from_the_transcript_only_if_they_are_the_same(tmp_path: Path) -> None:
    long, other = "ä" * 3000, "b" * 3000
    transcript = Transcript().prompt("Go.").call("toolu_1", "MultiEdit", edits=[{"new": long}, {"new": other}])
    given = {"edits": [{"new": cut(long)}, {"new": cut("something else" * 300)}]}
    record = with_hooks(tmp_path, transcript, [hook("PreToolUse", 1.2, "toolu_1", at=1, tool_input=given)])
    found = record.metadata["hook_pre_tool_use"]["toolu_1"]["tool_input"]["edits"]
    assert found[0]["new"] == long
    assert found[1] == given["edits"][1]
    assert capture(record)["cut_tool_inputs"] == 1


def test_limitations_are_counted_by_name(tmp_path: Path) -> None:
    lines = [
        hook("PreToolUse", 1.1, "toolu_1", limitations=["tree_timeout"]),
        hook("PostToolUse", 1.2, "toolu_1", at=1, limitations=["hook_only", "tracked_files_only"]),
        hook("Stop", 9, limitations=["tree_timeout", 5]),
    ]
    record = with_hooks(tmp_path, Transcript().turn(), lines)
    assert capture(record)["limitations"] == {"hook_only": 1, "tracked_files_only": 1, "tree_timeout": 2}


def test_turn_is_complete_when_a_stop_follows_its_last_line(tmp_path: Path) -> None:
    transcript = Transcript().prompt("Go.").call("toolu_1").result("toolu_1")
    assert capture(with_hooks(tmp_path, transcript, [hook("Stop", 1, at=1)]))["complete"] is False
    assert capture(with_hooks(tmp_path, transcript, [hook("SessionEnd", 9)]))["complete"] is True


def test_prompt_that_only_a_hook_has_seen_yet_opens_the_turn_again(tmp_path: Path) -> None:
    transcript = Transcript().turn().raw(hook("Stop", 5, at=1))
    assert capture(parse(tmp_path, transcript))["complete"] is True
    assert capture(parse(tmp_path, transcript.raw(hook("UserPromptSubmit", 6, at=1))))["complete"] is False
    assert capture(parse(tmp_path, transcript.raw(hook("SessionEnd", 7))))["complete"] is True


def test_two_turns_that_ended_within_a_second_are_two() -> None:
    """A hook that is registered twice says the same within one turn; between two turns another one began."""
    index = HookIndex("claude-code", SESSION)
    for second, event in enumerate(("Stop", "Stop", "UserPromptSubmit", "Stop")):
        line = hook(event, 1)
        line["timestamp"] = f"2026-11-22T09:00:00.{second}00000Z"
        index.add(line, owned=True)
    assert [event for event, _ in index.events()] == ["Stop", "UserPromptSubmit", "Stop"]


def test_a_session_id_of_an_odd_type_is_nobodys() -> None:
    index = HookIndex("claude-code", SESSION)
    for odd in ([], {}, 7, True):
        line = hook("PreToolUse", 1, "toolu_1")
        line["data"]["session_id"] = odd
        assert index.add(line, owned=True) is None
