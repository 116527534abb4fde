"""A patch is bound to the two boundaries nearest around it, whoever's they are, inside of its call's own window."""

from __future__ import annotations

from typing import Any

from tests.trails.recorded import events

from .played import Session


def test_a_patch_lies_between_the_nearest_boundaries_inside_of_its_calls_window(session: Session) -> None:
    """Where calls overlap the first of the two may be another call's: it leaves less time for what happened."""
    metadata = session.trace["metadata"]
    pre, post = metadata["hook_pre_tool_use"], metadata["hook_post_tool_use"]
    entries: list[tuple[str, dict[str, Any]]] = [("hook_pretooluse", entry) for entry in pre.values()]
    entries += [("hook_posttooluse", entry) for entry in post.values()]
    entries += [(f"hook_{e['event'].lower()}", e) for e in (*metadata["hook_events"], *metadata["hook_stop"])]
    found = events(session.root, "trace_patch_created")
    gone = {old for event in events(session.root) for old in event.payload.get("supersedes") or ()}
    patches = [event for event in found if event.event_id not in gone]
    assert patches
    for event in patches:
        payload = event.payload
        started, ended = (side[payload["tool_call_id"]]["timestamp"] for side in (pre, post))
        assert started <= payload["before_time"] < payload["event_time"] <= ended
        here = {
            entry["timestamp"]: method
            for method, entry in entries
            if entry["trail"] and entry["trail"]["worktree_root"] == payload["worktree_root"]
        }
        assert payload["before_time"] == max(time for time in here if time < payload["event_time"])
        methods = dict.fromkeys((here[payload["before_time"]], here[payload["event_time"]]))
        assert event.capture_method == tuple(methods)
